"""Path between mixtures: what lies on the line between the embeddings of two mixtures, beside the MW2 path between
them.

The MW2 path moves mass pi_kl along the normal path from component k to l (Delon & Desolneux 2020).
"""

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from gde.distances.exact import exact_w2, solve_ot
from gde.distances.gaussian import gaussian_ot_path, gaussian_w2_matrix
from gde.evaluate.shared.context import Context
from gde.evaluate.shared.tables import DATA
from gde.evaluate.simulated.interpolation import SHOWN, choose_pairs, deviation, generate_path, path_table
from gde.evaluate.simulated.reconstruction import COMPARED
from gde.evaluate.simulated.sets import Sets
from gde.sets.random import ShardRandom

CLOUD = 250
CLOUD_TIMES = 6


def mw2_path(sets: Sets, first: int, second: int, t: Tensor) -> dict[str, Tensor]:
    """The mixtures of the MW2 path at times t (k,), as a family's params: mean (k, c, d), cov (k, c, d, d), weight.

    c components, one for each pair of the ends' components that the optimal coupling joins; weight (k, c).
    """
    w1, m1, c1 = (sets.params[name][first].double().cpu() for name in ("weight", "mean", "cov"))
    w2, m2, c2 = (sets.params[name][second].double().cpu() for name in ("weight", "mean", "cov"))
    plan = solve_ot((w1 / w1.sum()).numpy(), (w2 / w2.sum()).numpy(), gaussian_w2_matrix(m1, c1, m2, c2).numpy() ** 2)
    k, m = np.nonzero(plan > 1e-6)
    mean, cov = gaussian_ot_path(m1[k], c1[k], m2[m], c2[m], t.double().cpu())  # (c, k, d), (c, k, d, d)
    weight = torch.from_numpy(plan[k, m]).expand(len(t), -1)
    path = {"mean": mean.transpose(0, 1), "cov": cov.transpose(0, 1), "weight": weight}
    return {name: v.float().to(sets.z.device) for name, v in path.items()}


def mixture_deviation(ctx: Context, family: Any, sets: Sets) -> tuple[dict[str, Any], pd.DataFrame]:
    """W2 between what is generated along a latent line and the MW2 path, as a share of the end-to-end MW2.

    Both are COMPARED points at each of evaluation.geodesic_steps times in [0, 1], compared by exact optimal transport:
    two draws of one distribution are some way apart too. Ceiling: that floor, a second draw of the true path. Baseline
    `linear_mixture`: draws of (1 - t) P + t Q, along which nothing moves.
    """
    model, seed, repeats, steps = ctx.model, ctx.seed, ctx.repeats, ctx.options["geodesic_steps"]
    device = sets.z.device
    rng, draw = ctx.random("geodesic"), ctx.generator("geodesic/generate")
    chosen = choose_pairs(len(sets.rows), ctx.options["geodesic_pairs"], rng)
    t = torch.linspace(0, 1, steps, device=device)
    first, second = sets.part(chosen[:, 0]), sets.part(chosen[:, 1])
    found = torch.cat([x for _, x in generate_path(model, first.z, second.z, t, COMPARED, draw)])  # (p, steps, n, d)

    gaps: dict[str, list[np.ndarray]] = {"model": [], "resample_truth": [], "linear_mixture": []}
    for k, (i, j) in enumerate(chosen):
        path = mw2_path(sets, i, j, t)
        linear = {name: torch.cat([v[i], v[j]]).expand(steps, *[-1] * v[0].ndim) for name, v in sets.params.items()}
        share = torch.stack([1 - t, t], 1).repeat_interleave(sets.params["weight"].shape[1], 1)
        linear["weight"] = linear["weight"] * share
        truth, again, mixed = (
            family.sample(params, COMPARED, ShardRandom(seed, k, stream=f"evaluate/geodesic/{name}", device=device))
            for name, params in (("truth", path), ("resample_truth", path), ("linear_mixture", linear))
        )
        for source, points in {"model": found[k], "resample_truth": again, "linear_mixture": mixed}.items():
            gaps[source].append(exact_w2(points, truth).cpu().numpy())
    i, j = (torch.from_numpy(c).to(device) for c in chosen.T.copy())
    length = family.pair_w2(sets.params, i, j).cpu().numpy()
    stacked = {source: np.stack(v) for source, v in gaps.items()}
    return deviation(stacked, length, t.cpu().numpy(), rng, repeats=repeats)


def mixture_tables(ctx: Context, sets: Sets) -> tuple[pd.DataFrame, pd.DataFrame]:
    """To draw: components of the MW2 path of a few pairs, and clouds of generated points at a few times."""
    model, device = ctx.model, sets.z.device
    rng, draw = ctx.random("geodesic"), ctx.generator("geodesic/shown")
    chosen = choose_pairs(len(sets.rows), SHOWN, rng)
    first, second = sets.part(chosen[:, 0]), sets.part(chosen[:, 1])
    t = torch.linspace(0, 1, CLOUD_TIMES, device=device)
    times = t.cpu().numpy()
    normals, clouds = [], []
    for pair, (i, j) in enumerate(chosen):
        path = {name: v.double().cpu().numpy() for name, v in mw2_path(sets, i, j, t).items()}
        for c in range(path["weight"].shape[1]):
            mean, cov, weight = path["mean"][:, c], path["cov"][:, c], float(path["weight"][0, c])
            normals.append(path_table(pair, times, "ot_path", mean, cov, c, weight))
    for index, points in generate_path(model, first.z, second.z, t, CLOUD, draw):
        p, s, n, d = points.shape
        pair, time, _ = np.indices((p, s, n)).reshape(3, -1)
        cloud = pd.DataFrame({"pair": pair + index.start, "t [1]": times[time]})
        for a in range(min(2, d)):
            cloud[f"x_{a + 1} {DATA}"] = points[..., a].cpu().numpy().ravel()
        clouds.append(cloud)
    return pd.concat(normals, ignore_index=True), pd.concat(clouds, ignore_index=True)
