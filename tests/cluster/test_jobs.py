"""Live jobs are found where they are, belong to their directory only, and can be ended."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from gde.cluster import jobs, slurm
from gde.cluster.jobs import LocalJob, cancel, first_snakemake, live_jobs, local_jobs, only_snakemake, table
from gde.errors import GdeError

RUN = "gde_8a1c1f3e-1111-4222-8333-0123456789ab"


@pytest.fixture(autouse=True)
def no_slurm(monkeypatch):
    monkeypatch.setattr(slurm, "installed", lambda: False)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)


@pytest.fixture
def script(tmp_path):
    """script(folder, code): a process like a rule's script that works in a folder."""
    processes = []

    def start(folder: Path = tmp_path, code: str = "time.sleep(60)", **env: str) -> subprocess.Popen:
        file = folder / ".snakemake/scripts/tmpabc.train.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"import signal, time\n{code}\n")
        environment = os.environ | env
        processes.append(subprocess.Popen([sys.executable, str(file)], cwd=folder, env=environment))
        until = time.monotonic() + 30
        while not any(job.pid == processes[-1].pid for job in local_jobs(folder)):
            assert time.monotonic() < until
            time.sleep(0.02)
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture
def controller(tmp_path, monkeypatch):
    """controller(lines, status=0): a Slurm whose squeue says these lines; scancel notes what it is given and empties
    the queue."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.setattr(slurm, "installed", lambda: True)

    def set_up(*lines: str, status: int = 0, delay: float = 0) -> None:
        (folder / "queue").write_text("".join(line + "\n" for line in lines))
        code = f"sleep {delay}; cat {folder}/queue; [ {status} = 0 ] || echo no controller >&2; exit {status}"
        for name, body in (("squeue", code), ("scancel", f"echo $* > {folder}/cancelled; : > {folder}/queue")):
            (folder / name).write_text(f"#!/bin/sh\n{body}\n")
            (folder / name).chmod(0o755)

    set_up.folder = folder
    return set_up


def line(number, folder, name=RUN, state="RUNNING", node="gpu1"):
    values = number, name, state, node, "2026-01-02T03:04:05", "ada", "rule_train_wildcards_gmm", folder
    return "\t".join(map(str, values))


def test_processes_of_this_directory(script, tmp_path):
    (tmp_path / "other").mkdir()
    ours, _ = script(), script(tmp_path / "other")
    (job,) = live_jobs(tmp_path)
    assert (job.pid, job.command, job.parent) == (ours.pid, "train.py", os.getpid())
    assert str(job) == f"process {ours.pid} on this machine (train.py)"
    assert table(tmp_path) == [
        {"job": f"process {ours.pid}", "what": "train.py", "state": "RUNNING", "where": "this machine"}
    ]


def test_a_job_names_its_experiment(script, tmp_path):
    log = tmp_path / "results/logs/figure/gmm/loss.log"
    log.parent.mkdir(parents=True)
    process = script(code=f"log = open({str(log)!r}, 'w'); time.sleep(60)")
    until = time.monotonic() + 30
    while not log.exists():
        assert time.monotonic() < until
        time.sleep(0.02)
    assert [row["what"] for row in table(tmp_path)] == ["train.py: figure/gmm/loss"]
    assert str(live_jobs(tmp_path)[0]) == f"process {process.pid} on this machine (train.py: figure/gmm/loss)"


def test_nothing_is_alive(tmp_path):
    assert live_jobs(tmp_path) == []
    assert cancel(tmp_path) == 0


def test_a_snakemake_starts_only_when_no_job_is_left(script, tmp_path):
    with first_snakemake(tmp_path, "local"):
        pass
    process = script()
    with pytest.raises(GdeError) as e, first_snakemake(tmp_path, "local"):
        pass
    assert str(e.value).startswith(f"results: found jobs of an earlier Snakemake alive: process {process.pid} on this")
    assert "run `gde jobs cancel`, which keeps checkpoints" in str(e.value)
    with only_snakemake(tmp_path):  # the refused one has let go
        pass


def test_one_snakemake_at_a_time(tmp_path):
    with first_snakemake(tmp_path, "local"):
        for attempt in (lambda: cancel(tmp_path), lambda: first_snakemake(tmp_path, "local").__enter__()):
            with pytest.raises(GdeError, match=rf"results: found a Snakemake at work \(process {os.getpid()} on "):
                attempt()
    assert not (tmp_path / "results/.locks").exists()


def workflow(**changes):
    plugin = SimpleNamespace(name="local")
    values = {"execution_settings": SimpleNamespace(lock=True), "executor_plugin": plugin, "dryrun": False}
    return SimpleNamespace(**values | {"is_main_process": True} | changes)


@pytest.mark.parametrize(
    ("changes", "guarded"),
    [
        ({}, True),
        ({"dryrun": True}, False),
        ({"is_main_process": False}, False),
        ({"execution_settings": SimpleNamespace(lock=False)}, False),
        ({"execution_settings": None, "executor_plugin": None}, False),
    ],
    ids=["run", "dry run", "a single job", "--nolock", "--unlock, --summary, ..."],
)
def test_what_is_guarded(changes, guarded, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(jobs, "_guards", [])
    released = []
    monkeypatch.setattr(jobs.atexit, "register", lambda *args: released.append(args))
    for _ in range(2):  # the function is asked for every job
        jobs.guard(workflow(**changes))
    assert (tmp_path / "results/.locks/snakemake").exists() == guarded
    assert len(released) == guarded
    for function, *arguments in released:
        function(*arguments)
    assert not (tmp_path / "results/.locks").exists()


def test_cancel_ends_processes_and_unlocks(script, tmp_path):
    """Also one that is stopped; the checkpoint it writes on SIGTERM is waited for."""
    process = script(code="signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.3), exit(143)))\ntime.sleep(60)")
    time.sleep(0.5)  # until the handler is there
    os.kill(process.pid, signal.SIGSTOP)
    locks = tmp_path / ".snakemake/locks"
    locks.mkdir()
    (locks / "0.output.lock").write_text("results/gmm/model\n")
    assert cancel(tmp_path) == 1
    assert process.wait(1) == 143
    assert not locks.exists()


def test_cancel_kills_what_is_deaf(script, tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "GRACE", 1)
    process = script(code="signal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(60)")
    time.sleep(0.5)
    assert cancel(tmp_path) == 1
    assert process.wait(1) == -signal.SIGKILL


def test_jobs_of_slurm(controller, tmp_path):
    """Those that a Snakemake in this directory submitted: not another directory's, nor what the user started there."""
    controller(
        line(11, tmp_path),
        line(12, tmp_path, state="PENDING", node=""),
        line(13, tmp_path, state="COMPLETING"),
        line(14, tmp_path, name=RUN.removeprefix("gde_")),
        line(15, tmp_path / "other"),
        line(16, tmp_path, name="jupyter"),
        line(17, tmp_path, state="COMPLETED"),
    )
    found = live_jobs(tmp_path, "slurm")
    assert [job.id for job in found] == ["11", "12", "13", "14"]
    assert str(found[0]) == (
        "Slurm job 11 (rule_train_wildcards_gmm, RUNNING on gpu1, of ada since 2026-01-02T03:04:05)"
    )  # fmt: skip
    assert "PENDING, of ada" in str(found[1])


