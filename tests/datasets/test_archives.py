"""Archives: what is in them, that they are unpacked once, and that nothing in them can do harm."""

import errno
import fcntl
import gzip
import io
import logging
import shutil
import struct
import subprocess
import sys
import tarfile
import zipfile

import pytest

from dltrain.data import progress
from dltrain.datasets._images import archives
from dltrain.datasets._images.archives import Archive
from dltrain.datasets._images.tar_stream import TarStream
from dltrain.datasets.image_folder import ImageFolder
from dltrain.errors import DataError
from dltrain.untrusted import Unreadable

GOOD = {"dark/1.png": b"one", "dark/2.png": b"", "light/deep/1.png": b"three" * 1000}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DLTRAIN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "archives"


def zipped(path, files, **fields):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            member = zipfile.ZipInfo(name)
            member.compress_type = zipfile.ZIP_DEFLATED
            for field, value in fields.items():
                setattr(member, field, value)
            archive.writestr(member, content)
    return path


def tarred(path, files, **fields):
    kind = {"gz": ":gz", "tgz": ":gz", "xz": ":xz", "bz2": ":bz2", "tar": ":"}[path.suffix[1:]]
    with tarfile.open(path, f"w{kind}") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            for field, value in fields.items():
                setattr(member, field, value)
            archive.addfile(member, io.BytesIO(content))
    return path


def pack(path, files):
    return (zipped if path.suffix == ".zip" else tarred)(path, files)


