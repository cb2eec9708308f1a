"""A training on Slurm that is disturbed in every way, and still gives the model of one that nothing disturbed."""

import os
import re
import signal
from pathlib import Path

import pytest
from on_slurm import MODEL, Run, cluster, command, edit, resume_with_sigterm, wait_until

from gde.runs.verify import canonical_digests

pytestmark = [pytest.mark.workflow, pytest.mark.slow]


def assert_undisturbed(root: Path, undisturbed: dict[str, str], *runs: Run) -> None:
    """The same model, resumed rather than repeated, and the set store not made again."""
    assert canonical_digests(root / "results/normal") == undisturbed
    assert re.search(r"resumed at step \d+ of 300", runs[-1].log())
    assert len(list(root.glob("results/runs/normal-*"))) == 1
    assert not any("rule_prepare" in run.said() for run in runs)


def test_a_node_dies(project, undisturbed, start):
    """The job is tried again at once, on the other GPU node."""
    run = start(project, *MODEL)
    run.pause_training()
    (first,) = run.jobs()
    assert first["NodeList"] in ("gpu1", "gpu2")
    try:
        cluster("fail", first["NodeList"])
        assert run.wait() == 0, run.said()
        first, second = run.jobs()
        assert (first["JobState"], second["JobState"]) == ("NODE_FAIL", "COMPLETED")
        assert {first["NodeList"], second["NodeList"]} == {"gpu1", "gpu2"}
        assert first["MinMemoryNode"] == second["MinMemoryNode"] == "2000M"
        assert_undisturbed(project, undisturbed, run)
    finally:
        cluster("up")


def test_the_controller_restarts(project, undisturbed, start):
    """The training never notices, and Snakemake waits."""
    run = start(project, *MODEL)
    training = run.pause_training()
    cluster("restart")
    os.kill(training, signal.SIGCONT)
    assert run.wait() == 0, run.said()
    assert [job["JobState"] for job in run.jobs()] == ["COMPLETED"]
    assert canonical_digests(project / "results/normal") == undisturbed


def test_an_operator_cancels_the_job(project, undisturbed, start):
    """Without retries the workflow ends within a minute, with an error; the training has left a checkpoint."""
    run = start(project, *MODEL, "--retries", "0")
    training = run.pause_training()
    run.cancel_jobs()
    resume_with_sigterm(training, 30, run)
    assert run.wait(60) == 1, run.said()
    assert re.search(r"SIGTERM: checkpoint written at step \d+; run again to continue", run.log())
    assert "results/logs/train/normal.log" in run.said()
    assert not run.finished()

    again = start(project, *MODEL)
    assert again.wait() == 0, again.said()
    assert_undisturbed(project, undisturbed, run, again)


def test_a_mistake_is_not_tried_again(project, start):
    """A job that was granted a GPU and sees none: submitted once, though the profile has retries."""
    run = start(project, *MODEL, "accelerator=cuda")
    assert run.wait() == 1, run.said()
    assert len(run.submitted()) == 1, run.said()
    assert re.search(r"^gde: accelerator: found no visible GPU", run.log(), re.M), run.log()


def test_ctrl_c_empties_the_queue(project, undisturbed, start):
    run = start(project, *MODEL)
    training = run.pause_training()
    run.snakemake.send_signal(signal.SIGINT)
    resume_with_sigterm(training, 30, run)
    assert run.wait() != 0
    wait_until(lambda: all(run.ended(number) for number in run.submitted()), 60, run.said)

    again = start(project, *MODEL)
    assert again.wait() == 0, again.said()
    assert_undisturbed(project, undisturbed, run, again)


def test_a_job_with_too_little_memory_gets_more(project, undisturbed, start):
    if "task/cgroup" not in command("scontrol", "show", "config"):
        pytest.skip("nothing enforces a job's memory here: no writable memory controller of cgroup v1")
    edit(project / "workflow/rules/train.smk", ('memory("train", 2000 *', 'memory("train", 300 *'))
    run = start(project, *MODEL)
    assert run.wait() == 0, run.said()
    jobs = run.jobs()
    assert len(jobs) > 1
    assert [job["MinMemoryNode"] for job in jobs] == [f"{300 * 2**n}M" for n in range(len(jobs))]
    for job in jobs[:-1]:  # the job's state is that of its shell: only the log of the step knows
        log = (project / f"results/logs/slurm/rule_train/normal/{job['JobId']}.log").read_text()
        assert re.search(r"^slurmstepd\S*: error: Detected \d+ oom-kill event", log, re.M)
    assert canonical_digests(project / "results/normal") == undisturbed


def test_a_training_that_needs_three_time_limits(limited, undisturbed):
    """SIGTERM reaches it each time, it goes on from that step, and no attempt asks for more memory or time."""
    run, logs, jobs = limited.result()
    assert [job["JobState"] for job in jobs] == ["TIMEOUT", "TIMEOUT", "COMPLETED"]
    assert {job["MinMemoryNode"] for job in jobs} == {"2000M"}
    assert {job["TimeLimit"] for job in jobs} == {"00:01:00"}
    stops = [int(re.search(r"SIGTERM: checkpoint written at step (\d+)", log)[1]) for log in logs]
    starts = [int(re.search(r"resumed at step (\d+) of 300", log)[1]) for log in (logs[1], run.log())]
    assert starts == stops
    assert_undisturbed(run.root, undisturbed, run)


def test_without_accounting(project, undisturbed, start, limited):
    """Last, since the cluster starts anew."""
    limited.exception()
    cluster("up", ACCT="0")
    try:
        edit(project / "profiles/slurm/config.yaml", ("slurm_account: lab", "# no account"))
        run = start(project, *MODEL)
        assert run.wait() == 0, run.said()
        assert canonical_digests(project / "results/normal") == undisturbed
    finally:
        cluster("up")
