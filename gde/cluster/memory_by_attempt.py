"""Memory by attempt: what the attempts of a Slurm job ended in, so that only a job that was out of memory asks for
more."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

# `slurm-logdir` of profiles/slurm. Slurm's own last words are there with and without accounting, and for job steps too,
# whose end the state of the job may hide.
SLURM_LOGS = Path("results/logs/slurm")
OUT_OF_MEMORY = re.compile(
    r"^(?:slurmstepd|srun)\S*: error: .*(?:oom[-_ ]kill|out of memory|memory limit)", re.M | re.I
)


def memory(rule: str, mb: int) -> Callable[..., int]:
    """Resource function: `mb` megabytes, doubled for every earlier attempt that was out of memory.

    Not for those that met their time limit or lost their node: more memory means a longer wait in the queue.
    """
    return lambda wildcards, attempt: mb * 2 ** times_out_of_memory(rule, wildcards, attempt)


def times_out_of_memory(rule: str, wildcards: Iterable[str], attempt: int, logs: Path = SLURM_LOGS) -> int:
    """How many of the attempts before `attempt` (counted from 1) Slurm ended because they were out of memory.

    Zero without Slurm, which leaves no logs.
    """
    folder = logs / f"rule_{rule}" / "_".join(wildcards).replace("/", "_")  # as the Slurm plugin names them
    newest = sorted((int(log.stem), log) for log in folder.glob("*.log") if log.stem.isdigit())[::-1]
    texts = (log.read_text(errors="replace") for _, log in newest[: attempt - 1])
    return sum(OUT_OF_MEMORY.search(text) is not None for text in texts)
