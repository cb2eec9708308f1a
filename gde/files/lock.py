"""Lock: one writer: a file that names who writes, and that another takes over only when that process is gone.

`flock` does not do: on many cluster file systems it holds on one node, or is refused. A hard link to a complete file
is exclusive on all of them. The owner is gone when its process on this machine is, or when it has shown no sign of life
for minutes; no clock of another machine is trusted, signs of life are counted.
"""

import json
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

log = logging.getLogger(__name__)
BEAT = 15.0  # seconds between an owner's signs of life, and between looks at them
LOOKS = 12  # without one until the owner counts as gone: three minutes
LOOKS_ENDED = 2  # the same, when Slurm says that its job has ended
POLL = 0.5  # seconds between looks at an owner that is alive
LOCKS = ".locks"  # directory of the locks of a results directory


@dataclass(frozen=True)
class Owner:
    """A process that holds a lock. `machine` is the boot of a kernel and the name space of process numbers."""

    token: str
    machine: str
    host: str
    pid: int
    started: str
    since: str
    slurm: str | None

    def __str__(self) -> str:
        job = f", Slurm job {self.slurm}" if self.slurm else ""
        return f"process {self.pid} on {self.host}{job}, since {self.since}"

    def alive(self) -> bool | None:
        """Whether the process runs; None when that cannot be seen from here."""
        if self.machine != this_machine():
            return None
        return started(self.pid) == self.started

    @property
    def line(self) -> str:
        return f"{self}\n{json.dumps(asdict(self))}\n"  # the first line is for people


class Held(Exception):
    """Another process holds the lock."""

    def __init__(self, owner: Owner | None):
        self.owner = owner
        super().__init__(str(owner or "a process that left no name"))


def this_machine() -> str:
    """What tells apart process numbers: /proc is the same for all processes with the same text."""
    return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {Path('/proc/self/ns/pid').readlink()}"


def started(pid: int) -> str | None:
    """When a process of this machine was started, in ticks since boot; None when there is none, or only its corpse."""
    try:
        values = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if values[0] in "ZX" else values[19]


def read_owner(path: Path) -> tuple[Owner | None, tuple[str, int]] | None:
    """Owner and sign of life of a lock file; None when there is no such file, no owner when it has no whole record."""
    try:
        with path.open() as f:  # opening asks a network file system for the newest state
            text, beat = f.read(), os.fstat(f.fileno()).st_mtime_ns
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        owner = Owner(**json.loads(text.splitlines()[1]))
    except (IndexError, ValueError, TypeError):
        return None, (text, beat)
    return owner, (text, beat)


def patience() -> float:
    """Seconds to wait for an owner that is alive: in a Slurm job, whose predecessor may just be ending, a minute."""
    return 60.0 if "SLURM_JOB_ID" in os.environ else 0.0


def stop_at_once() -> None:
    """End this process without a word to what it was writing: under its name somebody else writes now."""
    os._exit(1)


class Lock:
    """The right to write what `path` stands for, in one process at a time on all machines that see the file.

    patience : seconds to wait for an owner that is alive. One that may be gone is watched for as long as it takes to
    know. `on_loss` is called, in another thread, when the file was taken away or over.
    `acquire` raises Held when another process has it, OSError when the directory cannot be written.
    """

    def __init__(self, path: Path, *, patience: float = 0.0, on_loss: Callable[[], None] = stop_at_once):
        self.path, self.patience, self.on_loss = path, patience, on_loss
        self._released = threading.Event()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Release at the end of the block what `acquire` has got."""
        try:
            yield
        finally:
            self.release()

    def acquire(self) -> None:
        pid = os.getpid()
        now = time.strftime("%Y-%m-%d %H:%M:%S")
        job = os.environ.get("SLURM_JOB_ID")
        self.owner = Owner(uuid.uuid4().hex, this_machine(), socket.gethostname(), pid, started(pid) or "", now, job)
        deadline, last, same = time.monotonic() + self.patience, None, 0
        while not self._create(self.path):
            if (found := read_owner(self.path)) is None:
                continue
            owner, sign = found
            alive = owner.alive() if owner else None
            if alive is None:
                if last is None:
                    log.warning("%s: is %s alive? watching it for up to %.0f s", self.path, owner, LOOKS * BEAT)
                same = same + 1 if sign == last else 0
                alive = True if last is not None and sign != last else None
                last = sign
                if same >= LOOKS or (same >= LOOKS_ENDED and owner and self._job_ended(owner)):
                    alive = False
            if alive is False and self._take_over(owner.token if owner else "nameless"):
                log.info("%s: taken over from %s, which is gone", self.path, owner)
                break
            if alive and time.monotonic() >= deadline:
                raise Held(owner)
            time.sleep(BEAT if alive is None else POLL)
        self._beating = threading.Thread(target=self._beat, daemon=True, name=f"lock {self.path.name}")
        self._beating.start()

    def release(self) -> None:
        self._released.set()
        self._beating.join()
        if self._mine():
            self.path.unlink(missing_ok=True)
        if self.path.parent.name == LOCKS:
            with suppress(OSError):  # others are in it
                self.path.parent.rmdir()

    def _mine(self) -> bool:
        found = read_owner(self.path)
        return found is not None and found[0] is not None and found[0].token == self.owner.token

    def _create(self, path: Path) -> bool:
        """Make the file with our record in it, or find that it exists."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            if path.parent.exists() and not path.parent.is_dir():
                raise
            return False  # it was there, but cleared away before it was seen to be a directory
        own = path.with_name(f".{path.name}.{self.owner.token}.tmp")
        try:
            own.write_text(self.owner.line)
            try:
                os.link(own, path)
            except FileExistsError:
                return own.stat().st_nlink == 2  # made, though the answer of a network file system was lost
            except OSError:
                return self._create_slowly(path)
            return True
        except FileNotFoundError:  # an empty directory of locks was cleared away by who left it
            return False
        finally:
            own.unlink(missing_ok=True)

    def _create_slowly(self, path: Path) -> bool:
        """As `_create`, on file systems without hard links: between two calls the file is empty."""
        try:
            with path.open("x") as f:
                f.write(self.owner.line)
        except FileExistsError:
            return False
        return True

    def _take_over(self, token: str) -> bool:
        """Put our record in the place of one whose owner is gone. Of several that try, the one with the claim does."""
        claim = self.path.with_name(f".{self.path.name}.{token}.claim")
        if not self._create(claim):
            found = read_owner(claim)
            if found and (found[0] is None or found[0].alive() is False):
                claim.unlink(missing_ok=True)  # of one that was killed here
            return False
        try:
            found = read_owner(self.path)
            if found is None or (found[0].token if found[0] else "nameless") != token:
                return False
            own = self.path.with_name(f".{self.path.name}.{self.owner.token}.tmp")
            own.write_text(self.owner.line)
            own.replace(self.path)
            return True
        finally:
            claim.unlink(missing_ok=True)

    def _job_ended(self, owner: Owner) -> bool:
        """Whether Slurm says so; a job that was brought back after preemption finds its own number."""
        from gde.cluster.slurm import ended

        return owner.slurm is not None and (owner.slurm == self.owner.slurm or ended(owner.slurm))

    def _beat(self) -> None:
        while not self._released.wait(BEAT):
            try:
                if not self._mine():
                    log.critical("%s: another process has taken over; stopping", self.path)
                    self.on_loss()
                    return
                os.utime(self.path)
            except OSError as e:  # a network file system that stumbles: try again
                log.warning("%s: %s", self.path, e)
