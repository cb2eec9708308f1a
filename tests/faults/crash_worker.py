"""A clean process that has imported everything and forks a child for each job it reads, one JSON object a line.

Children are killed on purpose. Forking here and not in pytest: a process whose OpenMP threads once ran cannot be forked
into one that uses them, and a fork costs 10 ms where an interpreter that imports torch costs seconds.
"""

import importlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path

IMPORTED = ("crash_jobs", "gde.cli.train_run", "gde.evaluate.cells.samples", "gde.figures.labels", "anndata",
            "gde.fetch.files", "torch.utils.tensorboard")  # fmt: skip
LONGEST = 300  # seconds of a child


def main() -> None:
    for module in IMPORTED:
        importlib.import_module(module)
    for line in sys.stdin:
        job = json.loads(line)
        child = os.fork()
        if child == 0:
            os._exit(run(job))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(json.dumps(status), flush=True)


def run(job: dict) -> int:
    """The exit status of one job; what it says goes to its file."""
    signal.alarm(LONGEST)
    said = os.open(job["said"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (0, 1, 2):
        os.dup2(said if stream else os.open(os.devnull, os.O_RDONLY), stream)
    try:
        os.chdir(job["cwd"])
        getattr(sys.modules["crash_jobs"], job["call"])(**job["arguments"])
    except SystemExit as e:
        return int(e.code or 0)
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1])]  # tests/, for `tiny`
    main()
