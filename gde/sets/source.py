"""From a prepared store to training batches: sets of its rows, or of the family it describes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from gde.sets import families
from gde.sets.mixer import DirichletMixer
from gde.sets.random import ShardRandom
from gde.sets.sampler import FamilySampler, SetSampler
from gde.sets.store import SetStore

if TYPE_CHECKING:
    from gde.features import FeaturePipeline

VALIDATION_SETS = 128


def make_family(store: SetStore) -> Any | None:
    """The synthetic family of a simulated store with its training law; None for real data."""
    family = store.meta.get("family")
    return family and families.build(family["kind"], **family["params"])


def make_sampler(
    store: SetStore, config: dict[str, Any], *, only: Sequence[int] | None, device: torch.device
) -> SetSampler | FamilySampler:
    """The sampler of an experiment: synthetic sets are drawn afresh on the device, real ones from the store."""
    cfg = config["training"]
    common = {k: cfg[k] for k in ("n_sets", "set_size", "shards")}
    common |= {"seed": config["seed"], "only": only, "device": device}
    if (family := make_family(store)) is not None:
        return FamilySampler(family, **common)
    mixer = config["mixer"] and DirichletMixer(config["mixer"]["k"], config["mixer"]["alpha"])
    return SetSampler(store, mixer=mixer, **common)


def validation_batch(store: SetStore, config: dict[str, Any], *, device: torch.device) -> dict[str, Any]:
    """About 128 sets of validation groups, the same ones at every call, made as training sets are.

    A mixer mixes as many validation groups as there are, if fewer than in training: cells that a split by sample
    leaves for validation are few, and sets of two or three would measure nothing that training aims at.
    """
    groups, cfg = store.select(split="validation"), config["training"]
    if make_family(store) is None:
        mixer = config["mixer"] and DirichletMixer(min(config["mixer"]["k"], len(groups)), config["mixer"]["alpha"])
        common = {"set_size": cfg["set_size"], "seed": config["seed"], "device": device}
        return SetSampler(store, split="validation", n_sets=VALIDATION_SETS, shards=1, mixer=mixer, **common)(0)
    groups = np.tile(groups, max(1, VALIDATION_SETS // len(groups)))[:VALIDATION_SETS]
    batch = store.draw(groups, cfg["set_size"], ShardRandom(config["seed"], 0, stream="validation").numpy()[0])
    truth = {name: value[groups].to(device) for name, value in store.truth.items()}
    return {"x": batch["x"].to(device), "mask": None, "weight": None, "group": groups, "params": truth}


def load_features(store: SetStore) -> "FeaturePipeline | None":
    """The preprocessing that made the store, where there is one."""
    directory = store.path / "features"
    if not directory.is_dir():
        return None
    from gde.features import FeaturePipeline

    return FeaturePipeline.load(directory)
