"""A set store from a table of the user's own: CSV, TSV or Parquet, rows are samples (or columns, with `transpose`)."""

import logging
from pathlib import Path

from gde.prepare.common.groups import assign, columns_needed
from gde.prepare.common.units import of_components
from gde.prepare.common.write import KNOWN, source_of, write_features
from gde.readers.table import Table

log = logging.getLogger(__name__)


def examine(cfg: dict) -> None:
    """GdeError for what the columns of cfg['path'] that are no features tell."""
    path = Path(cfg["path"]).expanduser()
    table = Table(path, columns_needed(cfg), cfg["features"], transpose=cfg["transpose"])
    assign(table.frame(), cfg, str(path))


def prepare(cfg: dict, out: Path, *, name: str, seed: int, provenance: dict | None = None) -> None:
    """Write the store of dataset `name` at `out` from cfg (kind table), reading the file in chunks of rows.

    Features are scaled without clipping, so that `inverse` gives the table's own units back. GdeError names file, row,
    column and value, and leaves nothing behind.
    """
    path = Path(cfg["path"]).expanduser()
    table = Table(path, columns_needed(cfg), cfg.get("features"), transpose=cfg.get("transpose", False))
    for column, why in table.left_out.items():
        log.info("%s: column %r is no feature: %s; list it under dataset.features to use it", path, column, why)
    others = table.frame()
    assignment = assign(others, cfg, str(path))
    source = source_of(path)
    scale, n_pcs = cfg.get("scale", True), cfg.get("n_pcs")
    steps = {"values": "scaled", "n_hvg": None, "scale": scale, "clip": None, "n_pcs": n_pcs}
    units = "centred and divided by the training sd" if scale else "as in the table"
    meta = {
        "name": name,
        "kind": "table",
        "data": KNOWN.get(source["sha256"], "user"),
        "source": {**source, "rows": len(others)},
        "units": units + of_components(n_pcs),
        "groupby": list(cfg["groupby"]),
        "labels": list(cfg.get("labels") or []),
        "left_out_columns": table.left_out,
    }
    write_features(Path(out), assignment, table.chunks, table.features, steps, meta, seed=seed, provenance=provenance)
