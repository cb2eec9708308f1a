"""Clones followed over days (Weinreb et al. 2020, LARRY): one group per clone and day, clones held out whole."""

import gzip
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from gde.errors import bad
from gde.files.input_files import lineage_files
from gde.files.io import storage_errors
from gde.files.sniffing import looks_like_html, not_utf8
from gde.prepare.common.composition import composition
from gde.prepare.common.counts import JoinedCells, unique_names
from gde.prepare.common.groups import Assignment, as_text, assign
from gde.prepare.common.units import units
from gde.prepare.common.write import KNOWN, source_of, write_features
from gde.prepare.lineage_tracing_clones import DOUBLET, NONE, clone_of
from gde.readers.anndata import Cells
from gde.readers.hdf5 import check_exists
from gde.readers.matrix_market import read_matrix_market
from gde.readers.table import Table

COLUMNS = {
    "Library": "library",
    "Cell barcode": "barcode",
    "Time point": "day",
    "Starting population": "population",
    "Cell type annotation": "cell_type",
    "Well": "well",
}
SPRING = {"SPRING-x": "spring_x", "SPRING-y": "spring_y"}


def prepare(cfg: dict, out: Path, *, name: str, seed: int, provenance: dict | None = None) -> None:
    """Write the store of dataset `name` at `out` from the four files of the release in cfg['folder'].

    groups : clone, day, well ('1', or '1+2' where a group spans wells), composition_<cell type>. samples : cell,
    library, barcode, day, population, cell_type, well, clone, spring_x, spring_y. Cells without a clone, or with more
    than one, are counted and left out. Raises GdeError for files that are damaged or do not fit each other.
    """
    out = Path(out)
    files = {key: Path(file) for key, file in lineage_files(cfg).items()}
    with storage_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    with storage_errors(out), TemporaryDirectory(dir=out.parent, prefix=".gde-mtx-") as scratch:
        table, genes = cells_of(files, Path(scratch))
        counts = read_matrix_market(files["counts"], Path(scratch))
        check_shape(files["counts"], counts.shape, (len(table), len(genes)), ("cells", "genes"), files)
        where = str(files["counts"])
        cells = Cells(where, counts, table["cell"], genes, table.__getitem__, cfg["values"], unique=False)
        joined = JoinedCells({name: cells}, {name: genes})
        assignment = groups_of(table, cfg, str(files["metadata"]))
        kept = table.assign(clone=table["clone"].astype(str))
        steps = {key: cfg[key] for key in ("values", "n_hvg", "scale", "n_pcs")}
        source = {key: source_of(file) for key, file in files.items()}
        meta = {
            "name": name,
            "kind": cfg["kind"],
            "data": KNOWN.get(source["counts"]["sha256"], "user"),
            "sources": [{"key": f"folder ({key})", **value} for key, value in source.items()],
            "units": units(cfg["values"], cfg["scale"], cfg["n_pcs"]),
            "groupby": groupby(cfg),
            "labels": [],
            "cells": {
                "total": len(table),
                "with_clone": int((table["clone"] >= 0).sum()),
                "without_clone": int((table["clone"] == NONE).sum()),
                "doublets": int((table["clone"] == DOUBLET).sum()),
            },
            "gene_duplicates": joined.duplicates,
        }
        source = joined.chunks, joined.var_names, steps, meta
        told = {"samples": kept, "provenance": provenance}
        write_features(out, assignment, *source, seed=seed, **told)


def examine(cfg: dict) -> None:
    """GdeError for what all files but the counts tell; they are read whole."""
    files = {key: Path(file) for key, file in lineage_files(cfg).items()}
    with TemporaryDirectory(prefix="gde-") as scratch:
        table, _ = cells_of(files, Path(scratch))
    groups_of(table, cfg, str(files["metadata"]))


def cells_of(files: dict[str, Path], scratch: Path) -> tuple[pd.DataFrame, list[str]]:
    """What `metadata` says of every cell, with its clone; and the genes."""
    table = metadata(files["metadata"])
    genes = gene_names(files["genes"])
    clones = read_matrix_market(files["clones"], scratch)
    check_shape(files["clones"], clones.shape, (len(table), None), ("cells", "clones"), files)
    table["clone"] = clone_of(clones, str(files["clones"]))
    return table, genes


def groupby(cfg: dict) -> list[str]:
    """The columns that name a group."""
    return ["clone", "day", "well"] if cfg["by_well"] else ["clone", "day"]


