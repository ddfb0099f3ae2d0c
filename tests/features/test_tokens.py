"""Texts as tokens: learnt the same each time, cut and unknown with a word, read alike from files and requests."""

import json
import subprocess
import sys

import numpy as np
import pytest

from dltrain.data import Ragged
from dltrain.errors import KeyProblem
from dltrain.features._text import tokenizing
from dltrain.features._text.reader import DocumentReader
from dltrain.features.tokens import Tokens

KINDS = ("words", "wordpiece", "bpe", "unigram")
TEXTS = [
    "The film was not good.",
    "The Film was GOOD, and the café too!",
    "Ünd das ist gut: 东京 is far away.",
    "don't say it was bad; nothing was bad.",
] * 5
LEARN = """
import sys
from dltrain.features.tokens import Tokens
print(Tokens(kind=sys.argv[1], vocabulary_size=90).fit([%r]).tokenizer)
"""


def learnt(kind="wordpiece", **keys):
    return Tokens(kind=kind, **{"vocabulary_size": 300, "max_length": 32, **keys}).fit([TEXTS])


@pytest.fixture(params=KINDS)
def tokens(request):
    return learnt(request.param)


def test_special_tokens_have_the_first_ids_and_padding_is_0(tokens):
    made = tokenizing.tokenizer(tokens.tokenizer)
    assert [made.id_to_token(number) for number in range(5)] == [*tokenizing.SPECIAL]
    assert (tokens.padding, tokens.separator, tokens.mask) == (0, 3, 4)
    assert 5 < tokens.vocabulary <= 300


def test_what_is_decoded_encodes_to_the_same(tokens):
    encoded = tokens.encode([*TEXTS[:4], "nothing of this: ∂ß", "x" * 300])
    assert not encoded.problems
    again = tokens.encode(json.loads(json.dumps(tokens.decode(encoded.stored))))
    np.testing.assert_array_equal(again.stored.values, encoded.stored.values)
    np.testing.assert_array_equal(again.stored.offsets, encoded.stored.offsets)


def test_a_mask_that_is_a_token_like_others_is_one_all_the_same(tmp_path):
    content = json.loads(learnt("words").tokenizer)
    content["added_tokens"] = []
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    found = Tokens(tokenizer=tokenizing.of_file(tmp_path, True, True, 32))
    (ids,) = found.encode(["the [MASK] was"]).stored
    assert found.mask in ids.tolist()


def test_ids_with_gaps_are_refused(tmp_path):
    content = json.loads(learnt("words").tokenizer)
    content["model"]["vocab"]["beyond"] = 999
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(KeyProblem, match="must number its .* tokens from 0 without gaps"):
        tokenizing.of_file(tmp_path, True, True, 32)


def test_how_long_texts_may_be_is_no_matter_of_the_vocabulary(tmp_path):
    (tmp_path / "tokenizer.json").write_text(learnt().tokenizer)
    short, long = (Tokens(max_length=n, tokenizer=tokenizing.of_file(tmp_path, True, True, n)) for n in (8, 30))
    assert short.signature() == long.signature() == learnt().signature()


@pytest.mark.parametrize("kind", KINDS)
def test_punctuation_is_a_word_by_itself(kind):
    tokens = learnt(kind)
    begins = tokens.begins_word()
    marks = [number for token, number in tokens.ids().items() if token in (".", ",", "!", ";", "##.", "▁.")]
    assert marks and begins[marks].all()


def test_padding_is_no_token(tokens):
    encoded = tokens.encode(TEXTS[:3])
    padded = encoded.stored.padded(tokens.padding)
    assert tokens.decode(padded) == tokens.decode(encoded.stored)
    np.testing.assert_array_equal(tokens.vectors(padded), tokens.vectors(encoded.stored))


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_texts_teach_the_same_tokens_in_another_process(kind):
    script = LEARN % (TEXTS,)
    found = {
        subprocess.run([sys.executable, "-c", script, kind], check=True, capture_output=True, text=True).stdout
        for _ in range(3)
    }
    assert len(found) == 1


def test_a_long_text_is_cut_and_an_unknown_word_told():
    tokens = learnt("words", max_length=6)
    encoded = tokens.encode(["the film was good and good and good", "the zebra was good"])
    assert encoded.stored.lengths.tolist() == [6, 6]
    assert [str(words) for words in encoded.noticed(0)] == ["is longer than 6 tokens: what is behind them is cut"]
    assert [str(words) for words in encoded.noticed(1)] == ["has 1 of 6 tokens that are unknown"]
    assert tokens.words(encoded.stored) == ["the film was good", "the was good"]


@pytest.mark.parametrize("raw", ["", "  \n", None, 3, ["no token"], [], {"text": "a", "other": "b"}, {"pair": "a"}])
def test_what_is_no_text_is_a_problem(raw):
    encoded = learnt().encode(["the film", raw])
    assert list(encoded.problems) == [1] and len(encoded.stored) == 1


