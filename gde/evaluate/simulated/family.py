"""Evaluation where the truth is known: reconstruction, geometry, paths and the CLT on held-out distributions."""

from typing import Any

import numpy as np
import pandas as pd

from gde.evaluate.shared.context import Context, Results
from gde.evaluate.shared.pca import two_components
from gde.evaluate.shared.tables import DATA, principal_columns, principal_table
from gde.evaluate.simulated.clt import evaluate_clt
from gde.evaluate.simulated.coverage import evaluate_coverage
from gde.evaluate.simulated.geometry import evaluate_equal_means, evaluate_geometry
from gde.evaluate.simulated.interpolation import SHOWN, geodesic_deviation
from gde.evaluate.simulated.mixture_path import mixture_deviation, mixture_tables
from gde.evaluate.simulated.poisson import evaluate_poisson
from gde.evaluate.simulated.reconstruction import METRICS, errors, summarise
from gde.evaluate.simulated.sets import Sets, form, load_sets, read_sets
from gde.evaluate.simulated.simplex import evaluate_simplex
from gde.sets.families import build

SHOWN_SETS = 6
SHOWN_POINTS = 400


def evaluate(ctx: Context) -> Results:
    """Metrics and figure tables of a model trained on a parametric family, on the store's test sets.

    `paper_metric` follows the published protocol on sets of the published distribution where the store has some, else
    on strict ones; every other metric is on sets of the training distribution. What is known of the family decides
    which metrics there are: see `form`.
    """
    ctx = ctx.drawing("bootstrap")
    model, store, options, seed, repeats = ctx.model, ctx.store, ctx.options, ctx.seed, ctx.repeats
    kind = store.meta["family"]["kind"]
    family = build(kind, **store.meta["family"]["params"])
    strict = load_sets(model, store, "strict")
    distribution = form(strict.params)

    metrics, tables = reconstruction(ctx, family, strict)
    exact_sets = options["exact_sets"] if distribution == "mixture" else 0
    if not exact_sets:
        why = "evaluation.exact_sets is 0" if distribution == "mixture" else "of mixtures only"
        ctx.leave_out("geometry/exact_w2_spearman", why)
    found, some = evaluate_geometry(ctx, family, strict, exact_sets=exact_sets)
    metrics, tables = metrics | found, tables | some
    if distribution != "counts":  # counts of equal means are equal distributions, or no family
        metrics["geometry/w2_spearman_equal_means"], tables["geometry_equal_means"] = evaluate_equal_means(
            ctx, family, strict
        )
        found, some = paths(ctx, family, strict)
        metrics, tables = metrics | found, tables | some
    else:
        ctx.leave_out("geometry/w2_spearman_equal_means, geometry/geodesic", "not of counts")
    if kind == "multinomial" and family.categories == 3:
        found, tables["simplex"] = evaluate_simplex(ctx, family, strict.z.shape[1])
        metrics |= found
    else:
        ctx.leave_out("geometry/simplex", "of multinomial distributions of three categories only")
    if kind == "poisson":
        found, tables["poisson"] = evaluate_poisson(ctx, family, strict.params["rate"])
        metrics |= found
    else:
        ctx.leave_out("poisson", "of Poisson distributions only")
    if options["clt"]:
        metrics["clt/slope"], clt = evaluate_clt(model, family, strict.params, seed=seed, repeats=repeats)
        tables |= clt
        if replicates := options["coverage_replicates"]:
            metrics["clt/coverage"], tables["coverage"] = evaluate_coverage(
                model, family, strict.params, replicates=replicates, seed=seed, repeats=repeats
            )
        else:
            ctx.leave_out("clt/coverage", "evaluation.coverage_replicates is 0")
    else:
        ctx.leave_out("clt", "evaluation.clt is false")
    tables["embedding"] = embedding_table(family, strict)
    tables["reconstruction"] = points_table(ctx, strict)
    return metrics, tables


def reconstruction(ctx: Context, family: Any, strict: Sets) -> Results:
    """Errors of generated samples, in the order of the report: paper_metric first, where the family has one."""
    model, store, rng, seed, repeats = ctx.model, ctx.store, ctx.rng, ctx.seed, ctx.repeats
    if form(strict.params) == "counts":
        ctx.leave_out("reconstruction/paper_metric", "none was published for counts")
    n = ctx.options["generated"] or strict.size
    table = errors(model, family, strict, n, seed=seed)
    metrics: dict[str, Any] = dict.fromkeys(
        f"reconstruction/{name}" for name in ("paper_metric", *METRICS) if name in table
    )
    for name in METRICS:
        metrics[f"reconstruction/{name}"] = summarise(table, name, rng, bootstrap=repeats, protocol="strict")
    if "paper_metric" in table:
        own = summarise(table, "paper_metric", rng, bootstrap=repeats, protocol="strict")
        metrics["reconstruction/paper_metric"] = own
        if len(store.select(split="test", distribution="paper")):
            paper = load_sets(model, store, "paper")
            published = errors(model, family, paper, n, seed=seed, paper_only=True)
            metrics["reconstruction/paper_metric"] = summarise(
                published, "paper_metric", rng, bootstrap=repeats, protocol="paper_protocol"
            )
            metrics["reconstruction/paper_metric_strict"] = own
        else:
            ctx.leave_out("reconstruction/paper_metric_strict", "no sets of the published distribution")
    return metrics, {"reconstruction_errors": table}


def paths(ctx: Context, family: Any, strict: Sets) -> Results:
    """What is generated along latent lines, beside transport paths of normals or mixtures; a few are always drawn."""
    metrics, tables = {}, {}
    pairs = ctx.options["geodesic_pairs"]
    if not pairs:
        ctx.leave_out("geometry/geodesic_deviation", "evaluation.geodesic_pairs is 0")
    if form(strict.params) == "mixture":
        tables["interpolation"], tables["interpolation_points"] = mixture_tables(ctx, strict)
        if pairs:
            metrics["geometry/geodesic_deviation"], tables["geodesic"] = mixture_deviation(ctx, family, strict)
        return metrics, tables
    metric, deviations, tables["interpolation"] = geodesic_deviation(ctx, family, strict, pairs=max(SHOWN, pairs))
    if pairs:
        metrics["geometry/geodesic_deviation"], tables["geodesic"] = metric, deviations
    return metrics, tables


def embedding_table(family: Any, sets: Sets) -> pd.DataFrame:
    """Two principal components of the embeddings with each distribution's true location and scale."""
    table = principal_table(sets.z.double().cpu().numpy())
    mean, cov = (v.double().cpu().numpy() for v in family.moments(sets.params))
    table.insert(0, "set", sets.rows)
    for a in range(min(2, mean.shape[1])):
        table[f"mean_{a + 1} {DATA}"] = mean[:, a]
    table[f"sd {DATA}"] = np.sqrt(np.trace(cov, axis1=1, axis2=2) / mean.shape[1])
    return table


def points_table(ctx: Context, sets: Sets) -> pd.DataFrame:
    """Stored and generated samples of the first test sets; two principal components of the stored ones when d > 2."""
    shown = sets.part(slice(0, SHOWN_SETS))
    n = min(SHOWN_POINTS, sets.size)
    draw = ctx.generator("shown")
    clouds = {
        "truth": read_sets(ctx.store, shown.rows)[:, :n].double().numpy(),
        "generated": ctx.model.sample(shown.z, n, generator=draw).double().cpu().numpy(),
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
