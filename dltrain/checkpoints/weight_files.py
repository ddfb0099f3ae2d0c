"""Weights from files that Keras wrote, read without trust: no link is followed, no object made, no code run.

Nothing is read before its shape is known to fit.
"""

import io
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from dltrain.checkpoints.layer_names import loose_weights, named_layers, snake_case
from dltrain.errors import CheckpointError
from dltrain.hdf5 import arrays
from dltrain.lazy import keras
from dltrain.untrusted import Unreadable, opened, parsing, reason

ENDINGS = (".npz", ".weights.h5", ".keras")
"""Suffixes of weight files: dltrain's own, and Keras's."""

LOOSE = "(own)"
"""The layer name of weights that are in no layer."""

_MEMBER = "model.weights.h5"
_NO_WEIGHTS = ("normalization", "seed_generator")


def read(path: Path, model: Any) -> dict[str, list[Any]]:
    """Returns the arrays of each layer, by the layer's name in a network, or by its place in the file if it has none.

    Of arrays that do not fit the network only the shape is read.

    Args:
        path: a file that ends in .weights.h5 or .keras.
        model: the network that they are for, whose layers the file names by class and number.

    Raises:
        CheckpointError: if it cannot be read, or is not a file of the kind that its name says.
    """
    import h5py

    if not path.name.endswith(ENDINGS[1:]):
        raise CheckpointError(f"a weight file must end in {', '.join(ENDINGS)}")
    try:
        with parsing(), _content(path, model) as content, h5py.File(content, "r") as file:
            if "layer_names" in file.attrs:
                raise ValueError("it is in Keras 2's format: load it with Keras's load_weights, and save it again")
            return _layers(file, model)
    except (OSError, Unreadable) as error:
        raise CheckpointError(reason(error)) from None


@contextmanager
def _content(path: Path, model: Any) -> Iterator[IO[bytes]]:
    """A context with the HDF5 file that a weight file is: of a .keras file, a zip archive, a member, in memory."""
    with opened(path) as file:
        yield io.BytesIO(_member(file, model)) if path.suffix == ".keras" else file


def _member(file: IO[bytes], model: Any) -> bytes:
    """Returns the weights within a .keras file if they are of a sane size."""
    most = 8 * sum(4 * weight.shape.num_elements() for weight in model.weights) + 2**24
    with zipfile.ZipFile(file) as archive:
        size = archive.getinfo(_MEMBER).file_size
        if size > most:
            raise ValueError(f"its weights have {size:,} bytes, those of this network at most {most:,}")
        return archive.read(_MEMBER)


def _layers(file: Any, model: Any) -> dict[str, list[Any]]:
    found = dict(arrays(file))
    if not found:
        raise ValueError("it contains no layers: it was not written by Keras 3")
    named = {id(layer): (name, layer) for name, layer in named_layers(model).items()}
    layers: dict[str, list[Any]] = {}
    for layer, address in _addresses(model):
        own = {key: found.pop(key) for key in [*found] if key.startswith(f"{address}/")}
        if own:
            name = named[id(layer)][0]
            layers[name] = _fitting(name, own, address, layer.weights)
    if own := {key: found.pop(key) for key in [*found] if key.startswith("vars/")}:
        layers[LOOSE] = _fitting("of its own", own, "", loose_weights(model))
    left = {key.partition("/vars/")[0] for key in found}
    layers |= {key: [] for key in sorted(left) if not key.rpartition("/")[2].startswith(_NO_WEIGHTS)}
    return layers


def _fitting(name: str, own: dict[str, Any], address: str, weights: list[Any]) -> list[Any]:
    """Returns the arrays of a layer in their order, read where they fit."""
    listed = [own.get(f"{address}/vars/{index}".lstrip("/")) for index in range(len(own))]
    if any(array is None for array in listed):
        raise ValueError(f"layer {name} contains other layers: load such weights from a run, not from a file")
    fits = [array.shape for array in listed if array is not None] == [tuple(weight.shape) for weight in weights]
    # Where shapes differ they are reported, or the head starts at random: neither needs the values.
    return [array[()] if fits else _Shaped(array.shape) for array in listed if array is not None]


class _Shaped:
    """Stands for an array that is not read."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape


def _addresses(model: Any, inside: str = "") -> Iterator[tuple[Any, str]]:
    """Yields layers with weights and where Keras may put them: numbered by class, or by a class's own attributes."""
    places = [*_numbered(model.layers, f"{inside}layers")]
    for name, value in vars(model).items():
        if isinstance(value, keras.layers.Layer):
            places.append((value, f"{inside}{name}"))
        elif isinstance(value, list | tuple):
            places += _numbered(value, f"{inside}{name}")
    for layer, address in places:
        if isinstance(layer, keras.Model):
            yield from _addresses(layer, f"{address}/")
        elif layer.weights and not isinstance(layer, keras.layers.Normalization):
            yield layer, address


def _numbered(layers: Iterable[Any], inside: str) -> Iterator[tuple[Any, str]]:
    seen: Counter[str] = Counter()
    for layer in layers:
        if isinstance(layer, keras.layers.Layer):
            kind = snake_case(type(layer))
            yield layer, f"{inside}/{kind}_{seen[kind]}" if seen[kind] else f"{inside}/{kind}"
            seen[kind] += 1
