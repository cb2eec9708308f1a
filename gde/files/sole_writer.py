"""The right to write a file or directory, and the one line for who comes second."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gde.errors import bad
from gde.files.io import storage_errors
from gde.files.lock import Held, Lock, patience


@contextmanager
def sole_writer(lock: Path, what: Path, doing: str, remedy: str) -> Iterator[None]:
    """Hold `lock` while `what` is written; GdeError when another live process does (`doing`), or the place is
    read-only. In a Slurm job a process that is about to end is waited for."""
    mine = Lock(lock, patience=patience())
    try:
        with storage_errors(what):
            mine.acquire()
    except Held as e:
        raise bad(what, f"{doing} ({e})", "one writer", remedy) from None
    with mine.held():
        yield
