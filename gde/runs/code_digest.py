"""What a result depends on: the roots from which the digest of its code follows all definitions (`gde.definitions`).

Snakemake sees an edit of a script but not of the modules it imports; these digests stand in the rules' `params`. Roots
name what a job calls, and what its settings choose, which are entries of the tables of kinds.
"""

from collections.abc import Mapping
from typing import Any

from gde.config.datasets import kind_of_data, sample_type_of
from gde.config.evaluations import EVALUATIONS
from gde.config.generators import GENERATORS
from gde.config.generators.base import GeneratorKind
from gde.config.models import KINDS
from gde.models import kind_of_model
from gde.sets.families import REGISTRY as FAMILIES

STORE = "gde.sets.store.set_store:SetStore"  # training is given one
SUMMARY = ("gde.runs.grid:summarise", "gde.runs.grid:write_provenance")
GRID_FIGURE = ("gde.figures.grid:draw_grid",)
OVERVIEW = ("gde.figures.overview:write_overview",)


def _kind(package: str, kind: str) -> str:
    return f"{package}:REGISTRY[{kind}]"


def _family(resolved: Mapping[str, Any]) -> list[str]:
    """The synthetic family of the data, where there is one."""
    kind = resolved["dataset"]["kind"]
    return [_kind("gde.sets.families", kind)] if kind in FAMILIES else []


def _samples(resolved: Mapping[str, Any]) -> list[str]:
    """The type of the samples, and the alphabet where these are sequences."""
    samples = sample_type_of(resolved["dataset"])
    alphabet = [] if samples.alphabet is None else [f"gde.sets.types.alphabet:ALPHABETS[{samples.name}]"]
    return [_kind("gde.sets.types", samples.name), *alphabet]


def _parts(resolved: Mapping[str, Any]) -> list[str]:
    """The class of the model, its encoder and generator, the set encoder behind a language model, and the samples."""
    kind = kind_of_model(resolved)
    parts = [_kind(package, resolved[section]["kind"]) for section, package in KINDS[kind].PARTS.items()]
    then = resolved["encoder"].get("then")
    behind = [_kind(KINDS[kind].PARTS["encoder"], then["kind"])] if then else []
    own = GENERATORS.get(resolved["generator"]["kind"], GeneratorKind).by_type
    network = [_kind("gde.nets.velocity", _network(resolved))] if own else []
    return [_kind("gde.models", kind), *parts, *behind, *network, *_samples(resolved)]


def _network(resolved: Mapping[str, Any]) -> str:
    return "images" if "images" in sample_type_of(resolved["dataset"]).names else "vectors"


def _heads(resolved: Mapping[str, Any]) -> list[str]:
    """What an objective predicts besides samples."""
    return [] if resolved["objective"]["kind"] == "reconstruction" else ["HEADS"]


def _trained(resolved: Mapping[str, Any]) -> list[str]:
    """What loads a trained model."""
    return [*_parts(resolved), *_heads(resolved), "Model.load"]


def training_roots(resolved: Mapping[str, Any]) -> list[str]:
    """What a run's weights depend on."""
    objective, trained_by = resolved["objective"], KINDS[kind_of_model(resolved)].TRAINED_BY
    roots = ["gde.training:train", STORE, *_parts(resolved)]
    roots += [_kind(package, resolved[section]["kind"]) for section, package in trained_by.items()]
    roots += _family(resolved)
    if objective["isometry"]:  # the family's closed form is then part of the loss
        roots += ["isometry_loss", ".pair_w2"]
        roots += ["mixture_w2"] if "images" in sample_type_of(resolved["dataset"]).names else []
    if objective["kind"] != "reconstruction":
        roots += [_kind("gde.sets.companions", objective["kind"]), *_heads(resolved)]
    return roots


def prepare_roots(resolved: Mapping[str, Any]) -> list[str]:
    """What writes the set store."""
    prepare = kind_of_data(resolved["dataset"]).prepare
    features = ("FeaturePipeline.fit", "FeaturePipeline.transform_h5ad")
    return ["gde.prepare:prepare_store", prepare, *_family(resolved), *_samples(resolved), *features]


def model_roots(resolved: Mapping[str, Any]) -> list[str]:
    """What embeds with a trained model."""
    return ["gde.embed:embed_to_h5ad", *_trained(resolved)]


def sample_roots(resolved: Mapping[str, Any]) -> list[str]:
    """What writes samples of embeddings."""
    return ["gde.sample:sample_test_sets", sample_type_of(resolved["dataset"]).WRITER, *_trained(resolved)]


def predict_roots(resolved: Mapping[str, Any]) -> list[str]:
    """What predicts cells of perturbations."""
    return ["gde.predict:predict_test_sets", *_trained(resolved)]


def evaluation_roots(resolved: Mapping[str, Any]) -> list[str]:
    """What computes the metrics."""
    metrics = EVALUATIONS[resolved["evaluation"]["kind"]].evaluate
    return ["gde.evaluate:run", metrics, *_trained(resolved), "GDE.embed_store", *_family(resolved), ".w2", ".pair_w2"]


def figure_roots(name: str) -> list[str]:
    """What draws a figure. Raises GdeError for an unknown one."""
    from gde.config.figures import module_of

    return ["gde.figures:draw", f"{module_of(name)}:draw"]


def map_roots(resolved: Mapping[str, Any]) -> list[str]:
    """What maps the embeddings of all groups."""
    return ["gde.tl.map_tables:write_map_tables"]


def card_roots(resolved: Mapping[str, Any]) -> list[str]:
    """What writes the model card."""
    return ["gde.runs.card:write_card"]


def page_roots(resolved: Mapping[str, Any]) -> list[str]:
    """What writes the cards as a page."""
    return ["gde.runs.data_card:write_page"]
