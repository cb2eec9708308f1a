"""Sides: the samples of two groups, or of the donors of two levels, as a model takes them and as a user reads them."""

import difflib
import os
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gde.compare import check_store
from gde.embed import open_data, read_set
from gde.errors import bad, many
from gde.features.new_rows import transform_rows
from gde.features.pipeline import logarithm
from gde.features.seen import totals
from gde.models.base import Model
from gde.prepare.common.query import columns_of, grouped
from gde.prepare.common.query_rows import open_rows, totals_of
from gde.sets.store.set_store import SetStore
from gde.tl.moments import Moments
from gde.tl.readouts import Numbers, Residues, check_served

if TYPE_CHECKING:
    import anndata


@dataclass(frozen=True)
class Sides:
    """The samples of both sides.

    x : (n, ...) as the model takes them.   weight : (n,) or None.   unit : (n,) of what is independent: the number of a
    donor, else of the side.   side : (u,) 0 or 1, of each unit.   units : (u,) their names.   names : of the two sides.
    row : (n,) where a sample stands in the data (of a store: in the store).   columns : a row per sample, those that
    were asked for.   readout : its features.   moments : of the observed features of every unit.
    restored : of those of x, which lack what preprocessing took away.
    by : the column whose levels are compared, where units are donors.
    """

    names: tuple[str, str]
    x: np.ndarray
    weight: np.ndarray | None
    unit: np.ndarray
    side: np.ndarray
    units: list[str]
    row: np.ndarray
    columns: pd.DataFrame
    readout: Numbers | Residues
    moments: Moments
    restored: Moments
    by: str | None
    whole: int  # samples of the data, those of neither side among them

    def of(self, unit: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Samples and weights of a unit."""
        own = self.unit == unit
        return self.x[own], None if self.weight is None else self.weight[own]


def read_sides(
    model: Model,
    data: "anndata.AnnData | str | Path",
    first: str,
    second: str,
    groupby: str | Sequence[str] | None = None,
    by: str | None = None,
    over: Sequence[str] = (),
    *,
    split: str | None = "test",
    k: int | None = None,
    **options: Any,
) -> Sides:
    """The samples of the groups called `first` and `second`, or those of the groups (donors) of two levels of `by`.

    data : an AnnData, a file that the model reads, or the directory of its set store, of which a `split` is taken
    (None: all).   over : further columns of samples.   GdeError for names and columns that are not there, a unit of
    two levels, sides of fewer than two units, and models that cannot be asked.
    """
    check_served(model)
    columns = [groupby] if isinstance(groupby, str) else list(groupby or [])
    stored = is_store(data)
    if by is not None and (not columns or by in columns):
        remedy = "name the column of what is independent, such as the donor"
        raise bad("groupby", ", ".join(columns) or "nothing", f"columns other than {by!r}", remedy)
    if first == second:
        raise bad(f"{first!r}", "the same name twice", "two groups", "name another")
    wanted = list(dict.fromkeys([*columns, *([by] if by else []), *over]))
    if stored and (given := [name for name, value in options.items() if value is not None and value is not False]):
        raise bad(", ".join(given), f"{data}, a set store", "a file", "leave them out")
    if stored or "vectors" not in model.sample_type.names:
        source = nullcontext(SetStore.open(data)) if stored else open_data(model, data, wanted, **options)
        with source as store:
            check_store(model, store)
            names = (first, second) if by is None and not columns else ()
            table, parts = _stored(store, split if stored else None, wanted, names)
            chosen = Chosen(table, columns, by, (first, second), str(data), whole=not columns)
            return _from_store(model, store, parts, chosen, over, k)
    return _from_rows(model, data, wanted, columns, by, (first, second), over, **options)


def is_store(data: Any) -> bool:
    """Whether it is the directory of a set store."""
    return isinstance(data, str | Path) and os.path.isdir(data) and (Path(data) / "meta.json").is_file()


class Chosen:
    """Which side and unit each row of a table of groups or samples is of; -1 for neither.

    whole : take the column `group` itself for the name of a group.
    """

    def __init__(
        self, table: pd.DataFrame, columns: list[str], by: str | None, names: tuple[str, str], where: str, whole: bool
    ):
        self.table, self.by, self.names = table, by, names
        group = (table["group"].astype(str) if whole else table[columns].astype(str).agg("|".join, axis=1)).to_numpy()
        level = group if by is None else table[by].astype(str).to_numpy()
        for name in names:
            if not (level == name).any():
                known = list(dict.fromkeys(level))
                near = difflib.get_close_matches(name, known, 3, cutoff=0.0)
                what = f"group {name!r}" if by is None else f"column {by!r}"
                found = "no such group" if by is None else f"no {name!r}"
                raise bad(f"{where}: {what}", found, f"e.g. {', '.join(near)}", "correct the name")
        side = np.select([level == names[0], level == names[1]], [0, 1], -1)
        keys = level if by is None else group
        if by is not None:
            both = set(keys[side == 0]) & set(keys[side == 1])
            if both:
                found = f"{names[0]}, {names[1]} inside {min(both)!r}"
                raise bad(f"{where}: column {by!r}", found, "one value in each group", f"add {by} to --groupby instead")
        self.units = [*names] if by is None else sorted(set(keys[side == 0])) + sorted(set(keys[side == 1]))
        place = {name: i for i, name in enumerate(self.units)}
        self.unit = np.array([place[key] if s >= 0 else -1 for key, s in zip(keys, side, strict=True)])
        self.side = np.zeros(len(self.units), int)
        self.side[self.unit[side == 1]] = 1
        counts = np.bincount(self.side, minlength=2)
        if by is not None and counts.min() < 2:
            found = f"{many(int(counts.min()), 'group')} of {names[int(counts.argmin())]!r}"
            raise bad(f"{where}: column {by!r}", found, "two or more of each level", "compare groups without --by")

    def sides(self, unit: np.ndarray, where: str, **rest: Any) -> Sides:
        """With the units (n,) of the samples that were kept; GdeError for a side of one sample."""
        counts = np.bincount(self.side[unit], minlength=2)
        if counts.min() < 2:
            found = many(int(counts.min()), "sample")
            raise bad(f"{where}: {self.names[int(counts.argmin())]!r}", found, "two or more", "name another group")
        return Sides(names=self.names, unit=unit, side=self.side, units=self.units, by=self.by, **rest)


def _stored(
    store: SetStore, split: str | None, columns: list[str], names: Sequence[str]
) -> tuple[pd.DataFrame, np.ndarray]:
    """The groups of a split of a store, and their positions. GdeError for groups `names` that others have only."""
    parts = np.arange(len(store)) if split is None else store.select(split)
    table = store.groups.iloc[parts]
    if absent := [c for c in columns if c not in table]:
        known = ", ".join(c for c in table if c not in ("start", "stop", "split"))
        raise bad(store.path, f"no column {absent[0]!r}", f"one of {known}", "give the file the store was made from")
    where = store.groups.groupby(store.groups["group"].astype(str))["split"].agg(set)
    for name in names:
        if split is not None and split not in where.get(name, {split}):
            there = ", ".join(sorted(where[name]))
            raise bad(
                f"{store.path}: group {name!r}", f"samples in {there} only", f"some in {split}", "add --split all"
            )
    if not len(parts):
        raise bad(store.path, f"no group in split {split!r}", "some", "name another: --split all")
    return table, parts


def _from_store(
    model: Model, store: SetStore, parts: np.ndarray, chosen: Chosen, over: Sequence[str], k: int | None
) -> Sides:
    kept = chosen.unit >= 0
    read = [(int(g), *read_set(store, int(g))) for g in parts[kept]]
    unit = np.repeat(chosen.unit[kept], [len(x) for _, x, _ in read])
    x = np.concatenate([x for _, x, _ in read])
    weight = np.concatenate([w for _, _, w in read]).astype(float) if store.weighted else None
    if model.alphabet is not None:
        readout = Residues(model, x, k)
    else:
        names = model.features.names if model.features is not None else store.meta.get("feature_names")
        readout = Numbers(model.features, list(names or (f"x{i + 1}" for i in range(model.dim))))
    moments = Moments(len(chosen.units), len(readout.names))
    for start in range(0, len(x), 4096):
        part = slice(start, start + 4096)
        moments.add(readout(x[part]), unit[part], None if weight is None else weight[part])
    row = np.concatenate([np.arange(store.starts[g], store.starts[g] + len(x)) for g, x, _ in read])
    columns = chosen.table.loc[kept, list(over)]
    columns = columns.iloc[np.repeat(np.arange(len(columns)), [len(x) for _, x, _ in read])].reset_index(drop=True)
    rest = {"row": row, "columns": columns, "readout": readout, "whole": store.n_rows}
    rest |= {"moments": moments, "restored": moments}
    return chosen.sides(unit, str(store.path), x=x, weight=weight, **rest)


class Passing:
    """Rows of a reader, of which the last chunk is kept in view."""

    def __init__(self, rows: Any):
        self.rows, self.last = rows, None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rows, name)

    def chunks(self) -> Iterator[tuple[int, Any]]:
        for chunk in self.rows.chunks():
            self.last = chunk
            yield chunk


def _from_rows(
    model: Model,
    data: "anndata.AnnData | str | Path",
    wanted: list[str],
    columns: list[str],
    by: str | None,
    names: tuple[str, str],
    over: Sequence[str],
    *,
    layer: str | None = None,
    use_raw: bool = False,
    totals: str | None = None,
    barcodes: Path | None = None,
) -> Sides:
    """Of cells and tables: features are read as they were observed, before principal components."""
    asked = [*columns_of(wanted), *([totals] if totals else [])]
    with open_rows(model, data, asked, layer=layer, use_raw=use_raw, barcodes=barcodes) as source:
        if not columns:
            raise bad("groupby", "nothing", "the columns that make a group", "name them: --groupby donor")
        grouped(source, columns)  # every row has a value
        table = source.columns(wanted)
        chosen = Chosen(table, columns, by, names, str(source.where), whole=False)
        total = None if totals is None else totals_of(source, totals)
        readout = Numbers(model.features, model.features.names)
        moments, restored = (Moments(len(chosen.units), len(readout.names)) for _ in range(2))
        kept, rows = [], Passing(source)
        for x in transform_rows(model.features, rows, total):
            start, raw = rows.last
            own = np.flatnonzero(chosen.unit[start : start + len(x)] >= 0)
            if len(own):
                given = None if total is None else total[start : start + len(x)][own]
                observed = _observed(model.features, raw[own], source.var_names, given)
                moments.add(observed, chosen.unit[start + own])
                restored.add(readout(x[own]), chosen.unit[start + own])
                kept.append(x[own])
    row = np.flatnonzero(chosen.unit >= 0)
    columns_kept = table.iloc[row][list(over)].reset_index(drop=True)
    rest = {"row": row, "columns": columns_kept, "readout": readout, "whole": len(table)}
    rest |= {"moments": moments, "restored": restored}
    return chosen.sides(chosen.unit[row], str(source.where), x=np.concatenate(kept), weight=None, **rest)


def _observed(features: Any, raw: Any, names: Sequence[str], total: np.ndarray | None) -> np.ndarray:
    """The features of rows (n, all) in the units of `FeaturePipeline.inverse`, (n, g) float64."""
    matched = features.match(names, totals_given=total is not None)
    sums = totals(raw, matched.counted) if total is None else total
    chosen = logarithm(raw[:, matched.chosen], features.cfg["values"], lambda: sums)
    return np.asarray(chosen.toarray() if hasattr(chosen, "toarray") else chosen, np.float64)
