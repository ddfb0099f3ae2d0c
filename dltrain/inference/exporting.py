"""Exporting a run's network: each format is compared with Keras in its own runtime before it is kept."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dltrain.assembly.out_of_memory import enough_memory
from dltrain.assembly.pretrained import rebuilt
from dltrain.config.experiment import Config
from dltrain.console import Reporter
from dltrain.data import DataSpec, Features, Ragged, Split, spaced, trees, unnamed
from dltrain.data.spec import INPUTS
from dltrain.data.trees import Tree
from dltrain.engine.tensors import specs, tensors
from dltrain.errors import CheckpointError, ConfigError, UserError, said
from dltrain.errors import written as written_name
from dltrain.exports import Batch, Takes, called
from dltrain.importing import hushed
from dltrain.inference.comparison import COMPARED, Compared, Normalize, by_name, difference
from dltrain.inference.export_folder import Written, noted, put, remove, tidy, writing
from dltrain.inference.model_card import write_card
from dltrain.inference.outputs import arrays
from dltrain.inference.trained_run import TrainedRun
from dltrain.inference.vector_tables import NO_VECTORS, write_vectors
from dltrain.inspection.inspected_data import InspectedData
from dltrain.keras_internals import merge_low_rank
from dltrain.lazy import keras, np
from dltrain.plugins import loading as plugins
from dltrain.registry import EXPORTS, suggestion
from dltrain.runs import folder
from dltrain.runs.folder import Run

ALIASES = {"tflite": "litert", "tflite-int8": "litert-int8", "savedmodel": "saved_model"}
AGREED = 512
"""Held-out examples of which most must be answered as before, where numbers are coarser."""
CALIBRATED = 256
"""Training examples from which the ranges of 8-bit numbers are taken."""


def require(formats: Sequence[str]) -> list[Any]:
    """Returns the formats by name, each once.

    Raises:
        ConfigError: if there is none of a name.
        UserError: if a runtime is not installed; names the extra.
    """
    found = {}
    for word in formats:
        name = ALIASES.get(word, word)
        if name not in EXPORTS.names():
            raise ConfigError([f"--format: no format {word!r}{suggestion(word, EXPORTS.names())}"])
        found[name] = EXPORTS[name]()
    absent = {}
    for each in found.values():
        if missing := [module for module in each.needs if find_spec(module) is None]:
            absent[each.extra] = missing
    if absent:
        raise UserError(
            f"--format {', '.join(name for name, each in found.items() if each.extra in absent)} needs "
            f"{', '.join(module for modules in absent.values() for module in modules)}: "
            f"pip install 'dltrain[{','.join(absent)}]'"
        )
    return list(found.values())


def export(
    run: Run,
    formats: Sequence[Any],
    place: Path | None,
    checkpoint: str,
    reporter: Reporter,
    probabilities: bool = True,
    normalization: bool = True,
    overrides: Sequence[str] = (),
) -> dict[str, Any]:
    """Writes a run's network in some formats, and a model card beside them.

    Args:
        run: a run with a checkpoint; formats are compared on its held-out data, without data on its features' corners.
        formats: as `require` returns them.
        place: the folder; none for RUN/exports.
        checkpoint: "best" or "last".
        reporter: what says how it goes.
        probabilities: the network ends in softmax or sigmoid, where the task has classes or labels; else in logits.
        normalization: the network takes raw values; else those that the train part's mean and deviation normalise.
        overrides: `key.path=value` arguments, such as dataset.path=moved.csv.

    Returns:
        {"run", "checkpoint", "folder", "card", "exports": [{"format", "path", "bytes", "examples", "edge_cases",
        "difference", "agreement", "agreeing_edge_cases", "limit"}], "refused": {format: why}}

    Raises:
        UserError: if config, data or checkpoint cannot be used.
        TrainingError: if the folder cannot be written.
    """
    if place is None:
        folder.require_own_files(run)
    if written_name(str(place or run.exports)) != str(place or run.exports):
        raise UserError(f"{place or run.exports}: is no UTF-8, which libraries of formats need: name a folder with -o")
    # float32 on a CPU, whatever it was trained in: what runtimes take, and what can be compared.
    trained = TrainedRun.open(run, checkpoint, reporter, [*overrides, "device=cpu", "train.precision=float32"])
    config, saved = trained.config, trained.saved
    spec = trained.spec.bound(config.experiment.task)
    splits = None
    if absent := config.absence():
        trained.start()
        reporter.warn(f"compared on values at the edges alone, and the card says less of the data: {absent}")
        train = held_out = _corners(spec)
    else:
        _, splits = trained.own_data()
        train, held_out = splits.train, splits.test or splits.validation or splits.train
    with enough_memory(config):
        model, normalize = _network(config, saved, spec, held_out, normalization)
        activation = config.experiment.task.activation if probabilities else None
        asked = _Asked(
            config.experiment.task,
            spec,
            normalize,
            train,
            held_out,
            model if activation is None else _ending_in(activation, model, spec),
            model,
            splits is not None,
        )
        place = place or run.exports
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{place}: cannot be made: {error.strerror}; name another folder with -o") from None
        with writing(place):
            tidy(place)
            written, refused = [], {}
            for each in formats:
                reporter.say(f"{each.registered_name}: writing")
                if each.holds_vectors:
                    tables = config.experiment.task.vectors(spec, model)
                    names = None if splits is None else InspectedData(splits, brief=True)
                    written += write_vectors(each, tables, names, place)
                    if not tables:
                        refused[each.registered_name] = NO_VECTORS
                    continue
                try:
                    if splits is None and each.agreement is not None:
                        raise _Refused("needs the run's data for the ranges of its numbers: add dataset.path=...")
                    written.append(_written(each, asked, place, reporter))
                except _Refused as error:
                    refused[each.registered_name] = str(error)
            card = None
            if written:
                for name, content in spec.files().items():
                    (place / name).write_bytes(content)
                contract = {
                    "activation": activation,
                    "normalization": normalization,
                    "step": trained.state.step,
                    "shape": _own_shape(model, spec),
                }
                others = noted(place, written, contract)
                card = write_card(run, config, saved, spec, splits, place, contract, *others)
    return {
        "run": run.name,
        "checkpoint": checkpoint,
        "folder": str(place),
        "card": None if card is None else str(card),
        "exports": [each.to_plain() for each in written],
        "refused": refused,
    }


class _Refused(Exception):
    """A format cannot hold the network, or what it holds answers otherwise."""


@dataclass(frozen=True)
class _Asked:
    """The network that is exported, the same without a last activation, and what it is asked about."""

    task: Any
    spec: DataSpec
    normalize: Normalize | None
    train: Split
    held_out: Split
    model: Any
    raw: Any
    has_examples: bool

    @property
    def takes(self) -> Takes:
        """What the network takes."""
        return by_name(self.spec, specs(self.spec.inputs))

    @property
    def calibration(self) -> Batch:
        """Training examples that show the range of values."""
        found = _batch(self.spec, self.train.take(spaced(len(self.train), CALIBRATED)))
        return found if self.normalize is None else self.normalize(found)


def _corners(spec: DataSpec) -> Split:
    """Returns examples without data: what stands at the edges of each input, as often as the longest list has values.

    An input whose feature names none is all zeros.
    """
    found = {name: each.corners() or [np.zeros(each.max_shape, each.dtype)] for name, each in spec.inputs.items()}
    count = max(map(len, found.values()))
    stored = {}
    for name, values in found.items():
        rows = [np.asarray(values[row % len(values)]) for row in range(count)]
        is_ragged = len({row.shape for row in rows}) > 1
        stored[name] = Ragged.of(rows, rows[0].dtype, rows[0].shape[1:]) if is_ragged else np.stack(rows)
    return Split(unnamed(stored))


def _answers(model: Any, inputs: Batch) -> Tree:
    return trees.mapped(np.asarray, model(called(inputs), training=False))


def _batch(spec: DataSpec, part: Split) -> dict[str, np.ndarray]:
    """Returns examples as the run's own network takes them."""
    return by_name(spec, arrays(tensors(spec.inputs, part.inputs)))


