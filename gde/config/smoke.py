"""Smoke: the preset `smoke` of a file that has none: seconds, to see whether everything runs."""

from gde.config.datasets import DATASETS
from gde.config.datasets.base import DataSet, Pictures, TokenSequences
from gde.config.experiment import Experiment
from gde.config.kinds import kind_of
from gde.config.loading import Tree, merge
from gde.config.messages import submodels

TRAINING = {"steps": 60, "scheduler": {"warmup": 10}, "validate_every": 20, "checkpoint_every": 20, "log_every": 10}
SMOKE = {
    "dataset": {"test_sets": 12, "validation_sets": 8, "test_size": 200},
    "encoder": {"hidden": 32},
    "generator": {"hidden": 32},
    "training": TRAINING,
    "evaluation": {"bootstrap": 50, "geodesic_pairs": 4, "coverage_replicates": 4, "repeats": 4},
}
# Sequences cost by their residues, and what is fitted to all places of them (readout, sites) before training starts.
SMOKE_TOKENS = {
    "encoder": {"hidden": 8, "layers": 1, "readout": "mean"},
    "generator": {"hidden": 16, "layers": 1, "subsample": 2, "sites": 0},
    "latent_dim": 8,
    "training": {
        "steps": 12,
        "torch_threads": 1,  # a few small steps: two threads take a third more of the processor to wait for each other
        "n_sets": 4,
        "set_size": 8,
        "scheduler": {"warmup": 3},
        "validate_every": 6,
        "checkpoint_every": 6,
    },
    "evaluation": {"generated": 10, "known": 100},
}
# Pictures cost by their pixels.
SMOKE_PICTURES = {
    "encoder": {"hidden": 16},
    "generator": {"hidden": 16, "layers": 1, "subsample": 4},
    "latent_dim": 8,
    "training": {
        "steps": 12,
        "n_sets": 4,
        "set_size": 16,
        "scheduler": {"warmup": 3},
        "validate_every": 6,
        "checkpoint_every": 6,
    },
    "evaluation": {"generated": 20, "points": 100, "sets": 6},
}
BY_SAMPLES = {TokenSequences: SMOKE_TOKENS, Pictures: SMOKE_PICTURES}


def smoke(base: Tree) -> Tree:
    """What SMOKE says, as far as the kinds that `base` chooses have those keys."""
    out = {}
    given = base.data.get("dataset")
    kind = DATASETS.get(str(given.get("kind")), DataSet) if isinstance(given, dict) else DataSet
    whole = Tree(SMOKE)
    for base_of, own in BY_SAMPLES.items():
        whole = merge(whole, Tree(own)) if issubclass(kind, base_of) else whole
    whole = whole.data
    for section, values in whole.items():
        if not isinstance(values, dict):
            out[section] = values
            continue
        given = base.data.get(section)
        chosen = given.get("kind") if isinstance(given, dict) else None
        models = [m for m in submodels(Experiment.model_fields[section].annotation) if kind_of(m) in (None, chosen)]
        out[section] = {k: v for k, v in values.items() if any(k in m.model_fields for m in models)}
    return Tree(out)
