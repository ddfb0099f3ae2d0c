"""Pretrained weights, loaded into a new network: `model.weights`."""

import dataclasses
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dltrain.checkpoints import store, weight_files
from dltrain.checkpoints.layer_names import heads_of, loose_weights, named_layers
from dltrain.checkpoints.store import Checkpoint
from dltrain.checkpoints.training_state import TrainingState
from dltrain.config import experiment as experiments
from dltrain.config.experiment import Config
from dltrain.data import DataSpec
from dltrain.errors import AbsentRun, KeyProblem, RunError, UserError
from dltrain.keras_internals import merge_low_rank, without_low_rank
from dltrain.lazy import keras
from dltrain.registry import suggestion
from dltrain.runs import folder
from dltrain.runs.folder import Run

_log = logging.getLogger("dltrain")


@dataclass(frozen=True)
class InitialWeights:
    """Pretrained weights.


    Args:
        words: their source, for messages.
        arrays: the weights of each layer, by the layer's name.
        heads: the names of the head's layers among these.
        spec: the data that they were trained on; none where unknown.
    """

    words: str
    arrays: dict[str, list[Any]]
    heads: list[str]
    spec: DataSpec | None = None


def resolved(config: Config, root: Path, fresh: bool = True, may_be_absent: bool = False) -> Config:
    """Returns the config with full paths to the runs and files that it names, so that it stays valid elsewhere.

    Args:
        config: a config.
        root: the folder of runs.
        fresh: whether training starts here, and `model.weights` will be read.
        may_be_absent: leave a run or file that does not exist as it is, and say so in `absent`.

    Raises:
        ConfigError: if neither such a run nor such a file exists.
    """
    named = []
    if fresh and isinstance(config.experiment.model.weights, Path):
        named.append(("model", "weights"))
    if config.experiment.teacher is not None:
        named.append(("teacher", "run"))
    for block, key in named:
        settings = getattr(config.experiment, block)
        with config.blame(block):
            try:
                place = _place(config, block, key, getattr(settings, key), root)
            except AbsentRun as error:
                if not may_be_absent:
                    raise
                config = config.without(f"{block}.{key} was not checked: it {error.words}")
                continue
        changed: Any = {block: dataclasses.replace(settings, **{key: place})}
        config = dataclasses.replace(config, experiment=dataclasses.replace(config.experiment, **changed))
    return config


def _place(config: Config, block: str, key: str, path: Path, root: Path) -> Path:
    """Returns the run, or the file where a key takes one, that a path or a run's name means."""
    takes = "a run or a file" if key == "weights" else "a run"
    if path.exists():
        if key == "weights" and config.experiment.model.reads(path):
            return path
        if path.is_dir() and not Run(path).config.is_file():
            raise KeyProblem(key, f"must be {takes}: {path} is not a run: it contains no config.yaml")
        if path.is_file() and not (key == "weights" and path.name.endswith(weight_files.ENDINGS)):
            endings = f", one that ends in {', '.join(weight_files.ENDINGS)}" if key == "weights" else ""
            raise KeyProblem(key, f"must be {takes}{endings}, got {path}")
        return path
    word = str(config.root.value[block].value[key].value)
    hint = config.experiment.model.hint(word) if key == "weights" else ""
    if Path(word).name == word and not word.endswith(weight_files.ENDINGS):
        try:
            return folder.find(word, root).path.resolve()
        except RunError as error:
            raise AbsentRun(key, f"must be {takes}, got {word!r}: {error}{hint}") from None
    raise AbsentRun(key, f"must be {takes}, but there is none at {path}{hint}")


def trained(run: Run, checkpoint: Path | None = None) -> tuple[Any, DataSpec, Checkpoint]:
    """Rebuilds the network of a run, with its best weights.

    Args:
        run: the run.
        checkpoint: the checkpoint whose weights to take; none for the best.

    Returns:
        the network, not compiled; the data that it was trained on; the checkpoint.

    Raises:
        UserError: if config or checkpoint cannot be used.
    """
    config = experiments.load(run.config, reads_data=False)
    saved = store.load_file(checkpoint) if checkpoint else store.load(run, "best")
    return rebuilt(config, saved), TrainingState.of(saved).spec, saved


def rebuilt(config: Config, saved: Checkpoint, spec: DataSpec | None = None) -> Any:
    """Rebuilds a run's network from its config, not compiled, with the weights of a checkpoint.

    Args:
        config: the run's.
        saved: the checkpoint.
        spec: the data to build it for; none for those that it was trained on.

    Raises:
        UserError: if the checkpoint is not of this network.
    """
    model = config.build_model(spec or TrainingState.of(saved).spec)
    store.restore_network(saved, model)
    return model


def load_pretrained(
    path: Path,
    model: Any,
    spec: DataSpec,
    source: InitialWeights | None = None,
    may_lack: Sequence[str] = (),
) -> None:
    """Loads pretrained weights into a new network, all or none; the head's only if its outputs are the same.

    Args:
        path: a run or a file.
        model: the network.
        spec: the data that it will be trained on.
        source: the weights, if they were read already.
        may_lack: layers that start at random where the source has none of their names.

    Raises:
        KeyProblem: if they cannot be read or do not fit.
    """
    try:
        source = source or _read(path, model)
        pairs, at_random = _matched(model, spec, source, may_lack)
    except (UserError, OSError) as error:
        raise KeyProblem("weights", f"{path} cannot be used: {error}") from None
    for variable, value in pairs:
        variable.assign(value)
    words = "all layers"
    if at_random:
        start = "starts" if len(at_random) == 1 else "start"
        words = f"all but {', '.join(at_random)}, which {start} at random: {_why(source, named_layers(model), spec)}"
    _log.info(
        "%s", f"model.weights: loaded {source.words}, {words}; inputs are normalised by the statistics of the new data"
    )


