"""The user's own sentences with a tag for each word: CoNLL files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

from dltrain.data import DataSpec, Encoded, Ragged
from dltrain.data.noticing import notice
from dltrain.data.proposal import Proposal
from dltrain.data.request import Reader
from dltrain.data.size_limit import SizeLimit
from dltrain.datasets._sources.part_files import one_of_each, part_of
from dltrain.datasets._sources.proposal import held_out
from dltrain.datasets._texts.source import OF_CUT, Texts, TextSource
from dltrain.errors import AbsentData, KeyProblem
from dltrain.features._tables.encoding import MISSING
from dltrain.features._text import spans
from dltrain.features._text.conll import SUFFIXES, Columns, Delimiter, Lines, SentenceReader, content, looks_tagged
from dltrain.features.sentence import STARTS, Sentence
from dltrain.features.tags import NOT_ASKED, Tags
from dltrain.features.tokens import Tokens
from dltrain.fields import PositiveInt
from dltrain.lazy import np
from dltrain.registry import DATASETS


class _Kept(NamedTuple):
    """A sentence that can be used: its part, its file, its lines, and its tags in BIO."""

    part: str
    file: Path
    sentence: Lines
    tags: list[str]


@DATASETS.register("conll")
class CoNLL(TextSource):
    """Your own sentences with a tag for each word, such as names as BIO marks them: CoNLL files.

    A word per line, its tag in another column; an empty line between sentences; lines of -DOCSTART- begin documents.
    Of a folder, the files whose names have the word train, validation (valid, dev, testa) or test (testb) are the
    parts; a part without a file is split off, as all are of one file. Files are UTF-8. Of CoNLL-U, words are column 2,
    parts of speech column 4. Tags of IOB1, BIOES and BILOU become BIO, which is said.

    Args:
        path: the file or folder, relative to the config's folder.
        word_column: the column of the words, counted from 1; from the end, -1 the last.
        tag_column: that of the tags, likewise.
        delimiter: whitespace or tab; auto infers it from the first line.
        comments: whether lines before a sentence that begin with # say something about it; none for yes where words are
            not in the first column, as in CoNLL-U.
        scheme: how tags mark spans; none where they mark none, as parts of speech; auto infers it.
        impossible_tags: error at tags that cannot follow each other, such as I-PER behind O; accept to take them as
            conlleval does, for the first of a span.
        split_by: sentences or whole documents, where parts are split off.
        max_megabytes: the most that a file may have; none for 8,192.
        lowercase: take A for a; a tokenizer.json has this of its own.
        strip_accents: take é for e; likewise.
        test_fraction: share of all sentences, or documents, held out for testing, 0 to below 1; unused if there is a
            test part.
        validation_fraction: share of the remaining ones held out for tuning, likewise.
        on_bad_example: error to stop at sentences that cannot be read; skip to leave them out and name them.
    """

    task: ClassVar[str] = "tagging"
    feature: ClassVar[type[Tokens]] = Sentence

    path: Path
    word_column: int = 1
    tag_column: int = -1
    delimiter: Delimiter = "auto"
    comments: bool | None = None
    scheme: Literal["auto", "bio", "iob1", "bioes", "none"] = "auto"
    impossible_tags: Literal["error", "accept"] = "error"
    split_by: Literal["sentences", "documents"] = "sentences"
    max_megabytes: PositiveInt | None = None
    lowercase: bool = False
    strip_accents: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in ("word_column", "tag_column"):
            if getattr(self, key) == 0:
                raise KeyProblem(key, "must be counted from 1, or from the end as -1, got 0")

    @classmethod
    def proposed(cls, path: Path, target: str | None) -> Proposal | None:
        """Proposes the block that reads CoNLL files; none where there are none.

        Raises:
            ValueError: if it is of this kind, but cannot be used.
        """
        if path.is_dir():
            named = [file for file in _files(path) if part_of(file)]
            if not any(part_of(file) == "train" and _is_such(file) for file in named):
                return None
            first, parts = next(file for file in named if part_of(file) == "train"), [*map(part_of, named)]
        elif path.is_file() and _is_such(path):
            first, parts = path, ["train"]
        else:
            return None
        keys: dict[str, Any] = {"path": path}
        remarks = {"path": "a word per line, its tag in the last column"}
        if first.suffix.lower() == ".conllu":
            keys |= {"word_column": 2, "tag_column": 4}
            remarks["tag_column"] = "parts of speech"
        remarks |= held_out(keys, parts)
        found = [lines for file in cls(**keys).parts().values() for lines in cls(**keys).lines(file)]
        return Proposal(keys, remarks, (f"{len(found):,} sentences with a tag for each word",), len(found))

    def files(self) -> list[Path]:
        """Returns the file of each part."""
        return [*self.parts().values()]

    def parts(self) -> dict[str, Path]:
        """Returns the file of each part; the only one is to train on.

        Raises:
            KeyProblem: if there is none to train on, or there are two of a part.
        """
        if self.path.is_file():
            return {"train": self.path}
        if not self.path.is_dir():
            raise AbsentData("path", f"must be a CoNLL file, or a folder of such: {self.path}")
        example = "train in its name, such as train.conll"
        return one_of_each(_files(self.path), self.path, example, "set path to a file")

    def lines(self, file: Path) -> list[Lines]:
        """Returns the sentences of a file.

        Raises:
            KeyProblem: if it has none, or cannot be read.
        """
        try:
            found = [*self._layout(self.tag_column).sentences(content(file, SizeLimit(self.max_megabytes)), str(file))]
        except KeyProblem:
            raise
        except ValueError as error:
            raise KeyProblem("path", f": {file}: {error}") from None
        if not found:
            raise KeyProblem("path", f"has no sentence: {file}")
        return found

    def texts(self, like: DataSpec | None) -> Texts:
        """Returns the sentences of all parts, and the tags of their words in BIO.

        Raises:
            ValueError: if they cannot be used.
        """
        of_part = {part: (file, self.lines(file)) for part, file in self.parts().items()}
        readable = [each for _, lines in of_part.values() for each in lines if not each.problem]
        scheme = spans.scheme_of(each.tags for each in readable) if self.scheme == "auto" else self.scheme
        if scheme in ("iob1", "bioes"):
            notice(f"tags are {spans.NAMES[scheme]}: they become BIO")
        problems: list[str] = []
        kept: list[_Kept] = []
        for part, (file, lines) in of_part.items():
            for each in lines:
                if words := each.problem or self._fault(each, scheme, file):
                    problems.append(words)
                else:
                    tags = each.tags if scheme == "none" else spans.as_bio(len(each.words), spans.spans(each.tags))
                    kept.append(_Kept(part, file, each, tags))
        # Parts that are split off of one file are of the same tags.
        names = like.target.tag_names if like else _names((each.tags for each in kept if each.part == "train"), scheme)
        problems += [_unknown(each, names, like is not None) for each in kept if not {*each.tags} <= {*names}]
        self.refuse(problems)
        kept = [each for each in kept if {*each.tags} <= {*names}]
        if not any(each.part == "train" for each in kept):
            raise KeyProblem("path", f"has no sentence to train on that can be used: {of_part['train'][0]}")
        target, tags_of = Tags(tag_names=names), [each.tags for each in kept]
        places = [f"{each.file}:{each.sentence.numbers[0]}" for each in kept]
        chosen = self._chosen(kept, [*of_part])
        return Texts([each.sentence.words for each in kept], target, tags_of, places, chosen, skipped=tuple(problems))

    def stored_targets(self, found: Texts, encoded: Encoded, usable: np.ndarray) -> Ragged:
        """Returns the tag of each word at its first token, and says how many tags stand behind a cut."""
        target: Any = found.target
        places = {tag: place for place, tag in enumerate(target.tag_names)}
        starts, lengths, rows = encoded.metadata[STARTS], encoded.stored.lengths, []
        for row, length, firsts in zip(usable.tolist(), lengths.tolist(), starts, strict=True):
            rows.append(np.full(length, NOT_ASKED, np.int16))
            tags: Any = found.targets
            rows[-1][firsts] = [places[tag] for tag in tags[row][: len(firsts)]]
        self._notice_lost(found, dict(zip(usable.tolist(), map(len, starts), strict=True)))
        return Ragged.of(rows, np.int16)

    def reader(self, spec: DataSpec) -> Reader:
        """Returns a reader of further sentences: of CoNLL files the words, of tables the column text, else lines."""
        limit, columns = SizeLimit(self.max_megabytes), ("text", None)
        return SentenceReader(spec.input, columns, "auto", "utf-8", MISSING, limit, self._layout(None))

    def _layout(self, tag: int | None) -> Columns:
        has_comments = self.word_column != 1 if self.comments is None else self.comments
        return Columns(self.word_column, tag, self.delimiter, has_comments)

    def _fault(self, sentence: Lines, scheme: spans.Scheme, file: Path) -> str:
        """Returns what is wrong with the tags of a sentence, with the line; nothing where they are right."""
        for place, words in spans.faults(sentence.tags, scheme):
            is_order = spans.is_tag(sentence.tags[place])
            if is_order and self.impossible_tags == "accept":
                continue
            more = "; to take such as conlleval does, set impossible_tags: accept" if is_order else ""
            return f"{file}:{sentence.numbers[place]}: {words}{more}"
        return ""

    def _notice_lost(self, found: Texts, kept: Mapping[int, int]) -> None:
        """Says how many words of each part stand behind the cut of their sentence, of those that kept so many."""
        tags: Any = found.targets
        lost = {
            part: sum(len(tags[row]) - kept[row] for row in rows.tolist() if row in kept)
            for part, rows in found.parts.items()
        }
        if total := sum(lost.values()):
            of_parts = ", ".join(f"{part} {count:,}" for part, count in lost.items() if count)
            words = f"words behind the cut of their sentences: {total:,} ({of_parts})"
            notice(f"{words}; their tags are neither learnt nor measured", advice=OF_CUT)

    def _chosen(self, kept: Sequence[_Kept], named: Sequence[str]) -> dict[str, np.ndarray]:
        """Returns the positions of the sentences of each part."""
        shares = {"test": self.test_fraction, "validation": self.validation_fraction}
        is_drawn = any(share and part not in named for part, share in shares.items())
        documents = [*dict.fromkeys((each.part, each.sentence.document) for each in kept)]
        of_train = sum(part == "train" for part, _ in documents)
        if is_drawn and sum(each.part == "train" for each in kept) == 1:
            words = "has one sentence, of which nothing can be held out: add sentences, or files of the other parts"
            raise KeyProblem("path", words)
        if self.split_by == "sentences":
            return self.with_drawn({part: _positions([each.part for each in kept], part) for part in named})
        if is_drawn and of_train < 2:
            words = "must be sentences: there is one document to train on; lines of -DOCSTART- would begin others"
            raise KeyProblem("split_by", words)
        members: dict[tuple[str, int], list[int]] = {each: [] for each in documents}
        for row, each in enumerate(kept):
            members[each.part, each.sentence.document].append(row)
        drawn = self.with_drawn({part: _positions([own for own, _ in documents], part) for part in named})
        return {
            part: np.array([row for number in some for row in members[documents[number]]], np.int64)
            for part, some in drawn.items()
        }


def _positions(parts: Sequence[str], part: str) -> np.ndarray:
    return np.array([row for row, own in enumerate(parts) if own == part], np.int64)


def _names(sentences: Iterable[Sequence[str]], scheme: spans.Scheme) -> tuple[str, ...]:
    """Returns the tags there may be: O, then those of each type; or all, sorted, where they mark no spans."""
    every = {tag for tags in sentences for tag in tags}
    if scheme == "none":
        return tuple(sorted(every))
    kinds = sorted({kind for tag in every if (kind := spans.parted(tag)[1])})
    return (spans.OUTSIDE, *(tag for kind in kinds for tag in spans.as_bio(2, [spans.Span(kind, 0, 2)])))


def _unknown(kept: _Kept, names: Sequence[str], is_run: bool) -> str:
    """Returns where a sentence has a tag that the train part, or a run, does not know."""
    place = next(place for place, tag in enumerate(kept.tags) if tag not in names)
    line = f"{kept.file}:{kept.sentence.numbers[place]}"
    who = "the run does not know" if is_run else "the train part does not have"
    more = ", ..." if len(names) > 10 else ""
    return f"{line}: the tag {kept.sentence.tags[place]}, which {who} ({', '.join(names[:10])}{more})"


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))


def _is_such(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES or looks_tagged(file)
