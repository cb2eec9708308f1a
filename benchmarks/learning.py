"""Does every registered encoder and generator learn? Exit status 1 when one does not.

python benchmarks/learning.py [--quick] [--only gnn sliced_w2] [--steps 500] [--family mvn]

Each kind is trained by gde's own loop for the same few steps, with the settings of its config class, on 2-d normal
distributions and on mixtures of three, and judged on held-out sets by W2: closed form between moments (mvn), exact
transport of 300 points (gmm).

A generator, behind the encoder `resnet`, must be better than `average_covariance`, a normal distribution with the true
mean and the average covariance of the distribution, by MARGIN. An encoder, before the generator `flow`, must be better
than the encoder `mean` in its place, by MARGIN: the mean says nothing about shape. What is linear in the set's mean
(LINEAR) knows no more than `mean`: it must come within TOLERANCE of it.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from gde.config.encoders import ENCODERS
from gde.config.experiment import Experiment, fitting
from gde.config.generators import GENERATORS
from gde.config.kinds import kind_of
from gde.config.messages import submodels
from gde.evaluate.simulated.reconstruction import errors
from gde.evaluate.simulated.sets import load_sets
from gde.prepare import prepare_of
from gde.sets.families import build as build_family
from gde.sets.store.set_store import SetStore
from gde.sets.types import sample_type
from gde.training import train

MARGIN, TOLERANCE = 0.2, 0.05
LINEAR = ("mean", "pca_mean")
PARTNERS = {"encoder": "resnet", "generator": "flow"}
FAMILIES = {  # distributions in which shape matters as much as location
    "mvn": {"kind": "mvn", "dim": 2, "mean_high": 1.0, "df": 6},
    "gmm": {"kind": "gmm", "dim": 2, "mean_high": 5.0, "df": 10},
}


def section(name: str, kind: str, hidden: int) -> dict[str, Any]:
    """The kind with the defaults of its config class, except for the width where it has one."""
    model = next(m for m in submodels(Experiment.model_fields[name].annotation) if kind_of(m) == kind)
    return {"kind": kind} | ({"hidden": hidden} if "hidden" in model.model_fields else {})


def experiment(family: str, encoder: str, generator: str, options: argparse.Namespace) -> dict[str, Any]:
    """A resolved experiment: defaults of the kinds, small in width and steps."""
    held_out = {"test_sets": options.sets, "validation_sets": 16, "test_size": options.points}
    sections = {
        "dataset": FAMILIES[family] | held_out,
        "encoder": section("encoder", encoder, options.hidden),
        "generator": section("generator", generator, options.hidden),
        "latent_dim": 16,
        "training": {
            "steps": options.steps,
            "optimizer": {"kind": "adamw", "lr": 2e-3},
            "checkpoint_every": options.steps,
            "torch_threads": options.threads,
            "tensorboard": False,
        },
        "evaluation": {"kind": "simulated"},
    }
    head = {"name": "learning", "seed": options.seed, "preset": "laptop"}
    return head | Experiment.model_validate(sections).model_dump()


def make_store(family: str, options: argparse.Namespace, directory: Path) -> SetStore:
    """Held-out sets of one family, the same for every kind."""
    config, path = experiment(family, "mean", "flow", options), directory / f"{family}-sets"
    prepare_of(config["dataset"]["kind"])(config["dataset"], path, name=family, seed=options.seed)
    return SetStore.open(path)


def learn(store: SetStore, config: dict[str, Any], directory: Path) -> tuple[pd.Series, float]:
    """Train; mean W2 over held-out sets by source (`model` and the controls), and the seconds of training."""
    model, budget = train(config, store, directory, device=torch.device("cpu"))
    family = build_family(store.meta["family"]["kind"], **store.meta["family"]["params"])
    with torch.no_grad():
        sets = load_sets(model, store, "strict")
        table = errors(model, family, sets, sets.size, seed=config["seed"])
    return table.groupby("source")["w2"].mean(), budget["seconds"]


def judge(role: str, kind: str, found: pd.Series, mean_encoder: Callable[[], float]) -> tuple[str, float, float]:
    """What a kind is compared with, that value, and the largest W2 that passes."""
    if role == "generator":
        control = found["average_covariance"]
        return "average_covariance", control, (1 - MARGIN) * control
    control = mean_encoder()
    return "encoder mean", control, (1 + TOLERANCE if kind in LINEAR else 1 - MARGIN) * control


def compare(family: str, kinds: list[tuple[str, str]], options: argparse.Namespace, directory: Path) -> list[str]:
    """Train and judge every (role, kind) on one family; a line each; returns those that fail."""
    store, failed, trained = make_store(family, options, directory), [], {}

    def run(encoder: str, generator: str) -> tuple[pd.Series, float]:
        if (encoder, generator) not in trained:
            config = experiment(family, encoder, generator, options)
            trained[encoder, generator] = learn(store, config, directory / f"{family}-{encoder}-{generator}")
        return trained[encoder, generator]

    for role, kind in kinds:
        pair = (kind, PARTNERS["generator"]) if role == "encoder" else (PARTNERS["encoder"], kind)
        found, seconds = run(*pair)
        against, control, limit = judge(role, kind, found, lambda: run("mean", PARTNERS["generator"])[0]["model"])
        passed = found["model"] <= limit
        failed += [] if passed else [f"{role} {kind} on {family}"]
        print(
            f"{family}: {role} {kind} W2 {found['model']:.4f}, {against} {control:.4f}, at most {limit:.4f}: "
            f"{'learns' if passed else 'FAILS'}; the truth itself {found['resample_truth']:.4f}; {seconds:.0f} s",
            flush=True,
        )
    return failed


def main() -> None:
    modules = {"encoder": ENCODERS, "generator": GENERATORS}
    registered = [(role, k) for role, kinds in modules.items() for k in fitting(kinds, sample_type("vectors"))]
    names = [kind for _, kind in registered]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="60 steps, few points: does it run? Most kinds fail")
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="encoders and generators")
    parser.add_argument("--family", choices=list(FAMILIES), help="one family")
    parser.add_argument("--steps", type=int, help="optimiser steps (default 500)")
    parser.add_argument("--hidden", type=int, help="width (default 64)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sets", type=int, help="held-out sets (default 64)")
    parser.add_argument("--points", type=int, help="points encoded and generated per set (default 500)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    quick = {"steps": 60, "hidden": 16, "sets": 6, "points": 60}
    full = {"steps": 500, "hidden": 64, "sets": 64, "points": 500}
    for key, value in (quick if options.quick else full).items():
        if getattr(options, key) is None:
            setattr(options, key, value)
    kinds, failed = [(role, kind) for role, kind in registered if kind in options.only], []
    print(f"{options.steps} steps each; margin {MARGIN:.0%}, {', '.join(LINEAR)} within {TOLERANCE:.0%} of mean")
    with tempfile.TemporaryDirectory() as directory:
        for family in FAMILIES if options.family is None else [options.family]:
            failed += compare(family, kinds, options, Path(directory))
    if failed:
        sys.exit(f"{len(failed)} do not learn: {'; '.join(failed)}")


if __name__ == "__main__":
    main()
