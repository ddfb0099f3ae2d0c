"""What networks see of sound: waveforms, magnitudes, mel bands or cepstra, computed in the network."""

from typing import Any

import keras
import numpy as np

from dltrain.data.spectra import FLOOR, cosine_transform, fft_size, hann, mel_bands, output_shape


@keras.saving.register_keras_serializable(package="dltrain")
class SoundFrontEnd(keras.layers.Layer):
    """Waveforms -> what a network begins with.

    Input: samples in -1 to 1, (batch, samples). Output, float32:

    - waveform: (batch, samples, 1).
    - spectrogram: (batch, bins, frames, 1), as A. Nagrani, J. S. Chung and A. Zisserman, "VoxCeleb: a large-scale
      speaker identification dataset", 2017, section 4.1, and its public code have it: in the range of 16-bit numbers,
      without direct current, with a pre-emphasis of 0.97, in Hamming windows, the magnitudes of all bins of the
      transform, the mirrored half too, each bin with mean 0 and deviation 1 over the frames. Left out is its dither, a
      random number of a millionth of the deviation.
    - log_mel: (batch, bands, frames, 1), the logarithms of 1e-6 and the power in triangular bands, evenly spaced by
      O'Shaughnessy's mel, 2595 log10(1 + hertz / 700), from 0 to half the rate, in Hann windows; a band by its mean and
      deviation.
    - mfcc: (batch, coefficients, frames, 1), the orthonormal discrete cosine transform (type II) of log_mel over the
      bands; likewise.

    Frames lie wholly within the samples: there are 1 + (samples - window) // hop.

    Args:
        kind: which of them.
        rate: samples per second.
        window: samples of a frame.
        hop: samples from a frame to the next.
        bands: of log_mel and mfcc.
        coefficients: of mfcc.
        mean: of each band or coefficient over the train part; none for 0.
        deviation: likewise; none for 1.
    """

    def __init__(
        self,
        kind: str,
        rate: int,
        window: int,
        hop: int,
        bands: int,
        coefficients: int,
        mean: list[float] | None = None,
        deviation: list[float] | None = None,
        **kwargs: Any,
    ) -> None:
        # float32 whatever the precision: powers of sound span more than half precision holds.
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.kind, self.rate, self.window, self.hop = kind, rate, window, hop
        self.bands, self.coefficients = bands, coefficients
        self.mean, self.deviation = mean, deviation

    def call(self, x: Any, training: bool = False) -> Any:
        """Computes it; in training by the fast transform, else by matrix multiplication, which all exports have."""
        ops = keras.ops
        x = ops.cast(x, "float32")
        if self.kind == "waveform":
            return self._normalized(x[..., None])
        if self.kind == "spectrogram":
            found = self._magnitudes(_emphasized(x * 32768.0), training)
            middle = ops.mean(found, axis=1, keepdims=True)
            spread = ops.sqrt(ops.mean(ops.square(found - middle), axis=1, keepdims=True))
            found = (found - middle) / ops.maximum(spread, 1e-5)
        else:
            cosines, sines = self._parts(x, hann(self.window), training)
            power = ops.square(cosines) + ops.square(sines)
            found = ops.log(ops.matmul(power, mel_bands(self.rate, fft_size(self.window), self.bands)) + FLOOR)
            if self.kind == "mfcc":
                found = ops.matmul(found, cosine_transform(self.bands)[:, : self.coefficients])
            found = self._normalized(found)
        return ops.transpose(found, (0, 2, 1))[..., None]

    def _normalized(self, x: Any) -> Any:
        """Brings the last axis to mean 0 and deviation 1."""
        if self.mean is None or self.deviation is None:
            return x
        return (x - np.array(self.mean, np.float32)) / np.array(self.deviation, np.float32)

    def _magnitudes(self, x: Any, training: bool) -> Any:
        """Returns the magnitudes of all bins, (batch, frames, bins)."""
        cosines, sines = self._parts(x, np.hamming(self.window), training)
        half = keras.ops.sqrt(keras.ops.square(cosines) + keras.ops.square(sines) + 1e-12)
        return keras.ops.concatenate([half, keras.ops.flip(half[..., 1:-1], axis=-1)], axis=-1)

    def _parts(self, x: Any, weights: np.ndarray, training: bool) -> tuple[Any, Any]:
        """Returns real and imaginary parts of each frame's transform, each (batch, frames, bins)."""
        size = fft_size(self.window)
        if training:  # 32 clips of a second at 16,000: 6 ms on 2 cores, where matrix multiplication takes 18
            frames = keras.ops.extract_sequences(x, self.window, self.hop)
            real, imaginary = keras.ops.rfft(frames * weights.astype(np.float32), size)
            return real, imaginary
        angles = 2 * np.pi * np.outer(np.arange(self.window), np.arange(size // 2 + 1)) / size
        kernels = (weights[:, None] * np.concatenate([np.cos(angles), -np.sin(angles)], axis=1)).astype(np.float32)
        found = keras.ops.conv(x[..., None], kernels[:, None], strides=self.hop, padding="valid")
        return found[..., : size // 2 + 1], found[..., size // 2 + 1 :]

    def compute_output_shape(self, shape: Any) -> Any:
        """Returns the shape that is said above."""
        return shape[0], *output_shape(self.kind, shape[1], self.window, self.hop, self.bands, self.coefficients)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        names = ("kind", "rate", "window", "hop", "bands", "coefficients", "mean", "deviation")
        return super().get_config() | {name: getattr(self, name) for name in names}


_DOUBLINGS = 11
"""Of the sum that takes direct current away: it is of 2048 samples, behind which a billionth is left."""


def _emphasized(x: Any) -> Any:
    """Returns waveforms without direct current, y[t] = x[t] - x[t-1] + 0.99 y[t-1], then z[t] = y[t] - 0.97 y[t-1]."""
    # y[t] = x[t] - 0.01 s[t-1], of s[t] = x[t] + 0.99 x[t-1] + 0.99**2 x[t-2] + ..., each sum made of two half as long.
    total = x
    for doubling in range(_DOUBLINGS):
        total = total + 0.99 ** (2**doubling) * _later(total, 2**doubling)
    found = x - 0.01 * _later(total, 1)
    return found - 0.97 * _later(found, 1)


def _later(x: Any, steps: int) -> Any:
    """Returns waveforms that many steps later, with silence before them."""
    return keras.ops.pad(x, ((0, 0), (steps, 0)))[:, : x.shape[1]]
