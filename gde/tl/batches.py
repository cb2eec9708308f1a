"""Batches: their effects on the embeddings of groups, estimated beside what is to be kept, and taken off."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gde.errors import bad
from gde.tl.columns import column, is_number, telling
from gde.tl.embedded import apart, embedded

if TYPE_CHECKING:
    import anndata

log = logging.getLogger(__name__)
CONFOUNDED = 0.5  # share of a column's variation between batches, beyond chance, from which it is told


def remove_batch(
    embeddings: "anndata.AnnData", batch: str, *, keep: Sequence[str] = (), shrink: bool = True
) -> pd.DataFrame:
    """Take the effects of batches off embeddings, keeping what named columns explain.

    batch : obs column.   keep : obs columns (categories or numbers) whose effects are estimated together with the
    batches' and stay, as in limma's removeBatchEffect (Ritchie et al. 2015).   shrink : the effect of each batch is
    multiplied by max(0, 1 - |its error|^2 / |it|^2), the positive-part rule of James & Stein (1961): a batch of few
    groups is not moved by chance. Unlike ComBat's prior over features (Johnson et al. 2007), this does not change when
    the latent space is rotated. Effects have mean zero over the groups, variances are left alone; groups far from all
    others are corrected, but do not count in the estimates.

    Writes layers['corrected'] (g, l). returns a table of batches: groups, length of the effect and of its standard
    error in latent units, share removed. X stays as it is.
    GdeError for a missing value, a batch column of one value, and where batches and kept columns cannot be told apart;
    columns that are not kept and go along with the batch are logged in a line each.
    """
    own = embedded(embeddings)
    values = _known(embeddings, batch).astype(str).to_numpy()
    names, code = np.unique(values, return_inverse=True)
    if len(names) < 2:
        raise bad(f"obs column {batch!r}", f"one value ({names[0]})", "two batches or more", "name another column")
    kept = _design(embeddings, keep)
    indicator = np.eye(len(names))[code]
    design = np.concatenate([kept, indicator], 1)
    rank = np.linalg.matrix_rank(design)
    if rank < np.linalg.matrix_rank(kept) + len(names) - 1:
        found = f"batches that {' and '.join(keep)} cannot be told apart from"
        remedy = "leave the column out of those to keep, or do not remove batches: no numbers can separate the two"
        raise bad(f"obs column {batch!r}", found, "batches that share values of what is kept", remedy)
    if rank >= len(own.z) - 1:
        found = f"{len(names)} batches and {len(keep)} kept columns of {len(own.z)} groups"
        raise bad(f"obs column {batch!r}", found, "more groups than effects", "keep fewer columns, or merge batches")
    fit = ~apart(own.z)
    if np.linalg.matrix_rank(design[fit]) < rank:
        fit[:] = True
    inverse = np.zeros((design.shape[1], len(design)))
    inverse[:, fit] = np.linalg.pinv(design[fit])
    centre = np.eye(len(names)) - np.bincount(code) / len(code)  # effects of mean 0 over the groups
    weights = centre @ inverse[kept.shape[1] :]  # (batches, g): what makes an effect of the embeddings
    effect = weights @ own.z
    residual = (own.z - design @ (inverse @ own.z))[fit]
    error = np.sqrt(np.square(weights).sum(1) * np.square(residual).sum() / (fit.sum() - rank))
    length = np.linalg.norm(effect, axis=1)
    share = np.ones(len(names))
    if shrink:
        share = 1 - np.square(np.minimum(error / np.maximum(length, 1e-300), 1.0))
    embeddings.layers["corrected"] = (own.z - (share[:, None] * effect)[code]).astype(embeddings.X.dtype)
    for line in confounded(embeddings, batch, keep):
        log.warning("%s", line)
    about = {"groups": np.bincount(code), "effect": length, "effect_se": error, "removed": share}
    return pd.DataFrame(about, index=pd.Index(names, name=batch))


def confounded(embeddings: "anndata.AnnData", batch: str, keep: Sequence[str] = ()) -> list[str]:
    """A line for every obs column that goes along with the batch: its differences go or stay with those of batches.

    Measured by the share of a column's variation (of its indicators) between batches, chance taken off as in adjusted
    R2; told from CONFOUNDED on. Of a kept column only that its effects rest on few groups.
    """
    values = _known(embeddings, batch).astype(str)
    code = pd.factorize(values)[0]
    out = []
    for name in telling(embeddings.obs):
        if name in (batch, "split", "n_samples"):
            continue
        known = embeddings.obs[name].notna().to_numpy()
        x = _columns(embeddings.obs[known], name)
        share = _between(x - x.mean(0), code[known])
        if share >= CONFOUNDED:
            then = "what is kept of it rests on few groups" if name in keep else "its differences are removed with them"
            out.append(f"batches and {name} are confounded: {100 * share:.0f} % of {name} lies between batches; {then}")
    return out


def _between(x: np.ndarray, code: np.ndarray) -> float:
    """Adjusted share of the squares of centred x (n, p) between classes; 0 where each has its own."""
    code = pd.factorize(code)[0]
    n, k = len(x), code.max() + 1
    total = np.square(x).sum()
    if total == 0 or n <= k:
        return 0.0
    sums = np.zeros((k, x.shape[1]))
    np.add.at(sums, code, x)
    within = total - (np.square(sums).sum(1) / np.bincount(code)).sum()
    return float(1 - within / total * (n - 1) / (n - k))


def _known(embeddings: "anndata.AnnData", name: str) -> pd.Series:
    values = column(embeddings, name)
    if values.isna().any():
        where = f"obs column {name!r} of {embeddings.obs_names[int(values.isna().to_numpy().argmax())]}"
        raise bad(where, "no value", "one for every group", "fill it in, or leave these groups out")
    return values


def _columns(obs: pd.DataFrame, name: str) -> np.ndarray:
    """A number as one column, standardised; categories as an indicator each."""
    values = obs[name]
    if is_number(obs, name):
        x = values.to_numpy(dtype=float)[:, None]
        return (x - x.mean()) / (x.std() or 1.0)
    code, names = pd.factorize(values.astype(str))
    return np.eye(len(names))[code]


def _design(embeddings: "anndata.AnnData", keep: Sequence[str]) -> np.ndarray:
    """Constant and kept columns (g, 1 + p)."""
    columns = [_columns(embeddings.obs, _known(embeddings, name).name) for name in keep]
    return np.concatenate([np.ones((embeddings.n_obs, 1)), *columns], 1)
