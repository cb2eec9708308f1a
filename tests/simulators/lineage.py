"""Clones whose early state predicts their fate by a known amount, in the four files of the LARRY release."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

from simulators.expression import Genes, depths
from simulators.mtx import write_mtx, write_text

FATES = ("Monocyte", "Neutrophil", "Baso")
EARLY = "Undifferentiated"
SHARPNESS = 2.0  # logits of the fates per unit of the late state
SCATTER = 0.5  # of a cell's early state around its clone's


@dataclass(frozen=True)
class LineageTruth:
    """clones : clone (column in the clone matrix), early_i, late_i, probability_<fate>. cells : one row per cell.

    The states early_i and late_i of a clone are normal with correlation `rho` for each i, and independent otherwise.
    """

    clones: pd.DataFrame
    cells: pd.DataFrame
    rho: float

    @property
    def dims(self) -> int:
        return len(FATES) - 1

    @property
    def bits(self) -> float:
        """Mutual information between the early and the late state of a clone."""
        return -0.5 * self.dims * float(np.log2(1 - self.rho**2))

    def observed_bits(self, n_early: int, n_late: int, *, draws: int = 1000, inner: int = 1000, seed: int = 0) -> float:
        """Information between the mean early state of n_early cells and the fates of n_late cells, by Monte Carlo.

        What a perfect reader of the cells could know, since few cells tell their clone's state only roughly. Error of
        the inner average: biased upwards for more than a few hundred late cells.
        """
        rng = np.random.default_rng(seed)
        early = rng.standard_normal((draws, self.dims))
        late = self.rho * early + np.sqrt(1 - self.rho**2) * rng.standard_normal(early.shape)
        seen = early + SCATTER / np.sqrt(n_early) * rng.standard_normal(early.shape)
        fates = np.stack([rng.multinomial(n_late, p) for p in probabilities(late)])
        shrink = 1 / (1 + SCATTER**2 / n_early)
        noise = rng.standard_normal((inner, self.dims))
        spread = np.sqrt(1 - self.rho**2 * shrink)  # sd of the late state given what was seen
        marginal = log_sum(fates @ log_probabilities(noise).T, axis=1)
        given = [
            log_sum(log_probabilities(self.rho * shrink * s + spread * noise) @ f, axis=0)
            for s, f in zip(seen, fates, strict=True)
        ]
        return float(np.mean(np.array(given) - marginal) / np.log(2))


def log_probabilities(late: np.ndarray) -> np.ndarray:
    """Logarithms (n, fates) of the probabilities of the fates of clones in the states late (n, fates - 1)."""
    logits = SHARPNESS * np.concatenate([np.zeros((len(late), 1)), late], axis=1)
    return logits - log_sum(logits, axis=1)[:, None]


def log_sum(x: np.ndarray, axis: int) -> np.ndarray:
    """log of the sum of exp(x) along an axis, without overflow."""
    top = x.max(axis)
    return top + np.log(np.exp(x - np.expand_dims(top, axis)).sum(axis))


def probabilities(late: np.ndarray) -> np.ndarray:
    """Probabilities (n, fates) of the fates of clones in the states late (n, fates - 1)."""
    return np.exp(log_probabilities(late))


def simulate_lineage(
    folder: Path,
    *,
    clones: int = 60,
    cells: tuple[float, float, float] = (6.0, 8.0, 16.0),
    genes: int = 150,
    rho: float = 0.9,
    unlabelled: float = 0.3,
    doublets: float = 0.02,
    depth: float = 3000.0,
    normalised: bool = True,
    by_column: bool = False,
    duplicated_genes: int = 2,
    seed: int = 0,
) -> LineageTruth:
    """Write the four files into `folder`. cells : mean cells of a clone on days 2, 4 and 6.

    State of a cell: progress t (about 0, 1/2, 1 on the three days), the clone's early state with weight 1 - t, the
    programme of its fate with weight t. Rows are in random order; the last genes bear the first ones' names.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    dims = len(FATES) - 1
    early = rng.standard_normal((clones, dims))
    late = rho * early + np.sqrt(1 - rho**2) * rng.standard_normal((clones, dims))
    chance = probabilities(late)
    size = np.stack([rng.poisson(m, clones) for m in cells], axis=1)  # (clones, days)
    clone = np.repeat(np.tile(np.arange(clones), 3), size.T.ravel())
    day = np.repeat(np.repeat([2.0, 4.0, 6.0], clones), size.T.ravel())
    order = rng.permutation(len(clone))
    clone, day = clone[order], day[order]
    n = len(clone)
    fate = (rng.random((n, 1)) > np.cumsum(chance, 1)[clone]).sum(1).clip(max=dims)
    t = np.clip((day - 2) / 4 + rng.normal(0, 0.08, n), 0, 1)
    own = early[clone] + SCATTER * rng.standard_normal((n, dims))
    state = np.concatenate([t[:, None], own * (1 - t)[:, None], np.eye(len(FATES))[fate] * t[:, None] * 2], axis=1)
    well = np.where(day == 2, 0, rng.integers(1, 3, n))
    has = rng.random(n) >= unlabelled
    second = np.flatnonzero(has & (rng.random(n) < doublets))

    direction = np.stack([np.cos(2 * np.pi * np.arange(3) / 3), np.sin(2 * np.pi * np.arange(3) / 3)], axis=1)
    spring = 2000 * t[:, None] * direction[fate] + rng.normal(0, 150, (n, 2))
    annotation = np.where(t > 0.6, np.array(FATES, object)[fate], EARLY)
    residues = np.array(list("ACGT"))
    barcode = ["".join(b) for b in residues[rng.integers(0, 4, (n, 16))]]
    table = pd.DataFrame(
        {
            "Library": [f"d{int(d)}_{w}_{i % 2 + 1}" for i, (d, w) in enumerate(zip(day, well, strict=True))],
            "Cell barcode": [f"{b[:8]}-{b[8:]}" for b in barcode],
            "Time point": day,
            "Starting population": np.where(clone % 2, "Lin-Kit+Sca1-", "Lin-Kit+Sca1+"),
            "Cell type annotation": annotation,
            "Well": well,
            "SPRING-x": spring[:, 0].round(3),
            "SPRING-y": spring[:, 1].round(3),
        }
    )
    write_text(folder / "stateFate_inVitro_metadata.txt.gz", table.to_csv(sep="\t", index=False))
    names = [f"Gene{i}" for i in range(genes - duplicated_genes)] + [f"Gene{i}" for i in range(duplicated_genes)]
    write_text(folder / "stateFate_inVitro_gene_names.txt.gz", "\n".join(names) + "\n")
    members = [np.flatnonzero(has), second]
    columns = [clone[members[0]], (clone[second] + 1) % clones]
    member = sp.coo_matrix((np.ones(len(columns[0]) + len(second)), (np.concatenate(members), np.concatenate(columns))),
                           shape=(n, clones)).tocsr()  # fmt: skip
    write_mtx(folder / "stateFate_inVitro_clone_matrix.mtx.gz", [member], (n, clones), field="integer")

    def chunks():
        for x in Genes.draw(genes, state.shape[1], rng).counts(state, depths(n, depth, rng), rng):
            total = x.sum(1, keepdims=True)
            yield x * (depth / np.maximum(total, 1)) if normalised else x

    field = "real" if normalised else "integer"
    counts = folder / "stateFate_inVitro_normed_counts.mtx.gz"
    write_mtx(counts, chunks(), (n, genes), field=field, by_column=by_column)
    truth = pd.DataFrame({"clone": np.arange(clones)})
    truth = truth.assign(**{f"{k}_{i}": v[:, i] for k, v in (("early", early), ("late", late)) for i in range(dims)})
    truth = truth.assign(**{f"probability_{f}": chance[:, i] for i, f in enumerate(FATES)})
    doublet = np.isin(np.arange(n), second)
    told = pd.DataFrame(
        {"clone": clone, "day": day, "fate": np.array(FATES)[fate], "labelled": has, "doublet": doublet}
    )
    return LineageTruth(truth, told, rho)
