"""Vectors of sequences from a language model that does not change, each computed once: for all experiments, in all
processes.

A directory holds one folder per model (its weights and how they are read decide its name), and in it segments: files
that appear whole under the digest of what is in them, and are never written again. GDE_LM_CACHE names the directory;
without it, or with an empty one, vectors live as long as the process.
"""

import atexit
import hashlib
import io
import logging
import math
import os
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from gde.errors import GdeError
from gde.io import atomic_write, sha256_file, storage_errors
from gde.lock import LOCKS, Held, Lock

log = logging.getLogger(__name__)
VARIABLE = "GDE_LM_CACHE"
KEY = 32  # bytes of a SHA-256
PARTS = 16  # that several processes fill side by side, by the first bits of the keys
IN_PARTS = 4096  # sequences from which on they do
SEGMENT_SECONDS = 120.0  # of work that a killed process can lose
SEGMENT_ROWS = 4096  # not asked for in bulk that are kept back until they fill a segment, or the process ends
Compute = Callable[[list[int]], Iterator[tuple[list[int], np.ndarray]]]
_opened: dict[tuple[str, str], "Cache"] = {}  # models of one process share what they have computed


def key_of(sequence: bytes) -> bytes:
    """What a sequence is known by: the SHA-256 of its letters."""
    return hashlib.sha256(sequence).digest()


def open_cache(model: str, dim: int) -> "Cache":
    """The cache of the language model with this digest, whose vectors have `dim` numbers; one in every process."""
    root = os.environ.get(VARIABLE, "")
    place = (str(Path(root).absolute()) if root else "", model)
    if place not in _opened:
        _opened[place] = Cache(dim, Path(place[0], model[:32]) if root else None)
        atexit.register(_flush, weakref.ref(_opened[place]))
    return _opened[place]