def test_a_process_of_a_slurm_job_is_that_job(controller, script, tmp_path):
    (tmp_path / "results/logs/slurm").mkdir(parents=True)
    controller(line(11, tmp_path))
    script(SLURM_JOB_ID="11")
    orphan = script(SLURM_JOB_ID="10")  # Slurm holds it for dead
    assert [getattr(job, "id", None) or job.pid for job in live_jobs(tmp_path)] == ["11", orphan.pid]


def test_slurm_is_asked_where_it_was_used(controller, tmp_path):
    controller(line(11, tmp_path))
    assert live_jobs(tmp_path, "local") == []
    assert len(live_jobs(tmp_path, "slurm")) == 1
    (tmp_path / "results/logs/slurm").mkdir(parents=True)
    assert len(live_jobs(tmp_path, "local")) == 1


def test_cancel_ends_slurms_jobs(controller, tmp_path):
    (tmp_path / "results/logs/slurm").mkdir(parents=True)
    controller(line(11, tmp_path), line(12, tmp_path))
    assert cancel(tmp_path) == 2
    assert (controller.folder / "cancelled").read_text() == "11 12\n"


def test_a_controller_that_is_away(controller, tmp_path, caplog, monkeypatch):
    """With Slurm's executor nothing starts; on this machine a warning is enough, since every output has its lock."""
    (tmp_path / "results/logs/slurm").mkdir(parents=True)
    controller(status=1)
    with pytest.raises(GdeError, match="squeue: found no controller, expected the list of jobs; wait until Slurm"):
        live_jobs(tmp_path, "slurm")
    assert live_jobs(tmp_path, "local") == []
    assert "squeue: found no controller" in caplog.text
    controller(delay=5)
    with pytest.raises(GdeError, match="no answer in 0 s"):
        slurm.live_jobs(tmp_path, timeout=0.3)


def test_whether_a_job_has_ended(controller):
    controller("RUNNING")
    assert not slurm.ended("11")
    controller("COMPLETED")
    assert slurm.ended("11")
    controller(status=1)
    assert not slurm.ended("11")
    (controller.folder / "squeue").write_text(
        "#!/bin/sh\necho 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1\n"
    )
    assert slurm.ended("11")


def test_a_process_number_is_not_enough():
    assert not LocalJob(os.getpid(), 1, "0", "train.py").alive()
