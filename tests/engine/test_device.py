"""Devices: what is chosen, what is refused, what is explained. GPUs are pretended by a fake nvidia-smi."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dltrain import importing
from dltrain.engine import device
from dltrain.errors import KeyProblem


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """A machine with two cards, as nvidia-smi tells of them."""
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\nfor n in 1 2; do echo 'NVIDIA T4, 15360 MiB, 7.5, 550.54'; done\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")


def test_cards_are_read_from_nvidia_smi(nvidia_smi):
    card = {"name": "NVIDIA T4", "memory": "15360 MiB", "compute_capability": "7.5", "driver": "550.54"}
    assert device.nvidia_cards() == [card, card]


def test_a_gpu_that_tensorflow_cannot_use_is_explained_with_what_to_type(tensorflow, nvidia_smi, monkeypatch):
    if tensorflow.config.list_physical_devices("GPU"):
        pytest.skip("TensorFlow can use the GPU of this machine")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert "pip install 'dltrain[gpu]'" in device.gpu_trouble()
    with pytest.raises(KeyProblem, match="NVIDIA T4 is there, but .* type: pip install"):
        device.start("gpu", "float32", deterministic=False)
    assert "NVIDIA T4 is there" in device.start("auto", "float32", deterministic=False).description
    assert "NVIDIA T4 is there" in device.survey()["trouble"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "CUDA_VISIBLE_DEVICES" in device.gpu_trouble()


def test_a_machine_without_a_card_has_no_trouble(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert device.nvidia_cards() == []


def test_precision_that_does_not_pay_is_warned_of(tensorflow, monkeypatch):
    monkeypatch.setattr(device, "cpu_flags", lambda: {"avx2"})
    try:
        assert device.start("cpu", "float32", deterministic=False).warnings == ()
        (warning,) = device.start("cpu", "mixed_float16", deterministic=False).warnings
        assert "slower than float32" in warning
    finally:
        device.start("cpu", "float32", deterministic=False)
    monkeypatch.setattr(device, "cpu_flags", lambda: {"amx_bf16"})
    assert device.paying_precisions(None) == ["float32", "mixed_bfloat16"]


@pytest.mark.parametrize(
    ("capability", "precisions"),
    [
        ((6, 1), ["float32"]),
        ((7, 5), ["float32", "mixed_float16"]),
        ((8, 0), ["float32", "mixed_float16", "mixed_bfloat16"]),
    ],
)
def test_precisions_that_pay_follow_the_compute_capability(capability, precisions):
    assert device.paying_precisions(capability) == precisions


def test_workers_on_one_machine_share_no_gpu_unless_a_scheduler_shows_each_its_own(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert [device._chosen("auto", 2, index)[0] for index in (0, 1)] == [[0], [1]]
    with pytest.raises(KeyProblem, match="TensorFlow sees 1, for at least 2 workers"):
        device._chosen("auto", 1, 1)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert device._chosen("auto", 1, 1)[0] == [0]


def test_tensorflows_start_up_is_silent_and_kept():
    script = "from dltrain.importing import import_tensorflow as f; n = f(); import sys; print(len(n) > 0)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == ""


@pytest.mark.gpu
def test_the_first_gpu_is_used(tensorflow):
    if not tensorflow.config.list_physical_devices("GPU"):
        pytest.skip("no GPU")
    assert device.start("auto", "float32", deterministic=False).names == ("gpu:0",)


def test_what_xla_compiles_is_kept_where_it_can_be_written(monkeypatch, tmp_path):
    monkeypatch.delenv("TF_XLA_FLAGS", raising=False)
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    importing._keep_compiled()
    assert "TF_XLA_FLAGS" not in os.environ
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    importing._keep_compiled()
    folder = Path(os.environ.pop("TF_XLA_FLAGS").removeprefix("--tf_xla_persistent_cache_directory="))
    assert folder.is_dir()
    assert folder.is_relative_to(tmp_path)


def test_starting_tensorflow_starts_no_matplotlib():
    script = (
        "import sys\nfrom dltrain.importing import import_tensorflow\nimport_tensorflow()\n"
        "assert 'matplotlib' not in sys.modules\nimport matplotlib"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
