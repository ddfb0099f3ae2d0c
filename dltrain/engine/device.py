"""Starts TensorFlow on the devices that a config asks for, and explains why the others are not used."""

import os
import platform
import subprocess
import sys
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from dltrain import programs
from dltrain.distributed.workers import Workers
from dltrain.errors import KeyProblem
from dltrain.importing import has_nvidia_device, import_tensorflow, without_information
from dltrain.lazy import keras, tf

INSTALL_GPU = "pip install 'dltrain[gpu]'"


@dataclass(frozen=True)
class Devices:
    """The devices that a run computes on.

    Args:
        strategy: a tf.distribute.Strategy.
        names: the devices of this process, such as ("cpu",) or ("gpu:0", "gpu:1").
        description: the chosen devices and the reason, in one line.
        warnings: settings that have no effect or do harm on these devices, a line each.
        noise: what TensorFlow wrote while it started; for the log.
        workers: the processes that share a batch, each with equally many devices.
    """

    strategy: Any
    names: tuple[str, ...]
    description: str
    warnings: tuple[str, ...] = ()
    noise: str = ""
    workers: Workers = field(default_factory=Workers)

    @property
    def replicas(self) -> int:
        """How many devices share a batch."""
        return len(self.names) * self.workers.count

    @property
    def is_cpu(self) -> bool:
        """Whether this process computes on its CPU."""
        return self.names[0].startswith("cpu")

    @property
    def alone(self) -> "Devices":
        """The first of them by itself, for what one process does without the others."""
        return replace(self, strategy=tf.distribute.get_strategy(), names=self.names[:1], workers=Workers())

    @property
    def label(self) -> str:
        """The names of the devices, for a table."""
        each = f" on each of {self.workers.count} workers" if self.workers.count > 1 else ""
        return ", ".join(self.names) + each


def start(
    requested: str | tuple[str, ...], precision: str, deterministic: bool, workers: Workers | None = None
) -> Devices:
    """Prepares the devices: imports TensorFlow, chooses GPUs, sets memory growth and precision.

    Args:
        requested: the config's `device`.
        precision: the config's `train.precision`.
        deterministic: only operations that give the same bits each time.
        workers: the processes that train together; none for this process alone.

    Raises:
        KeyProblem: if a requested device does not exist.
        ClusterError: if workers do not connect or do not fit together.
    """
    workers = workers or Workers()
    noise = without_information(import_tensorflow()).strip()
    gpus = tf.config.list_physical_devices("GPU")
    if isinstance(requested, tuple) and requested[0].startswith("cpu:"):
        tf.config.set_visible_devices([], "GPU")
        return _virtual_cpus(requested, precision, deterministic, noise)
    if requested in ("all", "gpu") and gpus and workers.local_count > 1 and "CUDA_VISIBLE_DEVICES" not in os.environ:
        raise KeyProblem(
            "device",
            f": {requested} would make the {workers.local_count} workers on this machine share its GPUs: "
            "use device: auto, which gives each worker its own GPU, or type device=gpu:N for each worker",
        )
    indices, why = _chosen(requested, len(gpus), workers.local_index)
    tf.config.set_visible_devices([gpus[index] for index in indices], "GPU")
    for index in indices:
        tf.config.experimental.set_memory_growth(gpus[index], True)
    _settle(precision, deterministic)
    names = tuple(f"gpu:{index}" for index in indices) or ("cpu",)
    strategy = workers.join("GPU" if indices else "CPU", len(names))
    if strategy is None:
        strategy = tf.distribute.get_strategy() if len(names) == 1 else tf.distribute.MirroredStrategy()
    warnings = _gpu_warnings(precision, gpus[indices[0]]) if indices else _cpu_warnings(precision)
    return Devices(strategy, names, why, warnings, noise, workers)


