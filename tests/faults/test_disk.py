"""A full disk and a read-only one: one line that names the path, nothing lost, and what is missing is made later."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tiny

from gde import evaluate, figures
from gde.checkpoint import list_checkpoints, load_checkpoint
from gde.cli import main
from gde.cli.train_run import train_run
from gde.embed import embed_to_h5ad
from gde.errors import GdeError
from gde.files.seals import audit
from gde.runs.card import write_card
from gde.runs.verify import canonical_digests
from gde.sample import sample_test_sets

pytestmark = pytest.mark.usefixtures("no_fsync")
STEPS = ("prepare", "train", "embed", "sample", "evaluate", "card", "figure")
FULL, READ_ONLY = "no space left on the device", "a read-only file system"


class Disk:
    """A small mounted file system with a results directory; what it is filled with lies beside that."""

    def __init__(self, root: Path):
        self.root, self.filling = root, root / "filling"

    def fill(self, left: int = 0) -> None:
        """Take all space but `left` bytes."""
        with self.filling.open("wb", buffering=0) as f:
            try:
                while f.write(bytes(4096)) == 4096:
                    pass
            except OSError:
                pass
            f.truncate(max(0, f.tell() - left) // 4096 * 4096)

    def empty(self) -> None:
        self.filling.unlink()

    def mount(self, options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", self.root], check=True)


@pytest.fixture
def disk(tiny_disk):
    disk = Disk(tiny_disk)
    disk.mount("size=24m")
    return disk


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """A resolved experiment on cells, whose file lies on another disk, and the results of an undisturbed run."""
    root = tmp_path_factory.mktemp("whole")
    tiny.cells().write_h5ad(root / "cells.h5ad")
    changes = {"training.steps": 8, "training.checkpoint_every": 2, "training.tensorboard": True}
    config = tiny.cells_experiment(root / "cells.h5ad", changes)
    for step in STEPS:
        make(step, root / "results", config)
    return config, root / "results"


def make(step: str, results: Path, config: dict) -> None:
    """What a rule does, below `results`."""
    sets, here = results / "sets/cells", results / "cells"
    model, z, metrics, tables = (here / name for name in ("model", "embeddings.h5ad", "metrics.json", "tables"))
    match step:
        case "prepare":
            tiny.prepare(config, sets)
        case "train":
            train_run(config, sets, results / "runs", model, accelerator="cpu")
        case "embed":
            embed_to_h5ad(model, sets, z, device=tiny.CPU)
        case "sample":
            sample_test_sets(model, z, here / "samples.h5ad", device=tiny.CPU, at_most=5)
        case "evaluate":
            evaluate.run(model, sets, config, metrics, tables)
        case "card":
            write_card(model, metrics, here / "MODEL_CARD.md", description="")
        case "figure":
            figures.draw("embedding", tables, metrics, here / "figures/e.svg", here / "figures/e.png")


def content(root: Path) -> dict[Path, bytes]:
    """Every file but the lock, the log that a training appends to, and TensorBoard's."""
    left_out = ("lock", "log.jsonl", "filling")
    files = (p for p in root.rglob("*") if p.is_file() and p.name not in left_out and "tensorboard" not in p.parts)
    return {p: p.read_bytes() for p in files}


def before(step: str, disk: Disk, whole: Path) -> Path:
    """Results as they stand when `step` runs again: all, but of the training only what a killed one leaves."""
    results = disk.root / "results"
    shutil.copytree(whole, results)
    if step == "train":
        (run,) = results.glob("runs/*")
        shutil.rmtree(run / "model")
        for path in list_checkpoints(run / "checkpoints")[1:]:
            shutil.rmtree(path)
    return results


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("left", [0, 12_000], ids=["full", "nearly full"])
def test_full_disk(disk, experiment, step, left):
    """Old results stay whole, nothing half-written stays, and with room it is made."""
    config, whole = experiment
    results = before(step, disk, whole)
    there = content(results)
    disk.fill(left)
    with pytest.raises(GdeError, match=FULL) as e:
        make(step, results, config)
        if left:
            pytest.skip("it found room in 12 kB")
    told(e.value, results)
    assert {p: d for p, d in content(results).items() if p in there} == there
    assert all(f.recorded == f.found for f in audit(results) if f.recorded)
    assert not [p for p in results.rglob(".*") if p.name != ".locks"]
    (run,) = results.glob("runs/*")
    for path in list_checkpoints(run / "checkpoints"):
        load_checkpoint(path)
    disk.empty()
    make(step, results, config)
    assert canonical_digests(results / "cells") == canonical_digests(whole / "cells")


