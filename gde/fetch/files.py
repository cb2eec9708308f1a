"""Put a file of resources/sources.yaml in its place: from the first address that has it, whole, and never another."""

import logging
import math
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import tenacity

from gde.errors import GdeError, one_line
from gde.fetch.download import Limits, Refusal, Trouble, download, new_session
from gde.fetch.lockfile import accept, check_file, difference, read_pins
from gde.fetch.partial_file import Part
from gde.fetch.sources import LOCKS, PINS, Source, ask_for
from gde.files.checksums import Digests
from gde.files.io import storage_errors
from gde.files.lock import Held, Lock, read_owner
from gde.files.signatures import flaw

log = logging.getLogger(__name__)
SECONDS_BETWEEN_LINES = 60
PATIENT = Limits()


def fetch(source: Source, root: Path = Path(), *, mirror: str | None = None, limits: Limits = PATIENT) -> None:
    """Download `source` to its path below `root`, or check the file that is there, and record its size and digest.

    mirror : directory (or its http, https or file address) with <data set>/<file>, asked instead of the network.
    What is unfinished stays in FILE.part and is continued by the next call. GdeError says why there is no right file.
    """
    target, addresses = root / source.path, addresses_of(source, mirror)
    with storage_errors(target):
        if not (addresses or target.is_file()):
            raise ask_for(source)
        with place_for(source, root), Part(target) as part:
            if target.is_file():  # put there by the user, or by whoever was waited for
                check_file(source, root)
                return
            with new_session() as session:
                failures = []
                for url in addresses:
                    try:
                        found = load(session, url, source, part, root, limits)
                    except Refusal as e:
                        failures.append(f"{url}: {e}")
                        log.info("%s: %s", url, e)
                        continue
                    accept(source, found, url, root)
                    part.finish()
                    log.info("%s: %s from %s, sha256 %s", source.path, size_of(found.bytes), url, found.sha256)
                    return
            raise given_up(source, failures, mirror, root)


def addresses_of(source: Source, mirror: str | None = None) -> list[str]:
    """Where the file is looked for, in order."""
    if mirror is None:
        return list(source.urls)
    name = quote(f"{source.dataset}/{source.file}")
    if urlsplit(mirror).scheme in ("http", "https", "file"):
        return [f"{mirror.rstrip('/')}/{name}"]
    return [f"{Path(mirror).expanduser().absolute().as_uri().rstrip('/')}/{name}"]


def load(session: Any, url: str, source: Source, part: Part, root: Path, limits: Limits) -> Digests:
    """Fill `part` from one address, with as many attempts as bring something, and check it. Raises Refusal."""
    host = urlsplit(url).hostname or "localhost"
    slots = [root / LOCKS / f"{host}-{i}" for i in range(limits.per_host)]
    for again in (True, False):
        continued = False
        with first_free(slots), Progress(source) as progress:
            for attempt in retries(url, part, limits):
                with attempt:
                    continued = continued or part.state.get("url") == url
                    download(session, url, source, part, limits, progress.at)
        if (reason := wrong(source, part, root)) is None:
            return Digests.of(part.path)
        part.clear()
        if not (again and continued):
            break
        log.info("%s: %s; the pieces may not fit together: loading all again", source.path, reason)
    raise Refusal(reason)


def wrong(source: Source, part: Part, root: Path) -> str | None:
    """Why the whole `part` is not the file, or None."""
    pins = read_pins(root)
    if found := difference(source, Digests.of(part.path), pins):
        remedy = f"; if the new version is wanted, delete its entry in {PINS}" if found[2] == PINS else ""
        return f"{found[0]} instead of {found[1]} ({found[2]}){remedy}"
    known = source.digest is not None or str(source.path) in pins
    return None if known else flaw(part.path, source.file)


@contextmanager
def first_free(locks: list[Path], wait: float = 0.5) -> Iterator[None]:
    """Hold one of these locks, whichever is free first."""
    for path in cycle(locks):
        lock = Lock(path)
        try:
            lock.acquire()
            break
        except Held:
            time.sleep(wait / len(locks))
    with lock.held():
        yield


