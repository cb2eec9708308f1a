"""From a prepared store to training batches: sets of its rows, or of the family it describes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from gde.sets import families
from gde.sets.mixer import DirichletMixer
from gde.sets.sampler import FamilySampler, SetSampler
from gde.sets.store import SetStore

if TYPE_CHECKING:
    from gde.features import FeaturePipeline


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


def load_features(store: SetStore) -> "FeaturePipeline | None":
    """The preprocessing that made the store, where there is one."""
    directory = store.path / "features"
    if not directory.is_dir():
        return None
    from gde.features import FeaturePipeline

    return FeaturePipeline.load(directory)
