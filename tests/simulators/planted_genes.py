"""Donors of whom half are ill, with the genes known that illness changes: in their mean, or only in their spread."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp

if TYPE_CHECKING:
    import anndata

TYPES = ("T", "B", "M")


def simulate_planted(
    *,
    where: str = "all",
    change: float = 1.0,
    planted: int = 20,
    donors: int = 24,
    cells: int = 100,
    genes: int = 400,
    donor_sd: float = 0.1,
    seed: int = 0,
    draw: int = 0,
) -> "tuple[anndata.AnnData, set[str]]":
    """AnnData of counts with donor, disease (`ill` | `well`) and cell_type, and the names of the planted genes.

    change : log2 of the fold of planted genes in the ill, up or down by gene. where : `all` cells, those of one `type`
    (B), or `spread`: in half of the cells up and in the others down, all planted genes of a cell together, the mean
    expression kept. draw : other cells of the same donors and genes. Counts are negative binomial; donors differ in
    every gene by donor_sd (natural logarithm).
    """
    import anndata

    rng = np.random.default_rng([seed, 0])
    ill = np.arange(donors) % 2 == 1
    base = rng.gamma(0.6, 1.5, genes) + 0.05
    types = np.exp(rng.normal(0, 0.8, (len(TYPES), genes)) * (rng.random((len(TYPES), genes)) < 0.3))
    chosen = rng.choice(np.flatnonzero(base > 0.3), planted, replace=False)
    sign = np.where(np.arange(planted) % 2 == 0, 1, -1)
    own = np.exp(rng.normal(0, donor_sd, (donors, genes)))
    rng = np.random.default_rng([seed, 1, draw])
    donor = np.repeat(np.arange(donors), rng.poisson(cells, donors).clip(min=5))
    kind = rng.integers(0, len(TYPES), len(donor))
    fold = np.ones((len(donor), genes))
    on = ill[donor] & ((kind == 1) | (where != "type"))
    if where == "spread":
        way = np.where(rng.random(len(donor)) < 0.5, 1, -1)
        mean = (2.0**change + 2.0**-change) / 2
        fold[np.ix_(on, chosen)] = 2.0 ** (change * way[on][:, None] * sign) / mean
    else:
        fold[np.ix_(on, chosen)] = 2.0 ** (change * sign)
    rate = base * types[kind] * own[donor] * fold
    depth = rng.lognormal(np.log(1500), 0.3, len(donor))
    rate *= depth[:, None] / rate.sum(1, keepdims=True)
    x = sp.csr_matrix(rng.poisson(rate * rng.gamma(5, 0.2, rate.shape)).astype(np.float32))
    obs = pd.DataFrame(
        {
            "donor": [f"D{d:02d}" for d in donor],
            "disease": np.where(ill[donor], "ill", "well"),
            "cell_type": np.array(TYPES)[kind],
        },
        index=[f"cell{i}" for i in range(len(donor))],
    )
    names = [f"g{i}" for i in range(genes)]
    return anndata.AnnData(x, obs, pd.DataFrame(index=names)), {names[i] for i in chosen}
