"""Targets of a screen: what is learned from all genes while a screen's cells pass: knock-down of the targets,
co-expression in controls."""

from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from gde.errors import bad
from gde.features.pipeline import logarithm
from gde.prepare.common.counts import listed
from gde.prepare.common.groups import Assignment
from gde.prepare.common.vectors import match, read_vectors
from gde.prepare.perturb_seq_hold_out import check_held_out
from gde.sets.vectors import Vectors

PARTNERS = 2000  # genes whose correlations describe a target: those of highest mean in controls


class Targets:
    """An `Observer` of a screen. samples : table of all cells (N), with gene, cell_line, gem_group, control.

    For each group of a gene that is measured: target_expression, its mean in the group, and control_expression, that
    in the control cells of the same gem groups, weighted as the group's cells are (cells of gem groups without controls
    count in neither); both log1p per 10,000 as configured, NaN where nothing is measured.
    Table vectors (`gde.sets.vectors`), for every perturbed gene: from a file, or the principal components of the
    correlations, over control cells and within cell lines, of measured targets with the PARTNERS most expressed genes.
    """

    def __init__(
        self,
        samples: pd.DataFrame,
        assignment: Assignment,
        names: list[str],
        values: str,
        *,
        vectors: dict | None,
    ):
        self.values, self.names, self.vectors = values, names, vectors
        self.row, self.groups = assignment.row, assignment.groups
        place = {name: i for i, name in enumerate(names)}
        self.target_of = np.array([place.get(g, -1) for g in samples["gene"]], np.int64)  # column of each cell's target
        self.targets = np.unique(self.target_of[self.target_of >= 0])
        self.control = samples["control"].to_numpy(bool)
        self.batch, self.batches = pd.factorize(samples["gem_group"])
        self.line, self.lines = pd.factorize(samples["cell_line"])
        self.own = np.full(len(samples), np.nan)  # each cell's own target
        self.total = np.full(len(samples), np.nan)
        self.expressed = np.zeros(len(names))  # sum over controls, by gene
        self.sum = np.zeros((len(self.batches), len(self.targets)))  # of controls
        self.count = np.zeros(len(self.batches))
        self.partners: np.ndarray | None = None
        self.cross: dict[int, _Cross] = {}
        self.samples = samples
        self.told: dict[str, int] = {}
        self.from_file = self._from_file()  # at once: what is missing is to be said before hours of reading
        self._check_coexpression()

    def _check_coexpression(self) -> None:
        """GdeError where co-expression could tell nothing of any perturbed gene."""
        if self.vectors is None or self.vectors["kind"] != "coexpression" or len(self._measured()) > 1:
            return
        wanted, n = self._wanted(), len(self._measured())
        found = f"{n} of {len(wanted)} perturbed genes ({listed(wanted, 3)}) among the genes ({listed(self.names, 3)})"
        remedy = (
            "set dataset.genes to the column of var that names genes as the perturbations do, give a file of vectors, "
            "or set vectors: null"
        )
        raise bad("dataset.vectors", found, "two or more, for their co-expression", remedy)

    def look(self, start: int, x: Any) -> None:
        """Rows x (n, genes) from row `start` on, in a first pass: what controls express, whatever their order."""
        controls = np.flatnonzero(self.control[start : start + x.shape[0]])
        if len(controls):
            self.expressed += np.asarray(x[controls].sum(0, dtype=np.float64)).ravel()

    def add(self, start: int, x: Any) -> None:
        """Rows x (n, genes) from row `start` on."""
        n = x.shape[0]
        here = slice(start, start + n)
        total = np.asarray(x.sum(1, dtype=np.float64)).ravel()
        self.total[here] = total
        target = self.target_of[here]
        cells = np.flatnonzero(target >= 0)
        if len(cells):  # SciPy has no empty selection of a sparse matrix
            own = np.asarray(x[cells, target[cells]], dtype=np.float64).ravel()
            self.own[start + cells] = self._log(own[:, None], total[cells])[:, 0]
        controls = np.flatnonzero(self.control[here])
        if len(controls) == 0 or len(self.targets) == 0:
            return
        y = self._log(_dense(x[controls][:, self.targets]), total[controls])
        batch = self.batch[here][controls]
        one_hot = sp.csr_matrix((np.ones(len(batch)), (batch, np.arange(len(batch)))), (len(self.batches), len(batch)))
        self.sum += one_hot @ y
        self.count += np.bincount(batch, minlength=len(self.batches))
        if self.vectors is not None and self.vectors["kind"] == "coexpression":
            self._cross(x[controls], y, total[controls], self.line[here][controls])

    def _cross(self, x: Any, y: np.ndarray, total: np.ndarray, line: np.ndarray) -> None:
        if self.partners is None:
            self.partners = np.sort(np.argsort(-self.expressed, kind="stable")[:PARTNERS])
        z = self._log(_dense(x[:, self.partners]), total)
        for code in np.unique(line):
            cross = self.cross.setdefault(int(code), _Cross(y.shape[1], z.shape[1]))
            cross.add(y[line == code], z[line == code])

    def _log(self, x: np.ndarray, total: np.ndarray) -> np.ndarray:
        return np.asarray(logarithm(x, self.values, lambda: total), dtype=np.float64)

    def finish(self) -> tuple[dict[str, np.ndarray], dict[str, pd.DataFrame], dict[str, Any]]:
        """Columns for the groups; the table of vectors; what meta.json tells. The table of samples gets `total`."""
        self.samples["total"] = self.total
        self.told = {"perturbed_genes": len(self._wanted()), "measured": len(self._measured())}
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = self.sum / self.count[:, None]  # (batches, targets), NaN without controls
        place = np.searchsorted(self.targets, self.target_of.clip(0)).clip(max=max(len(self.targets) - 1, 0))
        reference = mean[self.batch, place] if len(self.targets) else np.full(len(self.own), np.nan)
        counted = (self.row >= 0) & (self.target_of >= 0) & np.isfinite(reference)
        row, size = self.row[counted], len(self.groups)
        n = np.bincount(row, minlength=size)
        with np.errstate(invalid="ignore", divide="ignore"):
            columns = {
                "target_expression": np.bincount(row, weights=self.own[counted], minlength=size) / n,
                "control_expression": np.bincount(row, weights=reference[counted], minlength=size) / n,
            }
        vectors = self._vectors()
        if vectors is not None:
            self.told["without_vector"] = len(vectors.lost)
        return columns, {} if vectors is None else {"vectors": vectors.frame()}, {"targets": self.told}

    def _from_file(self) -> Vectors | None:
        if self.vectors is None or self.vectors["kind"] != "file":
            return None
        path, n_pcs = self.vectors["path"], self.vectors["n_pcs"]
        found = match(read_vectors(path), self._wanted(), where=path, n_pcs=n_pcs, missing=self.vectors["missing"])[0]
        check_held_out(found, self.groups, path)
        return found

    def _measured(self) -> list[str]:
        """Perturbed genes that are among the genes of the matrix."""
        known = set(self.names)
        return [gene for gene in self._wanted() if gene in known]

    def _wanted(self) -> list[str]:
        return sorted(set(self.groups["gene"][~self.groups["control"]]))

    def _vectors(self) -> Vectors | None:
        """Those of all perturbed genes, as configured. GdeError when some are missing and may not be."""
        if self.vectors is None or self.vectors["kind"] == "file":
            return self.from_file
        where = "dataset.vectors"
        found = match(self._coexpression(), self._wanted(), where=where, missing=self.vectors["missing"])[0]
        check_held_out(found, self.groups, where)
        return found

    def _coexpression(self) -> Vectors:
        n = sum(c.n for c in self.cross.values())
        correlation = sum(c.correlation() * (c.n / n) for c in self.cross.values())
        varies = np.abs(correlation).max(1) > 0
        if varies.sum() < 2:
            found = f"{varies.sum()} perturbed genes that vary in {n} control cells"
            raise bad("dataset.vectors", found, "two or more", "give a file of vectors, or set vectors: null")
        # A target's correlation of 1 with itself says nothing about its programme.
        correlation[self.targets[:, None] == self.partners[None, :]] = 0
        correlation = correlation[varies] - correlation[varies].mean(0)
        k = min(self.vectors["n_pcs"], *correlation.shape)
        left, size, right = np.linalg.svd(correlation, full_matrices=False)
        largest = np.abs(right[:k]).argmax(1)
        scores = left[:, :k] * size[:k] * np.sign(right[np.arange(k), largest])
        names = [self.names[t] for t in self.targets[varies]]
        return Vectors(names, scores.astype(np.float32), f"coexpression of {n} control cells")


