"""SHA-256 and MD5 of files and streams, in one pass."""

import hashlib
from pathlib import Path

BLOCK = 1 << 20


class Digests:
    """SHA-256 and MD5 of a stream, with its length."""

    def __init__(self):
        self.bytes, self._sha256, self._md5 = 0, hashlib.sha256(), hashlib.md5(usedforsecurity=False)

    def update(self, data: bytes) -> None:
        self.bytes += len(data)
        self._sha256.update(data)
        self._md5.update(data)

    @classmethod
    def of(cls, path: Path) -> "Digests":
        """Those of a file."""
        out = cls()
        with path.open("rb") as f:
            while block := f.read(BLOCK):
                out.update(block)
        return out

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    @property
    def md5(self) -> str:
        return self._md5.hexdigest()
