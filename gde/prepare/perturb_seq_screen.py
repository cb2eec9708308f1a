"""Columns of a screen: what a Perturb-seq file calls its columns: perturbed gene, control, batch, gene symbols; and
what they hold."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gde.errors import bad
from gde.prepare.common.counts import missing_as_text
from gde.readers import hdf5
from gde.readers.anndata import Cells
from gde.readers.missing import first_missing

# Replogle et al. and Nadig et al. say gene, non-targeting, gem_group; copies on Zenodo perturbation, control, batch.
GENE = ("gene", "perturbation")
CONTROL = ("non-targeting", "control", "ctrl")
BATCH = ("gem_group", "gemgroup", "batch")
# Cell Ranger's and Replogle's, CELLxGENE's, scanpy's.
SYMBOLS = ("gene_name", "feature_name", "gene_symbols", "gene_symbol", "symbol")


@dataclass(frozen=True)
class Screen:
    """One file's columns: gene, batch (n,) text, is_control (n,) bool, symbols (g,); `names` tells where they stood."""

    gene: np.ndarray
    is_control: np.ndarray
    batch: np.ndarray
    symbols: list[str]
    names: dict[str, str | None]


def read_screen(path: Path, cells: Cells, cfg: dict) -> Screen:
    """The columns of a file that `cfg` (gene, control, batch, genes) names, or the usual ones for 'auto'.

    Raises GdeError for columns that do not exist, a control label that no cell has, and cells without a gene or batch.
    """
    obs, var = hdf5.columns(path), hdf5.columns(path, "var")
    where = f"{path}: obs"
    usual = tuple(c for c in GENE if c in obs and set(CONTROL) & set(cells.obs(c))) or GENE  # some files have both
    column = _choose(cfg["gene"], usual, obs, where, "dataset.gene")
    gene = _complete(cells, column, where)
    label = _label(cfg["control"], gene, f"{where}.{column}")
    gene = alone(gene, label)
    batch_column = None if cfg["batch"] is None else _choose(cfg["batch"], BATCH, obs, where, "dataset.batch")
    if batch_column is None:
        batch = np.full(len(cells), "all", dtype=object)
    else:
        batch = _complete(cells, batch_column, where)
    if cfg["genes"] != "auto":
        symbol, symbols = cfg["genes"], named(cells, cfg["genes"])
    else:
        symbol, symbols = usual_symbols(cells, [s for s in SYMBOLS if s in var], set(gene) - {label})
    names = {"gene": column, "control": label, "batch": batch_column, "symbols": symbol}
    return Screen(gene, gene == label, batch, list(symbols), names)


def alone(gene: np.ndarray, control: str) -> np.ndarray:
    """Perturbed genes (n,), those paired with a control (`KLF1+ctrl`, `ctrl+KLF1`) by their own name."""
    ends = f"+{control}", f"{control}+"
    own = {g: g.removesuffix(ends[0]) if g.endswith(ends[0]) else g.removeprefix(ends[1]) for g in set(gene)}
    return np.array([own[g] for g in gene], dtype=object)


def named(cells: Cells, column: str) -> list[str]:
    """Names of the genes in a column of var; a gene without one keeps that of the index."""
    return [s or n for s, n in zip(missing_as_text(cells.var(column), ""), cells.var_names, strict=True)]


def usual_symbols(cells: Cells, columns: list[str], perturbed: set[str]) -> tuple[str | None, list[str]]:
    """The column of var, None for its index, in which most perturbed genes are found, and its names; of equal ones the
    first, the index last."""
    known: dict[str | None, list[str]] = {column: named(cells, column) for column in columns}
    known[None] = cells.var_names
    best = max(known, key=lambda column: len(perturbed.intersection(known[column])))  # the first of equal ones
    return best, list(known[best])


def _choose(given: str, usual: tuple[str, ...], known: list[str], where: str, key: str) -> str:
    if given != "auto":
        if given not in known:
            raise hdf5.unknown(f"{where} ({key})", given, known)
        return given
    found = next((c for c in usual if c in known), None)
    if found is None:
        listed = ", ".join(known[:12]) + (", …" if len(known) > 12 else "")
        raise bad(where, f"none of the columns {', '.join(usual)}", f"one of them among {listed}", f"set {key}")
    return found


def _label(given: str, gene: np.ndarray, where: str) -> str:
    known = sorted(set(gene))
    if given != "auto":
        if given not in known:
            raise hdf5.unknown(f"{where} (dataset.control)", given, known)
        return given
    found = next((c for c in CONTROL if c in known), None)
    if found is None:
        listed = ", ".join(known[:8]) + (", …" if len(known) > 8 else "")
        raise bad(where, f"no control cells ({' or '.join(CONTROL)}) among {listed}", "some", "set dataset.control")
    return found


def _complete(cells: Cells, column: str, where: str) -> np.ndarray:
    """A column of obs (n,) as text. GdeError names the first cell without a value."""
    values = cells.obs(column)
    if absent := first_missing(values):
        row, found, remedy = absent
        raise bad(
            f"{where}: row {row} ({cells.obs_names[row]}), column {column}", found, "a value in every row", remedy
        )
    return missing_as_text(values, "")
