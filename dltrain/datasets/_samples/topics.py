"""Documents about five topics, in words that are invented: topics share words, and documents are about several."""

from __future__ import annotations

from dltrain.lazy import np

TOPICS = ("harbour", "orchestra", "garden", "courtroom", "laboratory")

_COMMON = """
the of and to in a is that for it as was with be by on not he his but at are this have from or had an they which one you
were all her she there would their we him been has when who will no more if out so up into them then some could time
these two may other its only new like our over man any people me what very after also did many before
"""
_BEGIN, _MIDDLE, _END = "b d f g k l m n p r s t v z br dr gr kl pl st tr", "a e i o u ai ou", "l n r s t m rk nd st"


def topics(random: np.random.RandomState, count: int) -> list[tuple[str, str]]:
    """Returns documents and the topic that each is mostly about, as many of each.

    Of a document's words about half are common ones, which say nothing; a half to three quarters of the others are of
    its topic, the rest of any. Topics have words in different shares, and most words belong to several topics.

    Args:
        random: draws all of them.
        count: how many.
    """
    words = np.array(_invented(random, 1200))
    shares = random.dirichlet(np.full(len(words), 0.08), len(TOPICS))
    rest = random.dirichlet(np.full(len(words), 0.5))
    shares = 0.85 * shares + 0.15 * rest
    common = _COMMON.split()
    frequent = 1 / np.arange(1, len(common) + 1)
    found = []
    for place in range(count):
        topic, length = place % len(TOPICS), random.randint(40, 121)
        own = random.uniform(0.5, 0.75)
        mixed = own * shares[topic] + (1 - own) * random.dirichlet(np.ones(len(TOPICS))) @ shares
        chosen = np.where(
            random.rand(length) < 0.5,
            random.choice(common, length, p=frequent / frequent.sum()),
            random.choice(words, length, p=mixed),
        )
        found.append((_sentences(random, chosen.tolist()), TOPICS[topic]))
    return [found[place] for place in random.permutation(count)]


def _invented(random: np.random.RandomState, count: int) -> list[str]:
    begin, middle, end = (each.split() for each in (_BEGIN, _MIDDLE, _END))
    found: dict[str, None] = {}
    while len(found) < count:
        syllables = [f"{random.choice(begin)}{random.choice(middle)}" for _ in range(random.randint(2, 5))]
        found.setdefault("".join(syllables) + str(random.choice(["", *end])))
    return [*found]


def _sentences(random: np.random.RandomState, words: list[str]) -> str:
    found = []
    while words:
        size = random.randint(6, 15)
        some, words = words[:size], words[size:]
        found.append(" ".join(some).capitalize() + ".")
    return " ".join(found)
