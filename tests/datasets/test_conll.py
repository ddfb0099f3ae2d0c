"""CoNLL files: columns, parts, documents, schemes, tags at the first tokens of words, and what cannot be used."""

import numpy as np
import pytest

from dltrain.datasets.conll import CoNLL
from dltrain.errors import AbsentData, KeyProblem
from dltrain.registry import DATASETS

ADA = "Ada B-PER\nLovelace I-PER\nlives O\nin O\nRome B-LOC\n"
RAIN = "Rain O\nin O\nU.S. B-LOC\n"


def write(folder, text, name="a.conll"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder / name


def loaded(path, **keys):
    shares = {"test_fraction": 0.0, "validation_fraction": 0.0} | keys
    return CoNLL(path=path, **{"tokenizer": "words"} | shares).load()


def tags_of(splits, part="train"):
    return splits.spec.target.actual(splits.parts[part].targets, {})


def words_of(splits, part="train"):
    return [row.tolist() for row in splits.parts[part].metadata["words"]]


def test_a_tag_stands_at_the_first_token_of_its_word(tmp_path):
    splits = loaded(write(tmp_path, f"{ADA}\n{RAIN}"))
    assert splits.spec.target.tag_names == ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
    part = splits.train
    assert part.inputs[1].tolist() == [2, *part.inputs[1][1:-1].tolist(), 3]
    tokens = splits.spec.input.decode(part.inputs)[1]["tokens"]
    assert tokens == ["[CLS]", "Rain", "in", "U", ".", "S", ".", "[SEP]"]
    assert splits.spec.target.decode(part.targets)[1] == [None, "O", "O", "B-LOC", None, None, None, None]
    assert part.metadata["starts"][1].tolist() == [1, 2, 3]
    assert words_of(splits) == [["Ada", "Lovelace", "lives", "in", "Rome"], ["Rain", "in", "U.S."]]
    assert [part.provenance[row].rpartition(":")[2] for row in range(2)] == ["1", "7"]
    np.testing.assert_array_equal(part.inputs.offsets, part.targets.offsets)


@pytest.mark.parametrize("tokenizer", ["words", "wordpiece", "bpe", "unigram"])
def test_every_kind_of_tokenizer_keeps_the_tags_of_all_words(tmp_path, tokenizer):
    splits = loaded(write(tmp_path, f"{ADA}\n{RAIN}\nzz\u200bz O\n\u200b O\nRome B-LOC\n"), tokenizer=tokenizer)
    assert [len(tags) for tags in tags_of(splits)] == [5, 3, 3]
    assert tags_of(splits)[2] == ["O", "O", "B-LOC"]


def test_a_long_sentence_is_cut_behind_a_word_which_is_said(tmp_path):
    splits = loaded(write(tmp_path, f"{ADA}\n{RAIN}"), max_length=5)
    assert tags_of(splits) == [["B-PER", "I-PER", "O"], ["O", "O", "B-LOC"]]
    assert any("texts longer than 5 tokens, which are cut" in each.words for each in splits.noticed)
    lost = "words behind the cut of their sentences: 2 (train 2); their tags are neither learnt nor measured"
    assert [each.words for each in splits.noticed if "behind the cut" in each.words] == [lost]
    whole = loaded(tmp_path / "a.conll", max_length=20)
    assert not any("behind the cut" in each.words for each in whole.noticed)


CONLL_2003 = "-DOCSTART- -X- -X- O\n\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\n"
CONLL_U = (
    "# newdoc id = a\n# text = vamos al mar\n1-2\tvámonos\t_\t_\n1\tvamos\tir\tVERB\n2\tnos\tnos\tPRON\n"
    "2.1\tx\t_\t_\n\n# text = #\n1\t#\t#\tSYM\n"
)


def test_columns_are_counted_from_either_end(tmp_path):
    file = write(tmp_path, CONLL_2003 * 2)
    assert tags_of(loaded(file)) == [["B-ORG", "O"]] * 2
    assert tags_of(loaded(file, tag_column=3, scheme="bio")) == [["B-NP", "B-VP"]] * 2
    splits = loaded(file, tag_column=2, word_column=1)
    assert tags_of(splits) == [["NNP", "VBZ"]] * 2 and not splits.spec.target.have_spans


def test_conll_u_has_comments_and_lines_that_are_no_words(tmp_path):
    splits = loaded(write(tmp_path, CONLL_U), word_column=2, tag_column=4)
    assert words_of(splits) == [["vamos", "nos"], ["#"]]
    assert tags_of(splits) == [["VERB", "PRON"], ["SYM"]]


def test_tabs_keep_words_with_spaces_and_lines_may_end_as_on_windows(tmp_path):
    splits = loaded(write(tmp_path, "New York\tB-LOC\r\nis\tO\r\n\r\nfar\tO\r\n"))
    assert words_of(splits) == [["New York", "is"], ["far"]]


@pytest.mark.parametrize(
    ("text", "scheme", "expected"),
    [
        ("Ada I-PER\nin O\nRome I-LOC\nOslo B-LOC\n", "IOB1", ["B-PER", "O", "B-LOC", "B-LOC"]),
        ("Ada B-PER\nL E-PER\nin O\nRome S-LOC\n", "BIOES", ["B-PER", "I-PER", "O", "B-LOC"]),
        ("Ada B-PER\nL L-PER\nin O\nRome U-LOC\n", "BIOES", ["B-PER", "I-PER", "O", "B-LOC"]),
    ],
)
def test_other_schemes_become_bio_which_is_said(tmp_path, text, scheme, expected):
    splits = loaded(write(tmp_path, f"{text}\n{text}"))
    assert tags_of(splits)[0] == expected
    assert f"tags are {scheme}: they become BIO" in [each.words for each in splits.noticed]


def test_files_of_a_folder_are_the_parts(tmp_path):
    for name in ("eng.train", "eng.testa", "eng.testb", "README.md"):
        write(tmp_path / "data", f"{ADA}\n{RAIN}", name)
    found = CoNLL(path=tmp_path / "data").parts()
    assert {part: file.name for part, file in found.items()} == {
        "train": "eng.train", "validation": "eng.testa", "test": "eng.testb"
    }  # fmt: skip
    assert {part: len(split) for part, split in loaded(tmp_path / "data").parts.items()} == dict.fromkeys(found, 2)


def test_whole_documents_are_held_out(tmp_path):
    text = "".join(f"-DOCSTART- O\n\nAda B-PER\n{number} O\n\nin O\n{number} O\n\n" for number in range(10))
    splits = loaded(write(tmp_path, text), split_by="documents", test_fraction=0.2, validation_fraction=0.25)
    assert {part: len(split) for part, split in splits.parts.items()} == {"train": 12, "validation": 4, "test": 4}
    numbers = {part: {words[-1] for words in words_of(splits, part)} for part in splits.parts}
    assert sum(map(len, numbers.values())) == 10


WRONG = [
    ("", {}, r"path has no sentence: .*a.conll"),
    ("\n \n", {}, r"path has no sentence"),
    (ADA.encode("utf-16"), {}, r"a.conll: must be UTF-8, got the byte 0xff at 0 \(line 1\)"),
    (f"{ADA}\nRain O\nin X O\n", {}, r"a.conll:8: has 3 columns, the first line has 2"),
    (f"{ADA}\nRain O\nin\n", {}, r"a.conll:8: has 1 column, the first line has 2"),
    (
        "Ada\nin\n",
        {},
        r"tag_column must be another column than word_column, 1: .*a.conll:1 has 1 column: the word",
    ),
    (ADA, {"tag_column": 3}, r"tag_column must be a column of the file, got 3: .*a.conll:1 has 2 columns"),
    (ADA, {"word_column": 0}, r"word_column must be counted from 1"),
    (f"{ADA}\nin O\nRome I-LOC\n", {}, r"a.conll:8: the tag I-LOC cannot follow O in BIO; .*impossible_tags: accept"),
    (f"{ADA}\nin O\nRome BLOC\n", {}, r"a.conll:8: the tag 'BLOC' must be O, or a letter of BIO with a type"),
    (ADA, {"test_fraction": 0.2}, r"path has one sentence, of which nothing can be held out"),
    (
        f"{ADA}\n{RAIN}",
        {"test_fraction": 0.2, "split_by": "documents"},
        r"split_by must be sentences: there is one",
    ),
]


@pytest.mark.parametrize(("text", "keys", "words"), WRONG)
def test_what_is_wrong_is_said_with_file_and_line(tmp_path, text, keys, words):
    with pytest.raises(Exception, match=words):
        loaded(write(tmp_path, text), **keys)


def test_impossible_tags_are_taken_as_conlleval_does_or_left_out(tmp_path):
    file = write(tmp_path, f"{ADA}\nin O\nRome I-LOC\n")
    assert tags_of(loaded(file, impossible_tags="accept"))[1] == ["O", "B-LOC"]
    splits = loaded(file, on_bad_example="skip")
    assert len(splits.train) == 1 and len(splits.skipped) == 1


def test_a_tag_that_training_does_not_have_is_named(tmp_path):
    write(tmp_path / "data", f"{ADA}\n{RAIN}", "train.txt")
    write(tmp_path / "data", f"{RAIN}\nin O\nParis B-MISC\n", "test.txt")
    with pytest.raises(Exception, match=r"test.txt:6: the tag B-MISC, which the train part does not have \(O, B-LOC"):
        loaded(tmp_path / "data")
    assert len(loaded(tmp_path / "data", on_bad_example="skip").test) == 1
    like = loaded(tmp_path / "data" / "train.txt").spec
    source = CoNLL(path=tmp_path / "data" / "test.txt", test_fraction=0.0, validation_fraction=0.0)
    with pytest.raises(Exception, match=r"test.txt:6: the tag B-MISC, which the run does not know"):
        source.load(like)


def test_what_is_no_file_of_words_is_named(tmp_path):
    with pytest.raises(AbsentData, match="must be a CoNLL file, or a folder of such"):
        CoNLL(path=tmp_path / "none").files()
    write(tmp_path / "data", ADA, "test.conll")
    with pytest.raises(KeyProblem, match="has no file to train on, with the word train in its name"):
        CoNLL(path=tmp_path / "data").files()
    for name in ("train.conll", "train.txt"):
        write(tmp_path / "data", ADA, name)
    with pytest.raises(KeyProblem, match="has two files for the train part, train.conll and train.txt"):
        CoNLL(path=tmp_path / "data").files()


def test_further_sentences_are_read_from_lines_tables_json_and_conll_files(tmp_path):
    file = write(tmp_path, f"{ADA}\n{RAIN}")
    source = CoNLL(path=file, tokenizer="words", test_fraction=0.0, validation_fraction=0.0)
    reader = source.reader(source.load().spec)
    write(tmp_path, "Ada's in Rome, 1,000 km.\n", "lines.txt")
    write(tmp_path, "text\nin Rome\n", "table.csv")
    write(tmp_path, "word\nRain\n\nin\nOslo\n", "words.conll")
    names = [str(tmp_path / name) for name in ("lines.txt", "table.csv", "words.conll", "none.conll")]
    requests = [*reader.read(names, 10)]
    words = [row.tolist() for request in requests[:3] for row in request.metadata["words"]]
    assert words == [["Ada's", "in", "Rome", ",", "1,000", "km", "."], ["in", "Rome"], ["word", "Rain"], ["in", "Oslo"]]
    assert [name.rpartition(":")[2] for name in requests[2].names] == ["1", "4"]
    assert "cannot be read" in requests[3].problems[0]
    asked = reader.read_values([["in", "U.S."], {"words": ["in"]}, {"text": "in it"}, [], ["a", 1], 7, [" "], {"x": 1}])
    assert [row.tolist() for row in asked.metadata["words"]] == [["in", "U.S."], ["in"], ["in", "it"]]
    assert asked.problems.keys() == {3, 4, 5, 6, 7}


def test_init_proposes_files_that_look_so(tmp_path):
    write(tmp_path / "data", f"{ADA}\n{RAIN}", "train.txt")
    write(tmp_path / "data", f"{RAIN}\n", "dev.txt")
    proposal = CoNLL.proposed(tmp_path / "data", None)
    assert (proposal.examples, proposal.keys) == (3, {"path": tmp_path / "data", "test_fraction": 0.2})
    assert CoNLL.proposed(write(tmp_path, CONLL_U, "a.conllu"), None).keys["tag_column"] == 4
    assert CoNLL.proposed(write(tmp_path, "a,b\n1,2\n", "a.txt"), None) is None
    assert CoNLL.proposed(write(tmp_path, "x y\n1 2\n\n", "b.txt"), None) is None
    assert "conll" in DATASETS.names()


def test_inspect_finds_copies_in_other_parts_and_the_same_sentence_with_other_tags(tmp_path):
    from dltrain.inspection.findings import examine
    from dltrain.inspection.inspected_data import InspectedData

    other = RAIN.replace("B-LOC", "O")
    write(tmp_path / "data", f"{ADA}\n{RAIN}\n{other}\nSo\x08 O\n", "train.conll")
    write(tmp_path / "data", f"{ADA}\nin O\nU.S. B-LOC\n", "test.conll")
    source = CoNLL(path=tmp_path / "data", tokenizer="words", validation_fraction=0.0)
    splits = source.load()
    found = {each.kind: each.where for each in examine(InspectedData(splits))}
    assert [place.rpartition("/")[2] for place in found["leak"]] == ["train.conll:1"]
    assert found["contradiction"][0].endswith("train.conll:7")
    assert ["control characters" in each.message for each in source.findings(splits)] == [True]
