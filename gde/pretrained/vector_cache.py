"""Vectors of sequences from a language model that does not change, each computed once: for all experiments, in all
processes.

A directory holds one folder per model (its weights and how they are read decide its name), and in it segments: files
that appear whole under a digest, and are never written again (`gde.pretrained.vector_segment`). GDE_LM_CACHE names the
directory; without it, or with an empty one, vectors live as long as the process.
"""

import atexit
import hashlib
import logging
import math
import os
import shutil
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from gde.errors import GdeError, bad
from gde.files.io import storage_errors
from gde.files.lock import LOCKS, Held, Lock
from gde.files.temporary import remove, sweep, temporary_name
from gde.pretrained.vector_index import Index
from gde.pretrained.vector_segment import CHECK, ENDING, KEY, Segment, of_keys, open_segment, write_segment

log = logging.getLogger(__name__)
VARIABLE = "GDE_LM_CACHE"
PARTS = 16  # that several processes fill side by side, by the first bits of the keys
PASSING = "passing"  # begins the names of directories that go with their process
IN_PARTS = 4096  # sequences from which on they do
SEGMENT_SECONDS = 120.0  # of work that a killed process can lose
SEGMENT_BYTES = 1 << 28  # of vectors that are kept back in memory
SEGMENT_ROWS = 4096  # not asked for in bulk that are kept back until they fill a segment, or the process ends
Compute = Callable[[list[int]], Iterator[tuple[list[int], np.ndarray]]]
_opened: dict[tuple[str, str], "Cache"] = {}  # models of one process share what they have computed


def key_of(sequence: bytes) -> bytes:
    """What a sequence is known by: the SHA-256 of its tokens."""
    return hashlib.sha256(sequence).digest()


def open_cache(model: str, dim: int) -> "Cache":
    """The cache of the language model with this digest, whose vectors have `dim` numbers; one in every process."""
    root = os.environ.get(VARIABLE, "")
    place = (str(Path(root).absolute()) if root else "", model)
    if place not in _opened:
        _opened[place] = Cache(dim, Path(place[0], model[:32]) if root else None)
        atexit.register(_flush, weakref.ref(_opened[place]))
    return _opened[place]


