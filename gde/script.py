"""What every workflow script shares: a log file, and one line instead of a stack trace for a user's mistake."""

import logging
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from gde.errors import GdeError

EXIT = 2


def say(error: GdeError, *streams: IO[str]) -> None:
    """Write the one line a user sees, to stderr unless told otherwise."""
    for stream in streams or (sys.stderr,):
        print(f"gde: {error}", file=stream)


def export_package() -> None:
    """Let child processes import gde where it is not installed: on cluster nodes, inside --sdm conda environments."""
    here = str(Path(__file__).resolve().parents[1])
    others = [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p and p != here]
    os.environ["PYTHONPATH"] = os.pathsep.join([here, *others])


@contextmanager
def job(snakemake: Any) -> Iterator[Any]:
    """Run a rule's body: messages go to its log and to stderr, threads are those of the rule.

    A GdeError becomes one line ``gde: ...`` and exit status 2; any other error keeps its stack trace, and exits 1.
    """
    os.environ["OMP_NUM_THREADS"] = str(snakemake.threads)  # before numpy and torch are imported
    path = Path(str(snakemake.log[0]))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", buffering=1) as log:
        handlers = [logging.StreamHandler(log), logging.StreamHandler(sys.stderr)]
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", handlers=handlers, force=True)
        try:
            yield snakemake
        except GdeError as e:
            say(e, log, sys.stderr)
            sys.exit(EXIT)
        except Exception:
            traceback.print_exc(file=log)
            raise
        finally:
            logging.basicConfig(handlers=[logging.StreamHandler(sys.stderr)], force=True)
