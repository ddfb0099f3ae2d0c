import numpy as np
import pytest

from dltrain.registry import OPTIMIZERS

RATE = 0.1


def stepped(optimizer, gradients, start=2.0):
    """Returns a weight after one step per gradient."""
    import keras

    built = optimizer.build(RATE)
    weight = keras.Variable(np.full((2,), start, np.float32))
    built.build([weight])
    for gradient in gradients:
        built.apply([keras.ops.full((2,), gradient)], [weight])
    return float(weight[0])


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_every_optimizer_goes_downhill(tensorflow, name):
    assert stepped(OPTIMIZERS[name](), [1.0, 1.0]) < 2.0


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_without_l2_it_is_kerass_own_class_with_kerass_defaults(tensorflow, name):
    import keras

    ours = OPTIMIZERS[name]()
    built = ours.build(ours.learning_rate)
    plain = type(built)()
    assert type(built).__module__.startswith("keras.")
    different = {key for key, value in plain.get_config().items() if built.get_config()[key] != value} - {"name"}
    assert different == set(), {key: (plain.get_config()[key], built.get_config()[key]) for key in different}
    assert isinstance(built, keras.optimizers.Optimizer)


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_l2_equals_adding_it_to_the_gradient(tensorflow, name):
    cls = OPTIMIZERS[name]
    with_l2 = stepped(cls(l2=0.5), [0.25])
    assert with_l2 == pytest.approx(stepped(cls(), [0.25 + 0.5 * 2.0]), rel=1e-6)


def test_l2_is_felt_through_the_momentum(tensorflow):
    sgd = OPTIMIZERS["sgd"]
    weight, velocity = 2.0, 0.0
    for gradient in (1.0, -0.5, 0.25):
        velocity = 0.9 * velocity - RATE * (gradient + 0.01 * weight)
        weight += velocity
    assert stepped(sgd(momentum=0.9, l2=0.01), [1.0, -0.5, 0.25]) == pytest.approx(weight, rel=1e-6)


def test_weight_decay_is_decoupled(tensorflow):
    sgd = OPTIMIZERS["sgd"]
    assert stepped(sgd(weight_decay=0.01), [0.0]) == pytest.approx(2.0 * (1 - RATE * 0.01), rel=1e-6)
    assert stepped(sgd(momentum=0.9, weight_decay=0.01), [1.0, 1.0]) != pytest.approx(
        stepped(sgd(momentum=0.9, l2=0.01), [1.0, 1.0]), rel=1e-6
    )


def test_l2_is_added_after_clipping(tensorflow):
    sgd = OPTIMIZERS["sgd"]
    assert stepped(sgd(clipvalue=1.0, l2=0.5), [100.0]) == pytest.approx(2.0 - RATE * (1.0 + 0.5 * 2.0), rel=1e-6)


def test_l2_works_under_loss_scaling(tensorflow):
    import keras

    scaled = keras.optimizers.LossScaleOptimizer(OPTIMIZERS["sgd"](l2=0.5).build(RATE), initial_scale=8.0)
    weight = keras.Variable(np.full((2,), 2.0, np.float32))
    scaled.build([weight])
    scaled.apply([keras.ops.full((2,), 8.0)], [weight])
    assert float(weight[0]) == pytest.approx(2.0 - RATE * (1.0 + 0.5 * 2.0), rel=1e-6)


def test_two_kinds_of_clipping_are_refused():
    with pytest.raises(ValueError, match="^global_clipnorm must not be given beside clipnorm"):
        OPTIMIZERS["adam"](clipnorm=1.0, global_clipnorm=1.0)
