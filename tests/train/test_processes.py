"""Several processes (gloo) train the model that one trains, stop together, and read only what is written."""

import json
import multiprocessing
import os
import signal
import socket

import pytest
import tiny
import torch
import worlds

from gde.cli.train_run import train_run
from gde.errors import GdeError
from gde.training import train

pytestmark = pytest.mark.usefixtures("no_fsync")
WORLD = 2


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def together(target, *args) -> list[int]:
    """Run target(rank, *args) in WORLD forked processes with torchrun's variables; returns exit statuses."""

    def child(rank, port):
        # two gloo meshes on one host need no more than the loopback interface
        os.environ |= {"WORLD_SIZE": str(WORLD), "RANK": str(rank), "LOCAL_RANK": str(rank), "GLOO_SOCKET_IFNAME": "lo",
                       "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}  # fmt: skip
        torch.set_num_threads(1)
        target(rank, *args)

    port, context = free_port(), multiprocessing.get_context("fork")
    processes = [context.Process(target=child, args=(rank, port)) for rank in range(WORLD)]
    for p in processes:
        p.start()
    for p in processes:
        p.join(60)
        if p.exitcode is None:
            p.kill()
    return [p.exitcode for p in processes]


def run(rank, config, sets, root):
    train_run(config, sets, root / "runs", root / "model", accelerator="cpu")


def curve(file) -> list[tuple]:
    """(step, loss or validation loss) in order."""
    parsed = (json.loads(line) for line in file.read_text().splitlines())
    return [(line["step"], line.get("loss", line.get("validation"))) for line in parsed]


OBJECTIVES = {
    "labelled": {"kind": "classification", "label": "cell_type"},
    "ordered": {"kind": "ordered", "order_by": "day", "condition": "series", "weight": 1.0},
    "perturbed": {"kind": "perturbation", "control": {"cell_type": "B"}, "within": ["donor"]},
}


@pytest.mark.parametrize("case", ["family", "masked", "mixed", *OBJECTIVES])
def test_two_processes_follow_the_curve_of_one(case, request, tmp_path):
    changes = {"training.log_every": 1, "training.set_size": 24}
    if case == "family":
        store, config = request.getfixturevalue("family_store"), tiny.experiment(changes)
    elif case == "ordered":
        store, changes = worlds.circles(tmp_path / "sets", uneven=True), changes | {"training.set_size": 50}
        config = worlds.experiment(OBJECTIVES[case], **changes | {"training.steps": 16})
    else:
        store, changes = request.getfixturevalue("cells_store"), changes | {"training.shards": 8}
        changes["mixer"] = {"kind": "dirichlet_k", "k": 2} if case in ("mixed", "labelled") else None
        changes["objective"] = OBJECTIVES.get(case, {"kind": "reconstruction"})
        config = tiny.cells_experiment(request.getfixturevalue("cells_h5ad"), changes)
    if case not in ("family", "mixed"):
        assert (store.sizes[store.select("train")] < config["training"]["set_size"]).any()
    train(config, store, tmp_path, device=tiny.CPU)
    assert together(run, config, store.path, tmp_path) == [0, 0]
    alone, both = curve(tmp_path / "log.jsonl"), curve(tmp_path / "model" / "log.jsonl")
    assert [step for step, _ in alone] == [step for step, _ in both]
    assert [v for _, v in both] == pytest.approx([v for _, v in alone], abs=1e-5, rel=1e-5)


def stopped(rank, config, sets, root):
    """As `run`, but the second process alone gets a SIGTERM in its fifth step."""
    import gde.training

    update, done = gde.training.update_ema, []

    def counted(*args):
        update(*args)
        done.append(1)
        if rank == 1 and len(done) == 5:
            os.kill(os.getpid(), signal.SIGTERM)

    gde.training.update_ema = counted
    run(rank, config, sets, root)


def test_a_signal_to_one_process_stops_all_at_the_same_step(family_store, tmp_path):
    config = tiny.experiment({"training.log_every": 1})
    assert together(stopped, config, family_store.path, tmp_path) == [143, 143]
    (checkpoints,) = (tmp_path / "runs").glob("*/checkpoints")
    assert max(p.name for p in checkpoints.iterdir()) == "step-000000005"
    assert together(run, config, family_store.path, tmp_path) == [0, 0]
    assert curve(tmp_path / "model" / "log.jsonl")[-1][0] == 16


def too_many(rank, config, sets, root):
    with pytest.raises(GdeError, match=r"training.shards: found 1 for 2 processes.*start fewer"):
        run(rank, config, sets, root)


def test_more_processes_than_shards_are_refused(family_store, tmp_path):
    config = tiny.experiment({"training.shards": 1})
    assert together(too_many, config, family_store.path, tmp_path) == [0, 0]


@pytest.mark.parametrize("then", ["alone", "together"])
def test_a_run_goes_on_with_another_number_of_processes(family_store, tmp_path, then):
    """Two processes are stopped and one goes on, or the other way round: the same run, and the same curve."""
    config = tiny.experiment({"training.log_every": 1})
    arguments = config, family_store.path, tmp_path
    if then == "alone":
        assert together(stopped, *arguments) == [143, 143]
        run(0, *arguments)
    else:
        pid = os.fork()
        if pid == 0:
            try:
                stopped(1, *arguments)
            except SystemExit as e:
                os._exit(e.code)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 143
        assert together(run, *arguments) == [0, 0]
    assert len(list((tmp_path / "runs").iterdir())) == 1
    train(config, family_store, tmp_path / "whole", device=tiny.CPU)
    whole, both = curve(tmp_path / "whole" / "log.jsonl"), curve(tmp_path / "model" / "log.jsonl")
    assert [step for step, _ in both] == [step for step, _ in whole]
    assert [v for _, v in both] == pytest.approx([v for _, v in whole], abs=1e-5, rel=1e-5)
