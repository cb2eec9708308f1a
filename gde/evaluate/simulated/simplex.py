"""Simplex: is the probability simplex found again in the embedding of multinomial distributions of three categories?"""

from typing import Any

import numpy as np
import pandas as pd
import torch

from gde.evaluate.shared.context import Context
from gde.evaluate.shared.distance_correlation import correlation, distances, pearson, spearman
from gde.evaluate.shared.simplex_grid import CENTRE, STEPS, simplex_grid
from gde.evaluate.shared.tables import DATA, LATENT
from gde.evaluate.simulated.baselines import Anchors
from gde.evaluate.simulated.sets import fresh_sets


def evaluate_simplex(ctx: Context, family: Any, length: int) -> tuple[dict[str, dict[str, Any]], pd.DataFrame]:
    """Correlation of latent distances with W2 (normal approximation) between the points of the grid, each embedded from
    evaluation.simplex_points samples; and distances from the centre, to draw.

    length : of an embedding.   The published protocol: Pearson, the zero diagonal left out.
    """
    model, seed, repeats, rng = ctx.model, ctx.seed, ctx.repeats, ctx.rng
    grid = simplex_grid()
    params = {"probability": torch.from_numpy(grid / STEPS).float().to(model.device)}
    anchors = Anchors(family, length, seed=seed, device=model.device)
    z, parts = [], []
    for x in fresh_sets(family, params, ctx.options["simplex_points"], seed=seed, stream="simplex"):
        z.append(model.encode(x))
        parts.append(anchors.embed(x))
    matrices = {
        "latent_distance": distances(torch.cat(z).double().cpu().numpy()),
        "w2": family.w2(params).cpu().numpy(),
        **anchors.between(parts),
    }
    metrics = {
        "geometry/simplex_pearson": correlation(pearson, matrices, rng, repeats=repeats),
        "geometry/simplex_spearman": correlation(spearman, matrices, rng, repeats=repeats),
    }
    centre = int(np.flatnonzero((grid == CENTRE).all(1))[0])
    table = pd.DataFrame(
        {f"p_{c + 1} [1]": grid[:, c] / STEPS for c in range(3)}
        | {f"latent_distance {LATENT}": matrices["latent_distance"][centre], f"w2 {DATA}": matrices["w2"][centre]}
    )
    return metrics, table
