"""Weights that were trained before, put into a network that was just built."""

import logging
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any
from urllib.error import URLError

from dltrain.cache import keras_folder
from dltrain.errors import UserError
from dltrain.lazy import keras

_log = logging.getLogger("dltrain")

HEAD = "logits"
"""The layer that `DataSpec.head` makes: it belongs to the data, not to the network."""


def load_imagenet(model: Any, body: Callable[[], Any]) -> None:
    """Gives a network the weights that Keras has for its body, from Keras's cache or the internet.

    Args:
        model: the network; its head stays as it is.
        body: makes the same network without a head, with ImageNet's weights.

    Raises:
        UserError: if they cannot be had or do not fit.
    """
    try:
        with redirect_stdout(sys.stderr):  # Keras shows the download's progress on standard output
            trained = body()
    except Exception as error:  # whatever it is, it comes from getting or reading that file
        raise UserError(_advice(model.name, error)) from error
    for layer, source in zip(_weighted(model), _weighted(trained), strict=True):
        for weight, value in zip(layer.weights, source.weights, strict=True):
            weight.assign(value)
    _log.info("%s", f"{model.name} begins with ImageNet's weights, all but its last layer")


def load_file(model: Any, path: Path) -> None:
    """Gives a network the weights of a file that Keras's `save_weights` wrote; those of its head only if they fit.

    No link is followed, and nothing is read before its shape is known to fit.

    Args:
        model: the network.
        path: weights of this network, of one with another head, or of Keras's own.

    Raises:
        UserError: if the file cannot be read or does not fit.
    """
    import h5py

    if not path.is_file():
        raise UserError(f"model.weights must be a file, there is none at {path}")
    try:
        with h5py.File(path, "r") as file:
            if "layer_names" in file.attrs:
                raise ValueError("it is in Keras 2's format: load it with Keras's load_weights, and save it again")
            pairs, is_whole = _fitting(model, file)
            for weight, array in pairs:
                weight.assign(array[()])
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"model.weights {path} cannot be used for {model.name}: {reason}") from error
    left_out = "" if is_whole else ", all but its last layer, which the file has not for these classes"
    _log.info("%s", f"{model.name} begins with the weights of {path}{left_out}")


def _fitting(model: Any, file: Any) -> tuple[list[tuple[Any, Any]], bool]:
    """Returns each weight of a network and its array in the file, and whether the head's are among them.

    Raises:
        ValueError: at the first array that is missing or of another shape.
    """
    pairs: list[tuple[Any, Any]] = []
    head_fits = True
    for layer, address in _addresses(model):
        arrays = [_array(file, f"{address}/vars/{index}") for index in range(len(layer.weights))]
        for weight, array in zip(layer.weights, arrays, strict=True):
            if array is not None and array.shape == tuple(weight.shape):
                continue
            if layer.name == HEAD:
                head_fits = False
                break
            got = "none" if array is None else list(array.shape)
            raise ValueError(f"layer {layer.name} must have {weight.name} of shape {list(weight.shape)}, got {got}")
        else:
            pairs += zip(layer.weights, arrays, strict=True)
    return pairs, head_fits


def _weighted(model: Any) -> list[Any]:
    """Returns the layers whose weights are the network's own, without head.

    A Normalization holds statistics of data; in the first EfficientNet it stays without effect, since images come to it
    preprocessed.
    """
    return [
        layer
        for layer in model.layers
        if layer.weights and layer.name != HEAD and not isinstance(layer, keras.layers.Normalization)
    ]


def _addresses(model: Any, inside: str = "layers") -> Iterator[tuple[Any, str]]:
    """Yields layers with weights and where `save_weights` puts them: numbered by class, in the model's order."""
    seen: Counter[str] = Counter()
    for layer in model.layers:
        words = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", type(layer).__name__)
        kind = re.sub("([a-z])([A-Z])", r"\1_\2", words).lower()
        address = f"{inside}/{kind}_{seen[kind]}" if seen[kind] else f"{inside}/{kind}"
        seen[kind] += 1
        if isinstance(layer, keras.Model):
            yield from _addresses(layer, f"{address}/layers")
        elif layer.weights and not isinstance(layer, keras.layers.Normalization):
            yield layer, address


def _array(file: Any, address: str) -> Any:
    """Returns the array at an address, none where there is none; it is not read yet.

    Raises:
        ValueError: if it, or what it is in, lies elsewhere than in its place in this file.
    """
    import h5py

    found = file
    for step in address.split("/"):
        link = found.get(step, getlink=True) if isinstance(found, h5py.Group) else None
        if link is None:
            return None
        if not isinstance(link, h5py.HardLink):
            raise ValueError(f"{address} is a link")
        found = found[step]
    if not isinstance(found, h5py.Dataset) or found.dtype.kind != "f":
        raise ValueError(f"{address} holds no numbers")
    if found.is_virtual or found.external:
        raise ValueError(f"{address} is kept in another file")
    return found


def _advice(name: str, error: Exception) -> str:
    folder, words = keras_folder("models"), " ".join(str(error).split())
    cause = error.__context__  # Keras hides a URLError behind a plain Exception, whose words have the address
    reason = str(getattr(cause, "reason", "")) if isinstance(cause, URLError) else words
    if address := re.search(r"https?://[^\s:]+", words):
        return (
            f"model.weights: ImageNet's for {name} cannot be had ({reason}): get online, "
            f"or save {address[0]} into {folder}"
        )
    return (
        f"model.weights: ImageNet's for {name} cannot be had or read ({reason or type(error).__name__}): "
        f"get online, delete its file in {folder} and run again"
    )