def _network(
    config: Config, saved: Any, spec: DataSpec, part: Split, normalization: bool
) -> tuple[Any, Normalize | None]:
    """Returns the run's network with its weights, and what normalises its inputs where the network does not."""
    task = config.experiment.task
    model = rebuilt(config, saved)
    merge_low_rank(model)
    model = task.exported(spec, model)
    if normalization:
        return model, None
    words = (
        "--no-normalization: the network does not begin with a normalisation layer, or its inputs include categories"
    )
    features, functions = Features(), dict[str, Callable[[np.ndarray], np.ndarray]]()
    for name, feature in spec.inputs.items():
        without = feature.unnormalized()
        if without is None:
            raise UserError(words)
        features[name], functions[INPUTS if len(spec.inputs) == 1 else name] = without

    def normalize(batch: Batch) -> Batch:
        return {name: functions[name](values) for name, values in batch.items()}

    try:
        bare = task.exported(spec, rebuilt(config, saved, replace(spec, inputs=features)))
    except CheckpointError:
        raise UserError(words) from None
    inputs = _batch(spec, part.first(COMPARED))
    if difference(_answers(bare, normalize(inputs)), _answers(model, inputs)) > 1e-4:
        raise UserError(words)
    return bare, normalize


def _own_shape(model: Any, spec: DataSpec) -> list[int | None] | dict[str, list[Any]] | None:
    """Returns the shape of a network's only output for one example where it is not what its task asks networks for.

    Of several outputs, of one target, it is the type and the shape of each by name.
    """
    output = getattr(model, "output", None)
    if isinstance(output, dict) and not isinstance(spec.output_shape, dict):
        return {name: [each.dtype, *each.shape[1:]] for name, each in sorted(output.items())}
    if output is None or isinstance(output, dict | list | tuple):
        return None
    found = tuple(output.shape[1:])
    return None if found == spec.output_shape else [*found]


