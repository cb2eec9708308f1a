"""Sniffing: what a file that somebody gave us is, found out without running or loading any of it."""

import errno
import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from gde.errors import GdeError, bad

PICKLES = (".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".dill")
UTF16, NOT_UTF8, UNKNOWN = "text in UTF-16", "text that is not in UTF-8", "bytes of no known kind"
UNREADABLE = "a file that cannot be read"  # and the reason of the system
CONVERT = {
    UTF16: "save it as UTF-8, e.g. iconv -f UTF-16 -t UTF-8",
    NOT_UTF8: "save it as UTF-8, e.g. iconv -f CP1252 -t UTF-8 if a program of Windows wrote it",
}
NO_PICKLES = "gde never loads pickles, since they can run any code: convert it with the program that wrote it"
SEPARATORS = set(b"\t\n\r\f\v ,;")
CONTROLS = set(range(32)) - SEPARATORS
_SPECIAL = {
    stat.S_ISDIR: "a directory",
    stat.S_ISFIFO: "a named pipe",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
}
_HEADS = (
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"PAR1", "a Parquet file"),
    (b"\x1f\x8b", "a gzip file"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ\x00", "an xz file"),
    (b"\x28\xb5\x2f\xfd", "a zstd file"),
    (b"%PDF", "a PDF"),
)


def check_file(path: Path, expected: str, remedy: str, *, name: object = None) -> None:
    """GdeError unless `path` is a regular file that may be read; never waits for a pipe or device.

    expected, remedy : for the message.   name : what the message calls the file, if not its path.
    """
    name = path if name is None else name
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as e:
        raise _absent(name, e, expected, remedy) from e
    for is_kind, found in _SPECIAL.items():
        if is_kind(mode):
            raise bad(name, found, expected, remedy)
    if not os.access(path, os.R_OK):
        raise bad(name, "a file that may not be read", expected, "change its permissions")


def _absent(name: object, e: Exception, expected: str, remedy: str) -> GdeError:
    number = getattr(e, "errno", None)
    if number == errno.ELOOP:
        return bad(name, "a symbolic link that leads to itself", expected, "remove the link")
    if number == errno.ENAMETOOLONG:
        return bad(name, "a name that is too long for a file", expected, remedy)
    if number == errno.EACCES:
        return bad(name, "a directory that may not be entered", expected, "change its permissions")
    if number in (errno.ENOENT, errno.ENOTDIR) or isinstance(e, ValueError):  # ValueError: a NUL in the name
        return bad(name, "no such file", expected, remedy)
    return bad(name, f"a file that cannot be read ({e.strerror})", expected, remedy)


def read_text(path: Path, expected: str, remedy: str, *, name: object = None) -> str:
    """The text of a UTF-8 file, without a byte order mark. Arguments and GdeError as of `check_file`."""
    check_file(path, expected, remedy, name=name)
    name = path if name is None else name
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as e:
        kind = encoding(path.read_bytes())
        found = f"bytes that are not UTF-8 (at byte {e.start}{', as in UTF-16' if kind == UTF16 else ''})"
        remedy = f"{remedy}, or {CONVERT.get(kind, 'save it as UTF-8')}"
        raise bad(name, found, f"{expected} in UTF-8", remedy) from e
    except OSError as e:
        raise bad(name, f"a file that cannot be read ({e.strerror})", expected, remedy) from e


def looks_like_html(path: Path) -> bool:
    """Whether the file starts as a web page does."""
    with path.open("rb") as f:
        head = f.read(512).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return head.startswith((b"<!doctype html", b"<html", b"<head", b"<?xml", b"<body"))


def kind_of(path: Path) -> str:
    """What a regular file is, in words, from its first bytes; 'not ...' is never the answer."""
    try:
        with path.open("rb") as f:
            head = f.read(512)
    except OSError as e:
        return f"{UNREADABLE} ({e.strerror})"
    if not head:
        return "an empty file"
    if head[0] == 0x80 and len(head) > 1 and 2 <= head[1] <= 5:
        return "a Python pickle"
    if head.startswith(b"PK\x03\x04"):
        return _archive(path)
    if head.startswith(b"\x93NUMPY"):
        return "a NumPy array of pickled objects" if b"'|O'" in head else "a NumPy array"
    if path.suffix.lower() in PICKLES:
        return f"a file with the ending {path.suffix} of Python pickles"
    if known := next((kind for start, kind in _HEADS if head.startswith(start)), None):
        return known
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < path.stat().st_size:
        return "a safetensors file"
    if looks_like_html(path):
        return "an HTML page"
    return encoding(head)


def encoding(head: bytes) -> str:
    """What the beginning of a file of text is: text (UTF-8), UTF16, NOT_UTF8, or UNKNOWN where it is none."""
    marked = head.startswith((b"\xff\xfe", b"\xfe\xff")) and 0 in head  # any tab, comma or line feed has one
    if marked or _every_other_is_nul(head):
        return UTF16
    try:
        head.decode()
    except UnicodeDecodeError as e:
        if e.start < len(head) - 4:  # else a character that is cut
            return UNKNOWN if CONTROLS & set(head) or not SEPARATORS & set(head) else NOT_UTF8
    return UNKNOWN if b"\0" in head else "text"


def _every_other_is_nul(head: bytes) -> bool:
    """As in UTF-16 without a mark at its beginning, where most of the text is ASCII."""
    nul = sorted(part.count(0) / max(len(part), 1) for part in (head[::2], head[1::2]))
    return len(head) >= 4 and nul[0] == 0 and nul[1] > 0.5


def not_utf8(path: Path, opener: Callable[..., IO[bytes]], expected: str) -> GdeError:
    """The error for a file of text that cannot be decoded: its line and, where that can be told, its encoding.

    opener : `open`, or `gzip.open` of a packed file.
    """
    with opener(path, "rb") as f:
        kind = encoding(f.read(512))
        f.seek(0)
        number = next((n for n, line in enumerate(f, 1) if encoding(line + b"    ") != "text"), 1)
    kind = UTF16 if kind == UTF16 else NOT_UTF8
    return bad(f"{path}: line {number}", kind, f"{expected} in UTF-8", CONVERT[kind])


def _archive(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return "a damaged ZIP archive"
    if any(name.endswith(".pkl") for name in names):
        return "a PyTorch file (pickles in a ZIP archive)"
    return "a NumPy archive" if any(name.endswith(".npy") for name in names) else "a ZIP archive"


def other_file(path: Path, expected: str, remedy: str) -> GdeError:
    """The error for a file that is not what was expected: says what it is, and that pickles are never loaded."""
    found = kind_of(path)
    return bad(path, found, expected, NO_PICKLES if "pickle" in found else CONVERT.get(found, remedy))
