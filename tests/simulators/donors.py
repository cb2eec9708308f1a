"""Donors of whom some are ill, in batches: what illness does to the cells of one type, and to how many there are."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from simulators.expression import Genes, depths
from simulators.h5ad import write_h5ad

TYPES = ("B cell", "Monocyte", "T cell")


@dataclass(frozen=True)
class DonorTruth:
    """table : donor, disease ('ill' | 'well'), batch, then the donor's probability of each cell type."""

    table: pd.DataFrame


def simulate_donors(
    path: Path,
    *,
    donors: int = 24,
    cells: int = 60,
    genes: int = 120,
    batches: int = 3,
    effect: float = 0.8,
    composition: float = 0.0,
    batch_effect: float = 0.5,
    depth: float = 2500.0,
    legacy: bool = False,
    seed: int = 0,
) -> DonorTruth:
    """Write an .h5ad with the columns donor_id, disease, batch, cell_type, age; illness is crossed with the batches.

    effect : units of the illness's programme in the monocytes of the ill; composition : added to the log odds of
    monocytes in the ill; batch_effect : sd of a batch's shift of every programme.
    """
    rng = np.random.default_rng(seed)
    ill = rng.permutation(np.arange(donors) % 2 == 1)
    batch = np.empty(donors, int)
    for part in (ill, ~ill):  # each batch has as many of both
        batch[part] = rng.permutation(part.sum()) % batches
    logits = rng.normal(0, 0.3, (donors, len(TYPES)))
    logits[:, 1] += composition * ill
    chance = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    donor = rng.permutation(np.repeat(np.arange(donors), rng.poisson(cells, donors).clip(min=1)))
    kind = (rng.random((len(donor), 1)) > np.cumsum(chance, 1)[donor]).sum(1).clip(max=len(TYPES) - 1)
    sick = (ill[donor] & (kind == 1)) * effect
    programmes = 3
    own = rng.normal(0, 0.15, (donors, programmes))  # people differ
    shift = rng.normal(0, batch_effect, (batches, programmes))
    parts = [1.5 * np.eye(len(TYPES))[kind], sick[:, None], own[donor] + shift[batch[donor]]]
    state = np.concatenate(parts, axis=1)
    model = Genes.draw(genes, state.shape[1], rng, informative=max(60, genes // 4))
    names = [f"P{d:04d}" for d in range(donors)]
    status = np.where(ill, "ill", "well").astype(object)
    obs = pd.DataFrame(
        {
            "donor_id": np.array(names, object)[donor],
            "disease": status[donor],
            "batch": np.array([f"pool{b}" for b in range(batches)], object)[batch[donor]],
            "cell_type": np.array(TYPES, object)[kind],
            "age": rng.integers(20, 80, donors)[donor],
        },
        index=pd.Index([f"cell{i}" for i in range(len(donor))], name="cell"),
    )
    var = pd.DataFrame(
        {"feature_name": [f"G{i}" for i in range(genes)]}, index=pd.Index([f"G{i}" for i in range(genes)])
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_h5ad(path, model.counts(state, depths(len(donor), depth, rng), rng), obs, var, legacy=legacy)
    table = pd.DataFrame({"donor": names, "disease": status, "batch": [f"pool{b}" for b in batch]})
    return DonorTruth(pd.concat([table, pd.DataFrame(chance, columns=TYPES)], axis=1))
