"""Job scripts: what every workflow script shares: a log file, and one line instead of a stack trace for a user's
mistake."""

import errno
import logging
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import IO, Any

from gde.cli.memory import memory_errors
from gde.errors import GdeError
from gde.files.io import storage_errors
from gde.files.lock import LOCKS
from gde.files.sole_writer import sole_writer

EXIT = 2
TERMINATED = 143


def say(error: GdeError, *streams: IO[str]) -> None:
    """Write the one line a user sees, to stderr unless told otherwise."""
    for stream in streams or (sys.stderr,):
        print(f"gde: {error}", file=stream)


def export_package() -> None:
    """Let child processes import gde where it is not installed: on cluster nodes, inside --sdm conda environments."""
    here = str(Path(__file__).resolve().parents[2])
    others = [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p and p != here]
    os.environ["PYTHONPATH"] = os.pathsep.join([here, *others])


def slurm_place() -> str | None:
    """The Slurm job, node and GPUs of this process, for the log; None outside Slurm."""
    if "SLURM_JOB_ID" not in os.environ:
        return None
    gpus = os.environ.get("CUDA_VISIBLE_DEVICES") or "none"
    return f"Slurm job {os.environ['SLURM_JOB_ID']} on {os.environ.get('SLURMD_NODENAME')}, GPUs: {gpus}"


@contextmanager
def one_writer(output: Path) -> Iterator[None]:
    """Hold the right to write an output; GdeError when another live job has it, e.g. of a Snakemake that was killed.

    The lock stands outside what Snakemake deletes: results/gmm/model -> results/.locks/gmm+model.
    """
    first, *rest = output.parts
    remedy = "wait for it to end, or stop it (`gde jobs cancel`)"
    with sole_writer(Path(first, LOCKS, "+".join(rest)), output, "a job in progress that writes it", remedy):
        yield


class LogFile:
    """A rule's log. Where the disk is full its lines are lost: what must be said of that stands on stderr, too."""

    def __init__(self, path: Path):
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)

    def write(self, text: str) -> None:
        try:
            os.write(self.fd, text.encode())
        except OSError as e:
            if e.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        os.close(self.fd)


@contextmanager
def job(snakemake: Any) -> Iterator[Any]:
    """Run a rule's body: messages go to its log and to stderr; as many threads as the rule's `torch_threads` says.

    Not `threads`, which Snakemake lowers to the cores there are: the last bits of a result depend on them.

    While it runs, no other job writes its outputs. A GdeError becomes one line ``gde: ...`` and exit status 2; any
    other error keeps its stack trace, and exits 1. SIGTERM ends it with status 143, after clearing up.
    """
    threads = getattr(snakemake.params, "torch_threads", snakemake.threads)
    os.environ["OMP_NUM_THREADS"] = str(threads)  # before numpy and torch are imported
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    path = Path(str(snakemake.log[0]))
    with ExitStack() as held:
        try:
            with storage_errors(path):
                path.parent.mkdir(parents=True, exist_ok=True)
            for output in sorted(map(Path, snakemake.output)):
                held.enter_context(one_writer(output))
        except GdeError as e:  # not into the log, which is another job's
            say(e)
            sys.exit(EXIT)
        log = held.enter_context(closing(LogFile(path)))
        handlers = [logging.StreamHandler(log), logging.StreamHandler(sys.stderr)]
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", handlers=handlers, force=True)
        logging.getLogger("anndata").setLevel(logging.WARNING)  # it tells of each text column that it stores
        if place := slurm_place():
            logging.info(place)
        try:
            with memory_errors():
                yield snakemake
        except GdeError as e:
            say(e, sys.stderr, log)
            sys.exit(EXIT)
        except Exception:
            traceback.print_exc(file=log)
            raise
        finally:
            logging.basicConfig(handlers=[logging.StreamHandler(sys.stderr)], force=True)
