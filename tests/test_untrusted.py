import os
import socket
import tokenize
from errno import EFBIG, ENOTSUP
from pathlib import Path

import pytest

from dltrain import untrusted
from dltrain.errors import KeyProblem


@pytest.fixture(params=["pipe", "socket", "device", "folder", "link to a pipe"])
def strange(request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the address of a socket is short
    path = Path("strange")
    if request.param == "pipe":
        os.mkfifo(path)
    elif request.param == "link to a pipe":
        os.mkfifo("pipe")
        path.symlink_to("pipe")
    elif request.param == "socket":
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(str(path))
    elif request.param == "device":
        path = Path("/dev/zero")
    else:
        path.mkdir()
    return path


def test_only_a_regular_file_is_opened_and_none_is_waited_for(strange):
    with pytest.raises(OSError, match="must be a regular file, is a") as caught:
        untrusted.content(strange, 10)
    assert caught.value.errno == ENOTSUP
    assert "must be a regular file" in caught.value.strerror


def test_a_file_is_read_up_to_its_limit(tmp_path):
    path = tmp_path / "ten"
    path.write_bytes(b"0123456789")
    assert untrusted.content(path, 10) == b"0123456789"
    with pytest.raises(OSError, match="10 bytes or more, at most 9 are read") as caught:
        untrusted.content(path, 9)
    assert caught.value.errno == EFBIG


def test_a_sparse_file_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(OSError, match="1,099,511,627,776 bytes"):
        untrusted.opened(path, 2**30)


def test_a_file_that_states_no_size_is_held_to_the_limit():
    with pytest.raises(OSError, match="at most 5"):
        untrusted.content(Path("/proc/self/status"), 5)


@pytest.mark.parametrize(
    "error",
    [
        tokenize.TokenError("EOF in multi-line statement", (2, 0)),
        RecursionError("maximum recursion depth exceeded"),
        OverflowError("too large"),
        MemoryError(),
        OSError("Not a gzipped file"),
        AssertionError(),
        KeyError("a"),
    ],
)
def test_any_failure_of_a_parser_is_one_error_with_its_cause(error):
    with pytest.raises(untrusted.Unreadable) as caught, untrusted.parsing():
        raise error
    assert caught.value.__cause__ is error
    assert str(caught.value)


@pytest.mark.parametrize(
    "error", [PermissionError(13, "Permission denied"), KeyProblem("path", "is empty"), KeyboardInterrupt()]
)
def test_what_is_no_failure_of_the_parser_passes(error):
    with pytest.raises(type(error)) as caught, untrusted.parsing():
        raise error
    assert caught.value is error