def _read(path: Path, model: Any) -> InitialWeights:
    """Reads the weights that a path names: a run, its checkpoint, or a file of Keras's."""
    if path.is_dir() or path.suffix == ".npz":
        run = Run(path if path.is_dir() else path.parent.parent)
        if not run.config.is_file():
            raise RunError(
                "it is not a run: it contains no config.yaml" if path.is_dir() else "it is not in the folder of a run"
            )
        network, spec, saved = trained(run, None if path.is_dir() else path)
        merge_low_rank(network)
        named = named_layers(network)
        groups = {name: without_low_rank(layer) for name, layer in named.items()} | {
            weight_files.LOOSE: loose_weights(network)
        }
        arrays = {name: [np.array(weight) for weight in weights] for name, weights in groups.items() if weights}
        kind = "the best weights" if path.is_dir() else f"{path.name}"
        return InitialWeights(f"{kind} of {run.name} (step {saved.state['step']})", arrays, heads_of(named), spec)
    named = named_layers(model)
    return InitialWeights(f"the weights of {path}", weight_files.read(path, model), heads_of(named))


def _matched(
    model: Any, spec: DataSpec, source: InitialWeights, may_lack: Sequence[str]
) -> tuple[list[tuple[Any, Any]], list[str]]:
    """Returns the weights of a network with their values, and the names of the layers whose are not among them.

    Raises:
        ValueError: at the first layer that the other network does not have, or has in another shape.
    """
    if source.spec is not None and source.spec.inputs.signature != spec.inputs.signature:
        words = source.spec.mismatch(spec) or "they differ"
        raise KeyProblem("weights", f"must be from a network with the same inputs: {words} ({source.words})")
    named, at_random = named_layers(model), list[str]()
    pairs: list[tuple[Any, Any]] = []
    heads = heads_of(named)
    theirs = dict(zip(heads, source.heads, strict=False)) if len(heads) == 1 == len(source.heads) else {}
    has_head = _same_outputs(source.spec, spec) and all(
        _shapes_of(source.arrays.get(theirs.get(name, name), [])) == _shapes_of(without_low_rank(named[name]))
        for name in heads
    )
    for name, layer in named.items():
        if isinstance(layer, keras.layers.Normalization):
            continue
        values = source.arrays.get(theirs.get(name, name))
        weights = without_low_rank(layer)
        shapes, found = _shapes_of(weights), None if values is None else _shapes_of(values)
        if (name in heads and not has_head) or (found is None and name in may_lack):
            at_random.append(name)
            continue
        if found is None:
            there = suggestion(name, list(source.arrays), "it has")
            raise KeyProblem("weights", f"must fit this network: {source.words} have no layer {name}{there}")
        if found != shapes:
            words = f"{_shapes(shapes)} in this network, {_shapes(found)} in the source"
            raise KeyProblem("weights", f"must fit this network: layer {name} is {words} ({source.words})")
        pairs += zip(weights, values or [], strict=True)
    own, loose = source.arrays.get(weight_files.LOOSE, []), loose_weights(model)
    shapes, found = _shapes_of(loose), _shapes_of(own)
    if found != shapes:
        words = f"{_shapes(shapes) or 'none'} in this network, {_shapes(found) or 'none'} in the source"
        raise KeyProblem(
            "weights", f"must fit this network: the weights outside of layers are {words} ({source.words})"
        )
    pairs += zip(loose, own, strict=True)
    known = {*named, *source.heads, *may_lack, weight_files.LOOSE}
    if strange := [name for name in source.arrays if name not in known]:
        raise KeyProblem(
            "weights", f"must fit this network: {source.words} have a layer {strange[0]}, which it does not have"
        )
    return pairs, at_random


def _same_outputs(one: DataSpec | None, other: DataSpec) -> bool:
    """Whether both networks end in the same classes or targets; where these are unknown, the shapes decide."""
    return one is None or one.targets.signature == other.targets.signature


def _why(source: InitialWeights, named: dict[str, Any], data: DataSpec) -> str:
    head = heads_of(named)[-1]
    here = named[head].weights[-1].shape[-1]
    wanted = " and ".join(each.plural or each.registered_name for each in data.targets.values()) or "outputs"
    there = source.arrays.get(source.heads[-1])
    if source.spec is None or not there:
        return f"the file has no head for {here} {wanted}"
    return f"the source has {there[-1].shape[-1]} outputs, the data have {here} other {wanted}"


def _shapes_of(values: Sequence[Any]) -> list[tuple[int, ...]]:
    return [tuple(value.shape) for value in values]


def _shapes(shapes: list[tuple[int, ...]]) -> str:
    return " and ".join("x".join(map(str, shape)) or "one number" for shape in shapes)