def _virtual_cpus(names: tuple[str, ...], precision: str, deterministic: bool, noise: str) -> Devices:
    """Splits the CPU into several simulated devices: no faster than one, but with the effects of several devices."""
    _settle(precision, deterministic)
    if len(names) == 1:
        return Devices(tf.distribute.get_strategy(), names, f"device: {names[0]}", _cpu_warnings(precision), noise)
    count = max(int(name.removeprefix("cpu:")) for name in names) + 1
    cpu = tf.config.list_physical_devices("CPU")[0]
    try:
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)
    except RuntimeError:
        if len(tf.config.list_logical_devices("CPU")) < count:
            raise KeyProblem("device", f": {', '.join(names)} must be set before TensorFlow has started") from None
    strategy = tf.distribute.MirroredStrategy([name.upper() for name in names])
    why = f"device: {', '.join(names)}, simulated on one CPU, as requested"
    return Devices(strategy, names, why, _cpu_warnings(precision), noise)


def _settle(precision: str, deterministic: bool) -> None:
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.config.set_dtype_policy(precision)


def _chosen(requested: str | tuple[str, ...], count: int, local_index: int = 0) -> tuple[list[int], str]:
    """Returns the GPUs to use by number, none for the CPU, and the reason in one line.

    Args:
        requested: the config's `device`.
        count: GPUs that there are.
        local_index: workers on this machine that come before this one: each takes a GPU of its own.
    """
    if requested == "cpu":
        return [], f"device: cpu, as requested ({cpu_name()}, {os.cpu_count()} cores)"
    if requested == "auto" and count == 0:
        reason = gpu_trouble() or "no GPU on this machine"
        return [], f"device: cpu ({cpu_name()}, {os.cpu_count()} cores): {reason}"
    if requested == "auto" and local_index:
        # A scheduler may show each worker its own GPU alone; without one, NCCL fails obscurely with two on one GPU.
        index = 0 if count == 1 and "CUDA_VISIBLE_DEVICES" in os.environ else local_index
        if index >= count:
            raise KeyProblem(
                "device",
                f": auto gives each worker on a machine a GPU of its own: TensorFlow sees {count}, for at least "
                f"{local_index + 1} workers; use device: cpu, or start fewer workers",
            )
        return [index], f"device: gpu:{index}, the GPU of this worker"
    if requested == "auto":
        others = f"; {count - 1} more for `device: all`" if count > 1 else ""
        return [0], f"device: gpu:0, the first GPU{others}"
    if requested == "all":
        wanted = list(range(count)) or [0]
    elif requested == "gpu":
        wanted = [0]
    else:
        wanted = [int(name.removeprefix("gpu:")) for name in ([requested] if isinstance(requested, str) else requested)]
    missing = [index for index in wanted if index >= count]
    if missing:
        there = f"TensorFlow sees {count} GPU{'s' * (count != 1)}" if count else gpu_trouble() or "there is no GPU"
        shown = requested if isinstance(requested, str) else f"[{', '.join(requested)}]"
        raise KeyProblem(
            "device", f": {shown} was requested, but {there}; `dltrain devices` shows why, device: cpu trains without"
        )
    return wanted, f"device: {', '.join(f'gpu:{index}' for index in wanted)}, as requested"


def gpu_trouble() -> str | None:
    """Explains why TensorFlow cannot use this machine's NVIDIA GPU, and what to type; none where there is no GPU."""
    cards = nvidia_cards()
    if not cards:
        if has_nvidia_device():
            return "there is an NVIDIA GPU, but nvidia-smi finds no driver: install NVIDIA's driver"
        return None
    if sys.platform == "win32":
        return "TensorFlow uses GPUs on Windows through WSL2 only"
    name = cards[0]["name"]
    if not tf.test.is_built_with_cuda():
        return f"{name} is there, but this TensorFlow is built without CUDA; type: {INSTALL_GPU}"
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return f"{name} is hidden: CUDA_VISIBLE_DEVICES says so; type: unset CUDA_VISIBLE_DEVICES"
    return f"{name} is there, but TensorFlow finds no CUDA libraries; type: {INSTALL_GPU}"


