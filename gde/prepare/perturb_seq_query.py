"""Cells of a screen that a trained model is given: its controls; and vectors of perturbations it was never shown."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gde.errors import bad
from gde.features.new_rows import transform_rows
from gde.prepare.common.counts import JoinedCells, listed, missing_as_text
from gde.prepare.common.groups import RESERVED, as_text, name_groups
from gde.prepare.common.query_kind import no_options
from gde.prepare.common.query_rows import place_of, totals_of
from gde.prepare.common.vectors import match, read_vectors
from gde.prepare.perturb_seq_screen import CONTROL, GENE, SYMBOLS, alone, named, usual_symbols
from gde.readers import hdf5
from gde.readers.anndata import Cells, read_cells
from gde.sets.store.set_store import SetStore
from gde.sets.store.writer import StoreWriter

if TYPE_CHECKING:
    import anndata

    from gde.models.base import Model

CONDITION = "condition"  # column of the store's groups
WRITTEN = ("generated",)  # columns that predictions have besides
CLOSE = 1e-3  # of vectors computed again, whose mean square is 1


@dataclass(frozen=True)
class Columns:
    """How a user's file tells its cells apart, None = as in the data that the model was trained on.

    condition : column with the perturbation; absent from the file where `every` cell is a control.   control : what
    controls are called in it.   within : columns that a context is made of, e.g. the cell line.
    """

    condition: str | None = None
    control: str | None = None
    within: Sequence[str] | None = None
    every: bool = False


@contextmanager
def screen_store(
    model: "Model",
    path: Path,
    columns: Columns,
    wanted: Sequence[str],
    *,
    layer: str | None = None,
    use_raw: bool = False,
    totals: str | None = None,
) -> Iterator[tuple[SetStore, Columns]]:
    """The control cells of an .h5ad file, and those of the conditions `wanted`, a group for each in each context, as
    the model takes them; and the columns, none of them None.

    The store's groups have `condition` and the columns `within`; it lasts as long as the block. layer, use_raw,
    totals : as of `gde.prepare.common.query.cell_store`. GdeError for columns that are not there, no controls, missing
    genes and values that the preprocessing does not fit.
    """
    if model.features is None:
        found, expected = "no preprocessing", "a model trained on cells"
        raise bad("model", found, expected, "predict embeddings with GDE.predict_perturbed")
    dataset, values = model.config["dataset"], model.features.cfg["values"]
    screen = dataset["kind"] == "perturb_seq"  # its genes may have identifiers and be there twice
    columns = _resolved(model, path, columns)
    controls = trained_controls(model)[1]
    controls += [name for name in CONTROL if screen and name not in controls]
    layer, use_raw = place_of(dataset, path, layer, use_raw)
    with read_cells(path, layer=layer, use_raw=use_raw, values=values, unique=not screen) as cells:
        columns, condition = _conditions(cells, columns, controls, f"{cells.where}: obs")
        if screen:
            condition = alone(condition, columns.control)
        genes = _genes(cells, dataset["genes"], path, model) if screen else cells.var_names
        rows = Some(cells, genes, condition, [columns.control, *wanted])
        table = cells.columns(columns.within).assign(**{CONDITION: condition})[rows.kept].reset_index(drop=True)
        text = as_text(table, [CONDITION, *columns.within], f"{cells.where}: obs", rows.obs_names)
        code, groups, first = name_groups(text, list(text), f"{cells.where}: obs")
        table = pd.DataFrame({name: of.iloc[first].to_numpy() for name, of in text.items()})
        table = table.assign(group=groups, split="test", size=np.bincount(code))
        total = None if totals is None else totals_of(cells, totals)[rows.kept]
        with TemporaryDirectory() as scratch:
            out, start = Path(scratch) / "sets", 0
            with StoreWriter(out, groups=table, sample_shape=(model.dim,), seed=0) as writer:
                for x in transform_rows(model.features, rows, total):
                    writer.write(x, code[start : start + len(x)])
                    start += len(x)
                writer.finish({"kind": "query", "data": "user"})
            yield SetStore.open(out, verify=False), columns  # written a moment ago, by this process


class Some:
    """The cells that have some conditions, genes called by `genes` and added up where these are there twice; used as
    `Cells` are."""

    def __init__(self, cells: Cells, genes: list[str], condition: np.ndarray, conditions: Sequence[str]):
        self.joined, self.where = JoinedCells({"file": cells}, {"file": genes}), cells.where
        self.kept, self.var_names = np.isin(condition, list(conditions)), self.joined.var_names
        self.obs_names = np.asarray(cells.obs_names)[self.kept].tolist()

    def chunks(self) -> Iterator[tuple[int, Any]]:
        """(number of the first cell among these, rows (n, genes)) as of `Cells.chunks`."""
        start = 0
        for first, x in self.joined.chunks():
            own = self.kept[first : first + x.shape[0]]
            if own.any():
                yield start, x[own]
            start += int(own.sum())


class Screened:
    """All cells of a file, genes called as in training and added up where they are there twice; used as `Cells`."""

    def __init__(self, cells: Cells, genes: list[str]):
        joined = JoinedCells({"file": cells}, {"file": genes})
        self.var_names, self.chunks = joined.var_names, joined.chunks
        self.where, self.obs_names, self.columns = cells.where, cells.obs_names, cells.columns


@contextmanager
def open_rows(
    model: "Model",
    data: "anndata.AnnData | str | Path",
    columns: Sequence[str],
    *,
    layer: str | None,
    use_raw: bool,
    barcodes: Path | None,
) -> Iterator[Screened | None]:
    """The cells of an .h5ad file by the names that genes had in training, in var or its index; None of an AnnData."""
    if not isinstance(data, str | Path):
        yield None
        return
    no_options({"barcodes": barcodes}, f"{data}, an .h5ad")
    path, dataset, values = Path(data), model.config["dataset"], model.features.cfg["values"]
    layer, use_raw = place_of(dataset, path, layer, use_raw)
    with read_cells(path, layer=layer, use_raw=use_raw, values=values, unique=False) as cells:
        genes = _genes(cells, dataset["genes"], path, model)
        cells.whole = {*model.features.names, *(model.features.others or ())} <= set(genes)
        yield Screened(cells, genes)


def _resolved(model: "Model", path: Path, given: Columns) -> Columns:
    """The columns, those of the training data where none are given. GdeError for one that the file lacks."""
    objective, dataset = model.config["objective"], model.config["dataset"]
    trained = trained_controls(model)[0]
    known = hdf5.columns(path)
    usual = [c for c in (dataset.get("gene"), trained) if c not in (None, "auto")]
    if dataset["kind"] == "perturb_seq":
        usual = list(dict.fromkeys([*usual, *GENE]))
    condition = given.condition or next((c for c in usual if c in known), None)
    if condition is None and given.every:
        condition = usual[0]
    if not given.every and condition not in known:
        remedy = "name it with --pert-col, or say with --all-controls that no cell is perturbed"
        found = f"no column {condition!r}" if condition else f"none of the columns {', '.join(usual)}"
        raise bad(f"{path}: obs", found, f"the perturbation in a column among {listed(known, 12)}", remedy)
    if given.within is None:
        within = [c for c in objective["within"] if c in known and c != condition]
    else:
        within = list(given.within)
        for name in within:
            if name not in known:
                raise hdf5.unknown(f"{path}: obs (--within)", name, known)
    for name in within:
        if name in (taken := (CONDITION, condition, *RESERVED, *WRITTEN)):
            expected = f"columns other than {', '.join(taken)}"
            raise bad(f"{path}: obs (--within)", repr(name), expected, "rename the column, or leave it out")
    return Columns(condition, given.control, within, given.every)


def _conditions(cells: Cells, columns: Columns, usual: list[str], where: str) -> tuple[Columns, np.ndarray]:
    """The columns with what controls are called, if not told one of `usual`; and the condition of every cell (n,)."""
    usual = [columns.control] if columns.control else usual
    if columns.every:
        return replace(columns, control=usual[0]), np.full(len(cells), usual[0], dtype=object)
    condition = missing_as_text(cells.obs(columns.condition), "")
    known = sorted(set(condition) - {""})
    control = next((c for c in usual if c in known), None)
    if control is None:
        found, expected = f"no cell that is {' or '.join(map(repr, usual))}", f"controls among {listed(known, 8)}"
        raise bad(f"{where}.{columns.condition}", found, expected, "say with --control what they are called")
    return replace(columns, control=control), condition


def _genes(cells: Cells, asked: str, path: Path, model: "Model") -> list[str]:
    """What the genes are called: in the column that training read, or in that of the usual ones that fits the model."""
    if asked != "auto":
        return named(cells, asked)
    known = {*model.features.names, *(model.features.others or [])}
    return usual_symbols(cells, [s for s in SYMBOLS if s in hdf5.columns(path, "var")], known)[1]


def trained_controls(model: "Model") -> tuple[str, list[str]]:
    """The column of conditions that a model was trained with, and what its controls are called, or may be."""
    dataset, given = model.config["dataset"], model.config["objective"]["control"]
    if given is not None:
        ((name, value),) = given.items()
        return name, [str(value)]
    return "gene", [*CONTROL] if dataset["control"] == "auto" else [dataset["control"]]


def new_vectors(model: "Model", names: Sequence[str]) -> np.ndarray:
    """Vectors (n, k) float32 of conditions that the model's data did not have, from the file that described those.

    GdeError where the model's conditions have no vectors of a file, the file is another one, or lacks a name.
    """
    conditions, dataset = model.heads["perturbation"].conditions, model.config["dataset"]
    described = (dataset.get("vectors") or {}) if model.config["objective"]["conditions"] == "vectors" else {}
    if described.get("kind") != "file":
        near = hdf5.unknown("--condition", names[0], conditions.names)
        if hasattr(conditions, "given"):
            raise near
        remedy = "train with objective.conditions: vectors to predict conditions that were never tried"
        raise bad("--condition", repr(names[0]), f"one that trained: {listed(conditions.names, 12)}", remedy)
    file = read_vectors(described["path"])
    options = {"where": described["path"], "n_pcs": described["n_pcs"], "missing": described["missing"]}
    lost = [name for name, row in zip(names, file.rows(names), strict=True) if row < 0]
    if lost:
        raise hdf5.unknown(described["path"], lost[0], file.names)
    own, every = conditions.names, [*conditions.names, *names]
    table, kept = match(file, every, **options)[0].table, file.rows(own) >= 0
    again, given = table[: len(own)][kept], conditions.given.cpu().numpy()[kept]
    factor = (again * given).sum() / (again * again).sum()  # `match` makes the vectors that it is asked for of one size
    if not np.abs(again * factor - given).max() < CLOSE:
        found = "vectors other than those that the model was trained with"
        raise bad(described["path"], found, "the file of dataset.vectors as it was", "restore it, or train again")
    return table[len(own) :] * np.float32(factor)
