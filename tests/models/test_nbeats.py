"""N-BEATS beside its authors' code, rewritten in NumPy: doubly residual blocks, their bases, and shared weights."""

import math

import numpy as np
import pytest
from test_forecasting_networks import spec

from dltrain.layers.basis_expansion import BasisExpansion
from dltrain.models.nbeats import NBeats

WINDOW, HORIZON = 10, 6


def bases(kind, order):
    """The functions of past and future as the authors' code has them: it turns the past round, which these keep."""
    back, ahead = np.arange(WINDOW)[::-1], np.arange(HORIZON)
    if kind == "trend":
        return [np.stack([(times / len(times)) ** power for power in range(order + 1)]) for times in (back, ahead)]
    frequencies = np.append(0, np.arange(order, order / 2 * HORIZON) / order)[:, None]
    grids = [-2 * np.pi * back / HORIZON * frequencies, 2 * np.pi * ahead / HORIZON * frequencies]
    return [np.concatenate([np.cos(grid), np.sin(grid)]) for grid in grids]


@pytest.mark.parametrize(("kind", "order"), [("trend", 2), ("season", 1), ("season", 2)])
def test_bases_are_those_of_the_authors_code(tensorflow, kind, order):
    past, ahead = bases(kind, order)
    for steps, is_past, expected in ((WINDOW, True, past), (HORIZON, False, ahead)):
        layer = BasisExpansion(kind, steps, HORIZON, order, is_past)
        np.testing.assert_allclose(layer.basis, expected, atol=1e-12)
        np.testing.assert_allclose(layer(np.eye(len(expected), dtype="float32")), expected, atol=1e-5)


def test_a_season_has_as_many_coefficients_as_the_authors_code_says(tensorflow):
    for harmonics in (1, 2, 3):
        for horizon in range(2, 20):
            layer = BasisExpansion("season", horizon, horizon, harmonics, is_past=False)
            assert 2 * len(layer.basis) == 4 * (math.ceil(harmonics / 2 * horizon) - (harmonics - 1))


@pytest.mark.parametrize("variant", ["generic", "interpretable"])
def test_it_computes_what_the_authors_code_does(tensorflow, variant):
    data = spec(window=WINDOW, horizon=HORIZON, targets=("y", "z"))
    model = NBeats(variant=variant, blocks=2, layers=2, units=8).build(data)
    random = np.random.RandomState(0)
    model.set_weights([random.normal(size=weight.shape) / 2 for weight in model.get_weights()])
    blocks = ["block1", "block2"] if variant == "generic" else ["trend", "trend", "season", "season"]
    x = random.normal(size=(4, WINDOW, 2)).astype("float32")
    rest, forecast = x.transpose(0, 2, 1), 0
    for name in blocks:
        y = rest
        for layer in ("dense1", "dense2", "coefficients"):
            kernel, bias = model.get_layer(f"{name}_{layer}").get_weights()
            y = y @ kernel + bias
            y = y if layer == "coefficients" else np.maximum(y, 0)
        if variant == "generic":
            backcast, ahead = y[..., :WINDOW], y[..., WINDOW:]
        else:
            past, future = bases(name, {"trend": 2, "season": 1}[name])
            backcast, ahead = y[..., : len(past)] @ past, y[..., len(past) :] @ future
        rest, forecast = rest - backcast, forecast + ahead
    np.testing.assert_allclose(model(x), forecast.transpose(0, 2, 1), rtol=1e-4, atol=1e-4)
