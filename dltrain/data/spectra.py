"""The arithmetic of spectra of sound, in NumPy: what networks compute, reports draw and statistics are made of."""

from __future__ import annotations

from typing import Literal

from dltrain.lazy import np

FrontEnd = Literal["waveform", "spectrogram", "log_mel", "mfcc"]
"""What networks may see of sound."""

FLOOR = 1e-6
"""Added to a band's power before its logarithm: 60 dB below that of a sample of full scale."""


def fft_size(window: int) -> int:
    """Returns the power of two that a frame is filled up to."""
    return 1 << (window - 1).bit_length()


def output_shape(kind: str, samples: int, window: int, hop: int, bands: int, coefficients: int) -> tuple[int, ...]:
    """Returns the shape of one example behind the front end."""
    if kind == "waveform":
        return samples, 1
    rows = {"spectrogram": fft_size(window), "log_mel": bands, "mfcc": coefficients}[kind]
    return rows, 1 + (samples - window) // hop, 1


def mel_bands(rate: int, size: int, bands: int) -> np.ndarray:
    """Returns how much of each bin of a transform is in each mel band, (size // 2 + 1, bands), float32, at most 1."""
    hertz = np.arange(size // 2 + 1) * rate / size
    top = 2595 * np.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, bands + 2) / 2595) - 1)
    rising = (hertz[:, None] - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - hertz[:, None]) / np.diff(edges)[1:]
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


def empty_bands(rate: int, window: int, bands: int) -> int:
    """Returns how many mel bands lie between two frequencies of the transform, so that they are always silent."""
    return int((mel_bands(rate, fft_size(window), bands).sum(axis=0) == 0).sum())


def most_bands(rate: int, window: int, bands: int) -> int:
    """Returns how many mel bands there can be, at most so many, of which none is empty."""
    return next(
        (count for count in range(min(bands, fft_size(window)), 1, -1) if not empty_bands(rate, window, count)), 1
    )


def cosine_transform(bands: int) -> np.ndarray:
    """Returns the orthonormal discrete cosine transform of type II, (bands, bands), float32: values @ it."""
    places = (np.arange(bands)[:, None] + 0.5) * np.arange(bands)
    found = np.cos(np.pi * places / bands) * np.sqrt(2 / bands)
    found[:, 0] /= np.sqrt(2)
    return found.astype(np.float32)


def hann(window: int) -> np.ndarray:
    """Returns the periodic Hann window, (window,)."""
    return np.hanning(window + 1)[:-1]


def log_mel(sounds: np.ndarray, rate: int, window: int, hop: int, bands: int) -> np.ndarray:
    """Returns the logarithms of the power in mel bands, (sounds, frames, bands), float32.

    Args:
        sounds: samples, (sounds, samples).
        rate: samples per second.
        window: samples of a frame.
        hop: samples from a frame to the next.
        bands: how many.
    """
    shares = mel_bands(rate, fft_size(window), bands)
    found: np.ndarray = np.log(power(sounds, window, hop, hann(window)) @ shares + np.float32(FLOOR))
    return found


def power(sounds: np.ndarray, window: int, hop: int, weights: np.ndarray) -> np.ndarray:
    """Returns the power at each frequency, (sounds, frames, fft_size(window) // 2 + 1), float32.

    Args:
        sounds: samples, (sounds, samples).
        window: samples of a frame.
        hop: samples from a frame to the next.
        weights: of the samples of a frame, (window,).
    """
    frames = np.lib.stride_tricks.sliding_window_view(sounds, window, axis=1)[:, ::hop]
    found: np.ndarray = np.abs(np.fft.rfft(frames * weights.astype(np.float32), fft_size(window))) ** 2
    return found.astype(np.float32)