def groups_of(table: pd.DataFrame, cfg: dict, where: str) -> Assignment:
    """The groups of the cells that have one clone, with their wells and composition; table as from `metadata`."""
    inside = np.flatnonzero(table["clone"] >= 0)
    if len(inside) == 0:
        raise bad(where, "no cell with a clone", "cells that bear a clone's barcode", "check the clone matrix")
    part = table.iloc[inside].reset_index(drop=True)
    part["clone"] = part["clone"].astype(str)
    options = {"groupby": groupby(cfg), "min_size": cfg["min_size"], "split": cfg["split"]}
    by = options["split"]["by"]
    if by not in ("group", "sample", *part.columns):
        raise bad("dataset.split.by", f"'{by}'", "clone, group, sample or well", "choose one of them")
    found = assign(part, options, where, part["cell"].tolist())
    groups = found.groups
    if not cfg["by_well"]:
        wells = part["well"].groupby(found.row).agg(lambda w: "+".join(sorted(set(w))))
        groups = groups.assign(well=wells.reindex(range(len(groups))).to_numpy())
    kinds = as_text(part, ["cell_type"], where)["cell_type"].to_numpy()
    groups = composition(found.row, kinds, groups)
    row = np.full(len(table), -1, dtype=np.int64)
    row[inside] = found.row
    return Assignment(row, groups, found.dropped, found.split, found.crossed)


def metadata(path: Path) -> pd.DataFrame:
    """One row per cell: cell (a name of its own), the columns of COLUMNS, day as a number, SPRING's coordinates."""
    table = Table(path, list(COLUMNS), list(SPRING), key="columns")
    frame = table.frame().rename(columns=COLUMNS)
    spring = pd.DataFrame(np.concatenate([x for _, x in table.chunks()]), columns=list(SPRING.values()))
    day = pd.to_numeric(frame["day"], errors="coerce")
    if day.isna().any():
        i = int(np.flatnonzero(day.isna())[0])
        raise bad(f"{path}: row {i + 1}, column Time point", repr(frame["day"].iloc[i]), "a number of days", "check it")
    frame["day"] = day
    frame["well"] = frame["well"].str.replace(r"\.0+$", "", regex=True)  # as numbers of another program
    frame.insert(0, "cell", unique_names([f"{a}:{b}" for a, b in zip(frame["library"], frame["barcode"], strict=True)]))
    return pd.concat([frame, spring], axis=1)


def gene_names(path: Path) -> list[str]:
    """One name a line."""
    check_exists(path)
    if looks_like_html(path):
        raise bad(path, "an HTML page", "one gene name a line", "fetch the file itself, not the page about it")
    with path.open("rb") as f:
        opener = gzip.open if f.read(2) == b"\x1f\x8b" else open
    try:
        with opener(path, "rt", encoding="utf-8") as f:
            names = [line.strip() for line in f]
    except UnicodeDecodeError as e:
        raise not_utf8(path, opener, "one gene name a line") from e
    except (EOFError, zlib.error, gzip.BadGzipFile) as e:
        raise bad(path, f"a truncated or damaged file ({e})", "one gene name a line", "fetch it again") from e
    empty = [i for i, n in enumerate(names) if not n or "\t" in n]
    if empty or not names:
        line = empty[0] + 1 if empty else 1
        raise bad(f"{path}: line {line}", "no name or a tab", "one gene name a line", "check which file this is")
    return names


def check_shape(path: Path, shape: tuple[int, int], wanted: tuple[int, int | None], axes: tuple, files: dict) -> None:
    """GdeError when a matrix does not have a row for each cell of the metadata, a column for each gene name."""
    rows, columns = wanted
    if shape[0] == rows and columns in (None, shape[1]):
        return
    expected = f"{rows} {axes[0]} in rows" + (f" and {columns} {axes[1]} in columns" if columns is not None else "")
    if shape[1] == rows and columns in (None, shape[0]):
        remedy = f"the matrix is transposed: write it with {axes[0]} in rows"
    else:
        names = [str(files[k].name) for k in (("metadata", "genes") if columns is not None else ("metadata",))]
        remedy = f"its size must be that of {' and '.join(names)}; fetch the files again, all of one release"
    raise bad(path, f"a matrix of {shape[0]} x {shape[1]}", expected, remedy)
