"""Names of files that are still being written, whose they are, and how one takes the place of another."""

import ctypes
import errno
import hashlib
import logging
import os
import re
import shutil
import socket
import uuid
from functools import cache
from pathlib import Path

from gde.files.lock import started

log = logging.getLogger(__name__)
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_NOT_HERE = (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP)  # what a file system without exchange says
_OWNER = re.compile(r"([0-9a-f]{8})-([0-9a-f]{8})-(\d+)-(\d+)\.[0-9a-f]{8}\.(?:tmp|old)")


def temporary_name(path: Path, suffix: str = "tmp") -> Path:
    """A hidden name beside `path`, never used before, that says which process writes it."""
    host, boot = _machine()
    owner = f"{host}-{boot}-{os.getpid()}-{started(os.getpid())}"
    return path.parent / f".{path.name}.{owner}.{uuid.uuid4().hex[:8]}.{suffix}"


def sweep(path: Path) -> None:
    """Remove what killed writers of `path` left beside it; what they had moved aside comes back if nothing is there.

    Only what is certainly nobody's: of a process of this machine that is gone, or of before its last start. Leftovers
    of other machines on a shared file system stay.
    """
    prefix = f".{path.name}."
    for entry in os.scandir(path.parent):
        if not entry.name.startswith(prefix) or not (owner := _OWNER.fullmatch(entry.name[len(prefix) :])):
            continue
        left = Path(entry.path)
        if not _is_gone(left, *owner.groups()):
            continue
        if left.suffix == ".old" and not os.path.lexists(path):
            log.warning("%s: brought back, a killed process had moved it aside", path)
            os.replace(left, path)
        else:
            remove(left)


def put(new: Path, path: Path) -> None:
    """Let the directory `new` take the place of `path`, whatever is there; that is removed.

    One step for anybody who looks, where the file system can exchange two names (Linux's own can). Elsewhere (some NFS)
    the old one stands aside for a moment, and `sweep` brings it back after a kill in that moment.
    """
    try:
        os.rename(new, path)  # nothing there, or an empty directory
        return
    except OSError as e:
        if e.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise
    if exchange(new, path):
        remove(new)
        return
    old = temporary_name(path, "old")
    os.rename(path, old)
    try:
        os.rename(new, path)
    except BaseException:
        os.rename(old, path)
        raise
    remove(old)


def exchange(a: Path, b: Path) -> bool:
    """Swap two names in one step; False where the system or file system cannot."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    if renameat2(_AT_FDCWD, os.fsencode(a), _AT_FDCWD, os.fsencode(b), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NOT_HERE:
        return False
    raise OSError(number, os.strerror(number), str(a), None, str(b))


def remove(path: Path) -> None:
    """Delete a file or directory that nobody needs; another process may be doing the same."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@cache
def _machine() -> tuple[str, str]:
    """Digests of this host (with its process namespace: containers may share a host's name) and of its last start."""
    namespace, boot = os.readlink("/proc/self/ns/pid"), Path("/proc/sys/kernel/random/boot_id").read_text()
    return _short(socket.gethostname() + namespace), _short(boot)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _is_gone(left: Path, host: str, boot: str, process: str, since: str) -> bool:
    if host != _machine()[0]:
        return False
    if boot != _machine()[1]:
        return _older_than_this_boot(left)  # two machines of one name exist, too
    return started(int(process)) != since


def _older_than_this_boot(left: Path) -> bool:
    try:
        times = dict(line.split(maxsplit=1) for line in Path("/proc/stat").read_text().splitlines())
        return left.lstat().st_mtime < int(times["btime"])
    except (OSError, KeyError):
        return False
