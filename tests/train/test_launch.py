"""Processes started here or by srun: each knows its place, and they live, stop and die together."""

import logging
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import tiny

from gde.cluster import launch as launching
from gde.cluster.launch import environments, launch, run, srun
from gde.cluster.rank import Place, find_place, first_node, step_port
from gde.errors import GdeError
from gde.files.io import read_json
from gde.files.lock import started

BATCH = {"SLURM_JOB_ID": "17", "SLURM_NTASKS": "2", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}
STEP = BATCH | {"SLURM_STEP_ID": "1", "SLURM_STEP_NUM_TASKS": "4", "SLURM_STEP_NUM_NODES": "2",
                "SLURM_STEP_NODELIST": "localhost", "SLURM_PROCID": "3", "SLURM_LOCALID": "1"}  # fmt: skip
TORCHRUN = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "MASTER_ADDR": "node1", "MASTER_PORT": "29500"}


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        pytest.param({}, Place(), id="nothing"),
        pytest.param(BATCH, Place(), id="the batch script of a job of two tasks"),
        pytest.param(BATCH | {"SLURM_STEP_NUM_TASKS": "1"}, Place(), id="a step of one task"),
        pytest.param({"SLURM_JOB_ID": "17", "SLURM_NTASKS": "4"}, Place(), id="an interactive allocation"),
        pytest.param(TORCHRUN, Place(1, 2, 1, "node1", 29500), id="torchrun"),
        pytest.param(STEP | TORCHRUN, Place(1, 2, 1, "node1", 29500), id="torchrun in a step"),
        pytest.param({"RANK": "0", "WORLD_SIZE": "1"}, Place(), id="torchrun of one"),
        pytest.param(STEP, Place(3, 4, 1, "localhost", 12273, True), id="a step of four tasks"),
        pytest.param(STEP | {"SLURM_STEP_NUM_NODES": "1"}, Place(3, 4, 1, "127.0.0.1", 12273, True), id="of one node"),
        pytest.param(
            STEP | {"MASTER_ADDR": "a", "MASTER_PORT": "5"}, Place(3, 4, 1, "a", 5, True), id="an address chosen"
        ),
    ],
)
def test_the_place_of_a_process(variables, place):
    assert find_place(variables) == place


def test_half_of_torchruns_variables():
    with pytest.raises(GdeError, match="found no RANK, LOCAL_RANK, MASTER_ADDR, MASTER_PORT in the environment"):
        find_place({"WORLD_SIZE": "2"})


@pytest.mark.parametrize(
    ("nodes", "first"),
    [("gpu1", "gpu1"), ("gpu[1-2]", "gpu1"), ("n[007-010,12]-ib,m3", "n007-ib"), ("a1,b[2-3]", "a1"), ("r[3,5]", "r3")],
)
def test_the_first_of_slurms_nodes(nodes, first):
    assert first_node(nodes) == first


def test_ports_of_steps():
    ports = {step_port({"SLURM_JOB_ID": str(j), "SLURM_STEP_ID": str(s)}) for j in range(1000) for s in range(16)}
    assert len(ports) == 16000
    assert step_port({"SLURM_JOB_ID": "67043328", "SLURM_STEP_ID": "15"}) < 32768


