"""Embedded groups: what the tools read of an AnnData of embeddings, checked."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gde.errors import bad, many

if TYPE_CHECKING:
    import anndata

FOLDS = 16  # of a standard error, as in `gde.embed`
FEW = 20  # values: of fewer, none is an outlier
OUTSIDE = 0.05  # share of values that may be outliers
FENCE = 4.0  # distances between quartiles, beyond these


@dataclass(frozen=True)
class Embedded:
    """Embeddings z (g, l) float64 and the variances of their errors (g, l), NaN where unknown."""

    z: np.ndarray
    variance: np.ndarray

    @property
    def noise(self) -> np.ndarray:
        """Expected squared length of each embedding's error (g,), NaN where unknown; latent units squared."""
        return self.variance.sum(1)


def embedded(embeddings: "anndata.AnnData", layer: str | None = None, fewest: int = 3) -> Embedded:
    """The embeddings in X, or in a layer, and the squares of layers['se'] where there is one.

    GdeError for fewer than `fewest` groups, and for what is not dense or not finite.
    """
    if embeddings.n_obs < fewest:
        raise bad("embeddings", many(embeddings.n_obs, "group"), f"{fewest} or more", "embed more groups together")
    if layer is not None and layer not in embeddings.layers:
        known = ", ".join(embeddings.layers) or "none"
        raise bad("embeddings", f"no layer {layer!r}", f"one of its own: {known}", "call gde.tl.remove_batch first")
    x = embeddings.X if layer is None else embeddings.layers[layer]
    if not isinstance(x, np.ndarray) or x.dtype.kind != "f":
        found = f"X of type {getattr(x, 'dtype', type(x).__name__)}"
        raise bad("embeddings", found, "a dense array of numbers", "give what `gde embed` wrote")
    wrong = ~np.isfinite(x).all(1)
    if wrong.any():
        name = embeddings.obs_names[int(wrong.argmax())]
        raise bad(f"embeddings: {name}", "NaN or infinity", "finite numbers", "embed the data again")
    se = embeddings.layers.get("se")
    variance = np.full(x.shape, np.nan) if se is None else np.square(np.asarray(se, np.float64))
    return Embedded(np.asarray(x, np.float64), variance)


def outlying(values: np.ndarray) -> np.ndarray:
    """Which values (g,) lie further from the quartiles than four times the distance between these.

    None of fewer than 20, nor where more than 5 % do: these are then no outliers.
    """
    a, b = np.quantile(values, [0.25, 0.75])
    far = (values < a - FENCE * (b - a)) | (values > b + FENCE * (b - a))
    return far if len(values) >= FEW and far.mean() <= OUTSIDE else np.zeros(len(values), bool)


def apart(z: np.ndarray) -> np.ndarray:
    """Which embeddings z (g, l) lie far from all others, by their distance from the median of each coordinate."""
    return outlying(np.linalg.norm(z - np.median(z, 0), axis=1))


def degrees(embeddings: "anndata.AnnData") -> np.ndarray:
    """Degrees of freedom (g,) of the standard errors: min(n, 16) - 1, of unknown size 15."""
    if "n_samples" not in embeddings.obs:
        return np.full(embeddings.n_obs, FOLDS - 1)
    return np.minimum(embeddings.obs["n_samples"].to_numpy(dtype=int), FOLDS) - 1
