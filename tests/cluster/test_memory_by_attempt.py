"""Memory of a Slurm job's next attempt, from what Slurm left in the logs of those before."""

import re
from pathlib import Path

import pytest
import yaml

from gde.cluster.memory_by_attempt import SLURM_LOGS, memory

# in the words of these versions
OUT_OF_MEMORY = {
    "22.05": "slurmstepd-cpu1: error: Detected 1 oom-kill event(s) in StepId=4.batch. Some of your processes may have "
    "been killed by the cgroup out-of-memory handler.",
    "23.11": "slurmstepd: error: Detected 2 oom_kill events in StepId=7.0. Some of the step tasks have been OOM "
    "Killed.",
    "srun": "srun: error: gpu1: task 0: Out Of Memory",
}
OTHER_ENDS = {
    "time limit": "slurmstepd-gpu1: error: *** JOB 14 ON gpu1 CANCELLED AT 2026-11-21T09:17:44 DUE TO TIME LIMIT ***",
    "cancelled": "slurmstepd: error: *** STEP 12.0 ON gpu1 CANCELLED AT 2026-11-21T09:15:43 ***",
    "node lost": "",
    "memory of the GPU": "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB",
}
ENDS = OUT_OF_MEMORY | OTHER_ENDS


@pytest.fixture
def ended(tmp_path, monkeypatch):
    """ended(*ends): earlier attempts of train of grid/a/model; returns megabytes by attempt."""
    monkeypatch.chdir(tmp_path)

    def leave(*ends: str):
        folder = SLURM_LOGS / "rule_train" / "grid_a"
        folder.mkdir(parents=True)
        for number, end in enumerate(ends, start=9):  # 9, 10: not in the order of their names
            (folder / f"{number}.log").write_text(f"step 10 of 20\n{ENDS[end]}\n")
        return lambda attempt: memory("train", 2000)(["grid/a"], attempt)

    return leave


@pytest.mark.parametrize("end", OUT_OF_MEMORY)
def test_grows_after_out_of_memory(ended, end):
    assert ended(end)(2) == 4000


@pytest.mark.parametrize("end", OTHER_ENDS)
def test_does_not_grow_after(ended, end):
    assert ended(end)(2) == 2000


def test_grows_with_every_shortage_and_stays_there(ended):
    assert ended("22.05", "time limit", "srun", "node lost")(5) == 8000


def test_attempts_of_earlier_runs_do_not_count(ended):
    """Only as many logs as this run has had attempts, the newest."""
    mb = ended("22.05", "time limit")
    assert (mb(1), mb(2), mb(3)) == (2000, 2000, 4000)


def test_without_slurm_it_stays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert memory("train", 2000)(["gmm"], 3) == 2000


def test_the_profile_has_slurm_log_where_this_looks():
    profile = Path(__file__).parents[2] / "profiles/slurm/config.yaml"
    assert yaml.safe_load(profile.read_text())["slurm-logdir"] == str(SLURM_LOGS)


def test_only_profiles_retry():
    """A rule's own `retries` multiply with the nested Snakemakes of a Slurm job."""
    for file in (Path(__file__).parents[2] / "workflow/rules").glob("*.smk"):
        for rule in re.split(r"^rule ", file.read_text(), flags=re.M)[1:]:
            assert "retries:" not in rule or "localrule: True" in rule, f"{file.name}: {rule.partition(':')[0]}"
