"""Whose temporary files are, and how one directory takes the place of another."""

import multiprocessing
import os
import subprocess
import sys

import pytest

from gde.files import temporary
from gde.files.io import atomic_dir, atomic_path, atomic_write
from gde.files.lock import started
from gde.files.temporary import exchange, put, sweep, temporary_name


def dead() -> int:
    """The number of a process that is gone."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def leftover(path, *, host=None, boot=None, pid=None, suffix="tmp", directory=False):
    """What a writer of `path` would have left."""
    own = temporary._machine()
    since = started(pid) if pid else 1
    name = f".{path.name}.{host or own[0]}-{boot or own[1]}-{pid or dead()}-{since}.0123abcd.{suffix}"
    left = path.parent / name
    if directory:
        left.mkdir()
        (left / "a").write_text("left")
    else:
        left.write_text("left")
    return left


@pytest.mark.parametrize("directory", [False, True])
def test_the_next_writer_removes_what_a_killed_one_left(tmp_path, directory):
    path = tmp_path / "x.json"
    left, other = leftover(path, directory=directory), leftover(tmp_path / "y.json")
    with atomic_dir(path) if directory else atomic_write(path) as f:
        (f / "b").write_text("new") if directory else f.write("new")
        assert not left.exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == [other.name, "x.json"]  # of another path: not its business


def test_a_live_writers_file_stays(tmp_path):
    path = tmp_path / "x"
    ours = temporary_name(path)
    ours.write_text("being written")
    parent = leftover(path, pid=os.getppid())
    with atomic_path(path) as tmp:
        tmp.write_text("new")
    assert ours.exists() and parent.exists()


def test_another_process_of_the_same_number_does_not_count(tmp_path):
    left = leftover(tmp_path / "x", pid=os.getpid())
    left = left.rename(left.with_name(left.name.replace(f"-{started(os.getpid())}.", "-12.")))
    sweep(tmp_path / "x")
    assert not left.exists()


def test_what_cannot_be_judged_stays(tmp_path):
    """Of another machine, of other programs, and of a machine of this name that was started at another time."""
    path = tmp_path / "x"
    kept = [leftover(path, host="0" * 8), leftover(path, boot="0" * 8)]
    for name in (".x.swp", ".x.tmp", ".x.1234.abcd.tmp", "x.tmp"):
        (tmp_path / name).write_text("")
        kept.append(tmp_path / name)
    sweep(path)
    assert all(p.exists() for p in kept)


def test_what_is_older_than_the_last_start_of_this_machine_goes(tmp_path):
    left = leftover(tmp_path / "x", boot="0" * 8, pid=os.getpid())
    os.utime(left, (1, 1))
    sweep(tmp_path / "x")
    assert not left.exists()


@pytest.mark.parametrize("there", [False, True])
def test_what_was_moved_aside_comes_back(tmp_path, there, caplog):
    """Where names cannot be exchanged a kill between two renames leaves nothing under the name."""
    path = tmp_path / "model"
    left = leftover(path, suffix="old", directory=True)
    if there:
        path.mkdir()
        (path / "a").write_text("new")
    sweep(path)
    assert (path / "a").read_text() == ("new" if there else "left")
    assert ("brought back" in caplog.text) is not there
    assert not left.exists()


def test_a_failing_writer_gives_back_what_was_moved_aside(tmp_path):
    path = tmp_path / "model"
    leftover(path, suffix="old", directory=True)
    with pytest.raises(RuntimeError), atomic_dir(path):
        raise RuntimeError
    assert (path / "a").read_text() == "left"


@pytest.mark.parametrize("can", [True, False])
@pytest.mark.parametrize("old", ["nothing", "empty", "directory", "file", "link"])
def test_put(tmp_path, can, old, monkeypatch):
    """Whatever stood there; a link is replaced, not followed."""
    if not can:
        monkeypatch.setattr(temporary, "exchange", lambda a, b: False)
    path, new, target = tmp_path / "x", temporary_name(tmp_path / "x"), tmp_path / "target"
    new.mkdir()
    (new / "a").write_text("new")
    target.mkdir()
    (target / "kept").write_text("")
    match old:
        case "empty" | "directory":
            path.mkdir()
            if old == "directory":
                (path / "b").write_text("old")
        case "file":
            path.write_text("old")
        case "link":
            path.symlink_to(target)
    put(new, path)
    assert not path.is_symlink()
    assert [p.name for p in path.iterdir()] == ["a"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["target", "x"]
    assert (target / "kept").exists()


def test_exchange(tmp_path):
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").mkdir()
    if not exchange(tmp_path / "a", tmp_path / "b"):
        pytest.skip("no exchange of names on this file system")
    assert (tmp_path / "a").is_dir()
    assert (tmp_path / "b").read_text() == "a"
    with pytest.raises(FileNotFoundError):
        exchange(tmp_path / "a", tmp_path / "c")


def replace_for_ever(path, started):
    for number in range(10**9):
        with atomic_dir(path) as tmp:
            for name in ("a", "b"):
                (tmp / name).write_text(str(number))
        started.set()


def test_a_reader_always_finds_a_directory(tmp_path, no_fsync):
    """While another process replaces it all the time."""
    path, context = tmp_path / "x", multiprocessing.get_context("fork")
    (tmp_path / "p").mkdir()
    (tmp_path / "q").mkdir()
    if not exchange(tmp_path / "p", tmp_path / "q"):
        pytest.skip("no exchange of names on this file system")
    started = context.Event()
    process = context.Process(target=replace_for_ever, args=(path, started))
    process.start()
    try:
        assert started.wait(30)
        for _ in range(2000):
            os.stat(path)
            fd = os.open(path, os.O_RDONLY)  # one directory, even if its name goes to another in the meantime
            os.close(fd)
    finally:
        process.kill()
        process.join()
    with atomic_dir(path) as tmp:
        (tmp / "a").write_text("last")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["p", "q", "x"]
