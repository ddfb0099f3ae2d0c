"""Images as rows of patches, and the checks of networks that need them."""

from typing import Any

from dltrain.data import DataSpec
from dltrain.errors import KeyProblem
from dltrain.lazy import keras


def check_patches(name: str, patch_size: int, data: DataSpec) -> None:
    """Raises KeyProblem where the data are no images, or patches do not fill them exactly."""
    height, width, _ = data.image(name).model_shape
    if height % patch_size or width % patch_size:
        raise KeyProblem(
            "patch_size",
            f"must divide height and width of the images, {height}x{width}, got {patch_size}: "
            f"{_fitting(height, width)}",
        )


def _fitting(height: int, width: int) -> str:
    sizes = [size for size in range(1, min(height, width) + 1) if height % size == width % size == 0]
    return f"{', '.join(map(str, sizes))} {'do' if len(sizes) > 1 else 'does'}"


def embedded(x: Any, patch_size: int, width: int) -> Any:
    """Returns a linear projection of each patch, left to right, top to bottom: (batch, patches, width)."""
    x = keras.layers.Conv2D(width, patch_size, strides=patch_size, name="patches")(x)
    return keras.layers.Reshape((-1, width), name="tokens")(x)