def _ending_in(activation: str, model: Any, spec: DataSpec) -> Any:
    """Returns the network with what makes probabilities of its logits behind it."""
    last = keras.layers.Activation(activation, dtype="float32", name="probabilities")
    if isinstance(model, keras.Sequential) or not hasattr(model, "output"):
        inputs = spec.inputs()
        return keras.Model(inputs, last(model(inputs)))
    return keras.Model(model.input, last(model.output), name=model.name)


def _written(each: Any, asked: _Asked, place: Path, reporter: Reporter) -> Written:
    """Writes one format aside, compares what it says, and gives it its name.

    Raises:
        _Refused: if it cannot be written or says something else; nothing of it stays.
    """
    path = place / each.file
    agreement = each.agreement
    most = COMPARED if agreement is None else AGREED
    compared = Compared.of(asked.spec, asked.held_out, most, asked.normalize, asked.has_examples)
    aside = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    noise: list[str] = []
    try:
        remove(aside)
        try:
            with hushed(noise), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                each.write(asked.model, aside, asked.takes, asked.calibration)
                got = trees.mapped(lambda values: np.asarray(values, np.float32), each.answers(aside, compared.inputs))
        except OSError:
            raise
        except Exception as error:
            reporter.detail("".join(noise))
            reason = plugins.fault(error) or said(error) or type(error).__name__
            raise _Refused(f"cannot represent this network: {reason[:300]}") from None
        wanted = _answers(asked.model, compared.inputs)
        if trees.mapped(np.shape, got) == trees.mapped(np.shape, wanted):
            got = asked.task.aligned(asked.spec, got, wanted)
        apart = compared.difference(got, wanted, _answers(asked.raw, compared.inputs))
        share = agreeing = None
        if agreement is not None:
            share, agreeing = compared.agreement(partial(asked.task.agree, asked.spec), got, wanted)
        limit = each.tolerance if agreement is None else agreement
        size = sum(file.stat().st_size for file in [aside, *aside.rglob("*")] if file.is_file())
        examples = trees.count(wanted) - compared.edges
        found = Written(
            each.registered_name, path, size, examples, compared.edges, apart, share, agreeing, limit, asked.task.alike
        )  # fmt: skip
        is_same = apart <= limit if share is None else share >= limit
        if not is_same:
            raise _Refused(f"its outputs differ from the network's, so it was removed: {found.words}")
        put(aside, path)
        return found
    finally:
        remove(aside)
