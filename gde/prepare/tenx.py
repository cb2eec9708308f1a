"""Cells of Cell Ranger's output, grouped by a table of barcodes: a group is a combination of the table's columns."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gde.errors import bad
from gde.files.input_files import tenx_files
from gde.files.io import storage_errors
from gde.prepare.common.counts import GeneMap, listed
from gde.prepare.common.groups import Assignment, assign, columns_needed
from gde.prepare.common.units import units
from gde.prepare.common.write import KNOWN, source_of, write_features
from gde.readers.anndata import Cells
from gde.readers.table import Table
from gde.readers.tenx import GENES, TenxMatrix, read_tenx

log = logging.getLogger(__name__)
VALUES = "counts"


def prepare(cfg: dict, out: Path, *, name: str, seed: int, provenance: dict | None = None) -> None:
    """Write the store of dataset `name` at `out` from Cell Ranger's matrix cfg['path'] and the table cfg['barcodes'].

    groups : the groupby columns and labels of the table. samples : cell, its barcode. Features that are no genes
    (antibodies, guides) are left out and genes of one symbol added up; both, and the cells that the table does not
    have, are counted in meta['tenx'] and in the log. GdeError for files that are damaged or do not fit each other.
    """
    out, path = Path(out), Path(cfg["path"]).expanduser()
    with storage_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    with read_tenx(path, out.parent) as tenx:
        genes, joined, told = genes_of(tenx, cfg["genes"])
        cells = Cells(tenx.where, tenx.matrix, tenx.barcodes, genes, None, VALUES, unique=False)
        assignment, about = assigned(cfg, cells)
        told |= about
        log.info("%s", "; ".join(f"{key.replace('_', ' ')}: {value}" for key, value in told.items()))
        into = GeneMap([g if kept else "" for g, kept in zip(genes, is_gene(tenx), strict=True)], joined)

        def chunks() -> Iterator[tuple[int, Any]]:
            for start, x in cells.chunks():
                yield start, into(x)

        source = {key: source_of(file) for key, file in tenx_files(path).items()}
        source["barcodes_table"] = source_of(Path(cfg["barcodes"]).expanduser())
        steps = {"values": VALUES, **{key: cfg[key] for key in ("n_hvg", "scale", "n_pcs")}}
        meta = {
            "name": name,
            "kind": cfg["kind"],
            "data": KNOWN.get(source["matrix"]["sha256"], "user"),
            "sources": [{"key": f"path ({key})", **value} for key, value in source.items()],
            "units": units(VALUES, cfg["scale"], cfg["n_pcs"]),
            "groupby": list(cfg["groupby"]),
            "labels": list(cfg["labels"]),
            "tenx": told,
        }
        samples = pd.DataFrame({"cell": tenx.barcodes})
        write_features(out, assignment, chunks, joined, steps, meta, seed=seed, samples=samples, provenance=provenance)


def examine(cfg: dict) -> None:
    """GdeError for a table of cells that makes too few groups, even if the matrix has all of its cells."""
    file = Path(cfg["barcodes"]).expanduser()
    wanted = list(dict.fromkeys([cfg["barcode"], *columns_needed(cfg)]))
    table = Table(file, wanted, [], text_only=True).frame().astype(str)
    known = (table != "").all(axis=1)  # what is empty is of cells that the matrix may not have
    if known.any():
        assign(table[known].reset_index(drop=True), {**cfg, "labels": [], "min_size": 1}, str(file))


def is_gene(tenx: TenxMatrix) -> list[bool]:
    """Whether each feature is a gene, and no antibody, guide or other tag."""
    return [kind == GENES for kind in tenx.features.types]


def genes_of(tenx: TenxMatrix, called: str) -> tuple[list[str], list[str], dict[str, Any]]:
    """Names of all features (by `symbol` or `id`), those of the genes, each once, and what was left out or added up."""
    names = tenx.features.names if called == "symbol" else tenx.features.ids
    own = [n for n, kept in zip(names, is_gene(tenx), strict=True) if kept]
    if not own:
        found = ", ".join(f"{n} of type {kind}" for kind, n in tenx.features.count_by_type().items())
        expected = f"features of type {GENES}"
        raise bad(tenx.where, f"no gene among its features ({found})", expected, "give another matrix")
    index = pd.Index(own)
    twice = list(dict.fromkeys(index[index.duplicated()]))
    others = {kind: n for kind, n in tenx.features.count_by_type().items() if kind != GENES}
    told = {"genes": len(own), "left_out_features": others, "added_up_genes": len(twice)}
    if twice:
        told["added_up"] = listed(twice)
    return names, list(dict.fromkeys(own)), told


def assigned(cfg: dict, cells: Cells) -> tuple[Assignment, dict[str, int]]:
    """The groups of the cells whose barcode is in the table, and how many cells and rows of the table have no partner.

    GdeError for a barcode that stands twice in the table, and where no barcode is in both.
    """
    file, column = Path(cfg["barcodes"]).expanduser(), cfg["barcode"]
    wanted = list(dict.fromkeys([column, *columns_needed(cfg)]))
    table = Table(file, wanted, [], text_only=True).frame().astype(str)
    index = pd.Index(table[column])
    if not index.is_unique:
        twice = index[index.duplicated()][0]
        rows = " and ".join(str(i + 1) for i in np.flatnonzero(index == twice)[:2])
        where = f"{file}: rows {rows}, column {column}"
        raise bad(where, f"the barcode {twice!r} twice", "each barcode once", "add the sample's suffix (-1, -2, ...)")
    at = index.get_indexer(cells.obs_names)
    inside = np.flatnonzero(at >= 0)
    if len(inside) == 0:
        found = f"barcodes like {index[0]!r}, where the matrix has {cells.obs_names[0]!r}"
        raise bad(f"{file}: column {column}", found, "the barcodes of the matrix", "write them as Cell Ranger does")
    part = table.iloc[at[inside]].reset_index(drop=True)
    found = assign(part, cfg, str(file), [cells.obs_names[i] for i in inside])
    row = np.full(len(cells), -1, np.int64)
    row[inside] = found.row
    told = {
        "cells": len(cells),
        "cells_without_row": len(cells) - len(inside),
        "rows_without_cell": len(table) - len(inside),
    }
    return Assignment(row, found.groups, found.dropped, found.split, found.crossed), told