def content(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def outside(cache):
    return [file for file in cache.parent.parent.rglob("*") if not file.is_relative_to(cache.parent)]


def refused(path, cache, early=True):
    """Returns the one line that refuses it, the same in `spec` and `load`, with nothing left behind."""
    before = outside(cache)
    with pytest.raises(DataError) as late:
        ImageFolder(path=path).load()
    message = str(late.value).removeprefix("dataset.")
    assert message.startswith("path ")
    assert "\n" not in message
    if early:
        with pytest.raises(ValueError) as caught:
            ImageFolder(path=path).spec()
        assert str(caught.value) == message
    assert {file.suffix for file in cache.iterdir()} <= {".lock"}
    assert outside(cache) == before
    return message


KINDS = ["zip", "tar", "tar.gz", "tgz", "tar.xz", "tar.bz2"]


@pytest.mark.parametrize("top", ["", "./", "photos/"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_listed_and_unpacked_once(tmp_path, cache, kind, top):
    junk = {f"__MACOSX/{top}dark/._1.png": b"", f"{top}.hidden/1.png": b"", f"{top}dark/.DS_Store": b""}
    path = pack(tmp_path / f"a.{kind}", {f"{top}{name}": held for name, held in (GOOD | junk).items()})
    listed = Archive(path).listed()
    assert not cache.exists()
    assert {folder.name for folder in listed.iterdir()} == {"dark", "light"}
    assert str(listed / "dark").startswith(str(path))
    assert (listed / "light" / "deep").is_dir()
    assert not (listed / "grey").is_dir()
    folder = Archive(path).unpacked()
    assert content(folder) == GOOD
    (folder / "dark" / "1.png").write_bytes(b"kept")
    assert Archive(path).listed() == Archive(path).unpacked() == folder
    assert (folder / "dark" / "1.png").read_bytes() == b"kept"


def test_files_beside_the_only_folder_do_not_hide_it(tmp_path):
    path = pack(tmp_path / "a.zip", {"README": b"", **{f"photos/{name}": held for name, held in GOOD.items()}})
    assert {folder.name for folder in Archive(path).listed().iterdir()} == {"dark", "light"}
    assert content(Archive(path).unpacked()) == GOOD


def test_folders_may_be_empty_and_backslashes_part_names(tmp_path):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        for name in ("./", "./dark", "./light"):
            member = tarfile.TarInfo(name)
            member.type = tarfile.DIRTYPE
            archive.addfile(member)
        archive.addfile(tarfile.TarInfo("dark\\1.png"))
    assert {folder.name for folder in Archive(path).listed().iterdir()} == {"dark", "light"}
    assert content(Archive(path).unpacked()) == {"dark/1.png": b""}


def test_a_changed_archive_is_unpacked_anew(tmp_path):
    path = pack(tmp_path / "a.zip", GOOD)
    first = Archive(path).unpacked()
    pack(path, GOOD | {"dark/3.png": b"new"})
    assert content(Archive(path).unpacked()) == GOOD | {"dark/3.png": b"new"}
    assert content(first) == GOOD


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_images_in_an_archive_are_trained_on_as_those_in_a_folder(tensorflow, tmp_path, kind):
    files = {}
    for number in range(20):
        image = tensorflow.fill([8, 8, 3], tensorflow.cast(12 * number, tensorflow.uint8))
        files[f"photos/{'dark' if number < 10 else 'light'}/{number}.png"] = tensorflow.io.encode_png(image).numpy()
    source = ImageFolder(path=pack(tmp_path / f"a.{kind}", files), size=8)
    assert source.spec().target.class_names == ("dark", "light")
    splits = source.load()
    for name, held in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(held)
    plain = ImageFolder(path=tmp_path / "photos", size=8).load()
    for part in ("train", "validation", "test"):
        assert (getattr(splits, part).inputs[:] == getattr(plain, part).inputs[:]).all()
        assert (getattr(splits, part).targets == getattr(plain, part).targets).all()


def test_parts_are_found_in_an_archive(tmp_path):
    parts = {f"data/{part}/{name}": held for part in ("train", "test") for name, held in GOOD.items()}
    assert ImageFolder(path=pack(tmp_path / "a.tgz", parts)).spec().target.class_names == ("dark", "light")


def test_an_archive_without_classes_says_so(tmp_path):
    with pytest.raises(ValueError, match=r"found none in .*a\.zip"):
        ImageFolder(path=pack(tmp_path / "a.zip", {"1.png": b""})).spec()


@pytest.mark.parametrize("pack", [zipped, tarred])
@pytest.mark.parametrize(
    "name", ["../evil", "a/../../evil", "/evil", "..\\evil", "C:\\evil", "c:/evil", "\\\\host\\evil", "./../.evil"]
)
def test_no_member_leaves_the_folder(tmp_path, cache, pack, name):
    path = pack(tmp_path / ("a.zip" if pack is zipped else "a.tar"), GOOD | {name: b"evil"})
    message = refused(path, cache)
    assert "would lie outside" in message
    assert repr(name) in message


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE])
@pytest.mark.parametrize("target", ["dark/1.png", "/etc/passwd"])
def test_a_tar_holds_only_files_and_folders(tmp_path, cache, kind, target):
    path = tarred(tmp_path / "a.tar", {"dark/3.png": b""}, type=kind, linkname=target)
    assert "'dark/3.png' is a link, a device" in refused(path, cache)


@pytest.mark.parametrize("mode", [0o120777, 0o020666, 0o010666])
def test_a_zip_holds_only_files_and_folders(tmp_path, cache, mode):
    path = zipped(tmp_path / "a.zip", {"dark/3.png": b"/etc/passwd"}, external_attr=mode << 16)
    assert "'dark/3.png' is a link or a device" in refused(path, cache)


@pytest.mark.parametrize("names", [["a/1", "a/1"], ["a/1", "a/./1"], ["a", "a/1"], ["a/1", "a"]])
def test_no_member_overwrites_another(tmp_path, cache, names):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        for name in ["dark/1.png", "light/1.png", *names]:
            archive.addfile(tarfile.TarInfo(name))
    assert "twice" in refused(path, cache, early=False)


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.xz", "tar.bz2"])
def test_a_bomb_is_stopped(tmp_path, cache, monkeypatch, kind):
    monkeypatch.setattr(archives, "FREE_GROWTH", 10**6)
    path = pack(tmp_path / f"a.{kind}", {"dark/1.png": bytes(2 * 10**7), "light/1.png": b""})
    assert "it unpacks to more than" in refused(path, cache, early=kind != "zip")


def test_a_header_that_is_a_bomb_is_never_held_in_memory(tmp_path, cache):
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT, pax_headers={"comment": "x" * 2**22}) as archive:
        archive.addfile(tarfile.TarInfo("dark/1.png"))
    assert "header is too long" in refused(path, cache)


def test_a_size_in_the_header_is_not_believed(tmp_path, cache):
    path = zipped(tmp_path / "a.zip", {"dark/1.png": bytes(10**6), "light/1.png": b""})
    path.write_bytes(path.read_bytes().replace(struct.pack("<I", 10**6), struct.pack("<I", 10)))
    assert "CRC" in refused(path, cache, early=False)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_too_many_members_are_refused(tmp_path, cache, monkeypatch, kind):
    monkeypatch.setattr(archives, "MOST_FILES", 50)
    many = pack(tmp_path / f"many.{kind}", {f"dark/{number}": b"" for number in range(60)})
    assert "more than 50 files" in refused(many, cache)
    deep = pack(tmp_path / f"deep.{kind}", {f"{'a/' * 60}1.png": b""})
    assert "more than 50 files" in refused(deep, cache)


def test_a_disk_without_room_is_said(tmp_path, cache, monkeypatch):
    path = pack(tmp_path / "a.zip", GOOD)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(0, 0, 100))
    assert "DLTRAIN_CACHE" in refused(path, cache, early=False)


