"""Columns of a screen: what a Perturb-seq file calls its columns: perturbed gene, control, batch, gene symbols; and
what they hold."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gde.errors import bad
from gde.prepare.common.counts import missing_as_text
from gde.readers import hdf5
from gde.readers.anndata import Cells

# Replogle et al. and Nadig et al. say gene, non-targeting, gem_group; copies on Zenodo perturbation, control, batch.
GENE = ("gene", "perturbation")
CONTROL = ("non-targeting", "control")
BATCH = ("gem_group", "gemgroup", "batch")
SYMBOL = "gene_name"


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
    gene = missing_as_text(cells.obs(column), "")
    _complete(gene, column, cells, where)
    label = _label(cfg["control"], gene, f"{where}.{column}")
    batch_column = None if cfg["batch"] is None else _choose(cfg["batch"], BATCH, obs, where, "dataset.batch")
    if batch_column is None:
        batch = np.full(len(cells), "all", dtype=object)
    else:
        batch = missing_as_text(cells.obs(batch_column), "")
        _complete(batch, batch_column, cells, where)
    symbol = cfg["genes"] if cfg["genes"] != "auto" else SYMBOL if SYMBOL in var else None
    symbols = cells.var_names
    if symbol is not None:
        named = missing_as_text(cells.var(symbol), "")
        symbols = [s or n for s, n in zip(named, cells.var_names, strict=True)]  # a gene without a symbol keeps its id
    names = {"gene": column, "control": label, "batch": batch_column, "symbols": symbol}
    return Screen(gene, gene == label, batch, list(symbols), names)


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


def _complete(values: np.ndarray, column: str, cells: Cells, where: str) -> None:
    empty = np.flatnonzero(values == "")
    if len(empty):
        place = f"{where}: row {empty[0]} ({cells.obs_names[empty[0]]}), column {column}"
        raise bad(place, "a missing value", "a value in every row", "fill it in or drop the row, and write it again")
