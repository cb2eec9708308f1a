"""Mistakes: jobs that ended by a mistake of their user's, which another attempt would only make again."""

import time
from pathlib import Path
from typing import Any

BEGIN = time.time()
MARK = b"gde: "
MEMORY = b"gde: memory: "  # of `gde.cli.memory`: the next attempt is granted more, or another machine has it
LAST = 8192  # bytes of a log that its last line fits in


def ended_by_mistake(log: Path, since: float = BEGIN) -> bool:
    """Whether the job whose log this is ended with one line for its user (`gde.cli.script.job`), which memory that runs
    out is told in, too, but is no mistake.

    since : seconds of the epoch; a log that was written before is another job's, of an earlier Snakemake.
    """
    try:
        if log.stat().st_mtime < since:
            return False
        with log.open("rb") as f:
            f.seek(max(0, log.stat().st_size - LAST))
            lines = f.read().splitlines()
    except OSError:  # none was written, or not on this machine yet: tried again, as any other failure is
        return False
    return bool(lines) and lines[-1].startswith(MARK) and not lines[-1].startswith(MEMORY)


def restart_times(job: Any) -> int:
    """How often a Snakemake job may be tried again: not at all after its user's mistake, e.g. a GPU that is not there.

    For `snakemake.jobs.Job`, which has one number for every job of a rule and asks for it when a job has failed.
    """
    return 0 if any(ended_by_mistake(Path(str(log))) for log in job.log) else job.rule.restart_times
