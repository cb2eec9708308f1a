"""Packed files as streams of bytes: gzip, xz and zstd, told by their first bytes; one that was cut is an error."""

import lzma
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from isal import igzip, isal_zlib  # unpacks twice as fast as Python's own

from gde.errors import GdeError, bad
from gde.files.sniffing import NOT_UTF8, UNKNOWN, check_file, kind_of, other_file

# Ending of a name -> what the file is then, in the words of `kind_of`
ENDINGS = {".gz": "a gzip file", ".bgz": "a gzip file", ".xz": "an xz file", ".zst": "a zstd file"}
NAMES = {"a gzip file": "gzip", "an xz file": "xz", "a zstd file": "zstd"}


class Unpacked:
    """The content of a file, by `read(size)`. GdeError for a damaged or cut one."""

    def __init__(self, path: Path, kind: str, remedy: str):
        self.path, self.kind, self.remedy = path, kind, remedy
        self._file = _open(path, kind)

    def read(self, size: int) -> bytes:
        """At most `size` bytes; none at the end."""
        try:
            return self._file.read(size)
        except (OSError, EOFError, isal_zlib.error, lzma.LZMAError) as e:
            if getattr(e, "errno", None) is not None:  # of the disk; those of gzip and pyarrow have no number
                raise
            raise self._damaged(e) from e

    def _damaged(self, e: Exception) -> GdeError:
        told = f"a damaged or cut {NAMES.get(self.kind, 'plain')} file ({e})"
        if "memory" in str(e):  # of zstd: the window that the file asks for
            remedy = "unpack it by `zstd -d --long=31`, and give the plain file"
            return bad(self.path, f"a zstd file that needs more memory than is given ({e})", "a smaller window", remedy)
        return bad(self.path, told, "a whole one", self.remedy)

    def close(self) -> None:
        self._file.close()


def _open(path: Path, kind: str):
    if kind == "a gzip file":
        return igzip.open(path)
    if kind == "an xz file":
        return lzma.open(path)
    if kind == "a zstd file":
        import pyarrow as pa

        return pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")
    return path.open("rb")


@contextmanager
def unpacked(path: Path, expected: str, remedy: str, *, utf8: bool = True) -> Iterator[Unpacked]:
    """The content of a text file, plain or packed.

    expected : what the file should be, for messages.   utf8 : whether a plain one has to begin as UTF-8 does.
    Raises GdeError for a file that is absent, empty, of another kind, or not packed as its ending says.
    """
    check_file(path, expected, remedy)
    kind, promised = kind_of(path), ENDINGS.get(path.suffix.lower())
    plain = kind == "text" or (kind in (UNKNOWN, NOT_UTF8) and not utf8)
    if (promised and kind != promised) or not (plain or kind in NAMES):
        raise other_file(path, f"{promised}: {expected}" if promised else expected, remedy)
    file = Unpacked(path, kind, remedy)
    try:
        yield file
    finally:
        file.close()