def test_a_pair_is_two_texts_with_a_separator_behind_each():
    tokens = learnt("words", has_pairs=True)
    encoded = tokens.encode([{"text": "the film", "pair": "was good"}, "the film", {"text": "a", "pair": ""}])
    assert tokens.decode(encoded.stored) == [["[CLS]", "the", "film", "[SEP]", "was", "good", "[SEP]"]]
    assert tokens.words(encoded.stored) == ["the film | was good"]
    assert encoded.problems == {1: 'must be two texts, {"text": "...", "pair": "..."}', 2: "is an empty text"}


def test_cases_and_accents_are_as_they_are_asked_for():
    plain, exact = learnt("words"), learnt("words", lowercase=False, strip_accents=False)
    assert plain.words(plain.encode(["Café GOOD"]).stored) == ["cafe good"]
    assert exact.words(exact.encode(["café GOOD Film"]).stored) == ["café GOOD Film"]
    assert plain.words(plain.encode(["东京 is far"]).stored) == ["东 京 is far"]


def test_half_of_a_letter_does_no_harm(tokens):
    assert not tokens.encode(["the film \ud83d was good"]).problems


def test_a_vocabulary_of_bert_gives_the_ids_of_its_lines(tmp_path):
    words = [
        "[PAD]",
        "[unused0]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        "the",
        "caf",
        "##e",
        "was",
        "un",
        "##known",
        "!",
    ]
    (tmp_path / "vocab.txt").write_text("\n".join([*words, ""]))
    content = tokenizing.of_file(tmp_path / "vocab.txt", lowercase=True, strip_accents=True, max_length=9)
    tokens = Tokens(max_length=9, tokenizer=content)
    encoded = tokens.encode(["The Café was unknown! Zebra", "the"])
    assert encoded.stored[0].tolist() == [3, 6, 7, 8, 9, 10, 11, 12, 4]
    assert encoded.stored[1].tolist() == [3, 6, 4]
    assert tokens.padding == 0
    (tmp_path / "other").mkdir()
    (tmp_path / "other/tokenizer.json").write_text(content)
    again = tokenizing.of_file(tmp_path / "other", lowercase=False, strip_accents=False, max_length=4)
    assert Tokens(tokenizer=again).encode(["The Café was"]).stored[0].tolist() == [3, 6, 7, 4]


def test_the_padding_of_another_vocabulary_is_its_own(tmp_path):
    made = tokenizing.tokenizer(learnt("words").tokenizer).to_str()
    (tmp_path / "tokenizer.json").write_text(made.replace("[PAD]", "<other>").replace("[UNK]", "<unk>"))
    with pytest.raises(KeyProblem, match=r"must have the token \[PAD\] or <pad>"):
        tokenizing.of_file(tmp_path, True, True, 9)
    words = ["[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "[PAD]"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    content = tokenizing.of_file(tmp_path / "vocab.txt", True, True, 9)
    assert Tokens(tokenizer=content).padding == 5


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("vocab.txt", b"the\nfilm\n", "it has no token"),
        ("vocab.txt", b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\na\n", "1 tokens twice"),
        ("vocab.txt", b"\xff\xfe", "must be a tokenizer.json, a vocab.txt"),
        ("tokenizer.json", b"{}", "must be a tokenizer.json, a vocab.txt"),
        ("tokenizer.json", b"[" * 100_000, "must be a tokenizer.json, a vocab.txt"),
        ("tokenizer.json", None, "cannot be read"),
    ],
)
def test_a_file_that_is_no_tokenizer_is_told(tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(KeyProblem, match=words):
        tokenizing.of_file(tmp_path / name, True, True, 9)


def test_another_vocabulary_of_the_same_size_is_another():
    one = learnt("words")
    other = Tokens(kind="words", vocabulary_size=300, max_length=32).fit([[text[::-1] for text in TEXTS]])
    assert one.vocabulary == other.vocabulary
    assert "another vocabulary" in one.mismatch(other)
    assert one.mismatch(learnt("words")) is None
    assert one.mismatch(one.replaced(max_length=16)) is None


def test_documents_are_read_as_files_and_lines(tmp_path, monkeypatch):
    tokens = learnt("words")
    (tmp_path / "b.txt").write_text("the film\nwas good", encoding="utf-8-sig")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/a.txt").write_bytes(b"caf\xe9")
    (tmp_path / "deep/empty.txt").touch()
    reader = DocumentReader(tokens)
    (request,) = reader.read([str(tmp_path)], 10)
    assert [*request.names] == [str(tmp_path / name) for name in ("b.txt", "deep/a.txt", "deep/empty.txt")]
    assert tokens.words(request.inputs) == ["the film was good"]
    assert request.problems[1].startswith("must be UTF-8, got the byte 0xe9 at 3 (line 1)")
    assert request.problems[2] == "is an empty text"
    (absent,) = reader.read([str(tmp_path / "none.txt")], 10)
    assert absent.problems == {0: "cannot be read: No such file or directory"}
    assert tokens.words(reader.read_values(["the film"]).inputs) == ["the film"]
    assert tokens.words(reader.read_file("x.txt", b"was good").inputs) == ["was good"]


def test_corners_are_ids_that_can_be_stored(tokens):
    corners = tokens.corners()
    assert all(0 <= ids.min() <= ids.max() < tokens.vocabulary and tokens.padding not in ids for ids in corners)
    assert len(tokens.decode(Ragged.of(corners, np.int32))) == len(corners)
