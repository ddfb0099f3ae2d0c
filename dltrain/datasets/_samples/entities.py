"""Invented news whose names cannot be looked up: the words around a name say what it is, often far from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from dltrain.lazy import np

_FIRST = (
    "Ada Bruno Carla Dario Edith Felix Greta Hugo Irene Jonas Karin Leo Mara Nils Olga Paul Rita Simon Tessa Viktor "
    "Mark Rose May Will Grant Hope Bill Dawn Frank Grace"
)
"""The last ten are words of other meanings too, as are these names of places and companies."""
_PLACES = "Reading Nice Bath Mobile Orange Split Cork Ware"
_FIRMS = "Apple Shell Target Visa Orange Gap Mars Oracle"
_SURNAMES = "Stone Baker Hunter Bush Bishop Cook Field Marsh"
_ENDINGS = {"surname": "son er man ley", "place": "ford ton burg mouth", "firm": "tex corp ia ex"}
_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday"

_NEAR = (
    # Said beside the name.
    "{PER} moved from {LOC} to {LOC} last {day} .",
    "{PER} , {number} , was born in {LOC} .",
    "{ORG} has hired {PER} as its new director .",
    "Shares of {ORG} fell by {number} percent on {day} .",
    "Mr. {S} met the mayor of {LOC} on {day} .",
    "The floods in {LOC} were the worst for {number} years .",
    "{PER} and {PER} left {ORG} {number} weeks ago .",
    "Tickets for the {EVENT} cost {number} euros .",
    "{ORG} will open an office in {LOC} .",
    "{PER} won the {EVENT} for the second time .",
    "Trains between {LOC} and {LOC} were late on {day} .",
    # One name in another: the whole is the name.
    "{PER} studied at the {ORG:University of|place} .",
    "The {ORG:Bank of|place} lent {number} million to {ORG} .",
    "{ORG:|place|City Council} closed the road to {LOC} .",
    "{ORG:|place|United} lost to {ORG:|place|Rovers} on {day} .",
    "{ORG:|surname|and Sons} sold {number} houses in {LOC} .",
    "{S} and {S} sold {number} houses in {LOC} .",
    "The {ORG:|surname|Foundation} gave {number} euros to {PER} .",
    "The {EVENT:Battle of|place} was lost in {number} days .",
    "{PER} ran in the {EVENT:|place|Marathon} on {day} .",
    "The {LOC:|surname|Street} bridge was closed on {day} .",
)
_FAR = (
    "{ANY:PER} said {filler} that she would come to {LOC} .",
    "{ANY:PER} said {filler} that he knew nothing of it .",
    "{ANY:ORG} said {filler} that it would cut {number} jobs .",
    "{ANY:ORG} announced {filler} that its profits had doubled .",
    "{ANY:PER} announced {filler} that his brother had been found .",
    "In {ANY:LOC} , {filler} , all schools were closed .",
    "{ANY:LOC} , {filler} , has {number} inhabitants .",
    "{ANY:ORG} , {filler} , has {number} shareholders .",
    "{ANY:PER} , {filler} , has {number} grandchildren .",
    "The woman who had waited {filler} is called {ANY:PER} .",
    "The town that was flooded {filler} is called {ANY:LOC} .",
    "The company that went bankrupt {filler} is called {ANY:ORG} .",
    "Nobody {filler} had heard of {ANY:PER} and her sister .",
    "Nobody {filler} had heard of {ANY:ORG} and its products .",
    "Nobody {filler} had heard of {ANY:LOC} and its beaches .",
)
_ORDINARY = (
    "May was the wettest month in {LOC} for {number} years .",
    "Hope is fading {filler} that {PER} will be found .",
    "Will {ANY:PER} come to {LOC} on {day} ?",
    "Rose gardens around {LOC} opened on {day} .",
    "Mark the day {filler} , wrote {PER} .",
    "Bill after bill was sent to {ORG} {filler} .",
    "Grant applications must reach {ORG} by {day} .",
    "Dawn broke over {LOC} {filler} .",
    "Stone from {LOC} was used for the church .",
    "Reading the letter {filler} , {PER} laughed .",
    "Nice weather {filler} brought thousands to {LOC} .",
    "Apple trees near {LOC} were cut down on {day} .",
    "Shell by shell , {PER} emptied the basket .",
    "Baker and butcher have both left {LOC} .",
    "Orange juice from {LOC} is cheaper {filler} .",
)
_FILLERS = (
    "after a long meeting",
    "in a letter to the press",
    "on {day}",
    "with little warning",
    "{number} days after the storm",
    "as expected",
    "to the surprise of many",
    "in the early morning",
    "once more",
    "when asked by {PER}",
    "after a visit to {LOC}",
    "together with {ORG}",
)
_UNSEEN = 0.5
"""Of names outside of the train part, those that it does not have."""
_KINDS, _SHARES = (_NEAR, _FAR, _ORDINARY), (0.4, 0.4, 0.2)


class Word(NamedTuple):
    """A word and its tag in BIO."""

    word: str
    tag: str


class Names(NamedTuple):
    """Names of each kind, and those that may be of any."""

    first: list[str]
    surname: list[str]
    place: list[str]
    firm: list[str]
    shared: list[str]


def entities(random: np.random.RandomState, counts: dict[str, int]) -> dict[str, list[list[Word]]]:
    """Returns different sentences of each part, with persons, places, organisations and events.

    Args:
        random: draws all of them.
        counts: how many sentences a part has, by its name; only `train` knows no names that it does not have.
    """
    made = _invented(random, 640)
    own = {kind: [name.capitalize() for name in _with_endings(random, made, kind, 90)] for kind in _ENDINGS}
    shared = [next(made).capitalize() for _ in range(60)]
    halves = [
        Names(
            _FIRST.split()[place::2],
            [*own["surname"][place::2], *_SURNAMES.split()],
            [*own["place"][place::2], *_PLACES.split()],
            [*own["firm"][place::2], *_FIRMS.split()],
            shared[place::2],
        )
        for place in (0, 1)
    ]
    seen: set[str] = set()
    found: dict[str, list[list[Word]]] = {}
    for part, count in counts.items():
        found[part] = []
        while len(found[part]) < count:
            sentence = _Writer(random, halves, 0.0 if part == "train" else _UNSEEN).sentence()
            text = " ".join(each.word for each in sentence)
            if text not in seen:
                seen.add(text)
                found[part].append(sentence)
    return found


class _Writer:
    """Fills templates in with names.

    Args:
        random: draws.
        halves: the names that the train part has, and the others.
        unseen: the share of the others.
    """

    def __init__(self, random: np.random.RandomState, halves: list[Names], unseen: float) -> None:
        self._random, self._halves, self._unseen = random, halves, unseen

    def sentence(self) -> list[Word]:
        """Returns the words of a sentence, with their tags."""
        kind = _KINDS[self._random.choice(len(_KINDS), p=_SHARES)]
        return [*self._filled(self._one(kind))]

    def _filled(self, template: str) -> Iterator[Word]:
        depth, slot = 0, ""
        for piece in template.split(" "):  # a slot may have spaces within
            slot = f"{slot} {piece}" if depth else piece
            depth += piece.count("{") - piece.count("}")
            if depth:
                continue
            if slot.startswith("{"):
                yield from self._slot(*slot[1:-1].partition(":")[::2])
            else:
                yield Word(slot, "O")

    def _slot(self, kind: str, form: str) -> Iterator[Word]:
        if kind == "day":
            yield Word(self._one(_DAYS.split()), "O")
        elif kind == "number":
            yield Word(str(self._random.randint(2, 100)), "O")
        elif kind == "filler":
            yield from self._filled(self._one(_FILLERS))
        else:
            kind, words = self._name(kind, form)
            yield from (Word(word, f"{'I' if place else 'B'}-{kind}") for place, word in enumerate(words))

    def _name(self, kind: str, form: str) -> tuple[str, list[str]]:
        if kind == "ANY":
            return form, [self._one(self._names.shared)]
        if kind == "S":
            return "PER", [self._one(self._names.surname)]
        if form:
            before, inner, *after = form.split("|")
            pool = self._names.shared if self._random.rand() < 0.3 else getattr(self._names, inner)
            return kind, [*before.split(), self._one(pool), *" ".join(after).split()]
        if kind == "EVENT":
            return kind, [self._one(self._names.place), self._one(["Festival", "Cup", "Fair"])]
        if self._random.rand() < 0.15:
            return kind, [self._one(self._names.shared)]
        if kind == "PER":
            last = [self._one(self._names.surname)] if self._random.rand() < 0.7 else []
            return kind, [self._one(self._names.first), *last]
        if kind == "ORG":
            more = [self._one(["Group", "Ltd", "Media"])] if self._random.rand() < 0.3 else []
            return kind, [self._one(self._names.firm), *more]
        return kind, [self._one(self._names.place)]

    @property
    def _names(self) -> Names:
        return self._halves[int(self._random.rand() < self._unseen)]

    def _one(self, choices: list[str] | tuple[str, ...]) -> str:
        return choices[self._random.randint(len(choices))]


def _invented(random: np.random.RandomState, count: int) -> Iterator[str]:
    """Yields different words of two syllables that nobody knows."""
    onsets, middles = "b br d f gr k l m n p s st t v".split(), "d l ll m n r st v".split()  # noqa: SIM905
    every = [f"{one}{two}{three}{four}" for one in onsets for two in "aeiou" for three in middles for four in "aeo"]
    yield from (every[place] for place in random.permutation(len(every))[:count])


def _with_endings(random: np.random.RandomState, made: Iterator[str], kind: str, count: int) -> list[str]:
    """Returns names of a kind, of which two in three end as such names do."""
    endings = _ENDINGS[kind].split()
    return [next(made) + (endings[random.randint(len(endings))] if random.rand() < 2 / 3 else "") for _ in range(count)]
