"""Files that are either whole or absent: temporary name, fsync, rename; digests beside every directory we write."""

import errno
import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from gde.errors import GdeError, bad
from gde.files.sniffing import check_file, read_text
from gde.files.temporary import put, remove, sweep, temporary_name

SUMS = "SHA256SUMS"
AGAIN = "make it again"
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


def _make_parents(path: Path) -> None:
    """Make the directory that `path` is to stand in; a power cut must not lose a new one with what is in it."""
    new = [p for p in path.parents if not p.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    for directory in new:
        _fsync_dir(directory.parent)


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """A temporary file name beside `path` for writers that open files themselves; renamed to `path` on success.

    A process killed at any moment leaves `path` as it was or as it should be, and a leftover that the next writer of
    `path` removes.
    """
    path = Path(path)
    tmp = temporary_name(path)
    with storage_errors(path):
        _make_parents(path)
        sweep(path)
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
    """A temporary directory that takes the place of `path` on success, with SHA256SUMS when `sums`.

    Kills at any moment: as `atomic_path`.
    """
    path = Path(path)
    tmp = temporary_name(path)
    with storage_errors(path):
        _make_parents(path)
        sweep(path)
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
            put(tmp, path)
            _fsync_dir(path.parent)
        except GdeError as e:  # about a file inside: call it by the name it was to have
            raise GdeError(str(e).replace(str(tmp), str(path))) from e.__cause__
        finally:
            remove(tmp)


def sha256_path(path: str | os.PathLike) -> str:
    """SHA-256 of a file, or of the names and digests of all files below a folder."""
    path = Path(path)
    if not path.is_dir():
        return sha256_file(path)
    files = sorted(p for p in path.rglob("*") if p.is_file())
    return sha256_json({file.relative_to(path).as_posix(): sha256_file(file) for file in files})


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
    text = read_text(Path(path), "a JSON file", "run the rule that makes it")
    try:
        return json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as e:  # ValueError also for a number of thousands of digits
        raise bad(path, f"damaged JSON ({e})", "complete JSON", "delete the file and run again") from e


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number")


def write_sums(directory: Path) -> None:
    """Write SHA256SUMS (the format of sha256sum) over every other file below `directory`."""
    files = sorted(p for p in directory.rglob("*") if p.is_file() and p.name != SUMS)
    (directory / SUMS).write_text("".join(f"{sha256_file(p)}  {p.relative_to(directory)}\n" for p in files))


def verify_file(path: str | os.PathLike, remedy: str = AGAIN) -> None:
    """Check one file against the SHA256SUMS beside it; GdeError when it differs, is missing or is not listed."""
    path = Path(path)
    expected = read_sums(path.parent, remedy).get(path.name)
    if not path.is_file():
        raise bad(path, "no such file", "a file written by gde", remedy)
    if expected is None:
        raise bad(path, f"a file that {SUMS} does not list", "its digest there", remedy)
    _compare(path, expected, remedy)


def _compare(path: Path, expected: str, remedy: str) -> None:
    if (found := sha256_file(path)) != expected:
        raise bad(path, f"sha256 {found}", f"sha256 {expected}", f"the file is damaged or was edited: {remedy}")


def write_file_sum(path: Path) -> None:
    """List `path` alone in the SHA256SUMS beside it, for a file in whose format no digest has a place."""
    with atomic_write(path.parent / SUMS) as f:
        f.write(f"{sha256_file(path)}  {path.name}\n")


def read_sums(directory: Path, remedy: str = AGAIN) -> dict[str, str]:
    """File name -> SHA-256 from a directory's SHA256SUMS."""
    file = directory / SUMS
    if os.path.lexists(file):
        check_file(file, "'<sha256>  <file>' lines", remedy)
    try:
        text = file.read_bytes().decode()
    except UnicodeDecodeError as e:
        raise bad(file, "bytes that are no text", "'<sha256>  <file>' lines", remedy) from e
    except OSError as e:
        raise bad(directory, f"no {SUMS}", "a complete directory written by gde", remedy) from e
    if not text:
        raise bad(file, "an empty file", "'<sha256>  <file>' lines", remedy)
    lines = text.split("\n")  # and at nothing else: a damaged line end is no line end
    if lines.pop():
        raise bad(file, "a last line that is cut", "whole lines", remedy)
    try:
        sums = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    except ValueError as e:
        raise bad(file, "a malformed line", "'<sha256>  <file>'", remedy) from e
    if len(sums) < len(lines):
        raise bad(file, "a file named twice", "one line for each", remedy)
    return sums


def verify_sums(directory: str | os.PathLike, remedy: str = AGAIN) -> dict[str, str]:
    """Check every file against SHA256SUMS and return the sums; GdeError names the first file that differs.

    Hidden files are nobody's business (Snakemake leaves one); any other that is not listed is an error: the list may
    have been cut.
    """
    directory = Path(directory)
    sums = read_sums(directory, remedy)
    for name, expected in sums.items():
        file = directory / name
        if not file.is_file():
            raise bad(file, "no such file", f"the file listed in {SUMS}", remedy)
        _compare(file, expected, remedy)
    for file in sorted(directory.rglob("*")):
        name = file.relative_to(directory)
        hidden = any(part.startswith(".") for part in name.parts)
        if file.is_file() and not hidden and str(name) not in sums and name.name != SUMS:
            raise bad(file, f"a file that {SUMS} does not list", "only what gde wrote there", f"move it, or {remedy}")
    return sums
