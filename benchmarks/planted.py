"""Worlds of known truth, each with goals: what `single_cells.py` and `proteins.py` share. No benchmark by itself."""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from gde.evaluate.shared.context import Context
from gde.prepare import prepare_of
from gde.sets.store.set_store import SetStore
from gde.training import train

Goals = list[tuple[str, float, str, float]]  # what, value, sign, goal
Results = tuple[dict[str, dict], dict[str, pd.DataFrame]]


def prepared(config: dict[str, Any], root: Path) -> SetStore:
    """The set store of a resolved experiment, under `root`."""
    prepare = prepare_of(config["dataset"]["kind"])
    prepare(config["dataset"], root / "sets", name=config["name"], seed=config["seed"])
    return SetStore.open(root / "sets")


def trained(config: dict[str, Any], store: SetStore, evaluate: Callable, root: Path) -> Results:
    """Metrics and tables of a model that was trained under `root`."""
    model, _ = train(config, store, root / "run", device=torch.device("cpu"))
    with torch.no_grad(), model.encoder.unchanging():
        return evaluate(Context(model.eval(), store, config, config["seed"]))


def parsed(about: str, worlds: dict[str, Callable], argv: list[str] | None, steps: int | None) -> argparse.Namespace:
    """The options that all worlds know; `steps` is their default."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="does it run? few steps on few sets: no goal is met")
    parser.add_argument("--only", nargs="+", choices=worlds, default=list(worlds))
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    return parser.parse_args(argv)


def report(worlds: dict[str, Callable[[Path, argparse.Namespace], Goals]], options: argparse.Namespace) -> int:
    """Print values beside goals, world by world and seed by seed; 1 where a goal is missed."""
    rows = []
    for name in options.only:
        for seed in options.seeds:
            with tempfile.TemporaryDirectory() as scratch:
                found = worlds[name](Path(scratch), argparse.Namespace(**vars(options), seed=seed))
            for what, value, sign, goal in found:
                met = value >= goal if sign == ">=" else value <= goal
                row = {"world": name, "seed": seed, "what": what, "value": value, "goal": f"{sign} {goal:.3g}"}
                rows.append(row | {"met": met})
    table = pd.DataFrame(rows)
    print(table.to_string(index=False, float_format="%.3f"))
    return 0 if options.quick or table["met"].all() else 1
