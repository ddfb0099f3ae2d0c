"""Regular expressions take time that is linear in the text, whatever a stranger wrote: none begins anew within a run.

`re` tells nobody how many steps it takes. A matcher that tries what Python's tries, in its order, counts them here.
"""

import ast
import re
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from re import _constants as ops  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]

import pytest

PACKAGE = Path(__file__).parents[1] / "dltrain"
LENGTH = 150
METHODS = ("compile", "search", "match", "fullmatch", "findall", "finditer", "sub", "split")
TRUSTED = {
    "registry.py": "docstrings of registered classes",
    "serving/app.py": "a page that the web framework makes",
    "distributed/cluster.py": "what SLURM wrote into the environment",
}


def expressions():
    """Yields the place, method, pattern and flags of every regular expression of the package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name, tree = str(path.relative_to(PACKAGE)), ast.parse(path.read_text())
        values = {
            node.targets[0].id: node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        for call in ast.walk(tree):
            is_of_re = isinstance(call, ast.Call) and ast.unparse(call.func) in {f"re.{each}" for each in METHODS}
            if is_of_re and name not in TRUSTED:
                words = [ast.unparse(each) for each in (*call.args[1:], *(each.value for each in call.keywords))]
                flags = sum(int(flag) for flag in re.RegexFlag for word in words if f"re.{flag.name}" in word)
                for method in methods(call, tree):
                    yield f"{name}:{call.lineno}", method, text_of(call.args[0], values), flags


def methods(call, tree):
    """Returns how a pattern is used: by the methods called on its name where it has one, else as a search."""
    if call.func.attr != "compile":
        return {call.func.attr}
    named = [
        ast.unparse(node.targets[0]) for node in ast.walk(tree) if isinstance(node, ast.Assign) if node.value is call
    ]
    uses = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and ast.unparse(node.value) in named]
    return {use.attr for use in uses if use.attr in METHODS} or {"search"}


def text_of(node, values):
    """Returns the text of a pattern; what is only known when it runs is the letter x."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name) and node.id in values:
        return text_of(values[node.id], {name: value for name, value in values.items() if name != node.id})
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(each, values) for each in node.values)
    if isinstance(node, ast.FormattedValue):
        return text_of(node.value, values)
    if isinstance(node, ast.BinOp):
        return text_of(node.left, values) + text_of(node.right, values)
    return "x"


class TooManySteps(Exception):
    """More than any linear search takes."""


class Matcher:
    """Matches as `re` does: from left to right, alternatives in their order, the longest repetition first.

    Args:
        pattern: a regular expression.
        flags: its flags.
    """

    def __init__(self, pattern, flags=0):
        pattern = pattern.decode("latin-1") if isinstance(pattern, bytes) else pattern
        self.nodes = [*_parser.parse(pattern, flags)]
        self.is_dotall = bool(flags & re.DOTALL)
        self.steps, self.most = 0, 0

    def search(self, text):
        """Finds all matches, one behind the other."""
        start = 0
        while start <= len(text):
            end = next(self.ends(self.nodes, text, start), None)
            start = start + 1 if end is None or end == start else end

    def match(self, text, is_whole):
        """Looks for a match at the start, or of the whole text."""
        for end in self.ends(self.nodes, text, 0):
            if end == len(text) or not is_whole:
                return

    def ends(self, nodes, text, at) -> Iterator[int]:
        """Yields where a sequence may end that starts at a place."""
        self.steps += 1
        if self.steps > self.most:
            raise TooManySteps
        if not nodes:
            yield at
            return
        for end in self.ends_of(*nodes[0], text, at):
            yield from self.ends(nodes[1:], text, end)

    def ends_of(self, op, argument, text, at) -> Iterator[int]:
        """Yields where one part may end that starts at a place."""
        if op in (ops.LITERAL, ops.NOT_LITERAL, ops.ANY, ops.IN):
            if at < len(text) and self.takes(op, argument, text[at]):
                yield at + 1
        elif op is ops.AT:
            before, after = (0 <= place < len(text) and is_word(text[place]) for place in (at - 1, at))
            holds = {
                ops.AT_BEGINNING: at == 0,
                ops.AT_BEGINNING_STRING: at == 0,
                ops.AT_END: at == len(text) or (at == len(text) - 1 and text[at] == "\n"),
                ops.AT_END_STRING: at == len(text),
                ops.AT_BOUNDARY: before != after,
            }
            if holds[argument]:
                yield at
        elif op is ops.BRANCH:
            for alternative in argument[1]:
                yield from self.ends(alternative, text, at)
        elif op is ops.SUBPATTERN:
            yield from self.ends(argument[3], text, at)
        elif op in (ops.MAX_REPEAT, ops.MIN_REPEAT):
            yield from self.repeated(op, *argument, text, at)
        elif op in (ops.ASSERT, ops.ASSERT_NOT):
            direction, nodes = argument
            places = [at] if direction > 0 else [max(at - nodes.getwidth()[1], 0)]
            found = any(direction > 0 or end == at for place in places for end in self.ends(nodes, text, place))
            if found == (op is ops.ASSERT):
                yield at
        else:
            raise NotImplementedError(op)

    def repeated(self, op, least, most, nodes, text, at) -> Iterator[int]:
        """Yields where a repetition may end."""
        reached = [at]
        if len(nodes) == 1 and nodes[0][0] in (ops.LITERAL, ops.NOT_LITERAL, ops.ANY, ops.IN):
            while len(reached) <= most and reached[-1] < len(text) and self.takes(*nodes[0], text[reached[-1]]):
                self.steps += 1
                reached.append(reached[-1] + 1)
                if op is ops.MIN_REPEAT and len(reached) > least + 1:
                    yield reached[-2]
            yield from reversed(reached[least:]) if op is ops.MAX_REPEAT else reached[-1:][: len(reached) > least]
            return
        if op is ops.MIN_REPEAT and least == 0:
            yield at
        if most:
            for end in self.ends(nodes, text, at):
                if end > at:
                    yield from self.repeated(op, max(least - 1, 0), most - 1, nodes, text, end)
        if op is ops.MAX_REPEAT and least == 0:
            yield at

    def takes(self, op, argument, character):
        """Whether a part of one character is this one."""
        code = ord(character)
        if op is ops.LITERAL:
            return code == argument
        if op is ops.NOT_LITERAL:
            return code != argument
        if op is ops.ANY:
            return self.is_dotall or character != "\n"
        is_negated = argument[0][0] is ops.NEGATE
        return is_negated != any(is_in(*each, code) for each in argument[is_negated:])


