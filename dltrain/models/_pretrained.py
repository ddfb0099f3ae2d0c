"""ImageNet's weights, loaded into a new network of keras.applications."""

import logging
import re
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any
from urllib.error import URLError

from dltrain.cache import keras_folder
from dltrain.data.spec import HEAD
from dltrain.errors import UserError
from dltrain.lazy import keras

_log = logging.getLogger("dltrain")


def load_imagenet(model: Any, body: Callable[[], Any], by_name: bool = False) -> None:
    """Loads Keras's weights for a network's body, from Keras's cache or the internet.

    Args:
        model: the network; its head keeps its weights.
        body: makes the same network without a head, with ImageNet's weights.
        by_name: the network has more layers than the body, which keep their weights; else they are the same, in order.

    Raises:
        UserError: if the weights cannot be downloaded or do not fit.
    """
    try:
        with redirect_stdout(sys.stderr):  # Keras shows the download's progress on standard output
            trained = body()
    except Exception as error:  # whatever it is, it comes from getting or reading that file
        raise UserError(_advice(model.name, error)) from error
    sources = _weighted(trained)
    layers = [model.get_layer(source.name) for source in sources] if by_name else _weighted(model)
    for layer, source in zip(layers, sources, strict=True):
        for weight, value in zip(layer.weights, source.weights, strict=True):
            weight.assign(value)
    which = f"{len(layers)} layers" if by_name else "all layers but the last"
    _log.info("%s", f"{model.name}: loaded the ImageNet weights of {which}")


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


def _advice(name: str, error: Exception) -> str:
    folder, words = keras_folder("models"), " ".join(str(error).split())
    cause = error.__context__  # Keras hides a URLError behind a plain Exception, whose words have the address
    reason = str(getattr(cause, "reason", "")) if isinstance(cause, URLError) else words
    if address := re.search(r"https?://[^\s:]+", words):
        return (
            f"model.weights: the ImageNet weights of {name} cannot be downloaded ({reason}): go online, "
            f"or save {address[0]} into {folder}"
        )
    return (
        f"model.weights: the ImageNet weights of {name} cannot be read ({reason or type(error).__name__}): "
        f"go online, delete their file in {folder} and run again"
    )
