"""Digests that an earlier process computed of exactly this code, kept beside what Python compiled of it."""

import atexit
import hashlib
import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


class Kept:
    """The digests of the package below `root` that are known, in `root`/__pycache__/digests.json.

    They are those of the content of all its files and of this Python, whose syntax trees they were read off: any edit
    and they are computed anew.
    """

    def __init__(self, root: Path):
        self.root, self.file = root, root / "__pycache__" / "digests.json"
        self.code = fingerprint(root)
        self.known = self._read()
        self._new = False

    def get(self, key: str, compute: Callable[[], str]) -> str:
        """The digest that is called `key`, computed if it is not known; what is new is written when Python ends."""
        if key not in self.known:
            self.known[key] = compute()
            if not self._new:
                self._new = True
                atexit.register(self.save)
        return self.known[key]

    def save(self) -> None:
        """Write what is known, with what others wrote meanwhile; not if the code was edited since it was read."""
        if fingerprint(self.root) != self.code:
            return
        temporary = self.file.with_name(f"{self.file.name}.{os.getpid()}")
        with suppress(OSError):  # where Python could not write what it compiles either, they are computed each time
            self.file.parent.mkdir(exist_ok=True)
            temporary.write_text(json.dumps({"code": self.code, "digests": self._read() | self.known}))
            temporary.replace(self.file)

    def _read(self) -> dict[str, str]:
        try:
            kept = json.loads(self.file.read_bytes())
            return dict(kept["digests"]) if kept["code"] == self.code else {}
        except (OSError, ValueError, LookupError, TypeError):  # none yet, or a damaged one
            return {}


def fingerprint(root: Path) -> str:
    """SHA-256 over all modules below a directory and the version of Python, hexadecimal."""
    out = hashlib.sha256(sys.version.encode())
    for file in sorted(root.rglob("*.py")):
        text = file.read_bytes()
        out.update(f"\n{file.relative_to(root)} {len(text)}\n".encode())
        out.update(text)
    return out.hexdigest()
