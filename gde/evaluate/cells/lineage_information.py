"""Information between early and late cells: how much a clone's early cells tell about its late ones: mutual
information, clones held out."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from gde.evaluate.cells.clones import View
from gde.evaluate.cells.information import FEWEST, Information, estimate, ksg, most, recovered
from gde.evaluate.cells.projection import components, cross_projection
from gde.evaluate.shared.metrics import record

FRACTIONS = (0.125, 0.25, 0.5, 1.0)
DRAWS = 4  # sub-samples of each size below the whole
FIT = 20  # training clones below which no projection is fitted


def compare(
    views: Mapping[str, View], rng: np.random.Generator, *, dim: int, k: int, permutations: int
) -> tuple[dict[str, dict], pd.DataFrame, dict[str, Information]]:
    """Records, a table of all estimates, and those of the first view, by metric. Bits; k neighbours.

    information/embedding      both sides as they are, tested clones
    information/pca            `dim` principal components of each side, fitted on the other clones
    information/projection     the few directions of each side that predict the other one, fitted on the other clones
    information/embedding_all  both sides as they are, all clones, also those trained on: the published protocol
    The first view is the value, the others, under the same treatment, baselines. Chance: the mean of shuffled pairings.
    Metrics for which there are too few clones are left out.
    """
    metrics, rows, own = {}, [], {}
    first = next(iter(views))
    for metric, protocol in (
        ("embedding", "strict"),
        ("pca", "strict"),
        ("projection", "strict"),
        ("embedding_all", "paper_protocol"),
    ):
        found: dict[str, Information] = {}
        for source, view in views.items():
            sides = treated(view, metric, np.random.default_rng(rng.integers(2**63)), dim)
            if sides is None:
                continue
            x, y = sides
            found[source] = result = estimate(x, y, rng, k=k, permutations=permutations)
            null = result.null
            rows.append(
                {"source": source, "part": metric, "dim_early [1]": x.shape[1], "dim_late [1]": y.shape[1],
                 "n_clones [1]": len(x), "bits [bits]": result.bits, "low [bits]": result.ci[0],
                 "high [bits]": result.ci[1], "null_mean [bits]": null.mean(),
                 "null_low [bits]": np.quantile(null, 0.025), "null_high [bits]": np.quantile(null, 0.975),
                 "p_value [1]": result.p_value}
            )  # fmt: skip
        if first not in found:
            continue
        own[metric] = value = found[first]
        metrics[f"information/{metric}"] = record(
            value.bits,
            n=len(value.pointwise),
            higher_is_better=True,
            ci=value.ci,
            baselines={name: other.bits for name, other in found.items() if name != first},
            chance=value.null.mean(),
            ceiling=most(len(value.pointwise), k),
            protocol=protocol,
        )
    return metrics, pd.DataFrame(rows), own


def treated(view: View, metric: str, rng: np.random.Generator, dim: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Both sides (c, ·) of the clones that a metric is computed on; None where there are too few, also to fit on."""
    tested, rest = view.tested, ~view.tested
    if metric == "embedding_all":
        return (view.early, view.late) if len(tested) >= FEWEST else None
    if tested.sum() < FEWEST or (metric != "embedding" and rest.sum() < FIT):
        return None
    if metric == "embedding":
        return view.early[tested], view.late[tested]
    if metric == "pca":
        return tuple(components(side[rest], dim)(side[tested]) for side in (view.early, view.late))
    fitted = cross_projection(view.early[rest], view.late[rest], rng)
    return fitted.x(view.early[tested]), fitted.y(view.late[tested])


def by_dimension(
    views: Mapping[str, View], rng: np.random.Generator, *, dims: list[int], k: int, bits: float
) -> pd.DataFrame:
    """Estimates from the first principal components of each side, tested clones; and the share that the estimator finds
    of `bits` known bits in as many dimensions. Empty where clones are too few."""
    rows = []
    for source, view in views.items():
        full = min(view.early.shape[1], view.late.shape[1])
        for dim in sorted({min(d, full) for d in dims} | {full}):
            sides = treated(view, "pca", rng, dim)
            if sides is not None:
                dim = sides[0].shape[1]
                rows.append(
                    (source, dim, len(sides[0]), ksg(*sides, k).mean(), recovered(bits, len(sides[0]), dim, rng, k=k))
                )
    return pd.DataFrame(
        rows, columns=["source", "dim [1]", "n_clones [1]", "bits [bits]", "recovered [1]"]
    ).drop_duplicates(["source", "dim [1]"])


def by_size(views: Mapping[str, View], rng: np.random.Generator, *, k: int) -> pd.DataFrame:
    """Estimates from parts of the clones, means over DRAWS parts of each size: all clones, and the tested ones."""
    rows = []
    for source, view in views.items():
        for which, kept in (("all", np.arange(len(view.tested))), ("tested", np.flatnonzero(view.tested))):
            for fraction in FRACTIONS:
                n = round(fraction * len(kept))
                if n < FEWEST:
                    continue
                parts = [rng.choice(kept, n, replace=False) for _ in range(DRAWS if n < len(kept) else 1)]
                bits = np.mean([ksg(view.early[i], view.late[i], k).mean() for i in parts])
                rows.append((source, which, n, bits))
    return pd.DataFrame(rows, columns=["source", "part", "n_clones [1]", "bits [bits]"])


def known(bits: float, n: int, dim: int, rng: np.random.Generator, *, k: int) -> dict[str, Any]:
    """Record of the share that the estimator finds of `bits` known bits in n pairs of `dim` dimensions."""
    return record(recovered(bits, n, dim, rng, k=k), n=n, target=1.0, ceiling=1.0)
