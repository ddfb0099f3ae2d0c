"""What `dltrain init` sees in a path of tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dltrain.data.proposal import Proposal
from dltrain.data.splits import PART_NAMES
from dltrain.datasets._images.proposal import has_image
from dltrain.datasets._sources.file_table import names_files
from dltrain.datasets._sources.proposal import are_parts, few, held_out
from dltrain.datasets._tables.rows_in_time import is_series
from dltrain.datasets._tables.whole_series_proposal import is_whole, of_whole_series, resemblance
from dltrain.errors import KeyProblem
from dltrain.features._audio.decoding import SUFFIXES as OF_SOUNDS
from dltrain.features._images.headers import SUFFIXES as OF_IMAGES
from dltrain.features._tables.columns import FEW, looks
from dltrain.features._tables.files import BadRows, read
from dltrain.lazy import np
from dltrain.registry import suggestion
from dltrain.untrusted import opened

if TYPE_CHECKING:
    import polars as pl

_TARGETS = (
    *("target", "label", "labels", "class", "y", "outcome", "response", "diagnosis", "species", "sentiment", "price"),
    "category",
)
_SPLITS = ("split", "part", "subset", "set", "partition")
VOCABULARY = 20_000
LENGTHS = (32, 64, 128, 256)
"""Lengths of texts to propose: longer ones take longer, and what a text is about is mostly said by then."""
WHOLE = 0.95
"""Share of the texts that need not be cut."""

_FILES = (".csv", ".tsv", ".tab", ".parquet", ".pq", ".jsonl", ".ndjson", ".csv.gz", ".tsv.gz", ".txt")


def table(path: Path, target: str | None, make: Callable[..., Any], missing: tuple[str, ...]) -> Proposal | None:
    """Looks for a table with a header: one file, or all of a folder that are of one kind.

    None where a column of texts is all that there is to learn from: that is `text_table`'s, where it can be used;
    nor where rows follow each other in time, or are steps of series with a class each: these are `time_series`'s and
    `series_table`'s.

    Args:
        path: where.
        target: the column to predict; none to choose it by its name, or else the last one that is no free text.
        make: makes the dataset from its keys.
        missing: texts that mean a missing value.
    """
    return _proposed(_of_table, path, target, make, missing)


def texts(path: Path, target: str | None, make: Callable[..., Any], missing: tuple[str, ...]) -> Proposal | None:
    """Looks for a table as `table` does, in which a column of texts is all that there is to learn from."""
    return _proposed(_of_texts, path, target, make, missing)


def whole_series(path: Path, target: str | None, make: Callable[..., Any], missing: tuple[str, ...]) -> Proposal | None:
    """Looks for a table as `table` does, whose rows are steps of series that have a class or a number each."""
    return _proposed(of_whole_series, path, target, make, missing)


class _Seen(NamedTuple):
    """The columns of a table.

    Args:
        whole: the table.
        target: the one to predict.
        split: the one with the part of each row; none where there is none.
        others: the rest.
        text: the one of texts, where that is all that there is to learn from; none otherwise.
    """

    whole: pl.DataFrame
    target: str
    split: str | None
    others: list[str]
    text: str | None


def _proposed(
    look: Callable[..., Proposal | None], path: Path, target: str | None, make: Callable[..., Any],
    missing: tuple[str, ...],
) -> Proposal | None:  # fmt: skip
    if path.is_dir():
        kinds = [kind for kind in _FILES if any(_files(path, kind))]
        if not kinds or has_image(path):
            return None
        files = list(_files(path, kinds[0]))
        if kinds[0] == ".txt" and not _have_columns(files):
            return None
        path = files[0] if len(files) == 1 else path / f"*{kinds[0]}"
    elif not path.name.lower().endswith(_FILES) or names_files(path, (*OF_IMAGES, *OF_SOUNDS)):
        return None
    try:
        return look(path, target, make, missing, skip=False)
    except BadRows:
        return look(path, target, make, missing, skip=True)


def _have_columns(files: Sequence[Path]) -> bool:
    """Whether text files are tables and no texts: the second line of each is divided as often as its first."""
    for file in files:
        with opened(file) as content:
            first, second = ([line.count(mark) for mark in (b",", b";", b"\t", b"|")]
                             for line in (content.readline(10_000), content.readline(10_000)))  # fmt: skip
        if not any(one == other > 0 for one, other in zip(first, second, strict=True)):
            return False
    return True


def _seen(path: Path, target: str | None, missing: tuple[str, ...], skip: bool) -> _Seen:
    whole = read(path, "auto", "utf-8", missing, skip).frame
    names = whole.columns
    if len(names) < 2:
        raise KeyProblem("path", f"needs a column to predict and others to predict it from, but has only {names[0]!r}")
    if target is not None and target not in names:
        raise KeyProblem("target", f"is not a column of {path.name}: {target!r}{suggestion(target, names)}")
    lower = {name.lower(): name for name in reversed(names)}
    splits = [lower[name] for name in _SPLITS if name in lower and lower[name] != target]
    split = next((name for name in splits if are_parts(whole[name].unique().to_list())), None)
    guess = next((lower[name] for name in _TARGETS if name in lower and lower[name] != split), None)
    chosen = target or guess or _last(whole.select(name for name in names if name != split))
    others = [name for name in names if name not in (chosen, split)]
    return _Seen(whole, chosen, split, others, _text(whole.select(others)))


def _last(columns: pl.DataFrame) -> str:
    """Returns the last column that can be predicted: no free text, and not one that contains no information."""
    names = columns.columns[::-1]
    return next((name for name in names if looks(columns[name]) not in ("text", "ignore")), names[0])


def _text(columns: pl.DataFrame) -> str | None:
    """Returns the column of texts, the longest of several; none where there is also a number, a date or a few classes.

    What is beside it, such as the file that a text is from, has too many values to be learnt from.
    """
    roles = {name: looks(columns[name]) for name in columns.columns}
    found = [name for name, role in roles.items() if role == "text"]
    if any(role in ("numeric", "dates") for role in roles.values()):
        return None
    if any(role == "categorical" and columns[name].n_unique() <= FEW for name, role in roles.items()):
        return None
    lengths = {name: float(columns[name].cast(str).str.len_chars().mean() or 0) for name in found}  # type: ignore[arg-type]
    return max(lengths, key=lambda name: (name.lower() == "text", lengths[name]), default=None)


def _block(path: Path, seen: _Seen, skip: bool, names: dict[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Returns the keys that name the file and its columns, and remarks on them.

    Args:
        path: of the file.
        seen: what is in it.
        skip: whether some rows cannot be used.
        names: the keys of the columns, each with its column.
    """
    keys: dict[str, Any] = {"path": path, **names}
    remarks = {"path": "CSV, TSV, Parquet or JSON lines; or a pattern, for example data/*.csv"}
    if seen.split:
        keys["split"], remarks["split"] = seen.split, "the column with the part of each row"
    if skip:
        keys["on_bad_example"], remarks["on_bad_example"] = (
            "skip",
            "leaves out rows that cannot be used, and names them",
        )
    return keys, remarks


