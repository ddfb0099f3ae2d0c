"""What a run notes of the git checkout around it: right for the user's own, and no program runs for a stranger's."""

import shutil
import subprocess

import pytest

from dltrain.training import checkout

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="no git")


def git(folder, *words):
    settings = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main")
    done = subprocess.run(["git", *settings, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path):
    place = tmp_path / "work"
    place.mkdir()
    git(place, "init", "-q")
    (place / "a.txt").write_text("a\n")
    git(place, "add", ".")
    git(place, "commit", "-q", "-m", "first")
    return place


def test_outside_of_a_checkout_nothing_is_noted(tmp_path):
    assert checkout.of(tmp_path) is None


def test_a_checkout_has_a_commit_and_is_dirty_or_not(repository):
    commit = git(repository, "rev-parse", "HEAD")
    (repository / "deeper").mkdir()
    assert checkout.of(repository / "deeper") == {"commit": commit, "dirty": False}
    (repository / "a.txt").write_text("b\n")
    assert checkout.of(repository) == {"commit": commit, "dirty": True}
    git(repository, "checkout", "-q", "a.txt")
    (repository / "new.txt").touch()
    assert checkout.of(repository) == {"commit": commit, "dirty": True}


@pytest.mark.parametrize("how", ["packed", "detached", "linked", "branch with a path", "submodule"])
def test_a_commit_is_found_wherever_git_keeps_it(repository, tmp_path, how):
    place = repository
    if how == "packed":
        git(place, "pack-refs", "--all")
    elif how == "detached":
        git(place, "checkout", "-q", "--detach")
    elif how == "branch with a path":
        git(place, "checkout", "-q", "-b", "feature/one")
    elif how == "linked":
        place = tmp_path / "linked"
        git(repository, "worktree", "add", "-q", str(place), "-b", "other")
    else:
        outer = tmp_path / "outer"
        outer.mkdir()
        git(outer, "init", "-q")
        git(outer, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(repository), "inner")
        place = outer / "inner"
    assert checkout.of(place) == {"commit": git(place, "rev-parse", "HEAD"), "dirty": False}


def test_before_the_first_commit_nothing_is_noted(tmp_path):
    git(tmp_path, "init", "-q")
    assert checkout.of(tmp_path) is None


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("core.fsmonitor", "{program}"),
        ("filter.own.clean", "{program}"),
        ("filter.own.process", "{program}"),
        ("core.sshCommand", "{program}"),
        ("core.pager", "{program}"),
        ("diff.external", "{program}"),
        ("include.path", "more"),
        ("core.hooksPath", "hooks"),
    ],
)
def test_no_program_of_a_strangers_settings_runs(repository, tmp_path, setting, value):
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/owned\n")
    program.chmod(0o755)
    hooks = repository / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    shutil.copy(program, hooks / "post-index-change")
    (repository / ".git/more").write_text(f"[core]\n\tfsmonitor = {program}\n")
    commit = git(repository, "rev-parse", "HEAD")
    (repository / ".gitattributes").write_text("* filter=own diff=own\n")
    git(repository, "config", setting, value.format(program=program))
    (repository / "a.txt").write_text("changed\n")
    assert checkout.of(repository) == {"commit": commit, "dirty": None}
    assert not (tmp_path / "owned").exists()


def test_a_folder_that_looks_like_the_inside_of_a_checkout_is_none(repository, tmp_path):
    inside = repository / ".git"
    with (inside / "config").open("a") as file:
        file.write(f"[core]\n\tfsmonitor = touch {tmp_path}/owned\n\tworktree = .\n\tbare = false\n")
    shutil.move(inside, tmp_path / "bare")
    assert checkout.of(tmp_path / "bare") is None
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    ("file", "content"),
    [("HEAD", "ref: ../../outside"), ("HEAD", "ref: HEAD"), ("HEAD", ""), ("HEAD", "\xff" * 99), ("commondir", "\0")],
)
def test_a_damaged_checkout_is_none(repository, file, content):
    (repository / ".git" / file).write_text(content, encoding="latin-1")
    assert checkout.of(repository) is None
