"""Experiments that train in a second, complete as after `gde.config.resolve`, and the data for them."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gde.config.encoders import ENCODERS
from gde.config.experiment import Experiment, fitting
from gde.config.generators import GENERATORS
from gde.model import GDE
from gde.prepare import prepare_of
from gde.runs.provenance import provenance
from gde.sets.store.set_store import SetStore
from gde.sets.types import sample_type

CPU = torch.device("cpu")
SMALL = {
    "encoder": {"kind": "resnet", "hidden": 8, "layers": 1},
    "generator": {"kind": "flow", "hidden": 8, "layers": 1, "evaluations": 4},
    "latent_dim": 4,
    "training": {
        "steps": 16,
        "n_sets": 8,
        "set_size": 12,
        "optimizer": {"kind": "adamw", "lr": 5e-3},
        "scheduler": {"kind": "cosine", "warmup": 3},
        "torch_threads": 1,
        "validate_every": 8,
        "log_every": 4,
        "checkpoint_every": 4,
        "tensorboard": False,
    },
}
VECTOR_ENCODERS, VECTOR_GENERATORS = (fitting(kinds, sample_type("vectors")) for kinds in (ENCODERS, GENERATORS))
IMAGE_ENCODERS, IMAGE_GENERATORS = (fitting(kinds, sample_type("images")) for kinds in (ENCODERS, GENERATORS))
TOKEN_ENCODERS = {*ENCODERS} - {*VECTOR_ENCODERS, *IMAGE_ENCODERS}
TOKEN_GENERATORS = {*GENERATORS} - {*VECTOR_GENERATORS, *IMAGE_GENERATORS}
FAMILY = {"kind": "mvn", "test_sets": 6, "validation_sets": 4, "test_size": 60}


def experiment(changes: dict[str, Any] | None = None, *, name: str = "tiny", seed: int = 0, **top: Any) -> dict:
    """A resolved experiment of `FAMILY`, or of `top`, with `changes` {dotted key: value}."""
    data = copy.deepcopy({**SMALL, "dataset": FAMILY, "evaluation": {"kind": "simulated"}, **top})
    for key, value in (changes or {}).items():
        *path, last = key.split(".")
        section = data
        for part in path:
            section = section.setdefault(part, {})
        section[last] = value
    return {"name": name, "seed": seed, "preset": "laptop", **Experiment.model_validate(data).model_dump()}


def cells_experiment(path: Path, changes: dict[str, Any] | None = None, **options: Any) -> dict:
    """An experiment on the cells at `path`."""
    dataset = {"kind": "h5ad", "path": str(path), "groupby": ["donor", "cell_type"], "n_hvg": None, "n_pcs": 5}
    return experiment(changes, name="cells", dataset=dataset, evaluation={"kind": "samples"}, **options)


def prepare(config: dict, out: Path) -> SetStore:
    """The set store of an experiment."""
    prepare_of(config["dataset"]["kind"])(config["dataset"], out, name=config["name"], seed=config["seed"])
    return SetStore.open(out)


def cells(seed: int = 0):
    """AnnData of counts: 12 donors x 2 cell types, 8 to 40 cells each in mixed order, 30 genes."""
    import anndata
    import pandas as pd
    import scipy.sparse as sp

    rng = np.random.default_rng(seed)
    sizes = rng.integers(8, 41, (12, 2))
    donor, kind = (np.repeat(i.ravel(), sizes.ravel()) for i in np.indices(sizes.shape))
    rate = rng.gamma(1.0, 2.0, (2, 30))[kind] * rng.gamma(20, 0.05, (12, 30))[donor]
    order = rng.permutation(len(donor))
    obs = pd.DataFrame({"donor": [f"D{d:02d}" for d in donor], "cell_type": np.array(["T", "B"])[kind]})
    x = sp.csr_matrix(rng.poisson(rate).astype(np.float32))
    obs.index = [f"cell{i}" for i in range(len(obs))]
    return anndata.AnnData(x, obs, pd.DataFrame(index=[f"gene{j}" for j in range(30)]))[order].copy()


def moved(module: torch.nn.Module, by: float, generator: torch.Generator | None = None) -> torch.nn.Module:
    """Move every parameter off its initial value, so that zero-initialised layers take part."""
    with torch.no_grad():
        for p in module.parameters():
            p += by * torch.randn(p.shape, generator=generator, dtype=p.dtype)
    return module


def perturb(model: GDE, seed: int = 0) -> GDE:
    """A model with moved parameters, ready to be used."""
    return moved(model, 0.1, torch.Generator().manual_seed(seed)).eval()


def model_for(store: SetStore, config: dict) -> GDE:
    """An untrained model of a store, with the preprocessing that made it."""
    from gde.sets.source import load_features

    torch.manual_seed(0)
    return perturb(GDE(config, mean=store.meta["mean"], scale=store.meta["scale"], features=load_features(store)))


def weights(model: GDE) -> dict[str, bytes]:
    """Every tensor's bytes."""
    return {k: v.numpy().tobytes() for k, v in model.state_dict().items()}


def store_of(sets: list[np.ndarray], path: Path) -> SetStore:
    """A store whose groups g0, g1, ... are the given samples (n_i, d), all of the test split."""
    import pandas as pd

    from gde.sets.store.writer import StoreWriter

    sizes = [len(s) for s in sets]
    groups = pd.DataFrame({"group": [f"g{i}" for i in range(len(sets))], "split": "test", "size": sizes})
    with StoreWriter(path, groups=groups, sample_shape=sets[0].shape[1:], seed=0) as writer:
        writer.write(np.concatenate(sets), np.repeat(np.arange(len(sets)), sizes))
        writer.finish({"kind": "test", "data": "simulated"})
    return SetStore.open(path)


MARK, LEFT = "rests on 3 only", {"what": "fate", "why": "samples have no cell_type"}


def metrics(run: str) -> dict[str, Any]:
    """What evaluation writes, with invented numbers."""
    entry = {"value": 0.9, "ci": [0.8, 0.95], "n": 15, "higher_is_better": True, "target": None, "chance": 0.0,
             "baselines": {"mean": 0.5}, "ceiling": None, "published": None, "protocol": "strict",
             "marks": []}  # fmt: skip
    name = run.rpartition("-")[0]
    values = {"geometry/w2_spearman": entry, "reconstruction/w2": entry | {"value": 0.1, "ci": None, "marks": [MARK]}}
    record = provenance({}, code="c" * 64, seeds={"experiment": 0}, inputs={})
    return {"experiment": name, "run": run, "data": "simulated", "seed": 0, "device": "cpu", "provenance": record,
            "budget": {"steps": 16, "seconds": 1.0, "samples_seen": 1536}, "left_out": [LEFT],
            "metrics": values}  # fmt: skip