def _completed(
    seen: _Seen, target: str | None, block: Any, keys: dict[str, Any], remarks: dict[str, str], told: Sequence[str]
) -> Proposal:
    """Returns a proposal with the kind of the target, which is inferred, and the parts that are to be held out."""
    kind = {"classification": "classes", "multilabel": "labels"}.get(block.task, "numbers")
    keys["kind"] = kind
    remarks["kind"] = "classes or numbers: inferred from the target's values"
    values = seen.whole[seen.target].drop_nulls()
    counts = dict(values.cast(str).value_counts().sort(seen.target).rows()) if kind == "classes" else {}
    found = [
        f"{len(seen.whole):,} rows of {len(seen.whole.columns)} columns",
        f"target {seen.target!r}: {_target_words(values, kind, counts)}",
        *told,
    ]
    if target is None:
        found.append(f"for another target use --target: {few(seen.others)}")
    parts = dict.fromkeys(PART_NAMES) if seen.split else {"train": None}
    return Proposal(keys, remarks | held_out(keys, parts), tuple(found), len(seen.whole), counts)


def _of_table(
    path: Path, target: str | None, make: Callable[..., Any], missing: tuple[str, ...], skip: bool
) -> Proposal | None:
    seen = _seen(path, target, missing, skip)
    if not skip and (is_series(seen.whole, target) or is_whole(seen.whole, target)):
        return None
    has_tokenizers = find_spec("tokenizers") is not None
    if seen.text and has_tokenizers:
        return None
    keys, remarks = _block(path, seen, skip, {"target": seen.target})
    remarks["target"] = f"the column to predict from {few(seen.others)}"
    block = make(**keys)
    columns = block.spec().input.columns
    used = {column.source for column in columns}
    unused = [name for name in seen.others if name not in used]
    told = [f"left out, as they contain no information: {few(unused)}"] if unused else []
    if words := resemblance(seen.whole, seen.target):
        told.append(words)
    if skip:
        told.append(f"rows that cannot be used (no target, too many fields ...): {len(block.load().skipped):,}")
    if counted := [*dict.fromkeys(column.source for column in columns if column.part == "word")]:
        better = "" if has_tokenizers else " (pip install 'dltrain[text]')"
        told.append(
            f"the most frequent words are counted of the texts in {few(counted)}; for networks that read a text as a "
            f"whole, and nothing beside it: dltrain list dataset text_table{better}"
        )
    return _completed(seen, target, block, keys, remarks, told)


