"""What a result depends on: the roots from which the digest of its code follows all definitions (`gde.definitions`).

Snakemake sees an edit of a script but not of the modules it imports; these digests stand in the rules' `params`. Roots
name what a job calls, and what its settings choose, which are entries of the tables of kinds.
"""

from collections.abc import Mapping
from typing import Any

from gde.config.datasets import FAMILIES, alphabet_of
from gde.errors import bad

STORE = "gde.sets.store:SetStore"  # training is given one
PARTS = {"encoder": "gde.encoders", "generator": "gde.generators"}
SUMMARY = ("gde.grid:summarise", "gde.grid:write_provenance")
GRID_FIGURE = ("gde.figures.grid:draw_grid",)


def _kind(package: str, kind: str) -> str:
    return f"{package}:REGISTRY[{kind}]"


def _family(resolved: Mapping[str, Any]) -> list[str]:
    """The synthetic family of the data, where there is one."""
    kind = resolved["dataset"]["kind"]
    return [_kind("gde.sets.families", kind)] if kind in FAMILIES else []


def _alphabet(resolved: Mapping[str, Any]) -> list[str]:
    """The letters of the samples, where these are sequences."""
    alphabet = alphabet_of(resolved["dataset"])
    return [] if alphabet is None else [f"gde.sets.alphabet:ALPHABETS[{alphabet}]"]


def _parts(resolved: Mapping[str, Any]) -> list[str]:
    """Encoder and generator, with the set encoder behind a language model and the letters they read."""
    parts = [_kind(package, resolved[part]["kind"]) for part, package in PARTS.items()]
    then = resolved["encoder"].get("then")
    return parts + ([_kind(PARTS["encoder"], then["kind"])] if then else []) + _alphabet(resolved)


def _heads(resolved: Mapping[str, Any]) -> list[str]:
    """What an objective predicts besides samples."""
    return [] if resolved["objective"]["kind"] == "reconstruction" else ["HEADS"]


def _trained(resolved: Mapping[str, Any]) -> list[str]:
    """What loads a trained model."""
    return [*_parts(resolved), *_heads(resolved), "GDE.load"]


def training_roots(resolved: Mapping[str, Any]) -> list[str]:
    """What a run's weights depend on."""
    objective = resolved["objective"]
    roots = ["gde.train:train", STORE, *_parts(resolved), _kind("gde.objectives", objective["kind"])]
    roots += _family(resolved)
    if objective["isometry"]:  # the family's closed form is then part of the loss
        roots += ["isometry_loss", ".pair_w2"]
    if objective["kind"] != "reconstruction":
        roots += [_kind("gde.sets.companions", objective["kind"]), *_heads(resolved)]
    return roots


def prepare_roots(resolved: Mapping[str, Any]) -> list[str]:
    """What writes the set store."""
    prepare = _kind("gde.prepare", resolved["dataset"]["kind"])
    features = ("FeaturePipeline.fit", "FeaturePipeline.transform_h5ad")
    return ["gde.prepare:prepare_store", prepare, *_family(resolved), *_alphabet(resolved), *features]


def model_roots(resolved: Mapping[str, Any]) -> list[str]:
    """What embeds with a trained model."""
    return ["gde.embed:embed_to_h5ad", *_trained(resolved)]


def sample_roots(resolved: Mapping[str, Any]) -> list[str]:
    """What writes samples of embeddings."""
    return ["gde.samples:sample_test_sets", *_trained(resolved)]


def evaluation_roots(resolved: Mapping[str, Any]) -> list[str]:
    """What computes the metrics."""
    metrics = _kind("gde.evaluate", resolved["evaluation"]["kind"])
    return ["gde.evaluate:run", metrics, *_trained(resolved), "GDE.embed_store", *_family(resolved), ".w2", ".pair_w2"]


def figure_roots(name: str) -> list[str]:
    """What draws a figure. Raises GdeError for an unknown one."""
    from gde.figures import REGISTRY  # light, and not a literal

    if name not in REGISTRY:
        raise bad("figure", repr(name), f"one of {', '.join(REGISTRY)}", "choose one of them")
    return ["gde.figures:draw", REGISTRY[name]]


def card_roots(resolved: Mapping[str, Any]) -> list[str]:
    """What writes the model card."""
    return ["gde.card:write_card"]
