"""Reconstruction of held-out samples: what is generated from a group's context against other samples of the group."""

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from gde.distances.energy import energy_distance
from gde.distances.exact import exact_w2
from gde.distances.mmd import mmd
from gde.errors import bad
from gde.evaluate.shared.bandwidth import median_distance
from gde.evaluate.shared.context import Context, Results
from gde.evaluate.shared.metrics import mean_interval, record
from gde.evaluate.shared.pairs import Held
from gde.evaluate.shared.pca import two_components
from gde.evaluate.shared.tables import DATA, principal_columns

METRICS = ("energy", "mmd", "w2")  # W2 last: of few samples in many dimensions, a single point can beat real ones
COLUMNS = {"w2": f"w2 {DATA}", "mmd": "mmd [1]", "energy": f"energy {DATA}", "n": "n_samples [1]"}  # of the tables
BASELINES = ("gaussian_fit", "mean", "other_group")
DRAWS = 4  # each source is drawn this often per group: small targets make single draws noisy
SHOWN_GROUPS = 6
SHOWN_POINTS = 300
SHOWN_IMAGES = 8


def reconstruct(ctx: Context, held: Held) -> Results:
    """`reconstruction/energy`, mmd and w2, with their tables.

    Energy distance and MMD² are unbiased: whatever is not drawn from the group's distribution is beyond real samples of
    it in the mean. W2 is not: two sets of n real samples in d dimensions are about n^(-1/d) apart (Fournier & Guillin
    2015), so that the context's mean alone, or any set of less spread, can be nearer; such a W2 is marked.

    Every source is drawn as often as the target has samples: `model`, generated from the context's embedding;
    `ceiling`, real samples of the context (all of it where it is smaller); `gaussian_fit`, a normal fitted to the
    context, its covariance shrunk by d / (n + d) towards a sphere; `mean`, the context's mean;
    `other_group`, real context of another group. Means over groups and DRAWS draws.
    """
    if held.left_out:
        of = len(held.left_out) + len(held.pairs)
        ctx.leave_out("groups", f"{len(held.left_out)} of {of} held out: too few samples to give and to compare with")
    rng = ctx.random("bootstrap")
    table = errors(ctx, held)
    means = table.groupby("source", sort=False)[list(METRICS)].mean()
    metrics = {}
    for name in METRICS:
        own = table.loc[table["source"] == "model"].groupby("group", sort=False)[name].mean().to_numpy()
        metrics[f"reconstruction/{name}"] = record(
            means.loc["model", name],
            n=len(held.pairs),
            higher_is_better=False,
            ci=mean_interval(own, rng, repeats=ctx.repeats),
            baselines={b: means.loc[b, name] for b in BASELINES},
            ceiling=means.loc["ceiling", name],
        )
    tables = {
        "reconstruction_errors": table.rename(columns=COLUMNS),
        "groups": group_table(held),
        "reconstruction": points_table(ctx, held),
    }
    if "image_shape" in ctx.store.meta:
        tables["images"] = image_table(ctx, held)
    return metrics, tables


def errors(ctx: Context, held: Held) -> pd.DataFrame:
    """Distance of every source to every target: columns group, source, draw, n, energy, mmd, w2.

    The kernel of MMD is as wide as the target's median distance, for every source.
    """
    draw = ctx.generator("generate")
    rows = []
    for k, pair in enumerate(held.pairs):
        target = torch.from_numpy(pair.target)
        n, rng = len(target), ctx.random("sources", pair.group)
        other = held.pairs[(k + 1 + rng.integers(len(held.pairs) - 1)) % len(held.pairs)].context
        generated = sampled(ctx, pair.context, n * DRAWS, draw)
        bandwidth = median_distance(target[None]).clamp(min=1e-6)
        for i in range(DRAWS):
            sources = {
                "model": generated[i * n : (i + 1) * n],
                "ceiling": _some(pair.context, n, rng),
                "gaussian_fit": gaussian_fit(pair.context, n, rng),
                "mean": torch.from_numpy(pair.context.mean(0, keepdims=True)).expand(n, -1),
                "other_group": _some(other, n, rng),
            }
            for source, x in sources.items():
                if not torch.isfinite(x).all():
                    found = f"NaN or infinity among the samples of {pair.group}"
                    raise bad(source, found, "finite numbers", "train again, e.g. with a lower lr")
                rows.append((pair.group, source, i, n, *compared(x, target, bandwidth)))
    return pd.DataFrame(rows, columns=["group", "source", "draw", "n", *METRICS])


