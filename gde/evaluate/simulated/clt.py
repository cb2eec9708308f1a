"""The central limit theorem of embeddings: their spread over replicate sets falls as m**-1/2 with the set size m."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from gde.embed import encode_pieces
from gde.evaluate.shared.metrics import bootstrap, record
from gde.evaluate.shared.pca import two_components
from gde.evaluate.shared.tables import LATENT, principal_columns
from gde.evaluate.simulated.reconstruction import CHUNK
from gde.sets.random import ShardRandom, seed_of

SIZES = (10, 30, 100, 300, 1000, 3000)
DISTRIBUTIONS = 8
REPLICATES = 32
CLOUD_SIZES = (10, 100, 1000)


def spread(z: Tensor) -> Tensor:
    """Root mean square over latent dimensions of the standard deviation over replicates; z (s, r, l) -> (s,)."""
    return z.double().var(1).mean(-1).sqrt()


def slope(sd: np.ndarray) -> float:
    """Slope of log sd on log m, mean over distributions; sd (s, sizes)."""
    x = np.log(SIZES) - np.log(SIZES).mean()
    return float((np.log(sd) @ x / (x @ x)).mean())


def evaluate_clt(
    model: Any, family: Any, params: dict[str, Tensor], *, seed: int, repeats: int
) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """Slope over set sizes SIZES of fresh sets of held-out distributions; theory asks for -1/2.

    params : true parameters, leading axis s; the first DISTRIBUTIONS are used. Interval over distributions.
    """
    params = {k: v[:DISTRIBUTIONS] for k, v in params.items()}
    s = len(next(iter(params.values())))
    sd, clouds = [], {}
    for size in SIZES:
        z = _replicates(model, family, params, size, seed)  # (s, r, l)
        sd.append(spread(z).cpu().numpy())
        if size in CLOUD_SIZES:
            clouds[size] = z[0].double().cpu().numpy()
    sd = np.stack(sd, 1)
    rng = np.random.default_rng(seed_of(seed, "evaluate/clt"))
    metric = record(
        slope(sd),
        n=s,
        target=-0.5,
        ci=bootstrap(lambda i: slope(sd[i]), s, rng, repeats=repeats),
        ceiling=-0.5,
    )
    table = pd.DataFrame(
        {"set": np.repeat(np.arange(s), len(SIZES)), "n_samples [1]": np.tile(SIZES, s), f"sd {LATENT}": sd.ravel()}
    )
    mean, directions, share = two_components(np.concatenate(list(clouds.values())))
    cloud = pd.concat(
        [
            pd.DataFrame((z - mean) @ directions, columns=principal_columns("pc", "latent units", share)).assign(
                **{"n_samples [1]": size}
            )
            for size, z in clouds.items()
        ],
        ignore_index=True,
    )
    return metric, {"clt": table, "clt_cloud": cloud}


def _replicates(model: Any, family: Any, params: dict[str, Tensor], size: int, seed: int) -> Tensor:
    """Embeddings (s, REPLICATES, l) of fresh sets of `size` samples, about CHUNK points at a time."""
    n_sets, device = len(next(iter(params.values()))), next(iter(params.values())).device
    at_once = max(1, min(REPLICATES, CHUNK // (size * n_sets)))
    out = []
    for start in range(0, REPLICATES, at_once):
        r = min(at_once, REPLICATES - start)
        repeated = {k: v.repeat_interleave(r, 0) for k, v in params.items()}
        rng = ShardRandom(seed, start, stream=f"evaluate/clt/{size}", device=device)
        out.append(encode_pieces(model, family.sample(repeated, size, rng)).unflatten(0, (n_sets, r)))
    return torch.cat(out, 1)