def is_word(character):
    return character.isalnum() or character == "_"


def is_in(op, argument, code):
    """Whether a character is of a part of a class."""
    if op is ops.LITERAL:
        return code == argument
    if op is ops.RANGE:
        return argument[0] <= code <= argument[1]
    name = str(argument).removeprefix("CATEGORY_").removeprefix("NOT_")
    kinds = {"WORD": is_word, "DIGIT": str.isdigit, "SPACE": str.isspace}
    return kinds[name](chr(code)) != ("NOT_" in str(argument))


def symbols(nodes):
    """Yields a character of each part of a pattern, and of each class one that it has and one that it has not."""
    for op, argument in nodes:
        if op in (ops.LITERAL, ops.NOT_LITERAL):
            yield chr(argument)
        elif op is ops.IN:
            for kind, value in argument:
                if kind is ops.LITERAL:
                    yield chr(value)
                elif kind is ops.RANGE:
                    yield chr(value[0])
                elif kind is ops.CATEGORY:
                    yield {"WORD": "a", "DIGIT": "1", "SPACE": " "}[str(value).rpartition("_")[2]]
        elif op is ops.BRANCH:
            for alternative in argument[1]:
                yield from symbols(alternative)
        elif op is ops.SUBPATTERN:
            yield from symbols(argument[3])
        elif op in (ops.MAX_REPEAT, ops.MIN_REPEAT):
            yield from symbols(argument[2])
        elif op in (ops.ASSERT, ops.ASSERT_NOT):
            yield from symbols(argument[1])


def size(nodes):
    """Returns how many steps a pattern may take at one place: its parts, and all repetitions that have an end."""
    count = 0
    for op, argument in nodes:
        if op is ops.BRANCH:
            count += sum(map(size, argument[1]))
        elif op is ops.SUBPATTERN:
            count += size(argument[3])
        elif op in (ops.MAX_REPEAT, ops.MIN_REPEAT):
            count += size(argument[2]) * (argument[1] if argument[1] is not ops.MAXREPEAT else 1)
        elif op in (ops.ASSERT, ops.ASSERT_NOT):
            count += size(argument[1])
        count += 2
    return count


def texts(own):
    """Yields long runs: of each symbol, of each pair of them, one of another before and behind."""
    for before, run, behind in product(["", *own], own, ["", *own]):
        yield before + run * LENGTH + behind
    for one, other, behind in product(own, own, ["", *own]):
        if one != other:
            yield (one + other) * (LENGTH // 2) + behind


def slowest(pattern, method, flags=0):
    """Returns a text for which a pattern takes more steps than a linear search may; none where there is none."""
    matcher = Matcher(pattern, flags)
    own = sorted({*symbols(matcher.nodes), "\n", "~"})
    most = 2 * size(matcher.nodes) + 10
    for text in texts(own[:: max(1, len(own) // 6)]):
        matcher.steps, matcher.most = 0, most * (len(text) + 10)
        try:
            if method in ("match", "fullmatch"):
                matcher.match(text, is_whole=method == "fullmatch")
            else:
                matcher.search(text)
        except TooManySteps:
            return text
    return None


@pytest.fixture(autouse=True)
def deep():
    """A repetition of a group is a call in a call here."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    yield
    sys.setrecursionlimit(before)


@pytest.mark.parametrize(("pattern", "is_linear"), [
    (rb"\xff+([^\0\xff])", False), (rb"\xff([^\0\xff])", True), (r"\s+$", False), (r"(a+)+b", False), (r"a.*?b", False),
    (r"\{\{.*?\}\}", False), (r"[a-z]+", True), (r"(?:ab|a)c", True),
])  # fmt: skip
def test_the_count_tells_what_is_quadratic(pattern, is_linear):
    assert (slowest(pattern, "search") is None) == is_linear


def test_the_matcher_finds_what_python_finds():
    for pattern in (r"(\\+)(u[89a-f]{2})", r"^(?:a|b*)c?$", r"a.*?b\b", r"(?<=x)y|[^\W\d]+", r"\d{2,3}(?=-)"):
        for text in map("".join, product("ab1-xyu\\", repeat=3)):
            matcher = Matcher(pattern)
            matcher.most = 10**6
            found = next(iter(matcher.ends(matcher.nodes, text, 0)), None)
            expected = re.compile(pattern).match(text)
            assert found == (expected.end() if expected else None), (pattern, text)


@pytest.mark.parametrize(("place", "method", "pattern", "flags"), [*expressions()], ids=lambda each: str(each)[:60])
def test_every_pattern_is_linear_in_the_text(place, method, pattern, flags):
    text = slowest(pattern, method, flags)
    assert text is None, f"{place}: {pattern!r} takes too many steps on {text[:6]!r}...{text[-3:]!r}"
