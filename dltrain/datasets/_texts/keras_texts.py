"""The base of the texts that Keras downloads, as numbers of words, and its list of words."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from dltrain.cache import keras_folder
from dltrain.data import DataSpec
from dltrain.datasets._sources.keras_download import advice
from dltrain.datasets._texts.source import Texts, TextSource
from dltrain.errors import DataError
from dltrain.features.class_label import ClassLabel
from dltrain.fields import HeldOut
from dltrain.lazy import keras, np

_ALL_WORDS = 10**9
"""More words than there are: Keras leaves out the last of so many."""


@dataclass(frozen=True, kw_only=True)
class KerasTexts(TextSource):
    """Texts of `keras.datasets`, downloaded once and kept in Keras's cache: lower case, without punctuation.

    Args:
        validation_fraction: share of the training examples held out for tuning, 0 to below 1, stratified by class.
        split_seed: seed of which examples are held out; separate from the experiment's seed, so that runs share one
            split.
    """

    reads_with_tensorflow: ClassVar[bool] = True
    test_fraction: ClassVar[HeldOut] = 0.0  # type: ignore[misc]
    class_names: ClassVar[tuple[str, ...]]

    def files(self) -> list[Path]:
        """Returns the files, where Keras keeps them."""
        folder = Path(keras_folder("datasets"))
        return [folder / f"{self.registered_name}{ending}" for ending in (".npz", "_word_index.json")]

    def spec(self) -> DataSpec | None:  # type: ignore[override]
        """Describes the data, from all of them; none where they must be downloaded first."""
        return super().spec() if self._is_there else None

    def sizes(self) -> dict[str, int] | None:  # type: ignore[override]
        """Returns how many examples each part has; none where they must be downloaded first."""
        return super().sizes() if self._is_there else None

    def texts(self, like: DataSpec | None) -> Texts:
        """Returns the words of all texts, with their classes.

        Raises:
            DataError: if the files cannot be downloaded or read.
        """
        source: Any = getattr(keras.datasets, self.registered_name)
        try:
            with redirect_stdout(sys.stderr):  # Keras shows the download's progress on standard output
                both = source.load_data(start_char=None, oov_char=None, index_from=0, num_words=_ALL_WORDS)
                words = {number: word for word, number in source.get_word_index().items()}
            raws = [" ".join(words[int(number)] for number in text) for part, _ in both for text in part]
            targets = np.concatenate([labels for _, labels in both]).astype(np.int32)
            if targets.min() < 0 or targets.max() >= len(self.class_names):
                raise ValueError(f"labels must be 0 to {len(self.class_names) - 1}")
        except Exception as error:  # whatever it is, it comes from getting or reading these files
            by_hand = " and ".join(str(file) for file in self.files())
            raise DataError(advice(self.registered_name, error, by_hand)) from error
        target, count = ClassLabel(class_names=self.class_names), len(both[0][0])
        chosen = self.with_drawn({"train": np.arange(count), "test": np.arange(count, len(raws))}, target, targets)
        places = [f"{self.registered_name} {number}" for number in range(len(raws))]
        return Texts(raws, target, targets, places, chosen)

    @property
    def _is_there(self) -> bool:
        return all(file.is_file() for file in self.files())
