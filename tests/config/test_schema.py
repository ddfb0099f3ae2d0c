from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from dltrain.config.document import Source, dump, parse
from dltrain.config.experiment import to_plain
from dltrain.config.schema import INVALID, build, describe
from dltrain.fields import Fraction, PositiveFloat, PositiveInt
from dltrain.registry import Registry

SHAPES = Registry("shape", "dltrain.config")


@SHAPES.register("circle")
class Circle:
    radius: PositiveFloat = 1.0


@SHAPES.register("ring")
class Ring:
    inner: PositiveInt
    outer: PositiveInt
    labels: tuple[str, ...] = ()

    def __post_init__(self):
        problems = []
        if self.outer <= self.inner:
            problems.append(ValueError(f"outer must be above inner, got {self.outer}"))
        if "bad" in self.labels:
            problems.append(ValueError(f"labels[{self.labels.index('bad')}] must not be 'bad'"))
        if problems:
            raise ExceptionGroup("ring", problems)


@dataclass(frozen=True, kw_only=True)
class Inner:
    rate: float = 0.5
    kind: Literal["max", "average", "none"] = "none"


@dataclass(frozen=True, kw_only=True)
class Outer:
    count: PositiveInt = 1
    flag: bool = False
    share: Fraction = 0.0
    word: str | None = None
    path: Path | None = None
    size: PositiveInt | tuple[PositiveInt, PositiveInt] = 3
    weights: Literal["balanced"] | dict[str, float] | None = None
    inner: Inner = field(default_factory=Inner)
    several: tuple[Inner, ...] = ()
    shape: Annotated[Any, SHAPES] = None
    settings: tuple[dict[str, Any], ...] = ()


def built(text):
    problems = []
    value = build(Outer, parse(Source("t.yaml", text, Path("/folder"))), "", problems)
    assert (value is INVALID) == bool(problems)
    return value, [str(problem) for problem in problems]


def good(text):
    value, problems = built(text)
    assert problems == []
    return value


def test_values_of_every_type_are_built():
    value = good(
        "{count: 2, flag: true, share: 0, word: on, path: data/x.npz, size: [1, 2], weights: {a: 1},"
        " inner: {rate: 1, kind: max}, several: [{}, {rate: 2}], shape: {name: circle, radius: 2}}"
    )
    assert value.share == 0.0
    assert isinstance(value.share, float)  # Keras refuses ints where it wants floats
    assert value.word == "on"
    assert value.path == Path("/folder/data/x.npz")
    assert value.size == (1, 2)
    assert value.weights == {"a": 1.0}
    assert value.inner == Inner(rate=1.0, kind="max")
    assert value.several == (Inner(), Inner(rate=2.0))
    assert value.shape == Circle(radius=2.0)


@pytest.mark.parametrize("nothing", ["none", "null", "~", ""])
def test_none_and_null_mean_none_where_a_value_is_optional(nothing):
    assert good(f"word: {nothing}").word is None


def test_a_value_of_any_kind_is_plain_and_reads_back_as_it_was_written():
    value = good(
        "settings: [{a: 1, b: 1e-3, c: [same, [2, none]], d: '1e-3', e: {f: on, h: true}, i: ~, j: '', k: '2'}]"
    )
    assert value.settings[0] == {
        "a": 1, "b": 0.001, "c": ("same", (2, None)), "d": "1e-3", "e": {"f": "on", "h": True}, "i": None, "j": "",
        "k": "2",
    }  # fmt: skip
    assert good(dump({"settings": to_plain(value.settings)})) == value