class Cache:
    """Key -> vector (dim,) float32, in memory and, below `directory` if there is one, on disk.

    Not float16: populations of near copies differ in the fourth digit of a mean over a thousand residues.
    hits, misses : keys asked for that were there, and that had to be computed.
    """

    def __init__(self, dim: int, directory: Path | None = None):
        self.dim, self.directory = dim, directory
        self.record = np.dtype([("key", "u1", KEY), ("value", "<f4", dim)])
        self.hits = self.misses = self._n_blocks = 0
        self._records: dict[int, np.ndarray] = {}  # block: its rows, in memory or mapped
        self._where: dict[bytes, tuple[int, int]] = {}  # key: block, row
        self._known: set[str] = set()  # names of segments that were read, or found damaged
        self._waiting: list[int] = []  # blocks that no segment has yet
        if directory is not None:
            self.refresh()

    def __deepcopy__(self, memo: dict) -> "Cache":
        return self  # copies of a model share what is known

    def __len__(self) -> int:
        return len(self._where)

    def __contains__(self, key: bytes) -> bool:
        return key in self._where

    def take(self, keys: Sequence[bytes]) -> np.ndarray:
        """The vectors (n, dim) of keys that are all there."""
        out = np.empty((len(keys), self.dim), np.float32)
        for row, key in zip(out, keys, strict=True):
            block, i = self._where[key]
            row[:] = self._records[block]["value"][i]
        return out

    def look_up(self, keys: Sequence[bytes], compute: Compute) -> np.ndarray:
        """The vectors (n, dim) of keys; those that are not there are computed, each once.

        compute : given positions in `keys`, yields parts of them with their vectors (m, dim).
        """
        missing = self._missing(keys)
        if missing:
            for positions, values in compute(missing):
                self._add([keys[i] for i in positions], values)
            if sum(len(self._records[i]) for i in self._waiting) >= SEGMENT_ROWS:
                self.flush()
        return self.take(keys)

    def fill(self, keys: Sequence[bytes], compute: Compute) -> None:
        """Compute what is missing of `keys`, none twice, and write it as it comes.

        Several processes that fill the same cache share the work: what one computes the others wait for and read. One
        that is killed loses its last minutes, and the next goes on where it stopped.
        """
        keys = list(keys)
        parts: dict[str, list[int]] = {}
        for i, key in enumerate(keys):
            parts.setdefault(f"part-{key[0] * PARTS // 256:02d}" if len(keys) >= IN_PARTS else "whole", []).append(i)
        names = sorted(parts)
        first = os.getpid() % max(1, len(names))
        names = names[first:] + names[:first]
        before = self.misses, time.monotonic()
        held_by_others = [n for n in names if not self._fill_part(n, parts[n], keys, compute, wait=False)]
        for name in held_by_others:
            self._fill_part(name, parts[name], keys, compute, wait=True)
        new, seconds = self.misses - before[0], time.monotonic() - before[1]
        pace = f" in {seconds:.1f} s, {new / max(seconds, 1e-9):.3g} sequences/s" if new else ""
        log.info("language model: %d of %d sequences were known, %d computed%s", len(keys) - new, len(keys), new, pace)

    def flush(self) -> None:
        """Write what was computed since into a segment of its own."""
        if self.directory is None or not self._waiting:
            return
        rows = np.concatenate([self._records[i] for i in self._waiting])
        file = io.BytesIO()
        np.save(file, rows, allow_pickle=False)
        name = f"{hashlib.sha256(file.getbuffer()).hexdigest()[:32]}.npy"
        with atomic_write(self.directory / name, "wb") as f:
            f.write(file.getbuffer())
        self._known.add(name)
        self._keep(np.load(self.directory / name, mmap_mode="r"), again=True)
        for block in self._waiting:  # read from the file from now on
            del self._records[block]
        self._waiting.clear()

    def refresh(self) -> None:
        """Read the segments that other processes have written since. A damaged one is removed: nothing is lost but
        the time to compute it again."""
        with storage_errors(self.directory):
            self.directory.mkdir(parents=True, exist_ok=True)
        for file in sorted(self.directory.glob("*.npy")):
            if file.name in self._known or file.name.startswith("."):
                continue
            self._known.add(file.name)
            if (rows := self._read(file)) is None:
                log.warning("%s: a damaged segment, removed; its sequences are computed again", file)
                with storage_errors(self.directory):
                    file.unlink(missing_ok=True)
            else:
                self._keep(rows)

    def _read(self, file: Path) -> np.ndarray | None:
        """The rows of a segment; None when it is not what its name says, or another process has just removed it."""
        try:
            if sha256_file(file)[:32] != file.stem:
                return None
        except FileNotFoundError:
            return None
        rows = np.load(file, mmap_mode="r", allow_pickle=False)
        return rows if rows.dtype == self.record else None

    def _missing(self, keys: Sequence[bytes], among: Sequence[int] | None = None) -> list[int]:
        """Positions of the keys that are not there, each key's first; counts hits and misses."""
        among = range(len(keys)) if among is None else among
        found = {keys[i]: i for i in reversed(among) if keys[i] not in self._where}
        self.misses += len(found)
        self.hits += len(among) - len(found)
        return sorted(found.values())

    def _fill_part(self, name: str, own: list[int], keys: list[bytes], compute: Compute, *, wait: bool) -> bool:
        """Whether the part could be filled; without `wait`, not while another process does."""
        if all(keys[i] in self._where for i in own):
            self.hits += len(own)
            return True
        with self._locked(name, wait=wait) as mine:
            if not mine:
                return False
            if self.directory is not None:
                self.refresh()
            written = time.monotonic()
            if missing := self._missing(keys, own):
                for positions, values in compute(missing):
                    self._add([keys[i] for i in positions], values)
                    if time.monotonic() - written > SEGMENT_SECONDS:
                        self.flush()
                        written = time.monotonic()
            self.flush()
        return True

    @contextmanager
    def _locked(self, name: str, *, wait: bool) -> Iterator[bool]:
        if self.directory is None:
            yield True
            return
        # who loses it only computes what another does, too
        lock = Lock(self.directory / LOCKS / name, patience=math.inf if wait else 0.0, on_loss=lambda: None)
        try:
            with storage_errors(self.directory):
                lock.acquire()
        except Held as e:
            log.info("language model: %s is being filled by %s", name, e)
            yield False
            return
        with lock.held():
            yield True

    def _add(self, keys: Sequence[bytes], values: np.ndarray) -> None:
        rows = np.empty(len(keys), self.record)
        rows["key"] = np.frombuffer(b"".join(keys), np.uint8).reshape(-1, KEY)
        rows["value"] = values
        block = self._keep(rows)
        if self.directory is not None:
            self._waiting.append(block)

    def _keep(self, rows: np.ndarray, *, again: bool = False) -> int:
        """Take rows in as a block, whose number is returned; `again`: also those whose keys are there."""
        block = self._n_blocks
        self._n_blocks += 1
        self._records[block] = rows
        keys = np.ascontiguousarray(rows["key"]).tobytes()
        for i in range(len(rows)):
            key = keys[i * KEY : (i + 1) * KEY]
            if again or key not in self._where:
                self._where[key] = (block, i)
        return block


def _flush(cache: "weakref.ref[Cache]") -> None:
    if (alive := cache()) is not None:
        try:
            alive.flush()
        except (GdeError, OSError) as e:  # nothing is lost but the time to compute them again
            log.warning("language model: vectors could not be kept: %s", e)