@pytest.mark.parametrize("step", STEPS)
def test_read_only(disk, experiment, step):
    config, whole = experiment
    results = before(step, disk, whole)
    there = content(disk.root)
    disk.mount("ro")
    with pytest.raises(GdeError, match=READ_ONLY) as e:
        make(step, results, config)
    told(e.value, results)
    assert content(disk.root) == there
    disk.mount("rw")
    make(step, results, config)
    assert canonical_digests(results / "cells") == canonical_digests(whole / "cells")


def told(error: GdeError, results: Path) -> None:
    """One line: a path on that disk, what is the matter, and what to do."""
    said = str(error)
    assert "\n" not in said
    assert said.startswith(str(results))
    assert "run again" in said


def test_a_training_that_fills_the_disk_goes_on_from_its_checkpoints(disk, experiment):
    """Room for some of the checkpoints: they are kept and used, and the final weights are those of the undisturbed."""
    config, whole = experiment
    config = config | {"training": config["training"] | {"keep_every": 1, "checkpoint_every": 1}}
    results = disk.root / "results"
    shutil.copytree(whole / "sets", results / "sets")
    disk.mount("size=400k")
    with pytest.raises(GdeError, match=FULL) as e:
        make("train", results, config)
    told(e.value, results)
    (run,) = results.glob("runs/*")
    names = [path.name for path in list_checkpoints(run / "checkpoints")]
    for path in list_checkpoints(run / "checkpoints"):
        load_checkpoint(path)
    disk.mount("size=24m")
    make("train", results, config)
    assert [p.name for p in list_checkpoints(run / "checkpoints")][: len(names)] == names
    assert (
        canonical_digests(results / "cells")["model/model.safetensors"]
        == (canonical_digests(whole / "cells")["model/model.safetensors"])
    )


SCRIPT = """
import sys
from types import SimpleNamespace
from gde.files.io import write_json
from gde.cli.script import job
with job(SimpleNamespace(threads=1, params=None, log=["results/logs/x.log"], output=["results/x.json"])):
    write_json("results/x.json", list(range(50_000)))
"""


@pytest.mark.parametrize("state", ["full", "read-only", "read-only with logs"])
def test_a_job_says_it_once_on_stderr(disk, state):
    """Its log lies on the same disk: that it cannot be written must not hide the one line."""
    if state != "read-only":
        (disk.root / "results/logs").mkdir(parents=True)
        (disk.root / "results/.locks").mkdir()
    disk.mount("ro") if state.startswith("read-only") else disk.fill(8192)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, cwd=disk.root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("gde: results/")
    assert (FULL if state == "full" else READ_ONLY) in line


def test_commands(disk, experiment, capfd, monkeypatch):
    """Exit status 2 and one line, for a user's own output too."""
    whole = experiment[1]
    shutil.copytree(whole / "cells", disk.root / "cells")
    monkeypatch.chdir(disk.root)
    arguments = ["sample", "cells/model", "cells/embeddings.h5ad", "-n", "3", "-o", "x.h5ad"]
    disk.fill()
    assert main(arguments) == 2
    assert capfd.readouterr().err.splitlines()[-1].startswith(f"gde: x.h5ad: found {FULL}")
    disk.mount("ro")
    assert main(arguments) == 2
    assert capfd.readouterr().err.splitlines()[-1].startswith(f"gde: x.h5ad: found {READ_ONLY}")
    disk.mount("rw")
    assert not list(disk.root.glob("*x.h5ad*"))
    disk.empty()
    assert main(arguments) == 0
