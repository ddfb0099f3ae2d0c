"""A network written in YAML: what it computes, and every way to write it wrong, by line and column."""

import os
import subprocess
import sys

import pytest
from layer_table import KINDS, TABLE, table, text
from specs import data_spec
from typer.testing import CliRunner

from dltrain.cli import app
from dltrain.config import experiment as experiments
from dltrain.errors import ConfigError, Misfit
from dltrain.features.table import Column
from dltrain.models._layers import LISTED, REFUSED, SEVERAL, choices
from dltrain.registry import MODELS

RESIDUAL = """\
dataset: {name: digits}
model:
  name: graph
  layers:
    - {layer: Conv2D, name: stem, filters: 8, kernel_size: [3, 3], padding: same, activation: relu}
    - {layer: BatchNormalization}
    - {layer: Conv2D, filters: 8, kernel_size: 3, padding: same, bias_regularizer: none}
    - {layer: Add, inputs: [stem, previous]}
    - {layer: GlobalAveragePooling2D}
    - {layer: Dense, units: 4, activation: "tanh", kernel_regularizer: {name: L2, l2: 1e-4}}
    - {layer: Dropout, rate: 0.25}
optimizer: {name: adam, learning_rate: 0.01}
train: {epochs: 1, batch_size: 64}
"""
IMAGES = data_spec((8, 8, 1), ("a", "b", "c"), (100.0,), (50.0,))


def config(path, *layers):
    """A config whose first layer is in line 5."""
    head, _, tail = RESIDUAL.partition("    - {layer: Conv2D")
    path.write_text(
        head + "".join(f"    - {layer}\n" for layer in layers) + "optimizer:" + tail.partition("optimizer:")[2]
    )
    return path


def problems(path):
    with pytest.raises(ConfigError) as caught:
        experiments.load(path)
    return [str(problem).splitlines()[0].removeprefix(f"{path}:") for problem in caught.value.problems]


def build(*layers, data=IMAGES, **keys):
    return MODELS["graph"](layers=layers, **keys).build(data)


def test_the_residual_network_trains_and_its_run_repeats_it_and_opens_in_plain_keras(tmp_path, tensorflow):
    path = tmp_path / "residual.yaml"
    path.write_text(RESIDUAL)
    result = CliRunner().invoke(app, ["fit", str(path), "-q", "--runs", str(tmp_path)])
    assert result.exit_code == 0, result.output
    run = tmp_path / "residual-001"
    again = experiments.load(run / "config.yaml").experiment
    assert again == experiments.load(path).experiment
    assert again.model.layers[0]["kernel_size"] == (3, 3)
    assert again.model.layers[2]["bias_regularizer"] is None
    code = f"import keras; print(keras.models.load_model({str(run / 'model.keras')!r}).count_params())"
    command = [sys.executable, "-c", f"import sys; sys.modules['dltrain'] = None; {code}"]
    opened = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": ""})
    assert int(opened.stdout) == 80 + 32 + 584 + 36 + 50


def test_it_is_the_network_that_the_same_lines_of_python_make(tensorflow, tmp_path):
    import keras
    import numpy as np

    layers = keras.layers
    path = tmp_path / "residual.yaml"
    path.write_text(RESIDUAL)
    keras.utils.set_random_seed(0)
    written = experiments.load(path).experiment.model.build(IMAGES)
    inputs = IMAGES.inputs()
    x = stem = layers.Conv2D(8, 3, padding="same", activation="relu")(IMAGES.preprocess(inputs))
    x = layers.Conv2D(8, 3, padding="same")(layers.BatchNormalization()(x))
    x = layers.GlobalAveragePooling2D()(layers.Add()([stem, x]))
    x = layers.Dropout(0.25)(layers.Dense(4, "tanh", kernel_regularizer=keras.regularizers.L2(1e-4))(x))
    plain = keras.Model(inputs, IMAGES.head(x))
    assert [weight.shape for weight in plain.weights] == [weight.shape for weight in written.weights]
    plain.set_weights(written.get_weights())
    images = np.random.RandomState(0).randint(0, 256, (4, 8, 8, 1)).astype("float32")
    np.testing.assert_array_equal(written(images), plain(images))
    assert float(sum(written.losses)) == float(sum(plain.losses)) > 0


