"""Source of batches: from a prepared store to training batches: sets of its rows, or of the family it describes."""

import inspect
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from gde.errors import bad
from gde.sets import families
from gde.sets.batch import Batch
from gde.sets.mixer import DirichletMixer, NeighbourMixer
from gde.sets.mixture_w2 import mixture_w2
from gde.sets.random import ShardRandom
from gde.sets.sampler import FamilySampler, SetSampler
from gde.sets.store.set_store import SetStore

if TYPE_CHECKING:
    from gde.features.pipeline import FeaturePipeline

log = logging.getLogger(__name__)

VALIDATION_SETS = 128
VALIDATION_POSITIONS = 1 << 18  # of samples that networks make many vectors of, which fill memory sooner
FIT_SAMPLES = 16_384
FIT_NUMBERS = 1 << 24  # of them all; of pictures, samples are fewer


def make_family(store: SetStore) -> Any | None:
    """The synthetic family of a simulated store with its training distribution; None for real data."""
    family = store.meta.get("family")
    if family is None:
        return None
    try:
        built = families.build(family["kind"], **family["params"])
    except (KeyError, TypeError, ValueError) as e:
        found, expected = f"a family that cannot be ({e})", "kind and params as prepare wrote them"
        raise bad(store.path / "meta.json", found, expected, "make the set store again") from e
    if [built.dim] != store.meta["sample_shape"]:
        found = f"a family of {built.dim} dimensions"
        raise bad(
            store.path / "meta.json", found, f"samples of {store.meta['sample_shape']}", "make the set store again"
        )
    return built


def make_sampler(
    store: SetStore, config: dict[str, Any], *, only: Sequence[int] | None, device: torch.device
) -> SetSampler | FamilySampler:
    """The sampler of an experiment: synthetic sets are drawn afresh on the device, real ones from the store."""
    cfg = config["training"]
    common = {k: cfg[k] for k in ("n_sets", "set_size", "shards")}
    common |= {"seed": config["seed"], "only": only, "device": device}
    if (family := make_family(store)) is not None:
        return FamilySampler(family, **common)
    mixer = make_mixer(config)
    common |= {"companions": make_companions(store, config, "train"), "mixture_w2": make_mixture_w2(store, config)}
    return SetSampler(store, mixer=mixer, **common)


def make_mixture_w2(store: SetStore, config: dict[str, Any]) -> Any | None:
    """What the isometry is to where it is to W2 between mixtures: of images, whose own W2 takes too long for a step."""
    if not config["objective"].get("isometry") or "images" not in store.sample_type.names:
        return None
    return mixture_w2


def make_mixer(config: dict[str, Any], *, at_most: int | None = None) -> DirichletMixer | NeighbourMixer | None:
    """The mixer of an experiment, None without; random mixtures are of `at_most` groups."""
    options = config["mixer"]
    if options is None:
        return None
    if options["kind"] == "neighbours":
        return NeighbourMixer(options["along"], options["within"], options["k"])
    return DirichletMixer(options["k"] if at_most is None else min(options["k"], at_most), options["alpha"])


def make_companions(store: SetStore, config: dict[str, Any], split: str) -> Any | None:
    """What the objective needs beside the sets of a split; None for plain reconstruction.

    Raises GdeError for columns and values that the store does not have.
    """
    kind = config["objective"]["kind"]
    if kind == "reconstruction":
        return None
    from gde.sets.companions import REGISTRY

    wanted = inspect.signature(REGISTRY[kind]).parameters
    options = {k: v for k, v in config["objective"].items() if k in wanted}
    return REGISTRY[kind](store, split=split, **options)


def model_sections(store: SetStore, config: dict[str, Any]) -> dict[str, Any]:
    """What of a model's configuration only the data tell: `heads`, what it predicts besides samples, with its sizes
    (absent for plain reconstruction), what the sample type says of itself, and of sequences `lengths`, of the shortest
    and the longest that train."""
    companions = make_companions(store, config, "train")
    if remark := getattr(companions, "remark", ""):
        log.warning("%s", remark)
    heads = {} if companions is None else {"heads": companions.heads}
    lengths = {} if store.alphabet is None else {"lengths": training_lengths(store)}
    return heads | store.sample_type.section | lengths


def training_lengths(store: SetStore) -> list[int]:
    """Residues of the shortest and of the longest training sequence."""
    offsets = store.fields["offsets"]
    own = (np.diff(offsets[store.starts[g] : store.starts[g] + store.sizes[g] + 1]) for g in store.select("train"))
    least, most = zip(*((int(n.min()), int(n.max())) for n in own), strict=True)
    return [min(least), max(most)]


def describe_conditions(model: Any, store: SetStore, config: dict[str, Any]) -> None:
    """Give the model the vectors of its conditions, where the objective has them from the store."""
    vectors = getattr(make_companions(store, config, "train"), "vectors", None)
    if vectors is not None:
        model.heads["perturbation"].conditions.describe(torch.from_numpy(vectors.table))


def validation_batch(store: SetStore, config: dict[str, Any], *, device: torch.device) -> Batch:
    """About 128 sets of validation groups (of large samples fewer), the same at every call, made as training sets are.

    A mixer mixes as many validation groups as there are, if fewer than in training: cells that a split by sample
    leaves for validation are few, and sets of two or three would measure nothing that training aims at.
    """
    groups, cfg = store.select(split="validation"), config["training"]
    if (family := make_family(store)) is None:
        mixer, n_sets = make_mixer(config, at_most=len(groups)), VALIDATION_SETS
        positions = store.sample_type.positions
        if positions > 1:  # as many as memory has room for, and for a training batch it has
            fitting = VALIDATION_POSITIONS // (cfg["set_size"] * positions)
            n_sets = min(n_sets, max(cfg["n_sets"], fitting))
        common = {"set_size": cfg["set_size"], "seed": config["seed"], "device": device, "shards": 1, "mixer": mixer}
        common["companions"] = make_companions(store, config, "validation")
        common["mixture_w2"] = make_mixture_w2(store, config)
        return SetSampler(store, split="validation", n_sets=n_sets, **common)(0)
    groups = np.tile(groups, max(1, VALIDATION_SETS // len(groups)))[:VALIDATION_SETS]
    batch = store.draw(groups, cfg["set_size"], ShardRandom(config["seed"], 0, stream="validation").numpy()[0])
    truth = {name: value[groups] for name, value in store.truth.items()}
    return Batch(batch.x, group=batch.group, params=truth, pair_w2=family.pair_w2).to(device)


def training_samples(store: SetStore, config: dict[str, Any], *, device: torch.device) -> torch.Tensor:
    """Training samples (n, d), at least FIT_SAMPLES with repetitions, or as many as have FIT_NUMBERS: those of the
    first steps. For `Encoder.fit`."""
    sampler, cfg = make_sampler(store, config, only=None, device=device), config["training"]
    n = min(FIT_SAMPLES, max(1024, FIT_NUMBERS // store.meta["dim"]))
    batches = map(sampler, range(-(-n // (cfg["n_sets"] * cfg["set_size"]))))
    return torch.cat([batch.samples()[:n] for batch in batches])


def load_features(store: SetStore) -> "FeaturePipeline | None":
    """The preprocessing that made the store, where there is one."""
    directory = store.path / "features"
    if not directory.is_dir():
        return None
    from gde.features.pipeline import FeaturePipeline

    return FeaturePipeline.load(directory)
