"""Evaluation where the truth is known: reconstruction, geometry, paths and the CLT on held-out distributions."""

from typing import Any

import numpy as np
import pandas as pd
import torch

from gde.evaluate.clt import evaluate_clt
from gde.evaluate.coverage import evaluate_coverage
from gde.evaluate.geometry import evaluate_equal_means, evaluate_geometry
from gde.evaluate.interpolation import SHOWN, geodesic_deviation
from gde.evaluate.mixture_path import mixture_deviation, mixture_tables
from gde.evaluate.pca import two_components
from gde.evaluate.poisson import evaluate_poisson
from gde.evaluate.reconstruction import METRICS, errors, summarise
from gde.evaluate.sets import Sets, form, load_sets, read_sets
from gde.evaluate.simplex import evaluate_simplex
from gde.evaluate.tables import DATA, principal_columns
from gde.sets.families import build
from gde.sets.random import seed_of

SHOWN_SETS = 6
SHOWN_POINTS = 400
Results = tuple[dict[str, dict], dict[str, pd.DataFrame]]


def evaluate(model: Any, store: Any, config: dict[str, Any], seed: int) -> Results:
    """Metrics and figure tables of a model trained on a parametric family, on the store's test sets.

    `paper_metric` follows the published protocol on sets of the published law where the store has some, else on
    strict ones; every other metric is on sets of the training law. What is known of the family decides which metrics
    there are: see `form`.
    """
    options = config["evaluation"]
    kind, repeats = store.meta["family"]["kind"], options["bootstrap"]
    family = build(kind, **store.meta["family"]["params"])
    rng = np.random.default_rng(seed_of(seed, "evaluate/bootstrap"))
    strict = load_sets(model, store, "strict")
    law = form(strict.params)

    metrics, tables = reconstruction(model, family, store, strict, options, rng, seed)
    exact_sets = options["exact_sets"] if law == "mixture" else 0
    found, some = evaluate_geometry(family, store, strict, seed=seed, repeats=repeats, exact_sets=exact_sets, rng=rng)
    metrics, tables = metrics | found, tables | some
    if law != "counts":  # counts of equal means are equal distributions, or no family
        metrics["geometry/w2_spearman_equal_means"], tables["geometry_equal_means"] = evaluate_equal_means(
            model, family, strict, seed=seed, repeats=repeats, rng=rng
        )
        found, some = paths(model, family, strict, options, seed)
        metrics, tables = metrics | found, tables | some
    if kind == "multinomial" and family.categories == 3:
        found, tables["simplex"] = evaluate_simplex(
            model, family, strict.z.shape[1], points=options["simplex_points"], seed=seed, repeats=repeats, rng=rng
        )
        metrics |= found
    if kind == "poisson":
        draws = {"draws": options["poisson_draws"], "replicates": options["poisson_replicates"]}
        found, tables["poisson"] = evaluate_poisson(
            model, family, strict.params["rate"], **draws, repeats=repeats, seed=seed
        )
        metrics |= found
    if options["clt"]:
        metrics["clt/slope"], clt = evaluate_clt(model, family, strict.params, seed=seed, repeats=repeats)
        tables |= clt
        if replicates := options["coverage_replicates"]:
            metrics["clt/coverage"], tables["coverage"] = evaluate_coverage(
                model, family, strict.params, replicates=replicates, seed=seed, repeats=repeats
            )
    tables["embedding"] = embedding_table(family, strict)
    tables["reconstruction"] = points_table(model, store, strict, seed)
    return metrics, tables


