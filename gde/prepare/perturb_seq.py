"""A screen of perturbed genes (Perturb-seq): one group per gene and cell line, genes joined over the files."""

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd

from gde.errors import bad
from gde.files.input_files import screen_files, vectors_file
from gde.files.io import storage_errors
from gde.prepare.common.counts import JoinedCells
from gde.prepare.common.groups import Assignment, name_groups
from gde.prepare.common.units import units
from gde.prepare.common.write import origin, source_of, write_features
from gde.prepare.perturb_seq_hold_out import hold_out
from gde.prepare.perturb_seq_screen import read_screen
from gde.prepare.perturb_seq_targets import Targets
from gde.readers.anndata import read_cells

CONTROL = "control"  # the column that tells


def prepare(cfg: dict, out: Path, *, name: str, seed: int, provenance: dict | None = None) -> None:
    """Write the store of dataset `name` at `out` from the .h5ad files in cfg['files'], in three passes over each.

    groups : gene, cell_line, control (bool), protocol (see `hold_out`), gem_groups (how many), target_expression and
    control_expression (see `Targets`). samples : cell, cell_line, gene, gem_group ('K562:3'), control, total.
    Controls are called as in the first file. Memory is bounded by a chunk of cells, whatever the size of the files.
    """
    out = Path(out)
    files = {line: Path(file) for line, file in screen_files(cfg).items()}
    with storage_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        parts, screens = {}, {}
        for line, path in files.items():
            options = {"layer": cfg["layer"], "values": cfg["values"], "scratch": out.parent, "unique": False}
            parts[line] = stack.enter_context(read_cells(path, **options))
            screens[line] = read_screen(path, parts[line], cfg)
        joined = JoinedCells(parts, {line: screen.symbols for line, screen in screens.items()})
        control = next(iter(screens.values())).names["control"]
        samples = pd.concat([_samples(line, screens[line], control) for line in files], ignore_index=True)
        samples.insert(0, "cell", joined.obs_names)
        where = ", ".join(str(path) for path in files.values())
        assignment = groups_of(samples, cfg, where)
        observer = Targets(samples, assignment, joined.var_names, cfg["values"], vectors=cfg["vectors"])
        steps = {key: cfg[key] for key in ("values", "n_hvg", "scale", "n_pcs")}
        sources = {line: source_of(path) for line, path in files.items()}
        described = vectors_file(cfg)
        vectors = [{"key": "vectors.path", **source_of(Path(described))}] if described else []
        sizes = {line: {"cells": len(parts[line]), "genes": len(parts[line].var_names)} for line in files}
        meta = {
            "name": name,
            "kind": cfg["kind"],
            "data": origin(list(sources.values())),
            "sources": [{"key": f"files.{k}", **sources[k], **sizes[k], **screens[k].names} for k in files] + vectors,
            "units": units(cfg["values"], cfg["scale"], cfg["n_pcs"]),
            "groupby": ["gene", "cell_line"],
            "labels": [],
            "control": control,
            "genes": {**{line: size["genes"] for line, size in sizes.items()}, "joined": len(joined.var_names)},
            "gene_duplicates": joined.duplicates,
        }
        source = joined.chunks, joined.var_names, steps, meta
        told = {"samples": samples, "observer": observer, "provenance": provenance}
        write_features(out, assignment, *source, seed=seed, **told)


def examine(cfg: dict) -> None:
    """GdeError for what columns and names of the files, and the vectors of genes, tell."""
    files = {line: Path(file) for line, file in screen_files(cfg).items()}
    with ExitStack() as stack:
        options = {"layer": cfg["layer"], "values": cfg["values"], "unique": False, "names_only": True}
        parts = {line: stack.enter_context(read_cells(path, **options)) for line, path in files.items()}
        screens = {line: read_screen(path, parts[line], cfg) for line, path in files.items()}
        joined = JoinedCells(parts, {line: screen.symbols for line, screen in screens.items()})
        control = next(iter(screens.values())).names["control"]
        samples = pd.concat([_samples(line, screens[line], control) for line in files], ignore_index=True)
        assignment = groups_of(samples, cfg, ", ".join(map(str, files.values())))
        Targets(samples, assignment, joined.var_names, cfg["values"], vectors=cfg["vectors"])


def _samples(line: str, screen, control: str) -> pd.DataFrame:
    gene = np.where(screen.is_control, control, screen.gene)
    columns = {"cell_line": line, "gene": gene, "gem_group": [f"{line}:{b}" for b in screen.batch]}
    return pd.DataFrame({**columns, CONTROL: screen.is_control})


def groups_of(samples: pd.DataFrame, cfg: dict, where: str) -> Assignment:
    """The groups of all cells, small ones dropped, and what is held out. GdeError for a line without controls."""
    text = {key: samples[key].astype(str) for key in ("gene", "cell_line")}
    code, names, first = name_groups(text, ["gene", "cell_line"], where)
    size = np.bincount(code, minlength=len(names))
    kept = np.flatnonzero(size >= cfg["min_size"])
    table = samples.iloc[first[kept]].reset_index(drop=True)
    for line in screen_files(cfg):
        if not table[CONTROL][table["cell_line"] == line].any():
            n = int((samples[CONTROL] & (samples["cell_line"] == line)).sum())
            found = f"{n} control cells in {line}"
            raise bad(where, found, f"at least dataset.min_size = {cfg['min_size']}", "lower min_size, or leave it out")
    split, protocol = hold_out(
        table["gene"].to_numpy(), table["cell_line"].to_numpy(), table[CONTROL].to_numpy(), cfg["split"], where
    )
    batches = samples["gem_group"].groupby(code).nunique().to_numpy()[kept]
    groups = pd.DataFrame({"group": [names[g] for g in kept], "split": split, "size": size[kept]})
    groups = groups.assign(
        gene=table["gene"],
        cell_line=table["cell_line"],
        control=table[CONTROL],
        protocol=protocol,
        gem_groups=batches,
    )
    row = np.full(len(names), -1, dtype=np.int64)
    row[kept] = np.arange(len(kept))
    dropped = {names[g]: int(size[g]) for g in np.flatnonzero(size < cfg["min_size"])}
    return Assignment(row[code], groups, dropped, {"by": "gene", **cfg["split"]})