def compared(x: Tensor, target: Tensor, bandwidth: Tensor) -> tuple[float, ...]:
    """METRICS between samples x (n, d) and target (m, d); bandwidth (1,) of the kernel."""
    values = (
        energy_distance(x[None], target[None], unbiased=True),
        mmd(x[None], target[None], bandwidth),
        exact_w2(x, target),
    )
    return tuple(map(float, values))


def sampled(ctx: Context, context: np.ndarray, n: int, draw: torch.Generator) -> Tensor:
    """n samples (n, d) generated from the embedding of one set (m, d)."""
    z = ctx.model.encode(torch.from_numpy(context)[None].to(ctx.device))
    return ctx.model.sample(z, n, generator=draw)[0].cpu()


def gaussian_fit(x: np.ndarray, n: int, rng: np.random.Generator) -> Tensor:
    """n draws (n, d) float32 of a normal with the mean of x (m, d) and its covariance, shrunk by d / (m + d)."""
    m, d = x.shape
    x = x.astype(float)
    cov = np.atleast_2d(np.cov(x, rowvar=False))
    share = d / (m + d)
    cov = (1 - share) * cov + share * np.trace(cov) / d * np.eye(d)
    values, vectors = np.linalg.eigh(cov)
    noise = rng.standard_normal((n, d)) * np.sqrt(values.clip(min=0))
    return torch.from_numpy((x.mean(0) + noise @ vectors.T).astype(np.float32))


def _some(x: np.ndarray, n: int, rng: np.random.Generator) -> Tensor:
    """n rows of x without repeats, all of them where there are fewer."""
    return torch.from_numpy(x[rng.permutation(len(x))[:n]])


def group_table(held: Held) -> pd.DataFrame:
    """Every test group: samples given and compared with; 0 for groups left out because they have too few."""
    used = [(p.group, len(p.context), len(p.target), "used") for p in held.pairs]
    left = [(name, 0, 0, "left out: too few samples") for name in held.left_out]
    return pd.DataFrame(used + left, columns=["group", "n_context [1]", "n_target [1]", "status"])


def shown(held: Held) -> list:
    """The groups to draw: those with most held-out samples."""
    return sorted(held.pairs, key=lambda p: -len(p.target))[:SHOWN_GROUPS]


def points_table(ctx: Context, held: Held) -> pd.DataFrame:
    """Held-out and generated samples of some groups, on the two principal components of the held-out ones."""
    draw = ctx.generator("shown")
    pairs = shown(held)
    centre, directions, share = two_components(np.concatenate([p.target for p in held.pairs]).astype(float))
    names = principal_columns("pc", "data units", share)
    parts = []
    for pair in pairs:
        n = min(SHOWN_POINTS, len(pair.target))
        generated = sampled(ctx, pair.context, n, draw).numpy()
        for source, x in (("truth", pair.target[:n]), ("generated", generated)):
            parts.append(pd.DataFrame((x - centre) @ directions, columns=names).assign(group=pair.group, source=source))
    return pd.concat(parts, ignore_index=True)


def image_table(ctx: Context, held: Held) -> pd.DataFrame:
    """Some held-out and generated images of up to ten groups, one row each: pixels p_0 ... in reading order."""
    draw, shape = ctx.generator("images"), ctx.store.meta["image_shape"]
    parts = []
    for pair in held.pairs[:10]:
        n = min(SHOWN_IMAGES, len(pair.target))
        generated = sampled(ctx, pair.context, n, draw).numpy()
        for source, x in (("truth", pair.target[:n]), ("generated", generated)):
            pixels = pd.DataFrame(x, columns=[f"p_{i} {DATA}" for i in range(x.shape[1])])
            head = {"set": pair.group, "source": source, "height [1]": shape[0], "width [1]": shape[1]}
            parts.append(pd.concat([pd.DataFrame(head, index=pixels.index), pixels], axis=1))
    return pd.concat(parts, ignore_index=True)
