"""Statistics of a matrix that comes in chunks of rows: means, variances, variable genes, principal components."""

import numpy as np
import pandas as pd
import scipy.sparse as sp


class Moments:
    """Per-column mean and variance of streamed rows in float64, merged chunk by chunk (Chan, Golub & LeVeque 1983).

    Merging centred sums, not sums of squares, keeps the variance right for columns whose mean is large (time stamps).
    """

    def __init__(self, d: int):
        self.n = 0
        self.mean = np.zeros(d)
        self.m2 = np.zeros(d)

    def add(self, x: sp.csr_matrix | np.ndarray) -> None:
        """Add rows x (n, d), sparse (canonical CSR) or dense."""
        n = x.shape[0]
        if n == 0:
            return
        if sp.issparse(x):
            x = x.tocsr()
            d = x.shape[1]
            data = x.data.astype(np.float64)
            mean = np.bincount(x.indices, weights=data, minlength=d) / n
            stored = np.bincount(x.indices, minlength=d)
            m2 = np.bincount(x.indices, weights=(data - mean[x.indices]) ** 2, minlength=d) + (n - stored) * mean**2
        else:
            x = np.asarray(x, dtype=np.float64)
            mean = x.mean(0)
            centred = x - mean
            m2 = np.einsum("ij,ij->j", centred, centred)
        delta = mean - self.mean
        total = self.n + n
        self.m2 += m2 + delta**2 * (self.n * n / total)
        self.mean += delta * (n / total)
        self.n = total

    def var(self, ddof: int = 0) -> np.ndarray:
        """Variance (d,); zero where fewer than ddof + 1 rows came."""
        return self.m2 / max(self.n - ddof, 1)

    def sd(self) -> np.ndarray:
        """Standard deviation (d,) with ddof 0 for use as a divisor: a column that does not vary gets 1."""
        sd = np.sqrt(self.var())
        # Relative to the mean, because centred sums of a constant column leave rounding, not zero.
        return np.where(sd > 1e-13 * np.abs(self.mean), sd, 1.0)


def variable_genes(mean: np.ndarray, var: np.ndarray, n_top: int, bins: int = 20) -> np.ndarray:
    """Indices, in file order, of the `n_top` genes of highest normalised dispersion.

    mean, var : (genes,) of the per-10k values before the logarithm, var with ddof 1.
    Satija et al. 2015, in the form of scanpy's flavor 'seurat': log dispersion, standardised in 20 bins of log1p mean;
    a gene alone in its bin gets 1. Ties go to the earlier gene; genes without counts are never chosen.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        dispersion = var / np.where(mean == 0, 1e-12, mean)
        dispersion = np.log(np.where(dispersion == 0, np.nan, dispersion))
    frame = pd.DataFrame({"bin": pd.cut(np.log1p(mean), bins=bins, labels=False), "dispersion": dispersion})
    by_bin = frame.groupby("bin")["dispersion"]
    centre, spread = by_bin.transform("mean").to_numpy(), by_bin.transform("std").to_numpy()
    alone = np.isnan(spread)
    centre, spread = np.where(alone, 0.0, centre), np.where(alone, centre, spread)
    with np.errstate(divide="ignore", invalid="ignore"):
        score = (dispersion - centre) / spread
    order = np.argsort(-score, kind="stable")  # NaN last
    return np.sort(order[: min(n_top, int(np.isfinite(score).sum()))])


class Gram:
    """Mean and covariance (d, d) of streamed rows in float64, for principal components that are exact."""

    def __init__(self, d: int):
        self.n = 0
        self.mean = np.zeros(d)
        self.m2 = np.zeros((d, d), order="F")  # its upper triangle

    def add(self, x: np.ndarray) -> None:
        """Add rows x (n, d), dense."""
        from scipy.linalg.blas import dsyrk

        n = x.shape[0]
        if n == 0:
            return
        mean = np.mean(x, axis=0, dtype=np.float64)
        delta = mean - self.mean
        total = self.n + n
        rows = np.empty((n + 1, x.shape[1]))
        np.subtract(x, mean, out=rows[:-1])
        rows[-1] = delta * np.sqrt(self.n * n / total)  # what moves the means together, as one more row
        self.m2 = dsyrk(1.0, rows.T, beta=1.0, c=self.m2, overwrite_c=True)  # in place: no d x d temporaries
        self.mean += delta * (n / total)
        self.n = total

    def __iadd__(self, other: "Gram") -> "Gram":
        """Add the rows of another one."""
        if other.n:
            delta, total = other.mean - self.mean, self.n + other.n
            self.m2 += other.m2
            self.m2 += np.triu(np.outer(delta, delta)) * (self.n * other.n / total)
            self.mean += delta * (other.n / total)
            self.n = total
        return self

    def components(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """First k principal axes (k, d), orthonormal rows, and their variances (k,) with ddof 1; destroys the sums.

        The loading of largest magnitude in each axis is positive, so the result does not depend on the solver's sign.
        """
        from scipy.linalg import eigh

        d = len(self.mean)
        self.m2 /= max(self.n - 1, 1)
        value, vector = eigh(self.m2, lower=False, subset_by_index=(d - k, d - 1), overwrite_a=True, check_finite=False)
        axes = vector.T[::-1]
        largest = np.abs(axes).argmax(1)
        axes = axes * np.sign(axes[np.arange(k), largest])[:, None]
        return axes, np.maximum(value[::-1], 0.0)
