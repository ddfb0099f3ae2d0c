"""Keras's private names that dltrain uses are there, and mean what dltrain takes them for."""

import keras
import numpy as np
import pytest

from dltrain.keras_internals import (
    OVERRIDDEN,
    adam_moments,
    all_layers,
    calls,
    followers,
    index_of,
    latest_output,
    moving_averages,
)


@pytest.fixture
def inner(tensorflow):
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="within")], name="inner")


@pytest.fixture
def model(inner):
    inputs = keras.Input((4,))
    return keras.Model(inputs, keras.layers.Dense(2, name="head")(inner(inputs)))


def stepped(optimizer, model):
    """Returns the optimizer after a step with gradients of 1."""
    optimizer.build(model.trainable_variables)
    optimizer.apply([np.ones(weight.shape, np.float32) for weight in model.trainable_variables])
    return optimizer


def test_all_layers_are_those_of_networks_within_too(model, inner):
    names = [layer.name for layer in all_layers(model, include_self=False)]
    assert {"inner", "within", "head"} <= set(names)
    assert model not in all_layers(model, include_self=False)
    assert model in all_layers(model)


def test_a_layer_has_a_call_for_each_time_that_it_was_called(inner):
    assert calls(keras.layers.Dense(2)) == []
    layer = inner.get_layer("within")
    before = len(calls(layer))
    layer(keras.Input((4,)))
    assert len(calls(layer)) == before + 1


def test_the_latest_output_of_a_network_within_another_is_of_the_outer_graph(model, inner):
    probe = keras.Model(model.inputs[0], latest_output(inner))
    assert probe(np.ones((5, 4), np.float32)).shape == (5, 3)


@pytest.mark.parametrize("use_ema", [False, True])
def test_moving_averages_are_there_for_each_weight_where_they_are_asked_for(model, use_ema):
    optimizer = stepped(keras.optimizers.SGD(0.1, use_ema=use_ema), model)
    shapes = [average.shape for average in moving_averages(optimizer)]
    assert shapes == [weight.shape for weight in model.trainable_variables] * use_ema


def test_a_variable_has_the_place_of_its_slots(model):
    optimizer = stepped(keras.optimizers.SGD(0.1, momentum=0.9), model)
    assert [index_of(optimizer, weight) for weight in model.trainable_variables] == list(range(4))


def test_the_moments_of_an_adam_are_means_of_gradients_and_of_their_squares(model):
    firsts, seconds = adam_moments(stepped(keras.optimizers.Adam(0.1, beta_1=0.9, beta_2=0.99), model))
    np.testing.assert_allclose([np.array(value).flat[0] for value in (firsts[0], seconds[0])], [0.1, 0.01], rtol=1e-5)


def test_the_methods_that_dltrain_overrides_are_those_that_keras_calls(tensorflow):
    for name in OVERRIDDEN:
        assert callable(getattr(keras.optimizers.Optimizer, name))


def test_followers_take_what_a_layer_returns(model, inner):
    [(first, behind), (second, last), (head, none)] = followers(model)
    assert isinstance(first, keras.layers.InputLayer)
    assert (behind, second, last, head.name, none) == ([inner], inner, [head], "head", [])
    assert [layer.name for layer, _ in followers(inner)][-1] == "within"
