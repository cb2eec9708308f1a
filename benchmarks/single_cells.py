"""Are the answers that were planted in simulated clones, perturbations and donors found? Exit status 1 when one is not.

python benchmarks/single_cells.py [--quick] [--only lineage perturbation donors] [--steps 1500] [--seeds 0]

Files in the layout of the releases are simulated (`tests/simulators`), prepared, trained on and evaluated as by the
workflow. Goals, on held-out clones, genes and donors:

lineage       information (the larger of embedding and projection) >= 70 % of what the cells tell, by Monte Carlo, and
              the shuffled pairing covers 0
perturbation  perturbations that do something told from those that do nothing with an AUC >= .95; with the vectors of
              other genes the discrimination is within .1 of chance
donors        label AUC >= .95, batch AUC <= .6 after correction; with permuted labels the label AUC is within .2 of 1/2
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from planted import Goals, parsed, prepared, report, trained

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))  # simulators

from gde.config.experiment import Experiment
from gde.evaluate.cells import donors, lineage, perturbation
from gde.sets.store.set_store import SetStore


def experiment(name: str, options: argparse.Namespace, **sections: Any) -> dict[str, Any]:
    """A resolved experiment, small in width."""
    hidden = 16 if options.quick else 64
    training = {
        "steps": options.steps,
        "n_sets": 16,
        "set_size": 50,
        "optimizer": {"kind": "adamw", "lr": 1e-3, "weight_decay": 0.01},
        "scheduler": {"kind": "cosine", "warmup": min(100, options.steps // 2)},
        "validate_every": min(100, options.steps),
        "checkpoint_every": options.steps,
        "tensorboard": False,
    }
    data = {
        "encoder": {"kind": "resnet", "hidden": hidden},
        "generator": {"kind": "flow", "hidden": hidden},
        "latent_dim": 16,
        "training": training,
        **sections,
    }
    head = {"name": name, "seed": options.seed, "preset": "laptop"}
    return head | Experiment.model_validate(data).model_dump()


def run(config: dict[str, Any], evaluate: Callable, root: Path, columns: Callable | None = None) -> dict[str, dict]:
    """Prepare, train and evaluate; columns(groups) adds to the groups what only the simulation knows."""
    store = prepared(config, root)
    if columns is not None:
        store = SetStore(store.path, columns(store.groups), store.meta, store.fields, store.digest)
    return trained(config, store, evaluate, root)[0]


def of_lineage(root: Path, options: argparse.Namespace) -> Goals:
    from simulators.lineage import simulate_lineage

    clones = 120 if options.quick else 1000
    truth = simulate_lineage(root / "files", clones=clones, unlabelled=0.0, seed=options.seed)
    draws = {"draws": 200, "inner": 200} if options.quick else {}
    known = truth.observed_bits(14, 16, **draws)  # mean cells of days 2 and 4, and of day 6
    data = {"kind": "lineage_tracing", "folder": str(root / "files"), "n_hvg": 100, "n_pcs": 10}
    data |= {"split": {"by": "clone", "fractions": [0.5, 0.1, 0.4]}}
    metrics = run(experiment("lineage", options, dataset=data, evaluation={"kind": "lineage"}), lineage.evaluate, root)
    names = [f"information/{v}" for v in ("projection", "embedding") if f"information/{v}" in metrics]
    best = max(metrics[n]["value"] for n in names)
    chance = max(abs(metrics[n]["chance"]) for n in names)
    return [("information, share of what cells tell", best / known, ">=", 0.7), ("shuffled, bits", chance, "<=", 0.1)]


def of_perturbation(root: Path, options: argparse.Namespace) -> Goals:
    from simulators.perturb import simulate_perturb

    size = {"perturbed": 24, "cells": 30} if options.quick else {"perturbed": 200, "cells": 100, "controls": 1500}
    truth = simulate_perturb(root / "files", **size, genes=300, seed=options.seed)
    vectors = {"kind": "file", "path": str(root / "files/gene_embeddings.parquet")}
    files = {line: str(path) for line, path in truth.files.items()}
    split = {"genes": truth.table["gene"].tolist()[: size["perturbed"] // 10], "lines": ["K562"], "test": 0.25}
    data = {"kind": "perturb_seq", "files": files, "n_hvg": 200, "vectors": vectors, "split": split}
    objective = {"kind": "perturbation", "control": {"gene": "non-targeting"}, "within": ["cell_line"]}
    objective["conditions"] = "vectors"
    config = experiment(
        "perturbation", options, dataset=data, objective=objective, evaluation={"kind": "perturbation", "null": "null"}
    )
    null = dict(zip(truth.table["gene"], truth.table["null"], strict=True))
    found = run(
        config, perturbation.evaluate, root, lambda g: g.assign(null=[bool(null.get(name)) for name in g["gene"]])
    )
    goals = [("AUC, something or nothing", found["effect/null_auc"]["value"], ">=", 0.95)]
    for protocol in ("zero_shot", "transfer"):
        if f"{protocol}/discrimination" in found:
            shuffled = found[f"{protocol}/discrimination"]["baselines"]["shuffled_conditions"]
            goals.append((f"{protocol}: discrimination, other genes' vectors", abs(shuffled - 0.5), "<=", 0.1))
    return goals


def of_donors(root: Path, options: argparse.Namespace) -> Goals:
    from simulators.donors import simulate_donors

    size = {"donors": 24, "cells": 30} if options.quick else {"donors": 120, "cells": 200}
    simulate_donors(root / "d.h5ad", **size, effect=1.5, seed=options.seed)
    data = {"kind": "donors", "path": str(root / "d.h5ad"), "donor": "donor_id", "labels": ["disease"]}
    data |= {"batch": "batch", "cell_type": "cell_type", "n_hvg": 100, "n_pcs": 10}
    data |= {"split": {"by": "group", "fractions": [0.5, 0.1, 0.4]}}
    config = experiment("donors", options, dataset=data, evaluation={"kind": "donors"})
    found = run(config, donors.evaluate, root / "true")
    rng = np.random.default_rng(options.seed)
    mixed = run(
        config, donors.evaluate, root / "mixed", lambda g: g.assign(disease=rng.permutation(g["disease"].to_numpy()))
    )
    return [
        ("label AUC", found["labels/auc"]["value"], ">=", 0.95),
        ("batch AUC after correction", found["labels/corrected_batch_auc"]["value"], "<=", 0.6),
        ("label AUC, permuted, from 1/2", abs(mixed["labels/auc_cv"]["value"] - 0.5), "<=", 0.2),
    ]


WORLDS = {"lineage": of_lineage, "perturbation": of_perturbation, "donors": of_donors}


def main(argv: list[str] | None = None) -> int:
    options = parsed(__doc__, WORLDS, argv, steps=1500)
    if options.quick:
        options.steps = min(options.steps, 20)
    return report(WORLDS, options)


if __name__ == "__main__":
    sys.exit(main())
