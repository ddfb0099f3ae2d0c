"""Tags drawn at random, of which seqeval's measures are known."""

import numpy as np


def drawn(seed, letters, sentences=30):
    """Returns actual and predicted tags of sentences, of any order."""
    random = np.random.RandomState(seed)
    tags = ["O", "O", *(f"{letter}-{kind}" for letter in letters for kind in ("PER", "LOC", "ORG-X"))]
    pairs = []
    for _ in range(sentences):
        actual = [tags[place] for place in random.randint(len(tags), size=random.randint(1, 12))]
        predicted = [tags[random.randint(len(tags))] if random.rand() < 0.4 else tag for tag in actual]
        pairs.append((actual, predicted))
    return pairs
