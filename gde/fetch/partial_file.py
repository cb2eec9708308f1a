"""An unfinished download: FILE.part, and FILE.part.json that says what it is a part of."""

import errno
import os
from pathlib import Path
from types import TracebackType
from typing import Any

from gde.errors import GdeError, bad
from gde.files.io import read_json, write_json


class Part:
    """What is there of `path`: opened, and left for another time or given its name by `finish`. One writer at a time.

    `state` is what the bytes belong to: the address, its validator (ETag or date) and the whole size.
    """

    def __init__(self, path: Path):
        self.target = path
        self.path, self.note = path.with_name(path.name + ".part"), path.with_name(path.name + ".part.json")

    def __enter__(self) -> "Part":
        self.target.parent.mkdir(parents=True, exist_ok=True)
        self.file = os.fdopen(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0)
        self.size = self.file.seek(0, os.SEEK_END)
        self.state = self._read_note() if self.size else {}
        if not self.state:  # a part of what nobody knows
            self.clear()
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, trace: TracebackType | None) -> None:
        self.file.close()
        if self.size == 0:
            self.path.unlink(missing_ok=True)
            self.note.unlink(missing_ok=True)

    def begin(self, **state: Any) -> None:
        """Start from nothing with another state."""
        self.clear()
        write_json(self.note, state)
        self.state = state

    def clear(self) -> None:
        """Forget everything that was loaded."""
        self.file.truncate(0)
        self.file.seek(0)
        self.note.unlink(missing_ok=True)
        self.size, self.state = 0, {}

    def append(self, data: bytes) -> None:
        """Add bytes at the end. GdeError when the disk is full: what is there stays, for the next run to continue."""
        rest = memoryview(data)
        try:
            self.file.seek(self.size)
            while rest:  # a full disk takes what it can, and refuses the next
                n = self.file.write(rest)
                self.size, rest = self.size + n, rest[n:]
        except OSError as e:
            if e.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise no_space(self.target, "a full disk", f"more than the {self.size} bytes loaded") from e

    def finish(self) -> None:
        """Give the whole file its name."""
        os.fsync(self.file.fileno())
        os.replace(self.path, self.target)
        self.note.unlink(missing_ok=True)
        directory = os.open(self.target.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def _read_note(self) -> dict[str, Any]:
        try:
            note = read_json(self.note)
        except GdeError:  # none, or cut off by a power failure: the part is then loaded again
            return {}
        if not isinstance(note, dict) or note.keys() != {"url", "validator", "bytes"}:
            return {}
        texts = [note["url"], note["validator"] or ""]
        right = all(isinstance(text, str) and text.isprintable() for text in texts)
        return note if right and isinstance(note["bytes"], int | None) else {}


def no_space(target: Path, found: str, expected: str) -> GdeError:
    """The error for a disk that cannot hold a file."""
    return bad(target, found, expected, "free disk space and run again: the download goes on where it stopped")
