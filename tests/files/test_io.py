"""Files are whole or absent, whatever happens in between."""

import errno
import multiprocessing
import os
import signal
import subprocess
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gde.errors import GdeError
from gde.files.io import (
    atomic_dir,
    atomic_path,
    atomic_write,
    canonical_json,
    read_json,
    sha256_file,
    sha256_json,
    verify_sums,
    write_json,
    write_sums,
)


class Stop(Exception):
    """Something else goes wrong."""


def tree(directory):
    return {str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


@pytest.mark.parametrize("old", [None, "old"])
def test_a_file_appears_only_at_the_end(tmp_path, old):
    path = tmp_path / "deep" / "file"
    if old:
        path.parent.mkdir()
        path.write_text(old)
    with atomic_write(path) as f:
        f.write("new")
        f.flush()
        assert (path.read_text() if old else path.exists()) == (old or False)
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("old", [None, "old"])
@pytest.mark.parametrize("error", [Stop, KeyboardInterrupt, SystemExit])
def test_an_error_leaves_a_file_as_it_was(tmp_path, old, error):
    path = tmp_path / "file"
    if old:
        path.write_text(old)
    with pytest.raises(error), atomic_write(path) as f:
        f.write("half")
        raise error
    assert tree(tmp_path) == ({"file": b"old"} if old else {})


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("error", [Stop, KeyboardInterrupt, SystemExit])
def test_an_error_leaves_a_directory_as_it_was(tmp_path, old, error):
    path = tmp_path / "directory"
    if old:
        path.mkdir()
        (path / "a").write_text("old")
    with pytest.raises(error), atomic_dir(path) as tmp:
        (tmp / "a").write_text("half")
        raise error
    assert tree(tmp_path) == ({"directory/a": b"old"} if old else {})
    assert path.exists() == old
    assert len(list(tmp_path.iterdir())) == old


def test_a_directory_takes_the_old_ones_place_and_has_sums(tmp_path):
    path = tmp_path / "directory"
    for name in ("a", "b"):
        with atomic_dir(path) as tmp:
            (tmp / "sub").mkdir()
            (tmp / "sub" / name).write_text(name)
    assert set(verify_sums(path)) == {"sub/b"}
    assert list(tmp_path.iterdir()) == [path]
    with atomic_dir(path, sums=False) as tmp:
        pass
    assert list(path.iterdir()) == []


def test_a_directory_whose_last_step_fails_is_put_back(tmp_path, monkeypatch):
    """Where two names cannot be exchanged the old one is moved away first: if the next step fails it must return."""
    path = tmp_path / "directory"
    with atomic_dir(path) as tmp:
        (tmp / "a").write_text("old")
    before = tree(tmp_path)
    rename, calls = os.rename, []

    def third_fails(a, b):  # the first finds the old one in its place, the second moves that away
        calls.append((a, b))
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, "full")
        rename(a, b)

    monkeypatch.setattr("gde.files.temporary.exchange", lambda a, b: False)
    monkeypatch.setattr(os, "rename", third_fails)
    with pytest.raises(GdeError, match="no space left"), atomic_dir(path) as tmp:
        (tmp / "a").write_text("new")
    assert tree(tmp_path) == before


def killed_within(path, directory):
    with atomic_dir(path) if directory else atomic_path(path) as tmp:
        (tmp / "a" if directory else tmp).write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("directory", [False, True])
def test_a_killed_process_leaves_the_old_content_and_the_next_one_succeeds(tmp_path, directory):
    path = tmp_path / "target"
    for content in ("old", "new"):
        with atomic_dir(path) if directory else atomic_path(path) as tmp:
            (tmp / "a" if directory else tmp).write_text(content)
        assert ((path / "a") if directory else path).read_text() == content
        process = multiprocessing.get_context("fork").Process(target=killed_within, args=(path, directory))
        process.start()
        process.join(30)
        assert process.exitcode == -signal.SIGKILL
        assert ((path / "a") if directory else path).read_text() == content
        if directory:
            verify_sums(path)


