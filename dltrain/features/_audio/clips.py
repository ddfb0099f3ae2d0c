"""Clips of sounds: one at random for training, some evenly spaced for evaluation."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

from dltrain.data.progress import with_progress
from dltrain.data.random_draws import uniform
from dltrain.data.trees import Examples
from dltrain.errors import DataError
from dltrain.features._audio.decoding import Decoding, Stretch
from dltrain.lazy import np

AT_ONCE = 32
"""Files that are opened ahead while training, which waits for its own behind them."""


class Sounds(Protocol):
    """Whole sounds of any length."""

    @property
    def paths(self) -> Sequence[Path] | None:
        """The file of each; none where they are none."""

    def __len__(self) -> int: ...

    def read(self, places: Sequence[int]) -> list[np.ndarray]:
        """Returns the sounds at the places, (samples,) each, float32."""


class InMemory:
    """Sounds that are there.

    Args:
        each: (samples,), float32.
    """

    paths = None

    def __init__(self, each: Sequence[np.ndarray]) -> None:
        self._each = each

    def __len__(self) -> int:
        return len(self._each)

    def read(self, places: Sequence[int]) -> list[np.ndarray]:
        """Returns the sounds at the places."""
        return [self._each[place] for place in places]


class SoundFiles:
    """Sounds in files, decoded when they are first needed, several at a time.

    Args:
        stretches: the files, or parts of them.
        decoding: how a file becomes samples.
        keep: memory, where decoded sounds are kept; or none, to decode them each time.
    """

    def __init__(self, stretches: Sequence[Stretch], decoding: Decoding, keep: Literal["memory", "none"]) -> None:
        self._stretches, self._decoding, self._keep = stretches, decoding, keep
        self._kept: dict[int, np.ndarray] = {}

    @property
    def paths(self) -> Sequence[Path]:
        """The file of each."""
        return [stretch.path for stretch in self._stretches]

    def __len__(self) -> int:
        return len(self._stretches)

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(os.cpu_count(), "decode")

    def read(self, places: Sequence[int]) -> list[np.ndarray]:
        """Returns the sounds at the places.

        Raises:
            DataError: with all files among them that cannot be decoded.
        """
        known = [self._kept.get(place) for place in places]
        if all(each is not None for each in known):  # threads would take longer than looking them up
            return [each for each in known if each is not None]
        found = [*self._threads.map(self._decoded, places)]
        if problems := [each for each in found if isinstance(each, str)]:
            advice = "dataset.on_bad_example: skip leaves such files out"
            raise DataError("\n".join([*dict.fromkeys(problems), advice]))
        return [each for each in found if not isinstance(each, str)]

    def problems(self) -> dict[int, str]:
        """Decodes every sound; returns why some cannot be used, by their place."""
        words = f"checking that {len(self):,} sounds can be decoded"
        found = enumerate(with_progress(words, self._threads.map(self._decoded, range(len(self)))))
        return {place: each for place, each in found if isinstance(each, str)}

    def without(self, places: Collection[int]) -> SoundFiles:
        """Returns all sounds but those at some places; what is decoded of them is kept."""
        left = [place for place in range(len(self)) if place not in places]
        found = SoundFiles([self._stretches[place] for place in left], self._decoding, self._keep)
        found._kept = {row: self._kept[place] for row, place in enumerate(left) if place in self._kept}
        return found

    def _decoded(self, place: int) -> np.ndarray | str:
        if (known := self._kept.get(place)) is not None:
            return known
        try:
            samples, _ = self._decoding(self._stretches[place])
        except ValueError as error:
            return f"{self._stretches[place]}: {error}"
        if self._keep == "memory":
            self._kept[place] = samples
        return samples


class Clips(Examples):
    """Clips of sounds; a shorter sound is repeated until it fills one.

    Args:
        sounds: the whole ones.
        samples: of a clip.
        views: clips of a sound that evaluation sees, evenly spaced from its beginning to its end; one is its middle.
        chosen: the places of the examples among the sounds; none for all.
    """

    def __init__(self, sounds: Sounds, samples: int, views: int, chosen: np.ndarray | None = None) -> None:
        self._sounds, self._samples, self._views = sounds, samples, views
        self._chosen = np.arange(len(sounds)) if chosen is None else chosen

    @property
    def shape(self) -> tuple[int, int]:
        """(sounds, samples of a clip)."""
        return len(self), self._samples

    @property
    def dtype(self) -> np.dtype:
        """float32."""
        return np.dtype(np.float32)

    @property
    def paths(self) -> Sequence[Path] | None:
        """The file of each sound; none where they are none."""
        paths = self._sounds.paths
        return None if paths is None else [paths[place] for place in self._chosen.tolist()]

    def __len__(self) -> int:
        return len(self._chosen)

    def take(self, positions: Any) -> Clips:
        """Returns the sounds at the positions without reading them."""
        return Clips(self._sounds, self._samples, self._views, self._chosen[positions])

    def whole(self, positions: Any = slice(None)) -> list[np.ndarray]:
        """Returns whole sounds, (samples,) each."""
        return self._sounds.read(self._chosen[positions].tolist())

    def read(self, positions: np.ndarray, seeds: np.ndarray | None = None) -> np.ndarray:
        """Returns a clip of each sound at random, or those that evaluation sees.

        Returns:
            (some, samples), float32; without seeds, where there are several views, (some, views, samples).
        """
        views = 1 if seeds is not None else self._views
        shares = None if seeds is None else uniform(seeds)
        found = np.empty((len(positions), views, self._samples), np.float32)
        for row, sound in enumerate(self.whole(positions)):
            last = max(len(sound) - self._samples, 0)
            if shares is not None:
                starts = [min(int(shares[row] * (last + 1)), last)]
            else:
                starts = [last // 2] if views == 1 else [last * view // (views - 1) for view in range(views)]
            for view, start in enumerate(starts):
                clip = sound[start : start + self._samples]
                found[row, view] = clip if len(clip) == self._samples else np.resize(clip, self._samples)
        return found[:, 0] if views == 1 else found

    def __getitem__(self, positions: Any) -> np.ndarray:
        """Returns the middle of each sound at the positions, integers or a slice, however many views there are."""
        single = Clips(self._sounds, self._samples, 1, self._chosen)
        return single.read(np.arange(len(self))[positions])

    def opened(self) -> Iterator[int]:
        """Decodes all sounds, some at a time."""
        places = self._chosen.tolist()
        for start in range(0, len(places), AT_ONCE):
            self._sounds.read(places[start : start + AT_ONCE])
            yield min(start + AT_ONCE, len(places))