def _of_texts(
    path: Path, target: str | None, make: Callable[..., Any], missing: tuple[str, ...], skip: bool
) -> Proposal | None:
    seen = _seen(path, target, missing, skip)
    if seen.text is None:
        return None
    skip = skip or seen.whole[seen.text].null_count() > 0
    keys, remarks = _block(path, seen, skip, {"text_column": seen.text, "label_column": seen.target})
    remarks["text_column"] = "the column of texts"
    remarks["label_column"] = "the column to predict from them"
    keys |= {"tokenizer": "words"}
    remarks["tokenizer"] = "or wordpiece, bpe, unigram, or a file such as a tokenizer.json"
    keys["vocabulary_size"], remarks["vocabulary_size"] = VOCABULARY, "the most frequent words; others are unknown"
    keys["max_length"], remarks["max_length"] = _length(seen.whole[seen.text])
    block = make(**keys)
    told = [f"texts in {seen.text!r}"]
    if beside := [name for name in seen.others if name != seen.text]:
        told.append(f"not used: {few(beside)}; dltrain list dataset csv: all columns, and words that are counted")
    if skip:
        told.append(f"rows that cannot be used (no text, no target ...): {len(block.load().skipped):,}")
    return _completed(seen, target, block, keys, remarks, told)


def _length(column: pl.Series) -> tuple[int, str]:
    """Returns of how many tokens texts may be, and why."""
    counts = column.drop_nulls().cast(str).str.count_matches(r"\w+|[^\w\s]").to_numpy()
    needed = int(np.quantile(counts, WHOLE)) + 2
    length = next((length for length in LENGTHS if length >= needed), LENGTHS[-1])
    return length, f"tokens; {(counts + 2 <= length).mean():.0%} of the texts are not longer, the others are cut"


def _files(folder: Path, kind: str) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name.lower().endswith(kind) and path.is_file())


def _target_words(values: Any, kind: str, counts: dict[str, int]) -> str:
    if kind == "classes":
        most = Counter(counts).most_common(5)
        more = f" and {len(counts) - 5} more" if len(counts) > 5 else ""
        return f"{len(counts)} classes ({', '.join(f'{name} {count:,}' for name, count in most)}{more})"
    return f"numbers, {values.n_unique():,} different ones" if kind == "numbers" else "labels of 0 and 1"