def test_none_is_a_word_where_it_is_a_choice():
    assert good("inner: {kind: none}").inner.kind == "none"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("count: 0", "count must be a whole number of at least 1, got 0"),
        ("count: 1.0", "count must be a whole number of at least 1, got 1.0"),
        ("count: true", "got true"),
        ("count: '3'", "got '3'"),
        ("flag: 1", "flag must be true or false, got 1"),
        ("flag: yes", "flag must be true or false, got 'yes'"),
        ("share: 1", "below 1, got 1"),
        ("inner: {rate: .nan}", "inner.rate must be a number, got .nan"),
        ("inner: {rate: .inf}", "got .inf"),
        ("inner: {rate: 1" + "0" * 400 + "}", "a number of 401 digits"),
        ("inner: {kind: maximum}", "one of max, average, none, got 'maximum'"),
        ("inner: 3", "inner must be a block with keys rate, kind, got 3"),
        ("word: 3", 'for text write "3"'),
        ("size: [1, 2, 3]", "size must be a list of 2"),
        ("size: [1, 0]", "size[1] must be a whole number of at least 1, got 0"),
        ("weights: balance", 'did you mean "balanced"?'),
        ("weights: {a: x}", "weights.a must be a number"),
        ("several: [{}, {rate: x}]", "several[1].rate must be a number"),
        ("cuont: 1", "unknown key 'cuont', did you mean \"count\"?"),
        ("inner: {xyz: 1}", "unknown key 'inner.xyz'; inner has rate, kind"),
        ("settings: [{a: [1, .inf]}]", "settings[0].a[1] must be a number, got .inf"),
        ("settings: [3]", "settings[0] must be a block, got 3"),
        ("shape: circle", "write it as a block: {name: circle}"),
        ("shape: {radius: 1}", "shape.name must be a shape (circle, ring), but it is missing"),
        ("shape: {name: cirle}", 'did you mean "circle"?'),
        ("shape: {name: 3}", "shape.name must be a shape (circle, ring), got 3"),
        ("shape: {name: circle, radius: -1}", "shape.radius must be a number above 0, got -1"),
        ("shape: {name: ring, outer: 2}", "shape.inner is missing: it must be a whole number of at least 1"),
    ],
)
def test_a_wrong_value_says_what_must_be_and_what_came(text, words):
    value, problems = built(text)
    assert value is INVALID
    assert len(problems) == 1
    assert words in problems[0]


def test_a_problem_shows_its_line_with_a_caret_under_the_value():
    _, problems = built("flag: true\ncount:   0\n")
    assert problems[0].splitlines() == [
        "t.yaml:2:10: count must be a whole number of at least 1, got 0",
        "  2 | count:   0",
        "    |          ^",
    ]


@pytest.mark.parametrize("path", ["~no-such-user/x.npz", "a\\0b", "/" + "x" * 300])
def test_text_that_can_be_no_path_is_refused(path):
    _, problems = built(f'path: "{path}"')
    assert "path must be a path or none, got" in problems[0]


def test_every_problem_is_reported_at_once():
    _, problems = built("count: 0\nflag: 3\nfoo: 1\ninner: {rate: x, bar: 1}\nshape: {name: none}\n")
    assert len(problems) == 6


def test_a_check_of_several_fields_points_at_the_key_that_its_message_names():
    _, problems = built("shape:\n  name: ring\n  labels: [a, bad]\n  inner: 3\n  outer: 2\n")
    assert [problem.split(": ")[0] for problem in problems] == ["t.yaml:5:10", "t.yaml:3:15"]
    assert "shape.outer must be above inner, got 2" in problems[0]


def test_what_is_right_is_checked_although_something_beside_it_is_wrong():
    _, problems = built("shape: {name: ring, inner: 3, outer: 2, colour: red, labels: 5}")
    assert [words for words in ("unknown key", "labels must be", "outer must be above") if words in str(problems)] == [
        "unknown key",
        "labels must be",
        "outer must be above",
    ]


def test_what_a_wrong_key_makes_look_wrong_is_not_reported():
    _, problems = built("shape: {name: ring, inner: x, outer: 2}")
    assert len(problems) == 1


def test_types_are_described_in_words():
    assert describe(PositiveInt | tuple[PositiveInt, ...] | None) == (
        "a whole number of at least 1 or a list, each a whole number of at least 1 or none"
    )
