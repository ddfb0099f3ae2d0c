"""What a user gives a trained network: lines of text or JSON, one value each."""

import io

import numpy as np
import pytest

from dltrain.data.feature import Encoded, Feature, Notice
from dltrain.data.request import LineReader, ObjectReader, Request


class Lengths(Feature):
    """How long a word is; all else is a problem."""

    registered_name = "lengths"
    shape = ()

    def encode(self, raws):
        problems = {place: "is no word" for place, raw in enumerate(raws) if not isinstance(raw, str)}
        words = [raw for place, raw in enumerate(raws) if place not in problems]
        return Encoded(np.array([len(word) for word in words], np.float32), problems)


def told(requests):
    return [(list(each.names), each.inputs.tolist(), each.problems) for each in requests]


def test_a_line_is_a_value_as_json_where_it_is_such(tmp_path):
    file = tmp_path / "words.txt"
    file.write_text('one\n"three"\n{"no": 1}\n\nfour')
    assert told(LineReader(Lengths()).read([str(file)], 2)) == [
        ([f"{file}:1", f"{file}:2"], [3, 5], {}),
        ([f"{file}:3", f"{file}:5"], [4], {0: "is no word"}),
    ]


def test_a_file_is_read_alike_wherever_it_comes_from(tmp_path):
    """Empty lines are none, and only the line feed ends a line, however the file was written."""
    content = "one\r\n\r\ntwo\u2028three\n \x0cfour\n\n".encode()
    (tmp_path / "words.txt").write_bytes(content)
    reader = LineReader(Lengths())
    ((places, values, _),) = told(reader.read([str(tmp_path / "words.txt")], 9))
    ((names, same, _),) = told([reader.read_file("words.txt", content)])
    assert [place.rpartition(":")[2] for place in places] == ["1", "3", "4"]
    assert values == same == [3, 9, 6]
    assert names == ["words.txt:1", "words.txt:3", "words.txt:4"]
    assert told([reader.read_file("empty.txt", b"\n\n")]) == [([], [], {})]


def test_a_line_of_digits_is_text_until_the_feature_says_otherwise(tmp_path):
    (tmp_path / "words.txt").write_text('12\ntrue\n"12"\n[broken\n')
    assert told(LineReader(Lengths()).read([str(tmp_path / "words.txt")], 9))[0][1] == [2, 4, 2, 7]


def test_standard_input_is_read_as_a_file_is(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("one\ntwo\nthree\n"))
    assert told(LineReader(Lengths()).read(["-"], 2)) == [
        (["-:1", "-:2"], [3, 3], {}),
        (["-:3"], [5], {}),
    ]


def test_what_cannot_be_read_is_a_problem_and_the_next_is_read(tmp_path):
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    (tmp_path / "good").write_text("good\n")
    sources = [str(tmp_path / name) for name in ("none", "bytes", "good")]
    found = list(LineReader(Lengths()).read(sources, 2))
    assert [sorted(each.problems) for each in found] == [[0], [0], []]
    assert "No such file" in found[0].problems[0]
    assert "UTF-8" in found[1].problems[0]
    assert found[2].inputs.tolist() == [4]


@pytest.mark.parametrize(("content", "names"), [(b"one\ntwo", ["x:1", "x:2"]), (b"\xff", ["x"])])
def test_a_file_of_a_request_is_lines_too(content, names):
    found = LineReader(Lengths()).read_file("x", content)
    assert list(found.names) == names
    assert len(found.inputs) + len(found.problems) == len(names)


def test_values_of_json_are_named_by_their_place():
    found = LineReader(Lengths()).read_values(["one", 2])
    assert (list(found.names), found.inputs.tolist(), found.problems) == (
        ["instances[0]", "instances[1]"],
        [3],
        {1: "is no word"},
    )


class Cut(Feature):
    """Words of which the first two letters count; how long they were is kept."""

    registered_name = "cut"
    shape = ()

    def encode(self, raws):
        long = {place: f"{raw!r} is cut" for place, raw in enumerate(raws) if len(raw) > 2}
        notices = {place: Notice(words, "words are cut") for place, words in long.items()}
        facts = {"letters": np.array([len(raw) for raw in raws])}
        return Encoded(np.array([float(len(raw[:2])) for raw in raws]), {}, notices, facts)


def test_notices_and_facts_of_each_value_come_with_it():
    found = LineReader(Cut()).read_values(["a", "abc"])
    assert (found.notices, found.metadata["letters"].tolist()) == ({1: ["'abc' is cut"]}, [1, 3])
    assert found.notices[1][0].kind == "words are cut"
    values = [{"a": 3, "b": "long"}, {"a": "one", "b": "no"}, {"a": "one", "b": "long"}]
    found = ObjectReader({"a": Lengths(), "b": Cut()}).read_values(values)
    assert (found.problems, found.notices) == ({0: "a: is no word"}, {2: ["b: 'long' is cut"]})
    assert found.notices[2][0].kind == "b: words are cut"
    assert found.metadata["letters"].tolist() == [2, 4]


def test_pieces_have_what_belongs_to_their_examples():
    facts = {"letters": np.arange(4)}
    whole = Request([*"abcde"], np.arange(4), {1: "bad"}, 5, facts, {0: [Notice("x")], 4: [Notice("y")]})
    found = list(whole.pieces(2))
    assert [(each.names, each.inputs.tolist(), each.problems, each.notices) for each in found] == [
        (["a", "b"], [0], {1: "bad"}, {0: ["x"]}),
        (["c", "d"], [1, 2], {}, {}),
        (["e"], [3], {}, {0: ["y"]}),
    ]
    assert [each.metadata["letters"].tolist() for each in found] == [[0], [1, 2], [3]]
