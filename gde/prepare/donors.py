"""Cells of many donors, from any .h5ad with a donor column: one group per donor, donors held out whole."""

from pathlib import Path

import numpy as np
import pandas as pd

from gde.errors import bad
from gde.files.io import storage_errors
from gde.prepare.common.composition import composition
from gde.prepare.common.groups import Assignment, as_text, assign, columns_needed
from gde.prepare.common.units import units
from gde.prepare.common.write import KNOWN, source_of, write_features
from gde.readers.anndata import read_cells

BATCH = "batch"  # what the batch column is called in the store


def prepare(cfg: dict, out: Path, *, name: str, seed: int, provenance: dict | None = None) -> None:
    """Write the store of dataset `name` at `out` from the .h5ad file cfg['path'].

    groups : donor, the labels, batch, further groupby columns, composition_<cell type>. samples : cell, donor, batch,
    cell_type. Raises GdeError for unknown columns, and for labels or batches that vary within a group.
    """
    out, path = Path(out), Path(cfg["path"]).expanduser()
    with storage_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    options = {"layer": cfg["layer"], "use_raw": cfg["use_raw"]}
    with read_cells(path, **options, values=cfg["values"], scratch=out.parent) as cells:
        layout = as_groups(cfg)
        wanted = [*columns_needed(layout), *([cfg["cell_type"]] if cfg["cell_type"] else [])]
        table = cells.columns(list(dict.fromkeys(wanted)))
        assignment = groups_of(table, cfg, layout, f"{path}: obs", cells.obs_names)
        file = source_of(path)
        steps = {key: cfg[key] for key in ("values", "n_hvg", "scale", "n_pcs")}
        meta = {
            "name": name,
            "kind": cfg["kind"],
            "data": KNOWN.get(file["sha256"], "user"),
            "source": {
                **file,
                **options,
                "values": cfg["values"],
                "cells": len(cells),
                "genes": len(cells.var_names),
            },
            "units": units(cfg["values"], cfg["scale"], cfg["n_pcs"]),
            "groupby": ["donor" if n == cfg["donor"] else n for n in layout["groupby"]],
            "labels": list(cfg["labels"]),
            "columns": {key: cfg[key] for key in ("donor", "batch", "cell_type")},
        }
        named = {"cell": cells.obs_names, "donor": table[cfg["donor"]].astype(str)}
        named |= {key: table[cfg[key]].astype(str) for key in (BATCH, "cell_type") if cfg[key]}
        samples = pd.DataFrame(named)
        source = cells.chunks, cells.var_names, steps, meta
        told = {"samples": samples, "provenance": provenance}
        write_features(out, assignment, *source, seed=seed, **told)


def examine(cfg: dict) -> None:
    """GdeError for what columns and names of cfg['path'] tell."""
    path, layout = Path(cfg["path"]).expanduser(), as_groups(cfg)
    options = {key: cfg[key] for key in ("layer", "use_raw", "values")}
    with read_cells(path, **options, names_only=True) as cells:
        wanted = [*columns_needed(layout), *([cfg["cell_type"]] if cfg["cell_type"] else [])]
        table = cells.columns(list(dict.fromkeys(wanted)))
        groups_of(table, cfg, layout, f"{path}: obs", cells.obs_names)


def as_groups(cfg: dict) -> dict:
    """The settings of `groups.assign` for a donors data set."""
    extra = [cfg["batch"]] if cfg["batch"] and cfg["batch"] not in cfg["groupby"] else []
    by = cfg["split"]["by"]
    return {
        "groupby": [cfg["donor"], *cfg["groupby"]],
        "labels": [*cfg["labels"], *(n for n in extra if n not in cfg["labels"])],
        "min_size": cfg["min_size"],
        "split": {**cfg["split"], "by": cfg["donor"] if by == "group" else by},
    }


def groups_of(table: pd.DataFrame, cfg: dict, layout: dict, where: str, names: list[str]) -> Assignment:
    """Groups of the cells with the names that columns have in the store: donor, batch, composition_<cell type>."""
    for new in ("donor", BATCH):
        if cfg[new] != new and new in (*cfg["labels"], *cfg["groupby"]):
            found = f"the column '{new}' among labels and groupby, which is not the one of dataset.{new}"
            raise bad(where, found, "another name", "rename the column")
    found = assign(table, layout, where, names)
    renames = {cfg["donor"]: "donor"} | ({cfg[BATCH]: BATCH} if cfg[BATCH] else {})
    groups = found.groups
    for old, new in renames.items():
        groups = groups.assign(**{new: groups[old].astype(str)})
        if old != new and old not in (*cfg["labels"], *cfg["groupby"]):
            groups = groups.drop(columns=old)
    if cfg["cell_type"]:
        kinds = as_text(table, [cfg["cell_type"]], where, names)[cfg["cell_type"]].to_numpy()
        groups = composition(found.row, kinds, groups)
    split = {**found.split, "by": "donor" if found.split["by"] == cfg["donor"] else found.split["by"]}
    return Assignment(np.asarray(found.row), groups, found.dropped, split)
