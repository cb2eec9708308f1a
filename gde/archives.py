"""Archives from elsewhere: unpacked whole or not at all, and only into their own directory."""

import lzma
import os
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from gde.errors import GdeError, bad
from gde.io import atomic_dir

BLOCK = 1 << 20
END = bytes(512)  # a tar ends in blocks of zeros; one that was cut between two files does not
DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    ValueError,
    NotImplementedError,
)
UNSAFE = re.compile(r"[\x00-\x1f\x7f\\]")
LONGEST = 255  # bytes of a name on Linux


def extract(archive: Path, out: Path, *, limit: int, files: int = 1_000_000) -> None:
    """Unpack a .zip or .tar (plain, gz, bz2 or xz) to the directory `out`, which appears whole or not at all.

    limit, files : the most bytes and files that it may hold. GdeError for more than that, for a damaged archive, and
    for a member that is a link or a device, is named twice, or would lie outside `out`; modes and owners are left out.
    """
    archive, out = Path(archive), Path(out)
    if not archive.is_file():
        raise bad(archive, "no such file", "an archive", "fetch it")
    with atomic_dir(out, sums=False) as tmp, ExitStack() as stack:
        try:
            left, members = limit, 0
            for name, file in _members(archive, stack):
                members += 1
                if members > files:
                    raise bad(archive, f"more than {files} files", f"at most {files}", "do not use this archive")
                _refuse_path(archive, name)
                target = tmp.joinpath(*(p for p in name.split("/") if p not in ("", ".")))
                try:
                    (target if file is None else target.parent).mkdir(parents=True, exist_ok=True)
                    left -= 0 if file is None else _copy(archive, file, target, left, limit)
                except (FileExistsError, NotADirectoryError) as e:
                    raise _hostile(archive, name, "a second file of this name") from e
            if not members:
                raise bad(archive, "an archive without files", "files", "fetch it again")
        except (*DAMAGED, OSError) as e:
            if isinstance(e, GdeError) or getattr(e, "errno", None) is not None:  # the disk's; bz2's have no number
                raise
            raise bad(archive, f"a damaged archive ({e})", "a whole .zip or .tar", "fetch it again") from e


def _members(archive: Path, stack: ExitStack) -> Iterator[tuple[str, IO[bytes] | None]]:
    """(name, content), content None for a directory."""
    with archive.open("rb") as f:
        start = f.read(4)
    if start[:2] == b"PK":
        return _zip_members(archive, stack.enter_context(zipfile.ZipFile(archive)))
    return _tar_members(archive, stack.enter_context(tarfile.open(archive, mode="r:*")))


def _zip_members(archive: Path, file: zipfile.ZipFile) -> Iterator[tuple[str, IO[bytes] | None]]:
    for info in file.infolist():
        mode = info.external_attr >> 16
        if mode and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_IFMT(mode) == 0):
            raise _hostile(archive, info.filename, "a link or device")
        if info.flag_bits & 1:
            raise _hostile(archive, info.filename, "an encrypted file")
        if info.is_dir():
            yield info.filename, None
        else:
            with file.open(info) as content:
                yield info.filename, content


def _tar_members(archive: Path, file: tarfile.TarFile) -> Iterator[tuple[str, IO[bytes] | None]]:
    for member in file:
        if not (member.isreg() or member.isdir()):
            raise _hostile(archive, member.name, "a link or device")
        _refuse_path(archive, member.name)
        yield member.name, None if member.isdir() else file.extractfile(member)
    file.fileobj.seek(file.offset)
    if file.fileobj.read(len(END)) != END:  # where tarfile merely stops, as at a damaged head
        raise EOFError("it ends without the mark of its end")
    if file.fileobj.read(BLOCK) and file.fileobj.read(1):  # reads to the checksum behind it
        raise EOFError("it goes on behind the mark of its end")


def _refuse_path(archive: Path, name: str) -> None:
    parts = name.rstrip("/").split("/")
    if UNSAFE.search(name) or any(p in ("", "..") or len(os.fsencode(p)) > LONGEST for p in parts):
        raise _hostile(archive, name, "a path that could leave the directory")


def _copy(archive: Path, file: IO[bytes], target: Path, left: int, limit: int) -> int:
    """Write one member and return its size, counted as it comes: what the archive says of it is not believed."""
    size = 0
    with target.open("xb") as f:
        while block := file.read(BLOCK):
            size += len(block)
            if size > left:
                raise bad(archive, f"more than {limit} bytes in it", f"at most {limit}", "do not use this archive")
            f.write(block)
    return size


def _hostile(archive: Path, name: str, found: str) -> GdeError:
    shown = name if len(name) <= 80 else name[:77] + "..."
    return bad(f"{archive}: {shown!r}", found, "plain files inside the archive's directory", "do not use this archive")