def test_layers_are_called_by_their_place_whatever_was_built_before(tensorflow):
    block = ({"layer": "Flatten"}, {"layer": "Dense", "units": 3, "name": "wide"})
    assert [[layer.name for layer in build(*block).layers] for _ in range(2)] == [
        ["inputs", "normalization", "layer0_flatten", "wide", "logits"]
    ] * 2


@pytest.mark.parametrize(
    "layer",
    [
        {"layer": "Bidirectional", "of": {"layer": "LSTM", "units": 2}},
        {"layer": "RNN", "cell": {"layer": "StackedRNNCells", "cells": ({"layer": "GRUCell", "units": 2},) * 2}},
        {"layer": "MultiHeadAttention", "num_heads": 1, "key_dim": 2, "inputs": ("rows", "rows")},
        {"layer": "Dot", "axes": 1, "inputs": ("rows", "previous")},
        {"layer": "LocalResponseNormalization", "size": 3},
    ],
    ids=lambda layer: layer["layer"],
)
def test_layers_within_layers_and_layers_of_several_inputs_work(tensorflow, tmp_path, layer):
    import keras

    rows = {"layer": "Reshape", "target_shape": (8, 8), "name": "rows"}
    model = build(rows, layer, {"layer": "Flatten"})
    model.save(tmp_path / "model.keras")
    assert keras.models.load_model(tmp_path / "model.keras").count_params() == model.count_params()


def test_raw_values_and_an_own_head_are_had_for_the_asking(tensorflow):
    import numpy as np

    kernel = {"name": "Constant", "value": 1}
    model = build(
        {"layer": "Flatten"},
        {"layer": "Dense", "units": 3, "kernel_initializer": kernel, "dtype": "mixed_bfloat16"},
        normalize=False,
        head=False,
    )
    assert model.output.dtype == "float32"
    np.testing.assert_array_equal(model(np.full((1, 8, 8, 1), 2.0)), [[128.0] * 3])


def test_a_table_with_categories_fits_beside_any_name(tensorflow):
    columns = (Column("x", "x"), Column("c", "c", categories=("u", "v")), Column("d", "d", categories=("u",)))
    data = data_spec((3,), ("a", "b"), (0.0,) * 3, (1.0,) * 3, columns=columns)
    layers = ({"layer": "Subtract", "inputs": ("inputs", "inputs")}, {"layer": "Dense", "units": 2})
    for _ in range(2):  # Keras counts its own names up
        names = {operation.name for operation in build(*layers, data=data).operations}
    for name in names - {"layer0_subtract", "layer1_dense"}:
        with pytest.raises(ExceptionGroup, match="graph"):
            MODELS["graph"](layers=({"layer": "Dense", "units": 2, "name": name},))


