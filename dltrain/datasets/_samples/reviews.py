"""Reviews that say the opposite of their words as often as not: negation, contrast, and several opinions."""

from __future__ import annotations

from dltrain.lazy import np

_GOOD = (
    "good great fine superb moving clever gripping fresh funny charming subtle elegant vivid bold warm brilliant "
    "delightful memorable convincing splendid wonderful lovely graceful witty inventive thrilling touching honest "
    "sharp tender lively polished rich stirring dazzling playful assured radiant sincere stylish masterly enchanting "
    "spirited generous refreshing captivating exquisite hypnotic joyful luminous"
)
_BAD = (
    "bad awful dull clumsy boring stale bland annoying shallow crude lifeless timid cold stupid tedious forgettable "
    "silly cheap dreadful tasteless terrible ugly wooden witless derivative tiresome mawkish phoney blunt harsh "
    "sluggish sloppy thin grating drab pompous hesitant gloomy insincere shabby botched repellent listless stingy worn "
    "monotonous hideous soporific joyless murky"
)
_ADJECTIVES = {1: tuple(_GOOD.split()), -1: tuple(_BAD.split())}
_ASPECTS = (
    *("acting", "plot", "script", "music", "camera", "ending", "opening", "dialogue", "pace", "story", "cast"),
    *("humour", "editing", "lighting", "sound", "soundtrack", "villain", "direction", "setting", "first half"),
    *("second half", "main character", "leading lady"),
)
_NEGATIONS = ("not", "never", "hardly", "far from", "anything but", "not at all", "by no means")
_DEGREES = ("", "", "very ", "really ", "quite ", "rather ", "so ")
_ASIDES = (
    "I saw it with two friends.",
    "It runs for more than two hours.",
    "My sister had told me about it.",
    "We watched it on a rainy evening.",
    "The cinema was almost empty.",
    "It was shown with subtitles.",
    "I had read the book before.",
    "There is a short scene after the credits.",
)


def reviews(random: np.random.RandomState, count: int) -> list[tuple[str, str]]:
    """Returns texts and what they think on the whole, positive or negative, as many of each.

    A review has one or three opinions, most of which decide, and asides. An opinion is negated as often as not, and a
    concession counts for nothing: every adjective stands in as many positive reviews as negative ones. Adjectives that
    stand side by side think alike, as in real texts (V. Hatzivassiloglou and K. McKeown, "Predicting the semantic
    orientation of adjectives", 1997): that can be learnt without labels.

    Args:
        random: draws all of them.
        count: how many.
    """
    found: dict[str, str] = {}
    while len(found) < count:
        verdict = 1 if len(found) % 2 else -1
        opinions = [verdict] if random.rand() < 0.4 else [verdict, verdict, random.choice([-1, 1])]
        sentences = [_opinion(random, int(each)) for each in opinions]
        sentences += [_chosen(random, _ASIDES) for _ in range(random.randint(0, 3))]
        random.shuffle(sentences)
        found.setdefault(" ".join(sentences), "positive" if verdict > 0 else "negative")
    pairs = [*found.items()]
    return [pairs[place] for place in random.permutation(count)]


def _opinion(random: np.random.RandomState, polarity: int) -> str:
    form, said = random.rand(), _clause(random, polarity)
    if form < 0.4:
        return f"The {said}."
    conceded = _clause(random, int(random.choice([-1, 1])))
    if form < 0.6:
        return f"Although the {conceded}, the {said}."
    if form < 0.8:
        return f"The {said}, although the {conceded}."
    return f"Never mind that the {conceded}: the {said}."


def _clause(random: np.random.RandomState, polarity: int) -> str:
    aspect, verb = _chosen(random, _ASPECTS), _chosen(random, ("was", "seemed", "felt"))
    if random.rand() < 0.5:
        return f"{aspect} {verb} {_chosen(random, _NEGATIONS)} {_described(random, -polarity, 'or')}"
    return f"{aspect} {verb} {_chosen(random, _DEGREES)}{_described(random, polarity, 'and')}"


def _described(random: np.random.RandomState, polarity: int, conjunction: str) -> str:
    """Returns one adjective, or two."""
    places = random.permutation(len(_ADJECTIVES[polarity]))[: random.randint(1, 3)]
    return f" {conjunction} ".join(_ADJECTIVES[polarity][place] for place in places)


def _chosen(random: np.random.RandomState, words: tuple[str, ...]) -> str:
    return words[random.randint(len(words))]
