"""Distances between groups, freed of what standard errors add, and the order and tree that they give."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gde.errors import bad
from gde.tl.embedded import embedded

if TYPE_CHECKING:
    import anndata

MOST = 5000  # groups: their matrix then takes 200 MB


def squared_distances(z: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Unbiased squared distances (g, g) of what embeddings z (g, l) are estimates of; latent units squared.

    noise : (g,), expected squared length of each one's error; NaN where unknown, nothing is then taken off. Errors of
    two groups are independent, so E |z_i - z_j|^2 = |mu_i - mu_j|^2 + noise_i + noise_j. What is left may be negative
    where two groups differ less than their errors; the diagonal is 0.
    """
    length = np.square(z).sum(1)
    d2 = np.maximum(length[:, None] + length[None] - 2 * z @ z.T, 0.0)
    known = np.nan_to_num(noise, nan=0.0)
    d2 = d2 - known[:, None] - known[None]
    np.fill_diagonal(d2, 0.0)
    return (d2 + d2.T) / 2


def tree(distance: np.ndarray) -> np.ndarray:
    """Linkage matrix (g - 1, 4) of average linkage (UPGMA, Sokal & Michener 1958), leaves in the order in which
    neighbours are nearest (Bar-Joseph et al. 2001; not of more than 1,000 groups, which would take minutes)."""
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    return linkage(squareform(distance, checks=False), "average", optimal_ordering=len(distance) <= 1000)


def distances(embeddings: "anndata.AnnData", *, layer: str | None = None) -> pd.DataFrame:
    """Distances between all groups and their hierarchical clustering.

    embeddings : g rows, X (g, l), standard errors in layers['se'].   layer : instead of X, e.g. 'corrected'.
    Writes obsp['gde_distances'] (g, g), the root of the unbiased squared distance in latent units, 0 where two groups
    differ less than their errors; uns['gde_distances'] = {linkage, order}. Those of a layer end in '_<layer>'.
    returns the matrix as a table in the clustered order. GdeError for fewer than three groups, or more than 5,000.
    """
    from scipy.cluster.hierarchy import leaves_list

    if embeddings.n_obs > MOST:
        remedy = "choose some: embeddings[embeddings.obs['split'] == 'test'].copy()"
        raise bad("embeddings", f"{embeddings.n_obs} groups", f"at most {MOST} for a matrix of distances", remedy)
    own = embedded(embeddings, layer)
    matrix = np.sqrt(np.maximum(squared_distances(own.z, own.noise), 0.0))
    links = tree(matrix)
    order = leaves_list(links)
    key = "gde_distances" if layer is None else f"gde_distances_{layer}"
    embeddings.obsp[key] = matrix
    embeddings.uns[key] = {"linkage": links, "order": order}
    names = embeddings.obs_names[order]
    return pd.DataFrame(matrix[np.ix_(order, order)], index=pd.Index(names, name="group"), columns=list(names))