CONV = "{layer: Conv2D, name: stem, filters: 4, kernel_size: 3}"


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (["{layer: Conv2d, filters: 4}"], ["5:15: model.layers[0].layer: no layer 'Conv2d', did you mean \"Conv2D\"?"]),
        (
            ["{layer: batch_norm}"],
            ["5:15: model.layers[0].layer: no layer 'batch_norm', did you mean \"BatchNormalizati"],
        ),
        (["{layer: Xyzzy}"], ["5:15: model.layers[0].layer: no layer 'Xyzzy'; use a layer of keras.layers or dl"]),
        (["{units: 3}"], ["5:7: model.layers[0].layer must be the name of a layer, but it is missing"]),
        (
            ["Conv2D: {filters: 3}"],
            ["5:7: model.layers[0].layer must be the name of a layer, but it is missing; write {l"],
        ),
        (["{layer: [Dense]}"], ["5:15: model.layers[0].layer must be the name of a layer, got no word"]),
        (["Flatten"], ["5:7: model.layers[0] must be a block, got 'Flatten'"]),
        (
            ["{layer: Dense, units: 3, actvation: relu}"],
            ['5:43: model.layers[0].actvation is not an argument of Dense, did you mean "activation"?'],
        ),
        (
            ["{layer: Dropout, rate: 0, p: 1}"],
            ["5:36: model.layers[0].p is not an argument of Dropout; it has rate, noise"],
        ),
        (["{layer: Dense}"], ["5:7: model.layers[0].units is missing: Dense needs it"]),
        (
            ["{layer: Normalization}"],
            [
                "5:7: model.layers[0].mean is missing: Normalization needs it",
                "5:7: model.layers[0].variance is missing: Normalization needs it",
            ],
        ),
        (
            ["{layer: Dense, units: 3, activation: rleu}"],
            ["5:44: model.layers[0].activation: no activation 'rleu', did you mean \"relu\"?"],
        ),
        (
            ["{layer: Dense, units: 3, bias_initializer: zero}"],
            ["5:50: model.layers[0].bias_initializer: no initializer 'zero', did you mean \"zeros\"?"],
        ),
        (
            ["{layer: Dense, units: 3, kernel_regularizer: {name: L2, l3: 1}}"],
            ["5:67: model.layers[0].kernel_regularizer.l3 is not an argument of L2; it has l2"],
        ),
        (
            ["{layer: TimeDistributed, of: {layer: Dense, units: 3, bias: no}}"],
            ['5:67: model.layers[0].of.bias is not an argument of Dense, did you mean "use_bias"?'],
        ),
        (
            ["{layer: TimeDistributed, of: Dense}"],
            ["5:36: model.layers[0].of must be a layer, for example {layer: Dense,"],
        ),
        (
            ["{layer: LSTMCell, units: 3}"],
            ["5:15: model.layers[0].layer must not be LSTMCell: a cell must be inside an R"],
        ),
        (["{layer: Dense, units: {name: x}}"], ["5:22: model.layers[0].units must be a single value, got a block"]),
        (["{layer: Dropout, rate: .nan}"], ["5:30: model.layers[0].rate must be a number, got .nan"]),
        (
            ["{layer: Flatten, name: a/b}"],
            ["5:30: model.layers[0].name must consist of letters, digits, _ . and - (at most 100"],
        ),
        (
            ["{layer: Flatten, name: logits}"],
            ["5:30: model.layers[0].name must not be logits, a name that dltrain uses it"],
        ),
        (
            [CONV, "{layer: Flatten, name: stem}"],
            ["6:30: model.layers[1].name must be unique: 'stem' is already the name of layers[0] in line 5"],
        ),
        (
            [CONV, "{layer: Add, inputs: [setm, inputs]}"],
            ["6:29: model.layers[1].inputs[0]: no layer 'setm', did you mean \"stem\"?"],
        ),
        (
            ["{layer: Add, inputs: [stem, inputs]}", CONV],
            ["5:29: model.layers[0].inputs[0] must be a layer above this one, got 'stem', which is layers[1] in lin"],
        ),
        (
            ["{layer: Flatten, name: a, inputs: a}"],
            ["5:41: model.layers[0].inputs must be a layer above this one, got itself"],
        ),
        (["{layer: Flatten, inputs: 3}"], ["5:32: model.layers[0].inputs must be the name of a layer, got 3"]),
        ([CONV, "{layer: Add}"], ["6:7: model.layers[1].inputs must name at least 2 layers for Add, got none"]),
        (
            [CONV, "{layer: Flatten, inputs: [stem, inputs]}"],
            ["6:32: model.layers[1].inputs must name 1 layer for Flatten, got 2"],
        ),
        (
            [CONV, "{layer: Dense, units: 3, name: dead}", "{layer: Flatten, inputs: stem}"],
            ['6:7: model.layers[1] (Dense "dead") is not used: name it in the `inputs` of another layer, or remove it'],
        ),
    ],
)
def test_what_is_written_wrong_is_found_at_its_place_before_tensorflow_loads(tmp_path, layers, expected):
    found = problems(config(tmp_path / "wrong.yaml", *layers))
    assert [problem[: len(words)] for problem, words in zip(found, expected, strict=True)] == expected


def test_no_layers_are_no_network(tmp_path):
    path = config(tmp_path / "none.yaml", CONV)
    with pytest.raises(
        ConfigError, match=r"4:\d+: model.layers must contain at least one layer|argument 'model.layers"
    ):
        experiments.load(path, ["model.layers=[]"])