def test_two_processes_train_here(family_store, tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        start_training(tmp_path, family_store, tiny.experiment())
    config = read_json(tmp_path / "model" / "config.json")
    assert f"{tmp_path / 'model'}: {config['run']}" in caplog.text
    assert config["budget"]["steps"] == 16
    assert [p.name for p in (tmp_path / "runs").iterdir()] == [config["run"]]


def start_training(root, store, config, **options):
    paths = store.path, root / "runs", root / "model"
    launch(config, *paths, **{"accelerator": "cpu", "gpus": 2, "nodes": 1, "bind": False} | options)


def test_a_mistake_is_told_once(family_store, tmp_path):
    with pytest.raises(GdeError) as e:
        start_training(tmp_path, family_store, tiny.experiment({"training.shards": 1}))
    assert str(e.value).startswith("training.shards: found 1 for 2 processes")
    assert str(e.value).count("training.shards") == 1
    assert not (tmp_path / "model").exists()


def test_several_nodes_need_slurm(family_store, tmp_path, monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with pytest.raises(GdeError, match=r"nodes: found 2, outside a Slurm job, expected 1; use --profile"):
        start_training(tmp_path, family_store, tiny.experiment(), nodes=2)


def test_sruns_command(family_store, tmp_path, monkeypatch):
    """What Slurm makes of it is tested on a real one."""
    commands = []
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setattr(launching, "run", lambda pairs: commands.extend(command for command, _ in pairs))
    start_training(tmp_path, family_store, tiny.experiment(), gpus=4, nodes=2, bind=True)
    (command,) = commands
    assert command[: len(srun(4, 2, 1, bind=True))] == [
        "srun", "--ntasks=4", "--nodes=2", "--cpus-per-task=1", "--kill-on-bad-exit=1", "--mpi=none", "--input=none",
        "--gpus-per-task=1",
    ]  # fmt: skip
    assert command[8:12] == [sys.executable, "-m", "gde.cli", "train"]
    assert "--gpus-per-task=1" not in srun(2, 2, 1, bind=False)


def python(code: str) -> list[str]:
    """A command; `rank` and `here` (its directory) are defined."""
    head = "import os, signal, sys, time\nfrom pathlib import Path\nrank, here = int(os.environ['RANK']), Path.cwd()\n"
    return [sys.executable, "-c", head + textwrap.dedent(code)]


@pytest.fixture
def two(tmp_path, monkeypatch):
    """two(code): run it in two processes."""
    monkeypatch.chdir(tmp_path)
    return lambda code: run([(python(code), env) for env in environments(2)])


def test_one_is_killed_and_the_other_ends(two, monkeypatch):
    """It may be waiting for the dead one, deaf to SIGTERM."""
    monkeypatch.setattr(launching, "GRACE", 1)
    begin = time.monotonic()
    with pytest.raises(SystemExit) as e:
        two("""
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            if rank == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)
        """)
    assert e.value.code == 128 + signal.SIGKILL
    assert time.monotonic() - begin < 20


def test_the_output_of_all_is_in_the_log(two, caplog):
    with caplog.at_level(logging.INFO):
        two("print('step', rank, file=sys.stderr if rank else sys.stdout)")
    assert sorted(r.message for r in caplog.records) == ["[1] step 1", "step 0"]


LAUNCHER = """
import sys
from gde.cluster.launch import environments, run
code = '''import os, signal, sys, time
def end(*_):
    time.sleep(0.5)
    sys.exit(143)
signal.signal(signal.SIGTERM, end)
open(f"{os.environ['RANK']}.pid", "w").write(str(os.getpid()))
time.sleep(60)'''
run([([sys.executable, "-c", code], env) for env in environments(2)])
"""


@pytest.fixture
def launched(tmp_path):
    """A launcher in another process, and its two processes."""
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", LAUNCHER]
    launcher = subprocess.Popen(command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": root})
    until = time.monotonic() + 60
    while not all(re.fullmatch(r"\d+", text(tmp_path / f"{rank}.pid")) for rank in (0, 1)):
        assert time.monotonic() < until
        assert launcher.poll() is None
        time.sleep(0.02)
    yield launcher, [int(text(tmp_path / f"{rank}.pid")) for rank in (0, 1)]
    launcher.kill()
    launcher.wait()


def text(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def test_sigterm_is_handed_on_and_waited_for(launched):
    launcher, processes = launched
    launcher.terminate()
    assert launcher.wait(30) == 143
    assert [started(pid) for pid in processes] == [None, None]


def test_nobody_outlives_a_killed_launcher(launched):
    launcher, processes = launched
    launcher.kill()
    launcher.wait(30)
    until = time.monotonic() + 30
    while any(started(pid) for pid in processes):
        assert time.monotonic() < until
        time.sleep(0.02)