def reconstruction(
    model: Any, family: Any, store: Any, strict: Sets, options: dict[str, Any], rng: np.random.Generator, seed: int
) -> Results:
    """Errors of generated samples, in the order of the report: paper_metric first, where the family has one."""
    repeats, n = options["bootstrap"], options["generated"] or strict.size
    table = errors(model, family, strict, n, seed=seed)
    metrics: dict[str, Any] = dict.fromkeys(
        f"reconstruction/{name}" for name in ("paper_metric", *METRICS) if name in table
    )
    for name in METRICS:
        metrics[f"reconstruction/{name}"] = summarise(table, name, rng, bootstrap=repeats, protocol="strict")
    if "paper_metric" in table:
        own = summarise(table, "paper_metric", rng, bootstrap=repeats, protocol="strict")
        metrics["reconstruction/paper_metric"] = own
        if len(store.select(split="test", law="paper")):
            paper = load_sets(model, store, "paper")
            published = errors(model, family, paper, n, seed=seed, paper_only=True)
            metrics["reconstruction/paper_metric"] = summarise(
                published, "paper_metric", rng, bootstrap=repeats, protocol="paper_protocol"
            )
            metrics["reconstruction/paper_metric_strict"] = own
    return metrics, {"reconstruction_errors": table}


def paths(model: Any, family: Any, strict: Sets, options: dict[str, Any], seed: int) -> Results:
    """What is generated along latent lines, beside transport paths of normals or mixtures; a few are always drawn."""
    metrics, tables = {}, {}
    pairs, steps, repeats = options["geodesic_pairs"], options["geodesic_steps"], options["bootstrap"]
    if form(strict.params) == "mixture":
        tables["interpolation"], tables["interpolation_points"] = mixture_tables(model, strict, seed=seed)
        if pairs:
            metrics["geometry/geodesic_deviation"], tables["geodesic"] = mixture_deviation(
                model, family, strict, pairs=pairs, steps=steps, repeats=repeats, seed=seed
            )
        return metrics, tables
    metric, deviations, tables["interpolation"] = geodesic_deviation(
        model, family, strict, pairs=max(SHOWN, pairs), steps=steps, repeats=repeats, seed=seed
    )
    if pairs:
        metrics["geometry/geodesic_deviation"], tables["geodesic"] = metric, deviations
    return metrics, tables


def embedding_table(family: Any, sets: Sets) -> pd.DataFrame:
    """Two principal components of the embeddings with each distribution's true location and scale."""
    z = sets.z.double().cpu().numpy()
    centre, directions, share = two_components(z)
    mean, cov = (v.double().cpu().numpy() for v in family.moments(sets.params))
    table = pd.DataFrame((z - centre) @ directions, columns=principal_columns("pc", "latent units", share))
    table.insert(0, "set", sets.rows)
    for a in range(min(2, mean.shape[1])):
        table[f"mean_{a + 1} {DATA}"] = mean[:, a]
    table[f"sd {DATA}"] = np.sqrt(np.trace(cov, axis1=1, axis2=2) / mean.shape[1])
    return table


def points_table(model: Any, store: Any, sets: Sets, seed: int) -> pd.DataFrame:
    """Stored and generated samples of the first test sets; two principal components of the stored ones when d > 2."""
    shown = sets.part(slice(0, SHOWN_SETS))
    n = min(SHOWN_POINTS, sets.size)
    draw = torch.Generator(sets.z.device).manual_seed(seed_of(seed, "evaluate/shown") % 2**63)
    clouds = {
        "truth": read_sets(store, shown.rows)[:, :n].double().numpy(),
        "generated": model.sample(shown.z, n, generator=draw).double().cpu().numpy(),
    }
    d = clouds["truth"].shape[-1]
    names = [f"x_{a + 1} {DATA}" for a in range(min(d, 2))]
    if d > 2:
        centre, directions, share = two_components(clouds["truth"].reshape(-1, d))
        names = principal_columns("pc", "data units", share)
        clouds = {k: (v - centre) @ directions for k, v in clouds.items()}
    return pd.concat(
        [
            pd.DataFrame(v[i], columns=names).assign(set=int(row), source=source)
            for i, row in enumerate(shown.rows)
            for source, v in clouds.items()
        ],
        ignore_index=True,
    )
