"""Tissues: how near samples of one tissue lie, and what the classifier says that was trained beside the generator."""

from typing import Any

import numpy as np

from gde.evaluate.shared.classification import Classified, prior
from gde.evaluate.shared.context import Context
from gde.evaluate.shared.held_out_labels import View
from gde.evaluate.shared.metrics import bootstrap, mean_interval, record


def replicates(ctx: Context, views: dict[str, View], names: np.ndarray, tested: np.ndarray) -> dict[str, dict]:
    """`separation`: mean distance of tested groups to those of other tissues, over that to others of their own;
    `nearest`: share of them whose nearest other group is of their tissue. {} where no tested tissue has another group.
    """
    same = (names[:, None] == names) & ~np.eye(len(names), dtype=bool)
    rows = np.flatnonzero(tested & same.any(1) & ((names[:, None] != names).any(1)))
    if len(rows) < 2:
        return {}
    within, between, hit = {}, {}, {}
    for view, (x, _) in views.items():
        gap = np.linalg.norm(x[:, None] - x[None], axis=-1)
        other = np.where(np.eye(len(x), dtype=bool), np.inf, gap)
        within[view] = np.array([gap[i, same[i]].mean() for i in rows])
        between[view] = np.array([gap[i, names != names[i]].mean() for i in rows])
        hit[view] = np.array([same[i, other[i].argmin()] for i in rows], dtype=float)

    def separation(view: str, index=slice(None)) -> float:
        return float(between[view][index].mean() / max(within[view][index].mean(), 1e-12))

    others = [view for view in views if view != "gde"]
    return {
        "replicates/separation": record(
            separation("gde"), n=len(rows), higher_is_better=True, chance=1.0,
            ci=bootstrap(lambda i: separation("gde", i), len(rows), ctx.rng, repeats=ctx.repeats),
            baselines={view: separation(view) for view in others},
        ),
        "replicates/nearest": record(
            hit["gde"].mean(), n=len(rows), higher_is_better=True, ceiling=1.0,
            chance=float(np.mean([same[i].sum() / (len(names) - 1) for i in rows])),
            ci=mean_interval(hit["gde"], ctx.rng, repeats=ctx.repeats),
            baselines={view: hit[view].mean() for view in others},
        ),
    }  # fmt: skip


def head_accuracy(ctx: Context, z: np.ndarray, names: np.ndarray, unit: np.ndarray) -> dict[str, Any]:
    """Accuracy of the classifier that was trained with the model, on embeddings z (t, l) of tested groups."""
    import torch

    model = ctx.model
    probability = model.predict_labels(torch.from_numpy(z).float().to(model.device)).double().cpu().numpy()
    found = Classified(unit, names, np.array(model.heads["classifier"].classes), probability, prior(names))
    return record(
        found.accuracy(), n=len(np.unique(unit)), higher_is_better=True, chance=found.prior, ceiling=1.0,
        ci=found.interval(Classified.accuracy, ctx.rng, ctx.repeats),
    )  # fmt: skip
