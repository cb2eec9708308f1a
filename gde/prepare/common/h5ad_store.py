"""A set store from the cells of one .h5ad file."""

from pathlib import Path

from gde.files.io import storage_errors
from gde.prepare.common.groups import assign, columns_needed
from gde.prepare.common.units import units
from gde.prepare.common.write import KNOWN, source_of, write_features
from gde.readers.anndata import read_cells


def examine(cfg: dict) -> None:
    """GdeError for what columns and names of cfg['path'] tell, which `write` would raise after reading the values."""
    path = Path(cfg["path"]).expanduser()
    options = {key: cfg[key] for key in ("layer", "use_raw", "values")}
    with read_cells(path, **options, names_only=True) as cells:
        assign(cells.columns(columns_needed(cfg)), cfg, f"{path}: obs", cells.obs_names)


def write(cfg: dict, out: Path, *, name: str, seed: int, provenance: dict | None = None) -> None:
    """Write the store of dataset `name` at `out`, a directory, from cfg['path'] in three passes over the matrix.

    Memory is bounded by a chunk of cells and, with PCA, the covariance of the chosen genes. Values, names, groups and
    splits are checked; GdeError names file, row and column, and leaves nothing behind.
    """
    out, path = Path(out), Path(cfg["path"]).expanduser()
    with storage_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    values = cfg.get("values", "counts")
    options = {"layer": cfg.get("layer"), "use_raw": cfg.get("use_raw", False)}
    with read_cells(path, **options, values=values, scratch=out.parent) as cells:
        assignment = assign(cells.columns(columns_needed(cfg)), cfg, f"{path}: obs", cells.obs_names)
        source = source_of(path)
        steps = {
            "values": values,
            "n_hvg": cfg.get("n_hvg"),
            "scale": cfg.get("scale", False),
            "n_pcs": cfg.get("n_pcs"),
        }
        meta = {
            "name": name,
            "kind": cfg["kind"],
            "data": KNOWN.get(source["sha256"], "user"),
            "source": {**source, **options, "values": values, "cells": len(cells), "genes": len(cells.var_names)},
            "units": units(values, steps["scale"], steps["n_pcs"]),
            "groupby": list(cfg["groupby"]),
            "labels": list(cfg.get("labels") or []),
        }
        names = cells.var_names
        write_features(out, assignment, cells.chunks, names, steps, meta, seed=seed, provenance=provenance)
