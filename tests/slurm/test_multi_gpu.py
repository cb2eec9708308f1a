"""One training on two GPUs, of one node and of two: the GPUs are granted so, and the loss is that of one process."""

import json
import shutil
from pathlib import Path

import pytest
from on_slurm import MODEL, edit

pytestmark = [pytest.mark.workflow, pytest.mark.slow]


def curve(project: Path) -> list[tuple[int, float]]:
    """(step, loss or validation loss) in order."""
    lines = map(json.loads, (project / "results/normal/model/log.jsonl").read_text().splitlines())
    return [(line["step"], line.get("loss", line.get("validation"))) for line in lines]


def test_two_gpus_of_one_node_and_of_two(prepared, locally, start, tmp_path):
    """Both at once, and the training of one process meanwhile."""
    alone, one, two = (shutil.copytree(prepared, tmp_path / name) for name in ("alone", "one", "two"))
    for project in (one, two):
        edit(project / "profiles/slurm/config.yaml", ("train: {slurm_partition: gpu, gpu: 1}",
             "train: {slurm_partition: gpu, gpu: 2}"))  # fmt: skip
    runs = start(one, *MODEL, "gpus=2"), start(two, *MODEL, "gpus=2", "nodes=2")
    locally(alone, *MODEL)
    for run in runs:
        assert run.wait() == 0, run.said()
    (on_one,), (on_two,) = (run.jobs() for run in runs)
    assert [job["NumNodes"] for job in (on_one, on_two)] == ["1", "2"]
    assert on_one["NodeList"] in ("gpu1", "gpu2")
    assert on_two["NodeList"] == "gpu[1-2]"
    for job in (on_one, on_two):
        assert "gres/gpu=2" in job["TRES"]
    weights = [(p / "results/normal/model/model.safetensors").read_bytes() for p in (one, two)]
    assert weights[0] == weights[1]
    assert [step for step, _ in curve(one)] == [step for step, _ in curve(alone)]
    assert [loss for _, loss in curve(one)] == pytest.approx([loss for _, loss in curve(alone)], abs=1e-5, rel=1e-5)
    # where a run is made is no part of it: nothing to be done with another number of GPUs
    log = one / "results/logs/train/normal.log"
    before = log.stat().st_mtime_ns
    locally(one, *MODEL)
    assert log.stat().st_mtime_ns == before
    assert len({p.name for project in (alone, one, two) for p in project.glob("results/runs/*")}) == 1