@contextmanager
def place_for(source: Source, root: Path) -> Iterator[None]:
    """Be the one that writes a file; wait for another process that does."""
    path = root / LOCKS / f"{source.dataset}+{source.file.replace('/', '+')}.part"
    lock = Lock(path, patience=math.inf)
    if (found := read_owner(path)) and found[0] and found[0].alive():
        log.info("%s: %s loads it already; waiting for its end", source.path, found[0])
    lock.acquire()
    with lock.held():
        yield


def retries(url: str, part: Part, limits: Limits) -> tenacity.Retrying:
    """Attempts with growing pauses, or those that the server asks for.

    An attempt that came much further than all before it does not count; one that began anew and broke off does.
    """
    useless, furthest = 0, part.size

    def count(state: tenacity.RetryCallState) -> None:  # comes before `wait` and `stop`
        nonlocal useless, furthest
        useless = 0 if part.size >= furthest + limits.progress else useless + 1
        furthest = max(furthest, part.size)

    def stop(state: tenacity.RetryCallState) -> bool:
        return useless >= limits.attempts or state.outcome.exception().wait > limits.longest_wait

    def wait(state: tenacity.RetryCallState) -> float:
        grown = min(limits.first_wait * 2 ** min(useless - 1, 20), limits.longest_wait) if useless else 0.0
        return max(grown, state.outcome.exception().wait) + random.uniform(0, limits.jitter)

    def give_up(state: tenacity.RetryCallState) -> None:
        trouble = state.outcome.exception()
        asked = f"; it asks to wait for {trouble.wait:.0f} s" if trouble.wait > limits.longest_wait else ""
        raise Refusal(f"{trouble}{asked} (attempt {state.attempt_number})") from trouble

    def before_sleep(state: tenacity.RetryCallState) -> None:
        log.info("%s: %s; again in %.0f s", url, state.outcome.exception(), state.next_action.sleep)

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(Trouble),
        after=count,
        stop=stop,
        wait=wait,
        before_sleep=before_sleep,
        retry_error_callback=give_up,
    )


def given_up(source: Source, failures: list[str], mirror: str | None, root: Path) -> GdeError:
    """The error when no address gave the file, with what each of them said."""
    size, digest = source.bytes and f"{source.bytes} bytes", source.digest
    if digest is None and (pin := read_pins(root).get(str(source.path))):
        digest = f"sha256 {pin['sha256']}"
    expected = ", ".join(filter(None, (size, digest))) or "the published file"
    remedy = "run again later: what was loaded is kept" if mirror is None else f"copy it to {mirror}"
    if mirror is None:
        remedy += "; on a machine without network name a directory with --config mirror=DIR (see config/README.md)"
    found = "; ".join(failures)  # not shortened: whose address, and both values
    return GdeError(one_line(f"{source.path}: found no right file at {found}, expected {expected}; {remedy}"))


class Progress:
    """How far a download is: a bar on a terminal, else a line a minute."""

    def __init__(self, source: Source):
        self.name, self.bar, self.begun = str(source.path), None, None

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *exception: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def at(self, size: int, total: int | None, now: float | None = None) -> None:
        """Note that `size` of `total` bytes (None: unknown) are here, at `now` seconds."""
        now = time.monotonic() if now is None else now
        if self.begun is None or size < self.first:
            self.begun = self.line = now
            self.first = size
            if sys.stderr.isatty():
                from tqdm import tqdm

                if self.bar is not None:
                    self.bar.close()
                self.bar = tqdm(
                    desc=self.name, total=total, initial=size, unit="B", unit_scale=True, dynamic_ncols=True
                )
        if self.bar is not None:
            self.bar.update(size - self.bar.n)
        elif now - self.line >= SECONDS_BETWEEN_LINES:
            self.line = now
            speed = (size - self.first) / (self.line - self.begun)
            left = f", {duration((total - size) / speed)} left" if total and speed else ""
            share = f" of {size_of(total)} ({100 * size // total} %)" if total else ""
            log.info("%s: %s%s, %s/s%s", self.name, size_of(size), share, size_of(speed), left)


def size_of(n: float) -> str:
    """Bytes as a reader knows them: 10.7 GB."""
    for unit in ("B", "kB", "MB", "GB"):
        if n < 1000:
            return f"{n:.0f} B" if unit == "B" else f"{n:.1f} {unit}"
        n /= 1000
    return f"{n:.1f} TB"


def duration(seconds: float) -> str:
    """Seconds as a reader knows them: 6 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