def nvidia_cards() -> list[dict[str, str]]:
    """Asks nvidia-smi for each card's name, memory, compute capability and driver; empty where it is missing."""
    query = "name,memory.total,compute_cap,driver_version"
    try:
        output = programs.output_of("nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader")
    except (OSError, subprocess.SubprocessError):
        return []
    keys = ("name", "memory", "compute_capability", "driver")
    return [dict(zip(keys, map(str.strip, line.split(",")), strict=False)) for line in output.splitlines() if line]


def cpu_name() -> str:
    """Returns the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def cpu_flags() -> set[str]:
    """Returns the instruction sets of the processor, as Linux names them; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return next((set(line.split(":")[1].split()) for line in lines if line.startswith("flags")), set())


def paying_precisions(compute_capability: tuple[int, int] | None) -> list[str]:
    """Returns the precisions that are no slower than float32, on a GPU of that capability or, without one, this CPU."""
    if compute_capability is None:
        return ["float32", *(["mixed_bfloat16"] if "amx_bf16" in cpu_flags() else [])]
    paying = ["float32"]
    if compute_capability >= (7, 0):
        paying.append("mixed_float16")
    if compute_capability >= (8, 0):
        paying.append("mixed_bfloat16")
    return paying


def _cpu_warnings(precision: str) -> tuple[str, ...]:
    if precision in paying_precisions(None):
        return ()
    return (f"train.precision: {precision} is slower than float32 on this CPU, which has no 16-bit matrix units",)


def _gpu_warnings(precision: str, gpu: Any) -> tuple[str, ...]:
    capability = compute_capability(gpu)
    if capability is None or precision in paying_precisions(capability):
        return ()
    return (
        f"train.precision: {precision} is no faster than float32 on a GPU of compute capability "
        f"{capability[0]}.{capability[1]}",
    )


def compute_capability(gpu: Any) -> tuple[int, int] | None:
    """Returns a TensorFlow GPU's compute capability, none where TensorFlow does not say."""
    capability = tf.config.experimental.get_device_details(gpu).get("compute_capability")
    return tuple(capability) if capability else None


def survey() -> dict[str, Any]:
    """Collects what `dltrain devices` shows: CPU, GPUs, versions built and found, and what is wrong."""
    noise = import_tensorflow()
    build = tf.sysconfig.get_build_info()
    flags = cpu_flags()
    gpus = tf.config.list_physical_devices("GPU")
    cards = nvidia_cards()
    found = []
    for index, gpu in enumerate(gpus):
        capability = compute_capability(gpu)
        card = cards[index] if index < len(cards) else {}
        found.append(
            {
                "name": f"gpu:{index}",
                "model": tf.config.experimental.get_device_details(gpu).get("device_name", card.get("name")),
                "memory": card.get("memory"),
                "compute_capability": ".".join(map(str, capability)) if capability else None,
                "driver": card.get("driver"),
                "precisions_that_pay": paying_precisions(capability),
                # The wheels hold machine code up to 8.9 and PTX for 9.0; what is newer is compiled at first use.
                "note": "compiled at first use from PTX: a slow first start" if (capability or (0,)) > (9, 0) else None,
            }
        )
    return {
        "cpu": {
            "name": "cpu",
            "model": cpu_name(),
            "cores": os.cpu_count(),
            "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "instructions": sorted(
                flags & {"avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "amx_bf16", "amx_tile"}
            ),
            "precisions_that_pay": paying_precisions(None),
            "onednn": os.environ["TF_ENABLE_ONEDNN_OPTS"] != "0",
        },
        "gpus": found,
        "trouble": None if gpus else gpu_trouble(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "built_with": {"cuda": build.get("cuda_version"), "cudnn": build.get("cudnn_version")},
        "found": _libraries_found(),
        "messages": [line for line in noise.splitlines() if line.strip()] if cards and not gpus else [],
    }


def _libraries_found() -> dict[str, str | None]:
    """Returns the versions of the CUDA and cuDNN packages that `dltrain[gpu]` brings, none where one is missing."""

    def found(package: str) -> str | None:
        try:
            return version(package)
        except PackageNotFoundError:
            return None

    return {"cuda": found("nvidia-cuda-runtime-cu12"), "cudnn": found("nvidia-cudnn-cu12")}
