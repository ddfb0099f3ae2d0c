"""Samples as a WAV file."""

from __future__ import annotations

import io
import wave

from dltrain.lazy import np


def wav(samples: np.ndarray, rate: int) -> bytes:
    """Returns a WAV file of one channel and 16 bits; what is beyond -1 to 1 is cut off.

    Args:
        samples: -1 to 1, (samples,).
        rate: samples per second.
    """
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(samples, -1, 1) * 32767).round().astype("<i2").tobytes())
    return content.getvalue()
