"""A training of 12 steps, stopped or killed after every one of them and continued, is the one that never was."""

import json
import signal

import pytest
import tiny
from crash import Worker

from gde.checkpoint import list_checkpoints, load_checkpoint

STEPS = 12
# Wide enough for two threads to share the work; nothing falls together: checkpoints, lines of the log, validations.
SETTINGS = {
    "encoder": {"kind": "resnet", "hidden": 64, "layers": 1},
    "training.steps": STEPS, "training.n_sets": 16, "training.set_size": 64, "training.checkpoint_every": 4,
    "training.log_every": 3, "training.validate_every": 5, "training.tensorboard": True,
}  # fmt: skip


@pytest.fixture(scope="module", params=[1, 2])
def case(request, tmp_path_factory):
    """A worker, the arguments of its training, and what the training that nothing stops leaves."""
    root = tmp_path_factory.mktemp("resume")
    config = tiny.experiment({**SETTINGS, "training.torch_threads": request.param})
    store = tiny.prepare(config, root / "sets")
    worker = Worker(OMP_NUM_THREADS=str(request.param))
    try:
        yield worker, {"config": config, "store": str(store.path)}, left(worker, root, config, store, "whole")
    finally:
        worker.close()


def left(worker, root, config, store, name):
    """All that a finished training leaves but its timings; trains first."""
    assert worker.run("train", root, config=config, store=str(store.path), run_dir=name) == 0, (
        root / "said"
    ).read_text()
    return leaves(root / name)


def leaves(run_dir):
    """Weights, averages and optimiser of every checkpoint that is kept, state, log, and what TensorBoard shows."""
    out = {}
    for path in list_checkpoints(run_dir / "checkpoints"):
        tensors, state = load_checkpoint(path)
        out |= {f"{path.name}/{name}": value.numpy().tobytes() for name, value in tensors.items()}
        out[path.name] = {key: value for key, value in state.items() if key != "seconds"}
    lines = [json.loads(line) for line in (run_dir / "log.jsonl").read_text().splitlines()]
    out["log"] = [{key: value for key, value in line.items() if key != "sets_per_s"} for line in lines]
    return out | scalars(run_dir / "tensorboard")


def scalars(directory):
    """tag -> [(step, value)] as TensorBoard reads them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(directory), size_guidance={"scalars": 0}).Reload()
    tags = [tag for tag in events.Tags()["scalars"] if tag != "sets_per_s"]
    return {f"tensorboard {tag}": [(e.step, e.value) for e in events.Scalars(tag)] for tag in tags}


def test_the_straight_run_is_what_it_should_be(case):
    """Else the comparisons would be of nothing."""
    *_, whole = case
    assert f"step-{STEPS:09d}" in whole
    assert {line["step"] for line in whole["log"]} == {3, 5, 6, 9, 10, 12}
    assert [step for step, _ in whole["tensorboard validation"]] == [5, 10, 12]
    assert any("/optimizer/" in name for name in whole)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda n: n.name)
@pytest.mark.parametrize("step", range(1, STEPS))
def test_continued_from_every_step(case, step, number, tmp_path):
    worker, arguments, whole = case
    status = worker.run("train", tmp_path, **arguments, run_dir="run", step=step, number=number)
    assert status == (143 if number == signal.SIGTERM else -number), (tmp_path / "said").read_text()
    names = [path.name for path in list_checkpoints(tmp_path / "run/checkpoints")]
    last = step if number == signal.SIGTERM else max((s for s in (4, 5, 8, 10) if s < step), default=None)
    if last is None:
        assert names == []
    elif number == signal.SIGTERM:
        assert names[-1] == f"step-{last:09d}"
    assert worker.run("train", tmp_path, **arguments, run_dir="run") == 0, (tmp_path / "said").read_text()
    after = leaves(tmp_path / "run")
    kept = {name for name in whole if name.startswith("step-")} & {name for name in after if name.startswith("step-")}
    assert f"step-{STEPS:09d}" in kept
    ours, theirs = ({k: v for k, v in d.items() if k in kept or not k.startswith("step-")} for d in (after, whole))
    assert ours == theirs
    assert not list((tmp_path / "run").rglob(".*"))
