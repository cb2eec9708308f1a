"""Experiment files: one's own, and the product's."""

import re
from pathlib import Path

from gde.config.experiment import Config
from gde.errors import GdeError, bad
from gde.files.product import PRODUCT, product_file

EXPERIMENTS = Path("config/experiments")
RESERVED = ("sets", "runs", "grid", "report", "logs", "benchmarks", "lm_cache", *Config.model_fields)
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{1,99}")  # a directory's, with room for the endings of files being written


def experiment_names(root: Path) -> list[str]:
    """Every experiment, sorted: of one's own config/experiments and of the product's. Files whose name cannot be used
    are left out (`list_experiments`)."""
    return list_experiments(root)[0]


def list_experiments(root: Path) -> tuple[list[str], dict[str, GdeError]]:
    """The names that can be used, and what is wrong with the other files of config/experiments, by their stem.

    Those below `root` are added to the product's, and take the place of one of their name. GdeError without either.
    """
    folders = [folder for folder in (root / EXPERIMENTS, PRODUCT / EXPERIMENTS) if folder.is_dir()]
    if not folders:
        found, remedy = "no such directory", "run in the directory that holds config/"
        raise bad(root / EXPERIMENTS, found, "experiment files", remedy)
    names, wrong = set(), {}
    for file in sorted(file for folder in folders for file in folder.iterdir()):
        if file.name.startswith(".") or file.suffix not in (".yaml", ".yml"):
            continue
        where = EXPERIMENTS / file.name
        if file.suffix == ".yml":
            wrong[file.stem] = bad(where, "the ending .yml", ".yaml", f"rename it to {file.stem}.yaml")
        elif file.stem in RESERVED:
            found, expected = f"the reserved name {file.stem!r}", f"none of {', '.join(RESERVED)}"
            wrong[file.stem] = bad(where, found, expected, "rename the file")
        elif not NAME.fullmatch(file.stem):
            expected = "a letter, then letters, digits and _ (2 to 100 characters)"
            wrong[file.stem] = bad(where, f"the name {file.stem!r}", expected, "rename the file")
        else:
            names.add(file.stem)
    return sorted(names), wrong


def experiment_file(name: str, root: Path) -> tuple[Path, str]:
    """An experiment's file, one's own or the product's, and what messages call it."""
    file = EXPERIMENTS / f"{name}.yaml"
    path = product_file(file, root)
    return path, str(file if path == root / file else path)
