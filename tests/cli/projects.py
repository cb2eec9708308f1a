"""Projects with experiments that were trained by the command line."""

from pathlib import Path

import yaml

from gde.cli import main
from gde.config import resolve, training_slice
from gde.config.loading import read_yaml
from gde.files.io import read_json, write_json
from gde.prepare import prepare_store

EXPERIMENTS = ("tiny", "cells")


def prepare(root: Path, name: str) -> Path:
    """Store and resolved settings of an experiment, as the workflow makes them; returns the settings' file."""
    config = resolve(name, read_yaml(root / "config/config.yaml").data, root)
    if not (root / "results/sets" / name).exists():
        prepare_store({key: config[key] for key in ("name", "seed", "dataset")}, root / "results/sets" / name)
    write_json(root / f"{name}.json", training_slice(config))
    return root / f"{name}.json"


def train(root: Path, name: str) -> int:
    arguments = ["--sets", f"results/sets/{name}", "--model", f"results/{name}/model", "--accelerator", "cpu"]
    return main(["train", str(prepare(root, name)), *arguments])


def id_of(name: str) -> str:
    return read_json(Path(f"results/{name}/model/config.json"))["run"]


def edit(root: Path, name: str, **changes) -> None:
    file = root / f"config/experiments/{name}.yaml"
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | changes))