def test_a_cache_that_cannot_be_written_is_said(tmp_path, cache):
    cache.parent.touch()
    with pytest.raises(DataError, match=r"dataset\.path cannot be unpacked: .*a\.zip: .* at .*cache"):
        ImageFolder(path=pack(tmp_path / "a.zip", GOOD)).load()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL])
def test_a_file_system_without_locks_is_said(tmp_path, cache, monkeypatch, number):
    def fail(*_):
        raise OSError(number, "No locks here")

    monkeypatch.setattr("fcntl.flock", fail)
    message = refused(pack(tmp_path / "a.zip", GOOD), cache, early=False)
    assert f"a.zip: {cache} cannot be locked: No locks here; set DLTRAIN_CACHE to another folder" in message


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_that_is_cut_off_is_refused(tmp_path, cache, kind):
    path = pack(tmp_path / f"a.{kind}", {f"{name}.{at}": held for name, held in GOOD.items() for at in "abcd"})
    whole = path.read_bytes()
    end = whole.rindex(b"light") + 600 if kind == "tar" else len(whole)  # behind it there is only tar's padding
    for size in (0, 1, 5, end // 3, end // 2, end - 600, end - 1):
        path.write_bytes(whole[: max(size, 0)])
        assert "intact archive" in refused(path, cache)


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.xz", "tar.bz2"])
def test_changed_bytes_are_noticed_or_harmless(tmp_path, cache, kind):
    path = pack(tmp_path / f"a.{kind}", GOOD)
    whole = path.read_bytes()
    for at in range(0, len(whole), 5):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        try:
            found = content(Archive(path).unpacked())
        except ValueError as error:
            assert str(error).startswith("path ")
        else:
            assert sorted(found.values()) == sorted(GOOD.values())


def test_a_damaged_tar_does_not_end_early(tmp_path, cache):
    path = pack(tmp_path / "a.tar", GOOD)
    damaged = bytearray(path.read_bytes())
    damaged[damaged.index(b"dark/2.png")] ^= 1
    path.write_bytes(damaged)
    assert "damaged" in refused(path, cache)


def test_an_encrypted_zip_is_refused(tmp_path, cache):
    path = zipped(tmp_path / "a.zip", GOOD)
    content = path.read_bytes()
    for signature, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        for at in range(len(content)):
            if content.startswith(signature, at):
                content = content[: at + offset] + bytes([content[at + offset] | 1]) + content[at + offset + 1 :]
    path.write_bytes(content)
    assert "is encrypted; unpack it yourself" in refused(path, cache)


def test_a_zip_with_another_compression_is_refused(tmp_path, cache):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("dark/1.png", b"")
    assert "neither stored nor deflated" in refused(path, cache)


def test_a_file_that_is_no_archive_is_refused(tmp_path, cache):
    (tmp_path / "a.rar").write_bytes(b"Rar!" * 1000)
    assert "must be a folder or an intact archive (.zip, .tar" in refused(tmp_path / "a.rar", cache)


def test_what_a_killed_process_left_is_removed(tmp_path, cache):
    path = pack(tmp_path / "a.zip", GOOD)
    target = Archive(path).unpacked()
    target.rename(target.with_name(f"{target.name}-1"))
    (target.with_name(f"{target.name}-1") / "dark" / "1.png").unlink()
    assert content(Archive(path).unpacked()) == GOOD
    assert {file.name for file in cache.iterdir()} == {target.name, f"{target.name}.lock"}


def test_two_processes_at_once_both_succeed(tmp_path, cache):
    path = pack(tmp_path / "a.zip", {f"{name}/{number}": b"x" for name in ("dark", "light") for number in range(3000)})
    script = (
        "import sys; from pathlib import Path; from dltrain.datasets._images.archives import Archive\n"
        "print('ready', flush=True); input()\n"
        "print(Archive(Path(sys.argv[1])).unpacked())"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", script, path], stdin=-1, stdout=-1, stderr=-1, text=True)
        for _ in range(2)
    ]
    assert [process.stdout.readline() for process in both] == ["ready\n"] * 2
    for process in both:
        process.stdin.write("\n")
        process.stdin.flush()
    for process in both:
        told, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        assert told.strip() == str(Archive(path).unpacked())
    assert len(content(Archive(path).unpacked())) == 6000
    assert {file.suffix for file in cache.iterdir()} == {"", ".lock"}


@pytest.fixture
def said(caplog):
    caplog.set_level(logging.INFO, "dltrain")
    return lambda: caplog.messages


def test_unpacking_is_said_at_its_beginning_and_while_it_lasts(tmp_path, cache, said, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS", -1)
    path = pack(tmp_path / "a.zip", GOOD)
    Archive(path).unpacked()
    first = f"unpacking {path} into {cache}"
    assert said() == [first, *(f"{first}: {done} done" for done in range(3))]
    Archive(path).unpacked()
    assert len(said()) == 4


def test_waiting_for_another_process_is_said(tmp_path, cache, said, monkeypatch):
    path, calls = pack(tmp_path / "a.zip", GOOD), []

    def flock(lock, kind):
        calls.append(kind)
        if kind & fcntl.LOCK_NB:
            raise BlockingIOError(errno.EAGAIN, "busy")

    monkeypatch.setattr("fcntl.flock", flock)
    assert content(Archive(path).unpacked()) == GOOD
    assert calls == [fcntl.LOCK_EX | fcntl.LOCK_NB, fcntl.LOCK_EX]
    assert said()[0] == f"waiting for another process, which is unpacking {path}"


def test_the_configs_line_is_shown(tmp_path):
    from dltrain.config.experiment import load
    from dltrain.errors import ConfigError

    zipped(tmp_path / "a.zip", {"../evil": b""})
    rest = "model: {name: mlp}\noptimizer: {name: sgd}\ntrain: {epochs: 1}\n"
    (tmp_path / "a.yaml").write_text(f"dataset:\n  name: image_folder\n  path: a.zip\n{rest}")
    with pytest.raises(ConfigError, match=r"a\.yaml:3:\d+: dataset\.path must not be unpacked: .*a\.zip: '\.\./evil'"):
        load(tmp_path / "a.yaml")


def header(kind, size, name=b"x"):
    """Returns the header of a member in a tar file."""
    fields = name.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + b"%011o\0" % size + b"%011o\0" % 0
    block = bytearray((fields + b" " * 8 + kind).ljust(257, b"\0") + b"ustar\0" + b"00")
    block += bytes(tarfile.BLOCKSIZE - len(block))
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def padded(content):
    return content + bytes(-len(content) % tarfile.BLOCKSIZE)


def extended(records, kind=b"x"):
    return header(kind, len(records)) + padded(records) + header(b"0", 0, b"dark/1.png") + bytes(1024)


HOSTILE = {
    "five thousand long names, each of the next": (header(b"L", 5) + padded(b"name\0")) * 5000 + bytes(1024),
    "a length of 20 digits": extended(b"99999999999999999999 path=a\n"),
    "a length beyond the header": extended(b"9999 path=a\n"),
    "a size of 20 digits": extended(b"30 size=99999999999999999999\n\n"),
    "a size below 0": extended(b"12 size=-9\n\n"),
    "a run of digits": extended(b"1" * 60_000),
    "records within a record": extended(b"2 " * 30_000 + b"=\n"),
    "encodings without end": extended(b"60000 comment=" + b"1 hdrcharset=" * 4_000 + b"\n"),
    "digits as a value": extended(b"60014 comment=" + b"1" * 59_999 + b"\n"),
    "a header of a megabyte": extended(b"1" * 2**20),
    "a long name of a megabyte": header(b"L", 2**20) + padded(b"a" * 2**20) + bytes(1024),
    "sparse": header(b"S", 0, b"dark/1.png") + bytes(1024),
    "sparse, in words": extended(b"22 GNU.sparse.major=1\n25 GNU.sparse.minor=00000\n"),
}


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("name", HOSTILE)
def test_headers_made_to_harm_are_refused_in_a_line(tmp_path, cache, name, compressed):
    path = tmp_path / ("a.tar.gz" if compressed else "a.tar")
    path.write_bytes(gzip.compress(HOSTILE[name]) if compressed else HOSTILE[name])
    assert refused(path, cache, early="20 digits" not in name)


def test_extended_headers_that_are_none_are_never_parsed(monkeypatch):
    """tarfile's own expressions take quadratic time on each of these."""
    for name in ("a run of digits", "records within a record", "encodings without end", "digits as a value"):
        stream = TarStream(io.BytesIO(HOSTILE[name]), 10**6)
        stream.read(512)
        with pytest.raises(Unreadable, match="a header is damaged"):
            stream.read(60_416)


def test_what_other_programs_note_beside_a_member_is_passed_over(tmp_path):
    notes = {"mtime": "1.5", "LIBARCHIVE.xattr.com.apple.quarantine": "MDA4MQ==", "comment": "größer = als\nzwei"}
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for name in ("dark/" + "ä" * 120, "light/1.png"):
            member = tarfile.TarInfo(name)
            member.pax_headers = notes
            archive.addfile(member)
    assert {folder.name for folder in Archive(path).listed().iterdir()} == {"dark", "light"}


def test_of_a_plain_tar_nothing_is_read_behind_its_end(tmp_path, cache):
    path = pack(tmp_path / "a.tar", GOOD)
    with path.open("ab") as file:
        file.truncate(2**40)
    assert {folder.name for folder in Archive(path).listed().iterdir()} == {"dark", "light"}