def test_writers_at_the_same_time_leave_one_whole_result(tmp_path):
    def write(i):
        for _ in range(10):
            with atomic_write(tmp_path / "file") as f:
                f.write(str(i) * 1000)

    threads = [threading.Thread(target=write, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    text = (tmp_path / "file").read_text()
    assert len(text) == 1000
    assert len(set(text)) == 1
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "no space left"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "permission"),
    ],
)
def test_storage_errors_name_the_target_and_the_remedy(tmp_path, number, said):
    with pytest.raises(GdeError, match=said) as e, atomic_write(tmp_path / "file"):
        raise OSError(number, os.strerror(number))
    assert str(e.value).startswith(f"{tmp_path / 'file'}: found")
    assert "run again" in str(e.value)
    assert list(tmp_path.iterdir()) == []


def test_other_errors_pass_unchanged(tmp_path):
    with pytest.raises(IsADirectoryError), atomic_write(tmp_path / "file"):
        raise IsADirectoryError


def test_a_read_only_directory(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    tmp_path.chmod(0o500)
    with pytest.raises(GdeError, match="no permission"):
        write_json(tmp_path / "x.json", {})


def test_a_really_full_disk(tiny_disk):
    write_json(tiny_disk / "small.json", [1])
    with pytest.raises(GdeError, match="no space left"):
        write_json(tiny_disk / "small.json", list(range(50_000)))
    assert tree(tiny_disk) == {"small.json": b"[\n 1\n]\n"}


# sums


@pytest.fixture
def summed(tmp_path):
    with atomic_dir(tmp_path / "d") as tmp:
        (tmp / "sub").mkdir()
        (tmp / "sub" / "a b").write_text("a")
        (tmp / "c").write_text("c")
    return tmp_path / "d"


def test_sums_are_those_of_sha256sum(summed):
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=summed, capture_output=True, check=False
    )
    assert done.returncode == 0
    assert verify_sums(summed) == {"c": sha256_file(summed / "c"), "sub/a b": sha256_file(summed / "sub" / "a b")}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: (d / "c").write_text("x"), "d/c: found sha256"),
        (lambda d: (d / "c").unlink(), "d/c: found no such file"),
        (lambda d: (d / "SHA256SUMS").unlink(), "no SHA256SUMS"),
        (lambda d: (d / "SHA256SUMS").write_text(""), "SHA256SUMS: found an empty file"),
        (lambda d: (d / "SHA256SUMS").write_text("abc\n"), "SHA256SUMS: found a malformed line"),
        (lambda d: (d / "SHA256SUMS").write_text("abc"), "SHA256SUMS: found a last line that is cut"),
        (lambda d: (d / "d").write_text("new"), "d/d: found a file that SHA256SUMS does not list"),
        (lambda d: (d / "SHA256SUMS").write_bytes(b"\xff\xfe"), "SHA256SUMS: found"),
    ],
)
def test_any_change_is_found(summed, change, said):
    change(summed)
    with pytest.raises(GdeError) as e:
        verify_sums(summed)
    assert said in str(e.value)


def test_a_path_that_is_no_directory(tmp_path):
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "nothing"):
        with pytest.raises(GdeError, match="no SHA256SUMS"):
            verify_sums(path)


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_truncated_sums_are_found(summed, cut):
    sums = summed / "SHA256SUMS"
    sums.write_bytes(sums.read_bytes()[:-cut])
    with pytest.raises(GdeError):
        verify_sums(summed)


# JSON

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(VALUES)
def test_json_round_trip(tmp_path, value):
    write_json(tmp_path / "x.json", value)
    assert read_json(tmp_path / "x.json") == value
    assert sha256_json(read_json(tmp_path / "x.json")) == sha256_json(value)


def test_the_order_of_keys_does_not_change_the_digest():
    assert sha256_json({"a": 1, "b": [2]}) == sha256_json({"b": [2], "a": 1})
    assert canonical_json({"b": 1.0, "a": None}) == '{"a":null,"b":1.0}'


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_cannot_hold_is_not_written(tmp_path, value):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "x.json", {"a": value})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [None, b"", b'{"a": 1', b"<html>", b"\xff\xfe\x00"])
def test_damaged_json_is_named(tmp_path, content):
    if content is not None:
        (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(GdeError, match=r"x\.json: found (damaged JSON|no such file|bytes that are not UTF-8)"):
        read_json(tmp_path / "x.json")


def test_sums_of_nothing(tmp_path):
    """An empty directory has no sums to check: it is not taken for a whole one."""
    write_sums(tmp_path)
    with pytest.raises(GdeError, match="empty file"):
        verify_sums(tmp_path)
