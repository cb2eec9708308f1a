"""The workers of the crash tests (`crash_worker`), and the small project they work in."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import tiny
import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
EXPERIMENT = {
    "description": "tiny",
    "dataset": {"kind": "h5ad", "path": "resources/tiny/cells.h5ad", "groupby": ["donor", "cell_type"],
                "n_hvg": None, "n_pcs": 5, "labels": ["cell_type"]},
    "encoder": {"kind": "resnet", "hidden": 8, "layers": 1},
    "generator": {"kind": "flow", "hidden": 8, "layers": 1, "evaluations": 4},
    "latent_dim": 4,
    "training": {"steps": 16, "n_sets": 8, "set_size": 12, "torch_threads": 1, "validate_every": 8, "log_every": 5,
                 "checkpoint_every": 4, "tensorboard": True},
}  # fmt: skip


class Worker:
    """A clean process that runs the jobs of `crash_jobs`, each in a child of its own."""

    def __init__(self, **environment: str):
        paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        self.process = subprocess.Popen(
            [sys.executable, HERE / "crash_worker.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=os.environ | {"PYTHONPATH": paths} | environment,
        )  # fmt: skip

    def run(self, call: str, cwd: Path, **arguments: Any) -> int:
        """Exit status of one job, negative for a signal; what it said stands in `cwd`/said."""
        job = {"call": call, "cwd": str(cwd), "said": str(cwd / "said"), "arguments": arguments}
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()


def small_project(root: Path) -> Path:
    """A copy of the workflow with one experiment, on a file that its `fetch` finds in a mirror."""
    for part in ("gde", "workflow", "config", "profiles", "envs"):
        shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "mirror/tiny").mkdir(parents=True)
    tiny.cells().write_h5ad(root / "mirror/tiny/cells.h5ad")
    (root / "config/experiments/cells.yaml").write_text(yaml.safe_dump(EXPERIMENT))
    (root / "resources").mkdir()
    source = {"title": "tiny", "access": "open", "origin": "https://example.org/", "licence": "CC0-1.0",
              "citation": "nobody", "files": {"cells.h5ad": {"urls": ["https://example.org/cells.h5ad"]}}}  # fmt: skip
    (root / "resources/sources.yaml").write_text(yaml.safe_dump({"tiny": source}))
    return root
