"""Feature pipeline: what turns raw rows (counts, expression values, table columns) into sample vectors; stored with the
model."""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from gde.errors import bad
from gde.features.matched import Matched, match
from gde.features.seen import Seen, expm1, totals
from gde.files.io import read_json, write_json
from gde.files.sniffing import check_file

log = logging.getLogger(__name__)
AUTO = "auto"  # number of components
STEPS = {"values", "n_hvg", "scale", "clip", "n_pcs"}
VALUES = ("counts", "fractional_counts", "normalised", "lognorm", "scaled")
COUNTED = ("counts", "fractional_counts")  # values that are divided by the total of their row
# The covariance of d features takes 8 d² bytes and its eigenvectors as much again: 6,000 features stay within 1 GB.
MAX_PCA_FEATURES = 6000


class FeaturePipeline:
    """Counts to per-10k and log1p, a choice of genes, centring and scaling, principal components: each step optional.

    names : the input features used, in order (genes or columns); an input is matched by name, so more may be present.
    cfg : values ('counts' | 'fractional_counts' | 'normalised', logarithm only | 'lognorm' | 'scaled', both taken as
        they are; tables are 'scaled'), n_hvg (int | None), scale (bool), clip (float | None; units of sd, default 10),
        n_pcs (int | None; to `fit` also AUTO: `gde.features.held_out`).
    others : the features of training that were not chosen. Per-10k totals run over these and those chosen, whatever
        else an input has. None where an earlier gde did not record them: totals then run over all of an input.
    seen : what the training rows looked like (`gde.features.seen`).
    """

    def __init__(
        self,
        names: Sequence[str],
        cfg: dict,
        tensors: dict[str, np.ndarray],
        n_train: int,
        others: Sequence[str] | None = None,
        seen: dict[str, Any] | None = None,
    ):
        self.names = [str(n) for n in names]
        self.cfg = cfg
        self.tensors = tensors  # centre (g,), sd (g,) if scaled; pca_mean (g,), components (k, g), variance (k,) if PCA
        self.n_train = n_train
        self.others = None if others is None else [str(n) for n in others]
        self.seen = seen or {}
        self._matched: Matched | None = None  # to the last input's names

    @property
    def dim(self) -> int:
        """Length of a sample vector."""
        return len(self.tensors["components"]) if "components" in self.tensors else len(self.names)

    @property
    def output_names(self) -> list[str]:
        """Names of the entries of a sample vector: PC1, PC2, ... or the input names."""
        return [f"PC{i + 1}" for i in range(self.dim)] if "components" in self.tensors else self.names

    @classmethod
    def fit(cls, chunks: Callable[[], Iterator[Any]], names: Sequence[str], cfg: dict) -> "FeaturePipeline":
        """Fit on training rows; `chunks()` starts a new pass over them, in pieces (n, features) sparse or dense.

        At most two passes: moments of every feature (genes chosen, centre, sd), then the covariance of the chosen ones.
        Raises GdeError when the steps asked for do not fit the data (too many components, no training rows).
        """
        from gde.features.held_out import components_that_hold, second_half
        from gde.features.moments import Gram, Moments, variable_genes

        cfg = {
            "values": cfg["values"],
            "n_hvg": cfg.get("n_hvg"),
            "scale": bool(cfg.get("scale", False)),
            "clip": cfg.get("clip", 10.0),
            "n_pcs": cfg.get("n_pcs"),
        }
        if cfg["values"] not in VALUES:
            raise bad(
                "dataset.values", f"'{cfg['values']}'", "one of " + ", ".join(VALUES), "choose what the file holds"
            )
        if cfg["n_hvg"] is not None and cfg["values"] == "scaled":
            raise bad(
                "dataset.n_hvg",
                f"{cfg['n_hvg']} with values: scaled",
                "null: variable genes are chosen from expression",
                "set n_hvg: null, or give counts or lognorm values",
            )
        raw, plain, seen = Moments(len(names)), Moments(len(names)), Seen(cfg["values"])
        for rows in chunks():
            x = logarithm(rows, cfg["values"])
            plain.add(x)
            linear = None
            if cfg["n_hvg"] is not None:
                raw.add(linear := expm1(x))
            seen.add(rows, linear)
        n = plain.n
        if n == 0:
            raise bad("training rows", "none", "at least one", "use another split or a smaller min_size")
        chosen = np.arange(len(names))
        if cfg["n_hvg"] is not None and cfg["n_hvg"] < len(names):
            chosen = variable_genes(raw.mean, raw.var(ddof=1), cfg["n_hvg"])
        tensors = {}
        if cfg["scale"]:
            tensors |= {"centre": plain.mean[chosen], "sd": plain.sd()[chosen]}
        others = np.delete(np.arange(len(names)), chosen)
        self = cls([names[i] for i in chosen], cfg, tensors, n, [names[i] for i in others], seen.record())
        if cfg["n_pcs"] is not None:
            d, k = len(chosen), cfg["n_pcs"]
            if k == AUTO and n < 2:
                raise bad("training rows", "one", "two or more for principal components", "use another split")
            if k != AUTO and not 1 <= k <= min(d, n - 1):
                raise bad(
                    "dataset.n_pcs",
                    f"{k}",
                    f"between 1 and {min(d, n - 1)} ({d} features, {n} training rows)",
                    "lower n_pcs, or set it to null for no PCA",
                )
            if d > MAX_PCA_FEATURES:
                remedy = "set n_hvg, e.g. 2000" if cfg["values"] != "scaled" else "give fewer genes, or set n_pcs: null"
                raise bad("dataset.n_pcs", f"PCA of {d} features", f"at most {MAX_PCA_FEATURES}", remedy)
            gram, other = Gram(d), Gram(d) if k == AUTO else None
            for x in chunks():
                y = self._before_pca(x, names)
                if other is not None:
                    side = second_half(x)
                    other.add(y[side])
                    y = y[~side]
                gram.add(y)
            if other is not None:
                k = self.cfg["n_pcs"] = min(components_that_hold(gram, other), n - 1)
                gram += other
                log.info("n_pcs: %d, which hold in training cells that they are not fitted on (of %d)", k, n)
            self.tensors["pca_mean"] = gram.mean
            self.tensors["components"], self.tensors["variance"] = gram.components(k)
        return self

    def match(self, names: Sequence[str], where: str = "features", *, totals_given: bool = False) -> Matched:
        """Where the features stand among the `names` of an input (`gde.features.matched`)."""
        last = self._matched
        if last is None or last.names is not names or last.totals_given != totals_given:
            counted = None
            if self.cfg["values"] in COUNTED and self.others is not None and not totals_given:
                counted = [*self.names, *self.others]
            self._matched = match(self.names, counted, names, where, totals_given)
        return self._matched

    def _before_pca(self, x: Any, names: Sequence[str], total: np.ndarray | None = None) -> np.ndarray:
        matched = self.match(names, totals_given=total is not None)
        columns, counted = matched.chosen, matched.counted
        every = len(columns) == len(names) and (columns == np.arange(len(names))).all()
        chosen = x if every else x[:, columns]
        chosen = logarithm(chosen, self.cfg["values"], lambda: totals(x, counted) if total is None else total)
        y = chosen.toarray() if sp.issparse(chosen) else chosen
        y = np.asarray(y, dtype=np.float64)
        if "centre" in self.tensors:
            y = (y - self.tensors["centre"]) / self.tensors["sd"]
            if self.cfg["clip"] is not None:
                np.clip(y, -self.cfg["clip"], self.cfg["clip"], out=y)
        return y

    def transform(self, x: Any, names: Sequence[str], total: np.ndarray | None = None) -> np.ndarray:
        """Sample vectors (n, dim) float32 of rows x (n, features), sparse or dense, whose columns are called `names`.

        total : (n,) what counts are divided by, in the place of their sum.
        Raises GdeError listing the features that are missing (`match`). Only the chosen columns are ever dense.
        """
        y = self._before_pca(x, names, total)
        if "components" in self.tensors:
            y = (y - self.tensors["pca_mean"]) @ self.tensors["components"].T
        return y.astype(np.float32)

    def inverse(self, x: np.ndarray) -> np.ndarray:
        """Values (n, len(names)) float64 in the units before scaling and PCA: log1p per-10k expression, or table units.

        Exact without PCA and clipping; with PCA the best approximation of rank `dim`.
        """
        y = np.asarray(x, dtype=np.float64)
        if y.ndim != 2 or y.shape[1] != self.dim:
            raise ValueError(f"inverse: got an array of shape {y.shape}, expected (n, {self.dim})")
        if "components" in self.tensors:
            y = y @ self.tensors["components"] + self.tensors["pca_mean"]
        if "centre" in self.tensors:
            y = y * self.tensors["sd"] + self.tensors["centre"]
        return y

    def transform_h5ad(
        self, source: Any, *, layer: str | None = None, use_raw: bool = False, chunk: int = 4096
    ) -> Iterator[np.ndarray]:
        """Sample vectors (<= chunk, dim) float32 of every cell of an .h5ad file or AnnData, in order.

        The matrix is never dense as a whole; values are checked against cfg['values'] as in training.
        GdeError names file, cell and gene.
        """
        from gde.features.new_rows import transform_rows
        from gde.readers.anndata import read_cells

        with read_cells(source, layer=layer, use_raw=use_raw, values=self.cfg["values"], chunk=chunk) as cells:
            yield from transform_rows(self, cells)

    def save(self, directory: str | os.PathLike) -> None:
        """Write features.json and features.safetensors into `directory` (made when absent)."""
        from safetensors.numpy import save_file

        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        tensors = {k: np.ascontiguousarray(v, dtype=np.float64) for k, v in self.tensors.items()}
        save_file(tensors, directory / "features.safetensors")
        about = {"steps": self.cfg, "names": self.names, "n_train": self.n_train}
        about |= {"others": self.others, "seen": self.seen}
        write_json(directory / "features.json", about)

    @classmethod
    def load(cls, directory: str | os.PathLike) -> "FeaturePipeline":
        """Read what `save` wrote; GdeError names the file that is missing or damaged."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        directory = Path(directory)
        meta = read_json(directory / "features.json")
        file = directory / "features.safetensors"
        check_file(file, "the tensors beside features.json", "make the directory again")
        try:
            tensors = load_file(file)
            more = meta.get("others"), meta.get("seen")
            self = cls(meta["names"], meta["steps"], tensors, meta["n_train"], *more)
        except (SafetensorError, OSError, LookupError, TypeError, ValueError) as e:
            raise bad(file, f"damaged content ({e})", "files written by gde", "make the directory again") from e
        self._check(directory)
        return self

    def _check(self, directory: Path) -> None:
        """GdeError unless steps, names and tensors, as they were read, fit each other."""
        again, g, cfg = "make the directory again", len(self.names), self.cfg
        where = directory / "features.json"
        if not isinstance(cfg, dict) or set(cfg) != STEPS or cfg["values"] not in VALUES:
            raise bad(f"{where}: steps", f"{cfg!r:.80}", f"{', '.join(sorted(STEPS))} as gde writes them", again)
        if self.others is not None and set(self.others) & set(self.names):
            raise bad(f"{where}: others", "names of features that were chosen", "those that were not", again)
        for key, values in self.seen.items():
            numbers = values if key == "totals" else [values]
            if not isinstance(numbers, list) or not all(isinstance(v, int | float) for v in numbers):
                raise bad(f"{where}: seen.{key}", f"{values!r:.80}", "numbers as gde writes them", again)
        if len(set(self.names)) != g or not g:
            raise bad(f"{where}: names", f"{g} names, some of them twice", "one or more, each once", again)
        if cfg["clip"] is not None and not (type(cfg["clip"]) in (int, float) and cfg["clip"] > 0):
            raise bad(f"{where}: steps.clip", repr(cfg["clip"]), "a number > 0, or null", again)
        k = cfg["n_pcs"] if type(cfg["n_pcs"]) is int else 0
        shapes = {"centre": (g,), "sd": (g,)} if cfg["scale"] is True else {}
        shapes |= {"pca_mean": (g,), "components": (k, g), "variance": (k,)} if cfg["n_pcs"] is not None else {}
        found = {name: t.shape for name, t in self.tensors.items()}
        file = directory / "features.safetensors"
        if found != shapes:
            raise bad(file, f"tensors of shapes {found}", f"{shapes}, {g} features as in features.json", again)
        for name, t in self.tensors.items():
            if t.dtype != np.float64 or not np.isfinite(t).all() or (name == "sd" and t.min() <= 0):
                raise bad(f"{file}: {name}", "numbers that cannot be", "finite float64, sd above 0", again)


def _apply(f: Callable, x: Any) -> Any:
    """f of every value; f(0) must be 0, so that sparse stays sparse."""
    if not sp.issparse(x):
        return f(np.asarray(x, dtype=np.float64))
    x = x.tocsr()
    return sp.csr_matrix((f(x.data.astype(np.float64)), x.indices, x.indptr), shape=x.shape)


def logarithm(x: Any, values: str, total: Callable[[], np.ndarray] | None = None) -> Any:
    """Rows x (n, features) as log-normalised expression; `total` gives the sums (n,) where x is not the whole row."""
    if values in COUNTED:
        return _lognorm(x, total and total())
    return _apply(np.log1p, x) if values == "normalised" else x


def _lognorm(x: Any, total: np.ndarray | None) -> Any:
    """log1p of counts per 10,000 of each row's total (n,); rows without counts stay zero."""
    if total is None:
        total = totals(x)
    factor = 1e4 / np.where(total > 0, total, 1.0)
    if sp.issparse(x):
        x = x.tocsr()
        per_value = np.repeat(factor, np.diff(x.indptr))
        return sp.csr_matrix((np.log1p(x.data.astype(np.float64) * per_value), x.indices, x.indptr), shape=x.shape)
    y = np.multiply(x, factor[:, None], dtype=np.float64)
    return np.log1p(y, out=y)
