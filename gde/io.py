"""Files that are either whole or absent: temporary name, fsync, rename; digests beside every directory we write."""

import errno
import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from gde.errors import GdeError, bad

SUMS = "SHA256SUMS"
_STORAGE_ERRORS = {
    errno.ENOSPC: ("no space left on the device", "free disk space"),
    errno.EDQUOT: ("the disk quota is used up", "free disk space or ask for more quota"),
    errno.EROFS: ("a read-only file system", "choose a writable results directory"),
    errno.EACCES: ("no permission to write", "make the directory writable or choose another"),
    errno.EPERM: ("no permission to write", "make the directory writable or choose another"),
}


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn a full, read-only or forbidden disk into one line naming `path`."""
    try:
        yield
    except Exception as e:
        if (number := _error_number(e)) not in _STORAGE_ERRORS:
            raise
        found, remedy = _STORAGE_ERRORS[number]
        raise bad(
            path, found, "a writable place with free space", f"{remedy} and run again; nothing was left half-written"
        ) from e


def _error_number(e: Exception) -> int | None:
    """errno of an error of the system, also where safetensors ("os error 28") or HDF5 ("errno = 28") only tell it."""
    if isinstance(e, GdeError):
        return None
    words = re.search(r"(?:os error|errno)[ =]+(\d+)", str(e))
    return getattr(e, "errno", None) or (words and int(words[1]))


def _fsync_dir(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _temporary(path: Path) -> Path:
    return path.parent / f".{path.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}.tmp"


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """A temporary file name beside `path` for writers that open files themselves; renamed to `path` on success."""
    path = Path(path)
    tmp = _temporary(path)
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield tmp
            with tmp.open("rb") as f:
                os.fsync(f.fileno())
            os.replace(tmp, path)
            _fsync_dir(path.parent)
        finally:
            tmp.unlink(missing_ok=True)


@contextmanager
def atomic_write(path: str | os.PathLike, mode: str = "w") -> Iterator[IO]:
    """Open a file that appears under its name only when the block ends without an error."""
    with atomic_path(path) as tmp, tmp.open(mode) as f:
        yield f


@contextmanager
def atomic_dir(path: str | os.PathLike, *, sums: bool = True) -> Iterator[Path]:
    """A temporary directory that takes the place of `path` on success, with SHA256SUMS when `sums`."""
    path = Path(path)
    tmp = _temporary(path)
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        tmp.mkdir()
        try:
            yield tmp
            if sums:
                write_sums(tmp)
            for file in tmp.rglob("*"):
                if file.is_file():
                    with file.open("rb") as f:
                        os.fsync(f.fileno())
            for directory in (tmp, *(d for d in tmp.rglob("*") if d.is_dir())):
                _fsync_dir(directory)
            old = _temporary(path)
            if path.exists():
                os.replace(path, old)
            try:
                os.replace(tmp, path)
            except BaseException:
                if old.exists():
                    os.replace(old, path)
                raise
            _fsync_dir(path.parent)
            shutil.rmtree(old, ignore_errors=True)
        except GdeError as e:  # about a file inside: call it by the name it was to have
            raise GdeError(str(e).replace(str(tmp), str(path))) from e.__cause__
        finally:
            shutil.rmtree(tmp, ignore_errors=True)


def sha256_file(path: str | os.PathLike) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with Path(path).open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: the form that is hashed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def sha256_json(value: Any) -> str:
    """SHA-256 of a value's canonical JSON, hexadecimal."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Write indented JSON atomically. Raises ValueError for NaN or infinity, which JSON cannot hold."""
    text = json.dumps(value, indent=1, allow_nan=False)
    with atomic_write(path) as f:
        f.write(text + "\n")


def read_json(path: str | os.PathLike) -> Any:
    """Read JSON; GdeError names the file when it is missing or damaged."""
    try:
        return json.loads(Path(path).read_text())
    except FileNotFoundError as e:
        raise bad(path, "no such file", "a JSON file", "run the rule that makes it") from e
    except (json.JSONDecodeError, UnicodeDecodeError) as e:
        raise bad(path, f"damaged JSON ({e})", "complete JSON", "delete the file and run again") from e


def write_sums(directory: Path) -> None:
    """Write SHA256SUMS (the format of sha256sum) over every other file below `directory`."""
    files = sorted(p for p in directory.rglob("*") if p.is_file() and p.name != SUMS)
    (directory / SUMS).write_text("".join(f"{sha256_file(p)}  {p.relative_to(directory)}\n" for p in files))


def read_sums(directory: Path) -> dict[str, str]:
    """File name -> SHA-256 from a directory's SHA256SUMS."""
    try:
        lines = (directory / SUMS).read_text().splitlines()
    except UnicodeDecodeError as e:
        raise bad(directory / SUMS, "bytes that are no text", "'<sha256>  <file>' lines", "make it again") from e
    except (FileNotFoundError, NotADirectoryError) as e:
        raise bad(directory, f"no {SUMS}", "a complete directory written by gde", "make it again") from e
    if not lines:
        raise bad(directory / SUMS, "an empty file", "'<sha256>  <file>' lines", "make the directory again")
    try:
        return {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    except ValueError as e:
        raise bad(directory / SUMS, "a malformed line", "'<sha256>  <file>'", "make the directory again") from e


def verify_sums(directory: str | os.PathLike) -> dict[str, str]:
    """Check every file against SHA256SUMS and return the sums; GdeError names the first file that differs."""
    directory = Path(directory)
    sums = read_sums(directory)
    for name, expected in sums.items():
        file = directory / name
        if not file.is_file():
            raise bad(file, "no such file", f"the file listed in {SUMS}", "make the directory again")
        found = sha256_file(file)
        if found != expected:
            raise bad(file, f"sha256 {found}", f"sha256 {expected}", "the file is damaged or was edited: make it again")
    return sums