class _Cross:
    """Sums of the products of two sets of streamed columns (n, a) and (n, b), for their correlations.

    Log-expression is small and varies about as much as its mean, so that plain float64 sums are accurate.
    """

    def __init__(self, a: int, b: int):
        self.n = 0
        self.sums = np.zeros(a), np.zeros(b)
        self.squares = np.zeros(a), np.zeros(b)
        self.products = np.zeros((a, b))

    def add(self, y: np.ndarray, z: np.ndarray) -> None:
        self.n += len(y)
        for i, x in enumerate((y, z)):
            self.sums[i][:] += x.sum(0)
            self.squares[i][:] += np.einsum("ij,ij->j", x, x)
        self.products += y.T @ z

    def correlation(self) -> np.ndarray:
        """(a, b), 0 where a column does not vary."""
        mean = [s / self.n for s in self.sums]
        sd = [np.sqrt(np.maximum(q / self.n - m**2, 0)) for q, m in zip(self.squares, mean, strict=True)]
        scale = np.outer(*sd)
        cov = self.products / self.n - np.outer(*mean)
        return np.divide(cov, scale, out=np.zeros_like(cov), where=scale > 1e-12)


def _dense(x: Any) -> np.ndarray:
    return x.toarray() if sp.issparse(x) else np.asarray(x)