def test_all_mistakes_are_told_at_once(tmp_path):
    layers = ["{layer: Conv2d}", "{layer: Dense, unit: 3}", "{layer: Dense, units: 3, name: a b, activation: x}"]
    assert [problem.split(": ")[0] for problem in problems(config(tmp_path / "wrong.yaml", *layers))] == [
        "5:15", "6:7", "6:28", "7:38", "7:55",
    ]  # fmt: skip


UNFIT = [
    (
        [CONV, "{layer: MaxPooling2D}", "{layer: Add, name: sum, inputs: [stem, previous]}", "{layer: Flatten}"],
        '7:7: model.layers[2] (Add "sum"): shapes (6, 6, 4) of layers[0] in line 5 (Conv2D "stem") and (3, 3, 4) of '
        "layers[1] in line 6 (MaxPooling2D) do not fit: Inputs have incompatible shapes.",
    ),
    (
        ["{layer: MaxPooling2D, pool_size: 9}", "{layer: Flatten}"],
        "5:7: model.layers[0] (MaxPooling2D): shape (8, 8, 1) of the data does not fit: Computed output size would be",
    ),
    (
        ["{layer: Conv2D, filters: -1, kernel_size: 3}", "{layer: Dense, units: x}"],
        "5:7: model.layers[0] (Conv2D) cannot be made: Invalid value for argument `filters`.",
    ),
    (
        ["{layer: BatchNormalization, axis: 7}", "{layer: Flatten}"],
        "5:7: model.layers[0] (BatchNormalization): shape (8, 8, 1) of the data does not fit: IndexError: tuple index",
    ),
    (
        [CONV],
        '5:7: model.layers[0] (Conv2D "stem") must return a vector for an example, got (6, 6, 4): end with Flatten',
    ),
    (
        ["{layer: Reshape, target_shape: [8, 8]}", "{layer: LSTM, units: 2, return_state: true}"],
        "6:7: model.layers[1] (LSTM) must return one output, got 3",
    ),
    *(
        (["{layer: Flatten}", f"{{layer: {layer}}}"], f"6:7: model.layers[1] ({layer.split(',')[0]}): shape (64,) of")
        for layer in (
            *("RandomCrop, height: 4, width: 4", "Resizing, height: 4, width: 4", "MelSpectrogram", "RandomFlip"),
            *("RandomRotation, factor: 0.1", "CenterCrop, height: 4, width: 4", "Solarization", "RandAugment"),
        )
    ),
    (
        ["{layer: Equalization}", "{layer: Flatten}"],
        "5:7: model.layers[0] (Equalization): shape (8, 8, 1) of the data does not fit: it returns its input itself",
    ),
    (
        ["{layer: Discretization, bin_boundaries: [0.5]}", "{layer: ELU}", "{layer: Flatten}"],
        "6:7: model.layers[1] (ELU): shape (8, 8, 1) of layers[0] in line 5 (Discretization) does not fit",
    ),
]
"""Each is told at the build, those that fail at the first batch alone among them."""


@pytest.mark.parametrize(("layers", "expected"), UNFIT)
def test_what_does_not_fit_is_found_where_the_network_is_built(tensorflow, tmp_path, layers, expected):
    path = config(tmp_path / "unfit.yaml", *layers)
    with pytest.raises(ConfigError) as caught:
        experiments.load(path).build_model(IMAGES)
    assert str(caught.value).startswith(f"{path}:{expected}")


