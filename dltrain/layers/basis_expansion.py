"""Sums of polynomials, or of sines and cosines, over the steps of a series."""

from typing import Any

import keras
import numpy as np


@keras.saving.register_keras_serializable(package="dltrain")
class BasisExpansion(keras.layers.Layer):
    """Coefficients -> steps: polynomials of time, or cosines and sines whose frequencies count cycles per horizon.

    B. N. Oreshkin et al., "N-BEATS", 2019, section 3.3. Time is 0 at the first step of the forecast; in the past it is
    counted backwards from 0 at its last step, as in the authors' code.

    Input: (..., coefficients). Output: (..., steps).

    Args:
        kind: trend, polynomials; or season, all cosines, then all sines.
        steps: how many there are.
        horizon: steps of the forecast.
        order: of trend, the degree; of season, how many times finer than a cycle per horizon the frequencies are.
        is_past: whether the steps are those of the past.
    """

    def __init__(self, kind: str, steps: int, horizon: int, order: int, is_past: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kind, self.steps, self.horizon, self.order, self.is_past = kind, steps, horizon, order, is_past

    @property
    def basis(self) -> np.ndarray:
        """What the coefficients count, (coefficients, steps)."""
        times = np.arange(self.steps)
        times = -times[::-1] if self.is_past else times
        if self.kind == "trend":
            return (np.abs(times) / self.steps) ** np.arange(self.order + 1)[:, None]
        # 0, then 1 cycle per horizon and so on, up to below half a cycle per step.
        frequencies = np.append(0, np.arange(self.order, self.order * self.horizon / 2) / self.order)
        angles = 2 * np.pi * frequencies[:, None] * times / self.horizon
        return np.concatenate([np.cos(angles), np.sin(angles)])

    def call(self, inputs: Any) -> Any:
        """Sums the functions, each as often as its coefficient says."""
        return keras.ops.matmul(inputs, keras.ops.convert_to_tensor(self.basis, inputs.dtype))

    def compute_output_shape(self, shape: Any) -> Any:
        """Returns (..., steps)."""
        return *shape[:-1], self.steps

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        names = ("kind", "steps", "horizon", "order", "is_past")
        return super().get_config() | {name: getattr(self, name) for name in names}
