import subprocess
import sys
import textwrap

import numpy as np
import pytest

from dltrain.config.schema import describe, field_types
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
def test_without_l2_it_is_kerass_optimizer_with_kerass_defaults(tensorflow, name):
    import keras

    ours = OPTIMIZERS[name]()
    built = ours.build(ours.learning_rate)
    plain = type(built)()
    kerass = next(cls for cls in type(built).__mro__ if cls.__module__.startswith("keras."))
    assert type(built).__name__ == kerass.__name__
    different = {key for key, value in plain.get_config().items() if built.get_config()[key] != value} - {"name"}
    assert different == set(), {key: (plain.get_config()[key], built.get_config()[key]) for key in different}
    assert isinstance(built, keras.optimizers.Optimizer)


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_l2_equals_adding_it_to_the_gradient(tensorflow, name):
    cls = OPTIMIZERS[name]
    with_l2 = stepped(cls(l2=0.5), [0.25])
    assert with_l2 == pytest.approx(stepped(cls(), [0.25 + 0.5 * 2.0]), rel=1e-6)


FUSED = {
    "sgd": {},
    "momentum": {"momentum": 0.9},
    "nesterov": {"momentum": 0.9, "nesterov": True},
    "adam": {"beta_1": 0.8},
    "amsgrad": {"amsgrad": True},
    "adamw": {"weight_decay": 0.1},
}


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("kind", FUSED)
def test_the_one_pass_update_is_kerass(tensorflow, kind, sparse):
    import keras

    name = {"adamw": "adamw", "adam": "adam", "amsgrad": "adam"}.get(kind, "sgd")
    plain = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW}[name]
    random = np.random.RandomState(0)
    start, gradients = random.standard_normal((6, 4)), random.standard_normal((5, 6, 4)).astype(np.float32)
    settled = []
    for optimizer in (OPTIMIZERS[name](**FUSED[kind]).build(RATE), plain(RATE, **FUSED[kind])):
        weight = keras.Variable(start.astype(np.float32))
        optimizer.build([weight])
        for gradient in gradients:
            given = tensorflow.IndexedSlices(gradient[1:4], [1, 2, 3], [6, 4]) if sparse else gradient
            optimizer.apply([given], [weight])
        settled.append([variable.numpy() for variable in (weight, *optimizer.variables)])
    assert len(settled[0]) == len(settled[1])
    for ours, kerass in zip(*settled, strict=True):
        np.testing.assert_allclose(ours, kerass, rtol=1e-5, atol=1e-6)


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


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_a_weight_decay_of_none_is_built_or_refused_in_the_config(tensorflow, name):
    if "none" in describe(field_types(OPTIMIZERS[name])["weight_decay"]):
        assert stepped(OPTIMIZERS[name](weight_decay=None), [0.0]) == pytest.approx(2.0, rel=1e-3)


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
    with pytest.raises(ValueError, match="^global_clipnorm must not be given together with clipnorm"):
        OPTIMIZERS["adam"](clipnorm=1.0, global_clipnorm=1.0)


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    # The gradients of both replicas are summed: 0.5 + 0.5 + 0.5 * 2; Adam's first step is the learning rate.
    [("sgd", {"l2": 0.5}, 1.8), ("sgd", {"l2": 0.5, "momentum": 0.9}, 1.8), ("adam", {}, 1.9)],
)
def test_it_moves_once_whatever_the_number_of_replicas(name, settings, expected):
    script = f"""
        import tensorflow as tf
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
        )
        import keras
        from dltrain.registry import OPTIMIZERS

        for scaled in (False, True):
            strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
            with strategy.scope():
                weight = keras.Variable([2.0, 2.0])
                optimizer = OPTIMIZERS["{name}"](**{settings}).build(0.1)
                if scaled:
                    optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=1.0)
                optimizer.build([weight])
            step = lambda: optimizer.apply([tf.fill([2], 0.5)], [weight])
            tf.function(lambda: strategy.run(step))()
            print(float(weight[0]))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert [float(line) for line in done.stdout.split()] == pytest.approx([expected] * 2, rel=1e-6)


def moved_by_muon(**settings):
    """Returns how a 4 x 3 matrix named `logits` moves in one step of muon."""
    import keras

    muon = OPTIMIZERS["muon"](weight_decay=None, adam_weight_decay=None, **settings).build(RATE)
    weight = keras.Variable(np.zeros((4, 3), np.float32), name="logits")
    muon.build([weight])
    muon.apply([np.arange(12, dtype=np.float32).reshape(4, 3) ** 2 + 1], [weight])
    return weight.numpy()


def test_muon_moves_a_matrix_by_an_orthogonal_step(tensorflow):
    largest, *others = np.linalg.svd(moved_by_muon(rms_rate=None, ns_steps=10) / RATE)[1]
    assert largest < 1.3 and min(others) > 0.6  # Newton-Schulz brings them near 1 and no nearer


def test_muon_moves_the_layers_that_it_excludes_as_adam_does(tensorflow):
    np.testing.assert_allclose(moved_by_muon(exclude_layers=("logits",)), -RATE, rtol=1e-4)


def test_muon_refuses_what_is_no_regular_expression():
    with pytest.raises(ValueError, match=r"^exclude_layers\[1\] must be a regular expression"):
        OPTIMIZERS["muon"](exclude_layers=("logits", "("))


def test_a_choice_of_what_decays_where_nothing_does_is_refused():
    with pytest.raises(ValueError, match="weight_decay_of must be all where nothing decays: set weight_decay"):
        OPTIMIZERS["adam"](weight_decay_of="kernels")
    OPTIMIZERS["adamw"](weight_decay_of="kernels")


@pytest.mark.parametrize("name", OPTIMIZERS.names())
@pytest.mark.parametrize("shares", [(), (1.0, 0.5, 0.5, 0.5)])
def test_weight_decay_of_kernels_leaves_biases_and_normalisations_as_they_are(tensorflow, name, shares):
    import keras

    built = OPTIMIZERS[name](weight_decay=0.5, weight_decay_of="kernels").build(RATE, shares=shares)
    shapes = {"kernel": (2, 3), "bias": (2, 3), "gamma": (3,), "scale": (3,)}  # attention's bias has two dimensions
    weights = [keras.Variable(np.ones(shape, np.float32), name=kind) for kind, shape in shapes.items()]
    built.build(weights)
    built.apply([keras.ops.zeros(weight.shape) for weight in weights], weights)
    assert [bool((weight.numpy() < 1).all()) for weight in weights] == [True, False, False, False]


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_a_share_of_the_rate_is_a_step_at_that_rate_weight_decay_included(tensorflow, name):
    import keras

    random = np.random.RandomState(0)
    start, gradient = random.standard_normal((2, 3, 4)).astype(np.float32)
    moved = []
    for rate, shares in ((RATE, (1.0, 0.25)), (RATE / 4, ())):
        built = OPTIMIZERS[name](weight_decay=0.5, l2=0.1).build(rate, shares=shares)
        weights = [keras.Variable(start), keras.Variable(start)]
        built.build(weights)
        for _ in range(2):
            built.apply([keras.ops.array(gradient)] * 2, weights)
        moved.append(weights[1].numpy())
    np.testing.assert_allclose(*moved, rtol=1e-5, atol=1e-6)
    assert not np.allclose(weights[0], start)
