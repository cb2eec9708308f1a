"""The map of all groups: principal components with error ellipses, UMAP, distances and associations at once."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gde.tl.association import FEWEST, associations
from gde.tl.batches import remove_batch
from gde.tl.embedded import apart, degrees, embedded
from gde.tl.pairwise import MOST, distances

if TYPE_CHECKING:
    import anndata

log = logging.getLogger(__name__)
COMPONENTS = 50
FEWEST_UMAP = 10  # groups: fewer have no neighbourhoods
KNOWN = 3  # degrees of freedom from which a standard error tells something
SHAPE = ["var_1", "cov_12", "var_2"]  # of the error in the plane of the first two components


def map(
    embeddings: "anndata.AnnData",
    *,
    batch: str | None = None,
    keep: Sequence[str] = (),
    unit: str | None = None,
    umap: bool = True,
    permutations: int = 999,
    seed: int = 0,
) -> pd.DataFrame:
    """Map all groups: everything that `gde.pl.map`, `gde.pl.distances` and `gde.pl.associations` draw.

    embeddings : of g groups, as `gde embed` and GDE.embed give them.   batch, keep : see `gde.tl.remove_batch`; all is
    then done a second time on the corrected embeddings, under names that end in '_corrected', and associations a second
    time within batches.   unit, permutations : see `gde.tl.associations`.   umap : fit UMAP, too (10 groups or more).

    Writes obsm['X_pca'] (g, k), varm['PCs'], uns['pca'], obsm['X_pca_error'] (g, 3), obsm['X_umap'] (g, 2), and what
    `distances` and `associations` write. returns the table of the map (`map_table`).
    """
    if batch is not None:
        remove_batch(embeddings, batch, keep=keep)
    for layer in (None,) if batch is None else (None, "corrected"):
        pca(embeddings, layer=layer)
        if umap:
            fit_umap(embeddings, layer=layer, seed=seed)
        if embeddings.n_obs <= MOST:
            distances(embeddings, layer=layer)
    if embeddings.n_obs >= FEWEST:
        for within in (None,) if batch is None else (None, batch):
            associations(embeddings, unit=unit, within=within, permutations=permutations, seed=seed)
    return map_table(embeddings)


def pca(embeddings: "anndata.AnnData", *, layer: str | None = None) -> None:
    """Principal components of the groups' embeddings, and the errors in the plane of the first two.

    Writes obsm['X_pca'] (g, k), k <= 50, varm['PCs'] (l, k), uns['pca'] = {variance, variance_ratio, left_out}, and
    obsm['X_pca_error'] (g, 3): variance along the first, covariance, variance along the second component, in latent
    units squared, from layers['se']: V' diag(se^2) V, so errors of coordinates are taken as uncorrelated; NaN where
    unknown. Groups far from all others (`left_out`) and those of fewer than 4 samples have a place, too, but do not
    turn the components towards them and their errors. The sign of a component makes its largest loading positive.
    """
    own = embedded(embeddings, layer)
    far = apart(own.z)
    fit = _fitting(embeddings, far)
    z = own.z - own.z[fit].mean(0)
    fitted = z[fit]
    _, s, vt = np.linalg.svd(fitted, full_matrices=False)
    k = max(2, min(COMPONENTS, len(z) - 1, z.shape[1]))
    axes = np.zeros((z.shape[1], k))
    found = vt[:k] * np.where(vt[np.arange(len(vt[:k])), np.abs(vt[:k]).argmax(1)] < 0, -1.0, 1.0)[:, None]
    axes[:, : len(found)] = found.T
    variance = np.zeros(k)
    variance[: len(found)] = np.square(s[:k]) / (len(fitted) - 1)
    a, b = axes[:, 0], axes[:, 1]
    error = np.stack([own.variance @ (a * a), own.variance @ (a * b), own.variance @ (b * b)], 1)
    suffix = "" if layer is None else f"_{layer}"
    total = np.square(fitted).sum() / (len(fitted) - 1)
    embeddings.obsm[f"X_pca{suffix}"] = (z @ axes).astype(np.float32)
    embeddings.obsm[f"X_pca_error{suffix}"] = error
    embeddings.varm[f"PCs{suffix}"] = axes
    ratio = variance / total if total > 0 else variance
    names = list(embeddings.obs_names[far])
    embeddings.uns[f"pca{suffix}"] = {"variance": variance, "variance_ratio": ratio, "left_out": names}
    if names:
        log.warning("far from all others, and left out of the fit of principal components: %s", ", ".join(names))


def _fitting(embeddings: "anndata.AnnData", far: np.ndarray) -> np.ndarray:
    """The groups (g,) that components are fitted to: of 4 samples or more, where these are half of all or more."""
    large = degrees(embeddings) >= KNOWN
    return ~far & large if 2 * (~far & large).sum() >= len(far) and (~far & large).sum() >= KNOWN else ~far


def fit_umap(embeddings: "anndata.AnnData", *, layer: str | None = None, seed: int = 0) -> None:
    """UMAP of the groups' embeddings (McInnes et al. 2018) into obsm['X_umap'] (g, 2), the same for the same seed.

    Of fewer than ten groups none is made, and a line says so. Distances in it mean little: read them in the matrix.
    """
    own = embedded(embeddings, layer)
    if len(own.z) < FEWEST_UMAP:
        log.warning("no UMAP of %d groups: it needs %d; the principal components show them", len(own.z), FEWEST_UMAP)
        return
    from umap import UMAP

    reducer = UMAP(n_neighbors=min(15, len(own.z) - 1), min_dist=0.3, random_state=seed, n_jobs=1)
    suffix = "" if layer is None else f"_{layer}"
    embeddings.obsm[f"X_umap{suffix}"] = np.asarray(reducer.fit_transform(own.z.astype(np.float32)))


def map_table(embeddings: "anndata.AnnData", *, layer: str | None = None) -> pd.DataFrame:
    """What the map shows of each group: pc_1, pc_2, SHAPE, umap_1 and umap_2 where there is one, radius, then obs.

    radius : what 1 standard error is multiplied with for an ellipse that holds 95 %, from Hotelling's T2 with
    min(n, 16) - 1 degrees of freedom; NaN of fewer than 4 samples.
    """
    suffix = "" if layer is None else f"_{layer}"
    place = pd.DataFrame(embeddings.obsm[f"X_pca{suffix}"][:, :2], embeddings.obs_names, ["pc_1", "pc_2"])
    place[SHAPE] = embeddings.obsm[f"X_pca_error{suffix}"]
    place["radius"] = hotelling(degrees(embeddings))
    if f"X_umap{suffix}" in embeddings.obsm:
        place[["umap_1", "umap_2"]] = embeddings.obsm[f"X_umap{suffix}"]
    return pd.concat([place, embeddings.obs.drop(columns=[c for c in embeddings.obs if c in place])], axis=1)


def hotelling(df: np.ndarray, level: float = 0.95) -> np.ndarray:
    """Radius (g,) of the ellipse that holds a mean of two numbers with probability `level`, in standard errors that
    have df degrees of freedom (Hotelling 1931); NaN below 3."""
    from scipy.stats import f

    df = np.asarray(df, float)
    known = np.where(df >= KNOWN, df, np.nan)
    return np.sqrt(2 * known / (known - 1) * f.ppf(level, 2, known - 1))