@pytest.mark.parametrize("command", [["show"], ["fit"], ["fit", "--dry-run"]], ids=" ".join)
def test_shapes_that_do_not_fit_end_every_command_at_their_line(tensorflow, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    config(tmp_path / "unfit.yaml", *UNFIT[0][0])
    result = CliRunner().invoke(app, [*command, "unfit.yaml"])
    assert result.exit_code == 2, result.output
    assert f"unfit.yaml:{UNFIT[0][1]}" in result.stderr
    assert not (tmp_path / "runs").exists()


def test_every_value_that_keras_refuses_is_told_at_once(tensorflow):
    with pytest.raises(ExceptionGroup) as caught:
        build({"layer": "Conv2D", "filters": -1, "kernel_size": 3}, {"layer": "Dense", "units": "x"})
    assert [str(error)[:9] for error in caught.value.exceptions] == ["layers[0]", "layers[1]"]


def test_an_own_head_must_be_as_wide_as_the_data_ask(tensorflow):
    with pytest.raises(
        Misfit, match=r"^layers\[1\] \(Dense\) must return the 3 outputs that the data need, got \(4,\)"
    ):
        build({"layer": "Flatten"}, {"layer": "Dense", "units": 4}, head=False)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_layers_that_run_code_or_read_files_are_refused_wherever_they_stand(tmp_path, name):
    inner = f"{{layer: {name}, function: os.system, filepath: /etc, vocabulary: /etc/passwd}}"
    assert problems(config(tmp_path / "a.yaml", inner))[0].startswith(
        f"5:15: model.layers[0].layer must not be {name}:"
    )
    outer = f"{{layer: TimeDistributed, of: {inner}}}"
    assert f"model.layers[0].of.layer must not be {name}:" in problems(config(tmp_path / "b.yaml", outer))[0]


@pytest.mark.parametrize(
    "layer",
    [
        "{layer: keras.layers.Dense, units: 3}",
        "{layer: os.system}",
        "{layer: Layer}",
        "{layer: Dense, units: {class_name: function, config: os.system, module: os}}",
        "{layer: Dense, units: 3, activation: {class_name: function, config: system, module: os}}",
        "{layer: Dense, units: 3, activation: os.system}",
        "{layer: Dense, units: 3, kernel_initializer: {class_name: Popen, module: subprocess}}",
        "{layer: Dense, units: 3, kernel_initializer: {name: subprocess.Popen}}",
        "{layer: Dense, units: 3, kernel_regularizer: os.system}",
        "{layer: Dense, units: 3, dtype: {class_name: DTypePolicy, module: os}}",
        "{layer: Dense, units: [{class_name: Popen, module: subprocess}]}",
        "{layer: RNN, cell: [{layer: Lambda, function: x}]}",
        "{layer: RNN, cell: {layer: StackedRNNCells, cells: [{layer: Lambda, function: x}]}}",
    ],
)
def test_nothing_in_a_layer_names_code(tmp_path, layer):
    assert problems(config(tmp_path / "stranger.yaml", layer))


def test_the_table_of_layers_is_that_of_the_installed_keras(tensorflow):
    assert TABLE.read_text() == text(), (
        "Keras has changed: run `python tests/models/layer_table.py`, then look at REFUSED"
    )
    assert REFUSED.keys() | LISTED.keys() | SEVERAL.keys() <= table()["layer"].keys()


def test_every_layer_that_may_be_chosen_takes_as_many_inputs_as_is_said(tensorflow):
    import inspect

    import keras

    given = {"training", "mask", "initial_state", "kwargs"}
    for name in table()["layer"].keys() - REFUSED.keys():
        parameters = inspect.signature(getattr(keras.layers, name).call).parameters.values()
        needed = [p.name for p in parameters if p.default is p.empty and p.name not in given | {"self"}]
        assert len(needed) == (2 if name in SEVERAL or name.endswith(("Cell", "Cells")) else 1), name


def test_dltrains_own_layers_may_be_chosen_with_the_arguments_that_they_have(tensorflow):
    import inspect

    import keras

    import dltrain.layers  # noqa: F401

    own = {key.removeprefix("dltrain>"): cls for key, cls in keras.saving.get_custom_objects().items()}
    own = {name: cls for name, cls in own.items() if cls.__module__.startswith("dltrain.layers.")}
    assert own.keys() == choices("layer").keys() - table()["layer"].keys()
    for name, cls in own.items():
        parameters = inspect.signature(cls).parameters.keys() - {"args", "kwargs", "name", "quantization_config"}
        assert parameters <= choices("layer")[name].keys(), name


def test_what_may_stand_within_a_layer_is_of_four_kinds():
    assert all(choices(kind) for kind in (*KINDS, "activation"))
