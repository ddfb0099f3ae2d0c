"""Imports TensorFlow quietly, with its environment variables set before."""

import importlib
import os
import re
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TextIO

from dltrain import cache
from dltrain.errors import DeviceError
from dltrain.lazy import keras, tf


def import_tensorflow() -> str:
    """Imports TensorFlow and Keras quietly and looks for devices.

    Returns:
        what the libraries wrote to standard error meanwhile; for the log.

    Raises:
        DeviceError: if TensorFlow cannot be imported.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Off by default on x86 CPUs without AVX512-VNNI, where it still makes convolutions and products faster.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    if has_nvidia_device():
        _keep_compiled()
        _compile_by_own()
    os.environ["KERAS_BACKEND"] = "tensorflow"  # the engine is TensorFlow's, whatever the user's other work needs
    cache.ignore_relative("KERAS_HOME")
    noise: list[str] = []
    try:
        with _standard_error_kept(noise), _hidden("matplotlib"):
            importlib.import_module("tensorflow")
            importlib.import_module("keras")
            tf.config.list_physical_devices()
            tf.get_logger().setLevel("ERROR")  # its advice is for who wrote the loop, not for who runs it
            keras.config.set_image_data_format("channels_last")  # keras.json may say otherwise
    except ImportError as error:
        raise DeviceError(f"TensorFlow cannot be imported: {error}\n{''.join(noise)}".strip()) from None
    return "".join(noise)


def without_information(messages: str) -> str:
    """Returns what TensorFlow wrote without messages of its lowest level, such as which instructions a CPU has.

    Args:
        messages: as it wrote them; a message may have further lines.
    """
    kept, is_kept = [], True
    for line in messages.splitlines(keepends=True):
        if begun := _MESSAGE.match(line):
            is_kept = begun["level"] in ("W", "E", "F")
        if is_kept:
            kept.append(line)
    return "".join(kept)


_MESSAGE = re.compile(
    r"(?:[0-9-]{10} [0-9:.]+: )?(?:(?P<level>[IWEF])(?:[0-9]{4} |(?= ))|WARNING: All log messages before absl)"
)
"""How a message begins, by its level; one that says only where messages go has none."""


def has_nvidia_device() -> bool:
    """Whether the system knows of an NVIDIA GPU, with or without a driver that works."""
    return Path("/dev/nvidia0").exists() or Path("/proc/driver/nvidia/gpus").exists()


def _keep_compiled() -> None:
    """Makes XLA cache what it compiles for a GPU: the next run starts without compiling it again."""
    with suppress(OSError, PackageNotFoundError):  # without a writable folder XLA would refuse to compile at all
        place = cache.folder("xla") / version("tensorflow")
        place.mkdir(parents=True, exist_ok=True)
        if os.access(place, os.W_OK) and " " not in str(place):  # XLA splits its flags at spaces
            os.environ.setdefault("TF_XLA_FLAGS", f"--tf_xla_persistent_cache_directory={place}")


def _compile_by_own() -> None:
    """Tells XLA where CUDA is: by default it starts the `ptxas` of a `cuda_sdk_lib` in the working directory."""
    flags = os.environ.get("XLA_FLAGS", "")
    installed = Path(sysconfig.get_paths()["purelib"], "nvidia", "cuda_nvcc")
    place = installed if installed.is_dir() else Path("/usr/local/cuda")
    if "xla_gpu_cuda_data_dir" not in flags and " " not in str(place):
        os.environ["XLA_FLAGS"] = f"{flags} --xla_gpu_cuda_data_dir={place}".strip()


@contextmanager
def _hidden(library: str) -> Iterator[None]:
    """Makes a library look as if it were not installed, unless it is loaded already.

    Keras imports pyplot where there is one, for galleries that nothing here draws: 0.7 s of each start on a CPU's two
    cores, and a list of fonts in the user's home.
    """
    if library in sys.modules:
        yield
        return
    sys.modules[library] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[library]


@contextmanager
def hushed(kept: list[str]) -> Iterator[None]:
    """Keeps what is written to standard output and error, by libraries in C too, which obey no log level."""
    with _kept(1, sys.stdout, kept), _kept(2, sys.stderr, kept):
        yield


def _standard_error_kept(kept: list[str]) -> AbstractContextManager[None]:
    """Keeps what is written to file descriptor 2: four of TensorFlow's lines obey no log level."""
    return _kept(2, sys.stderr, kept)


@contextmanager
def _kept(descriptor: int, stream: TextIO, kept: list[str]) -> Iterator[None]:
    stream.flush()
    with tempfile.TemporaryFile() as file:
        original = os.dup(descriptor)
        os.dup2(file.fileno(), descriptor)
        try:
            yield
        finally:
            stream.flush()
            os.dup2(original, descriptor)
            os.close(original)
            file.seek(0)
            kept.append(file.read().decode(errors="replace"))
