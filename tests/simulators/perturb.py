"""A screen whose perturbations follow from gene embeddings, in the layout of Replogle and Nadig or of Zenodo's."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from simulators.expression import Genes, depths
from simulators.h5ad import write_h5ad

CONTROL = {"replogle": "non-targeting", "zenodo": "control"}


@dataclass(frozen=True)
class PerturbTruth:
    """files : cell line -> path. table : gene, null (bool), size (norm of its shift).

    shift (perturbed genes, measured genes): change of the log rate in the first line, `factor[line]` times as much in
    the others. embeddings : gene, e1 ...; the shift is linear in it, and 0 in it for null perturbations.
    """

    files: dict[str, Path]
    table: pd.DataFrame
    measured: list[str]
    shift: np.ndarray
    factor: dict[str, float]
    embeddings: pd.DataFrame


def simulate_perturb(
    folder: Path,
    *,
    lines: tuple[str, ...] = ("K562", "RPE1"),
    perturbed: int = 30,
    cells: int = 40,
    controls: int = 200,
    genes: int = 120,
    gem_groups: int = 3,
    null: float = 0.4,
    programmes: int = 4,
    effect: float = 1.0,
    knock_down: float = 0.2,
    batch_effect: float = 0.3,
    absent: float = 0.05,
    duplicated: int = 2,
    layout: str = "replogle",
    legacy: bool = True,
    depth: float = 4000.0,
    seed: int = 0,
) -> PerturbTruth:
    """Write <line>.h5ad and gene_embeddings.parquet into `folder`.

    A perturbation moves `programmes` programmes by the first entries of its gene's embedding, which are zero for null
    ones; further entries say nothing. Each line lacks another share `absent` of the genes that are not perturbed, has
    `duplicated` symbols twice, and gem groups that shift all its genes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    names = np.array([f"G{i:05d}" for i in range(genes)])
    space = Genes.draw(genes, programmes, rng, informative=max(60, genes // 4))
    targets = rng.choice(genes, perturbed, replace=False)
    is_null = np.zeros(perturbed, bool)
    is_null[rng.choice(perturbed, round(null * perturbed), replace=False)] = True
    moves = rng.normal(0, effect, (perturbed, programmes)) * ~is_null[:, None]
    shift = moves @ space.loadings
    shift[np.arange(perturbed), targets] += np.where(is_null, 0.0, np.log(knock_down))
    useless = rng.normal(size=(perturbed, 4))
    embedding = np.concatenate([moves + 0.02 * rng.normal(size=moves.shape), useless], axis=1)
    factor = {line: 1.0 if i == 0 else float(rng.uniform(0.6, 1.0)) for i, line in enumerate(lines)}
    files = {}
    for line in lines:
        place = Genes(space.base + rng.normal(0, 0.4, genes), space.loadings)
        who = np.repeat(np.arange(perturbed + 1), [controls, *([cells] * perturbed)]) - 1  # -1: control
        who = rng.permutation(who)
        gem = rng.integers(0, gem_groups, len(who))
        batch = rng.normal(0, batch_effect, (gem_groups, genes))
        own = np.concatenate([np.zeros((1, genes)), factor[line] * shift])  # what is added to the log rate
        # A state for each perturbation and gem group, whose loadings are what it adds.
        state = np.concatenate([np.eye(perturbed + 1)[who + 1], np.eye(gem_groups)[gem]], axis=1).astype(np.float32)
        model = Genes(place.base, np.concatenate([own, batch]))
        dispensable = np.setdiff1d(np.arange(genes), targets)
        lacking = rng.choice(dispensable, int(absent * len(dispensable)), replace=False)
        kept = np.setdiff1d(np.arange(genes), lacking)
        columns = np.append(kept, np.setdiff1d(kept, targets)[:duplicated])
        var = _var(names[columns], layout)
        obs = _obs(who, gem, names[targets], layout, line)
        files[line] = folder / f"{line}.h5ad"
        chunks = (_cut(x, columns, duplicated, rng) for x in model.counts(state, depths(len(who), depth, rng), rng))
        write_h5ad(files[line], chunks, obs, var, legacy=legacy)
    table = pd.DataFrame({"gene": names[targets], "null": is_null, "size": np.linalg.norm(shift, axis=1)})
    told = pd.DataFrame(embedding.astype(np.float32), columns=[f"e{i + 1}" for i in range(embedding.shape[1])])
    told.insert(0, "gene", names[targets])
    told.to_parquet(folder / "gene_embeddings.parquet", index=False)
    return PerturbTruth(files, table, names.tolist(), shift, factor, told)


def _cut(x: np.ndarray, columns: np.ndarray, duplicated: int, rng: np.random.Generator) -> np.ndarray:
    """The measured columns; a gene that stands there twice has its counts parted between the two."""
    y = x[:, columns].copy()
    if duplicated:
        first = np.flatnonzero(np.isin(columns[:-duplicated], columns[-duplicated:]))
        whole = y[:, first].astype(np.int64)
        part = rng.binomial(whole, 0.5)
        y[:, first] = part
        y[:, -duplicated:] = (whole - part)[:, np.argsort(np.argsort(columns[-duplicated:]))]
    return y


def _var(symbols: np.ndarray, layout: str) -> pd.DataFrame:
    ids = [f"ENSG{i:011d}" for i in range(len(symbols))]
    if layout == "zenodo":  # symbols are the index, made unique there
        seen: dict[str, int] = {}
        index = []
        for s in symbols:
            seen[s] = seen.get(s, -1) + 1
            index.append(s if seen[s] == 0 else f"{s}-{seen[s]}")
        return pd.DataFrame({"ensembl_id": ids}, index=pd.Index(index, name="gene_symbol")).astype(object)
    table = pd.DataFrame({"gene_name": symbols.astype(object), "chr": "chr1"}, index=pd.Index(ids, name="gene_id"))
    return table.assign(start=np.arange(len(ids)), end=np.arange(len(ids)) + 1000, strand="+", in_matrix=True)


def _obs(who: np.ndarray, gem: np.ndarray, targets: np.ndarray, layout: str, line: str) -> pd.DataFrame:
    control = CONTROL[layout]
    gene = np.append(targets, control).astype(object)[who]
    index = pd.Index([f"{i:09d}-{g + 1}" for i, g in enumerate(gem)], name="cell_barcode")
    if layout == "zenodo":
        columns = {"perturbation": gene, "batch": gem + 1, "cell_line": line, "tissue_type": "cell_line"}
        return pd.DataFrame(columns, index=index)
    columns = {"gem_group": gem + 1, "gene": gene, "gene_id": gene, "transcript": "P1P2", "sgID_AB": gene + "_sg"}
    numbers = {"mitopercent": 0.05, "UMI_count": 0.0, "core_scale_factor": 1.0}
    return pd.DataFrame(columns | numbers, index=index)
