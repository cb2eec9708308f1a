"""Figures, each drawn from its tables and metrics.json alone. Importing this costs nothing: the Snakefile does."""

import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from gde.errors import bad

REGISTRY = {
    name: f"gde.figures.{name}:draw"
    for name in (
        "embedding",
        "reconstruction",
        "geometry",
        "interpolation",
        "simplex",
        "poisson",
        "clt",
        "coverage",
        "labels",
        "loss",
        "metrics",
        "information",
        "spring",
        "fate",
        "days",
        "perturbations",
        "shifts",
        "ranks",
        "cells",
        "tissues",
        "methylation",
        "methylation_levels",
        "expression_axis",
        "expression",
        "words",
        "spectra",
        "transport",
        "patterns",
        "retrieval",
        "topics",
        "ngrams",
        "epidemic_map",
        "epidemic_months",
        "epidemic_sweeps",
        "epidemic_sites",
    )
}
OF_KIND = {
    "samples": ("embedding", "reconstruction", "labels", "loss", "metrics"),
    "lineage": ("embedding", "information", "spring", "fate", "days", "reconstruction", "loss", "metrics"),
    "perturbation": ("perturbations", "shifts", "ranks", "cells", "loss", "metrics"),
    "donors": ("embedding", "labels", "reconstruction", "loss", "metrics"),
    "expression": ("expression_axis", "expression", "words", "loss", "metrics"),
    "methylation": ("embedding", "tissues", "methylation", "methylation_levels", "loss", "metrics"),
    "sequences": ("embedding", "labels", "spectra", "loss", "metrics"),
    "patterns": ("embedding", "transport", "patterns", "loss", "metrics"),
    "families": ("embedding", "retrieval", "spectra", "loss", "metrics"),
    "documents": ("embedding", "retrieval", "topics", "ngrams", "loss", "metrics"),
    "epidemic": ("epidemic_map", "epidemic_months", "epidemic_sweeps", "epidemic_sites", "loss", "metrics"),
}


def figures_of(resolved: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the figures of a resolved experiment: they follow from its data set and evaluation."""
    evaluation, dataset = resolved["evaluation"], resolved["dataset"]
    if evaluation["kind"] in OF_KIND:
        three = evaluation["kind"] == "patterns" and dataset["patterns"] == 3
        return (*OF_KIND[evaluation["kind"]], "simplex") if three else OF_KIND[evaluation["kind"]]
    if evaluation["kind"] != "family":
        known = ", ".join(("family", *OF_KIND))
        raise bad("evaluation.kind", repr(evaluation["kind"]), f"one of {known}", "choose one of them")
    own = {"poisson": ["poisson"], "multinomial": []}.get(dataset["kind"], ["interpolation"])
    if dataset["kind"] == "multinomial" and dataset["categories"] == 3:
        own.append("simplex")
    if evaluation["clt"]:
        own += ["clt", "coverage"] if evaluation["coverage_replicates"] else ["clt"]
    return "embedding", "reconstruction", "geometry", *own, "loss", "metrics"


def draw(
    name: str,
    tables: str | os.PathLike,
    metrics: str | os.PathLike,
    svg: str | os.PathLike,
    png: str | os.PathLike,
) -> None:
    """Draw a figure into `svg` and `png`, both or neither; the same input gives the same bytes.

    tables : the directory that evaluation wrote.   metrics : metrics.json.
    Raises GdeError for an unknown figure, and for a table or metrics file that is missing, damaged or holds NaN.
    """
    from gde.figures.style import save, style
    from gde.integrity import read_sealed_json
    from gde.io import verify_sums

    if name not in REGISTRY:
        raise bad("figure", repr(name), f"one of {', '.join(REGISTRY)}", "choose one of them")
    module, function = REGISTRY[name].split(":")
    result = read_sealed_json(metrics)
    verify_sums(tables, f"make it again with `snakemake --force {metrics}`")
    with style():
        figure = getattr(import_module(module), function)(Path(tables), result)
        save(figure, result, Path(svg), Path(png))