@contextmanager
def passing_cache(dim: int) -> Iterator["Cache"]:
    """A cache on disk that goes with the block: below the directory of the others, or where temporary files are."""
    if not (root := os.environ.get(VARIABLE, "")):
        with TemporaryDirectory() as folder:
            yield Cache(dim, Path(folder))
        return
    place = Path(root).absolute() / PASSING
    with storage_errors(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        sweep(place)  # of killed processes
    folder = temporary_name(place)
    try:
        yield Cache(dim, folder)
    finally:
        remove(folder)


class Cache:
    """Key -> vector (dim,) float32, in memory and, below `directory` if there is one, on disk.

    Not float16: populations of near copies differ in the fourth digit of a mean over a thousand residues.
    Memory: about 50 bytes for each vector that is on disk.
    hits, misses : keys asked for that were there, and that had to be computed.
    """

    def __init__(self, dim: int, directory: Path | None = None):
        self.dim, self.directory = dim, directory
        self.hits = self.misses = 0
        self._segments: list[Segment | None] = []  # None: found damaged
        self._index = Index()
        self._fresh: dict[bytes, np.ndarray] = {}  # key: its vector, that no segment has yet
        self._known: set[str] = set()  # names of segments that were opened, or found damaged
        if directory is not None:
            self.refresh()

    def __deepcopy__(self, memo: dict) -> "Cache":
        return self  # copies of a model share what is known

    def __len__(self) -> int:
        return len(self._index) + len(self._fresh)

    def known(self, keys: Sequence[bytes]) -> np.ndarray:
        """Whether each key (n,) is there."""
        there = self._index.find(of_keys(keys))["block"] >= 0
        return there | np.fromiter((key in self._fresh for key in keys), bool, len(keys))

    def take(self, keys: Sequence[bytes]) -> np.ndarray:
        """The vectors (n, dim) of keys that are all there. KeyError for others, and for one that is damaged."""
        out, absent = self._take(keys)
        if absent:
            raise KeyError(keys[absent[0]].hex())
        return out

    def look_up(self, keys: Sequence[bytes], compute: Compute) -> np.ndarray:
        """The vectors (n, dim) of keys; those that are not there, or damaged, are computed, each once.

        compute : given positions in `keys`, yields parts of them with their vectors (m, dim).
        """
        new = self.misses
        out, absent = self._take(keys)
        while absent:
            self._compute(self._missing(keys, absent), keys, compute)
            out, absent = self._take(keys)
        self.hits += len(keys) - (self.misses - new)
        if len(self._fresh) >= SEGMENT_ROWS:
            self.flush()
        return out

    def fill(self, keys: Sequence[bytes], compute: Compute) -> None:
        """Compute what is missing of `keys`, none twice, and write it as it comes.

        Several processes that fill the same cache share the work: what one computes the others wait for and read. One
        that is killed loses its last minutes, and the next goes on where it stopped. GdeError where the disk has no
        room for them.
        """
        keys = list(keys)
        self._check_room(len(keys) - int(self.known(keys).sum()))
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
        """Make a segment of what was computed since, a file where there is a directory."""
        if not self._fresh:
            return
        keys, values = of_keys(list(self._fresh)), np.stack(list(self._fresh.values()))
        segment = Segment(keys, values)
        if self.directory is not None:
            file = write_segment(self.directory, keys, values)
            self._known.add(file.name)
            segment = open_segment(file, self.dim) or segment
        self._fresh.clear()
        self._keep(segment)

    def refresh(self) -> None:
        """Open the segments that other processes have written since. A damaged one is removed: nothing is lost but
        the time to compute it again."""
        with storage_errors(self.directory):
            self.directory.mkdir(parents=True, exist_ok=True)
        for file in sorted(self.directory.glob(f"*{ENDING}")):
            if file.name in self._known or file.name.startswith("."):
                continue
            self._known.add(file.name)
            try:
                segment = open_segment(file, self.dim)
            except FileNotFoundError:  # another process has just removed it
                continue
            if segment is None:
                self._remove(file)
            else:
                self._keep(segment)

    def _keep(self, segment: Segment) -> None:
        self._segments.append(segment)
        self._index.add(segment.keys, len(self._segments) - 1)

    def _take(self, keys: Sequence[bytes]) -> tuple[np.ndarray, list[int]]:
        """Vectors (n, dim) of keys, and the positions of those that are not there. Of a damaged segment none are."""
        out, there = np.empty((len(keys), self.dim), np.float32), np.zeros(len(keys), bool)
        places = self._index.find(of_keys(keys))
        for block in np.unique(places["block"]):
            if block < 0:
                continue
            own = np.flatnonzero(places["block"] == block)
            if (values := self._segments[block].take(places["row"][own])) is None:
                self._remove(self._segments[block].file)
                self._segments[block] = None
                self._index.drop(block)
            else:
                out[own], there[own] = values, True
        for i in np.flatnonzero(~there):
            if (value := self._fresh.get(keys[i])) is not None:
                out[i], there[i] = value, True
        return out, np.flatnonzero(~there).tolist()

    def _remove(self, file: Path) -> None:
        log.warning("%s: a damaged segment, removed; its sequences are computed again", file)
        with storage_errors(self.directory):
            file.unlink(missing_ok=True)

    def _missing(self, keys: Sequence[bytes], among: Sequence[int]) -> list[int]:
        """Positions of the keys that are not there, each key's first."""
        there = self.known([keys[i] for i in among])
        first = {keys[i]: i for i, known in zip(reversed(among), there[::-1], strict=True) if not known}
        return sorted(first.values())

    def _compute(self, missing: list[int], keys: Sequence[bytes], compute: Compute) -> None:
        """Compute the keys at these positions, and write them now and then where there is a directory."""
        written = time.monotonic()
        for positions, values in compute(missing) if missing else ():
            for i, value in zip(positions, np.asarray(values, np.float32), strict=True):
                self._fresh[keys[i]] = value
            self.misses += len(positions)
            late = time.monotonic() - written > SEGMENT_SECONDS
            if self.directory is not None and (late or len(self._fresh) * 4 * self.dim > SEGMENT_BYTES):
                self.flush()
                written = time.monotonic()

    def _check_room(self, new: int) -> None:
        """GdeError where the disk has no room for so many vectors more."""
        if self.directory is None or not new:
            return
        needed, left = new * (4 * self.dim + KEY + CHECK), shutil.disk_usage(self.directory).free
        log.info("language model: %d vectors to come, %s in %s", new, gigabytes(needed), self.directory)
        if needed > left:
            expected = f"{gigabytes(needed)} for the vectors of {new} sequences"
            remedy = f"free disk space, or name a directory on a larger disk by {VARIABLE}"
            raise bad(self.directory, f"{gigabytes(left)} free", expected, remedy)

    def _fill_part(self, name: str, own: list[int], keys: list[bytes], compute: Compute, *, wait: bool) -> bool:
        """Whether the part could be filled; without `wait`, not while another process does."""
        if self.known([keys[i] for i in own]).all():
            self.hits += len(own)
            return True
        with self._locked(name, wait=wait) as mine:
            if not mine:
                return False
            if self.directory is not None:
                self.refresh()
            missing = self._missing(keys, own)
            self._compute(missing, keys, compute)
            self.hits += len(own) - len(missing)
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


def gigabytes(size: int) -> str:
    return f"{size / 1e9:.3g} GB"


def _flush(cache: "weakref.ref[Cache]") -> None:
    if (alive := cache()) is not None:
        try:
            alive.flush()
        except (GdeError, OSError) as e:  # nothing is lost but the time to compute them again
            log.warning("language model: vectors could not be kept: %s", e)
