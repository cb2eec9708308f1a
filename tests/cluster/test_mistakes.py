"""Jobs that ended by their user's mistake are not tried again; every other failure is."""

import os
from types import SimpleNamespace

import pytest

from gde.cli.memory import memory_errors
from gde.cluster.mistakes import BEGIN, LAST, ended_by_mistake, restart_times
from gde.errors import GdeError

MISTAKE = "gde: accelerator: found no visible GPU, expected a GPU; check the node's driver\n"


def job(*logs):
    return SimpleNamespace(log=list(map(str, logs)), rule=SimpleNamespace(restart_times=5))


@pytest.mark.parametrize(
    ("text", "times"),
    [
        (MISTAKE, 0),
        ("2026-01-01 10:00 Slurm job 7 on gpu1, GPUs: none\n" + MISTAKE, 0),
        ("x" * 3 * LAST + "\n" + MISTAKE, 0),
        ("2026-01-01 10:00 SIGTERM: checkpoint written at step 20; run again to continue\n", 5),
        ("Traceback (most recent call last):\nOSError: a disk\n", 5),
        ("gde: memory: found CUDA out of memory, expected room for what the job computes; take smaller sets\n", 5),
        (MISTAKE + "and then something else\n", 5),
        ("", 5),
    ],
)
def test_the_last_line_of_the_log_tells(tmp_path, text, times):
    log = tmp_path / "train.log"
    log.write_text(text)
    assert restart_times(job(log)) == times
    assert restart_times(job(tmp_path / "none.log", log)) == times


def test_without_a_log_nothing_is_known(tmp_path):
    assert restart_times(job()) == restart_times(job(tmp_path / "none.log")) == 5


def test_the_log_of_an_earlier_snakemake_is_not_this_jobs(tmp_path):
    log = tmp_path / "train.log"
    log.write_text(MISTAKE)
    assert ended_by_mistake(log)
    os.utime(log, (BEGIN - 10, BEGIN - 10))
    assert not ended_by_mistake(log)


def test_memory_that_runs_out_is_told_as_what_is_tried_again(tmp_path):
    """The words of the job itself, whose next attempt is granted more."""
    with pytest.raises(GdeError) as told, memory_errors():
        raise MemoryError
    log = tmp_path / "train.log"
    log.write_text(f"gde: {told.value}\n")
    assert restart_times(job(log)) == 5
