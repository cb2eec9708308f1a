"""The parts of a set store beside its samples, as every writer of one makes them."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from gde.errors import bad
from gde.files.io import write_json
from gde.sets.store.layout import PROVENANCE, SPLITS
from gde.sets.store.told import told

log = logging.getLogger(__name__)


def checked_groups(path: Path, groups: pd.DataFrame) -> pd.DataFrame:
    """The groups of a store at `path`, with names as text; GdeError unless they have group, split, size, all usable."""
    for name in ("group", "split", "size"):
        if name not in groups:
            raise bad(path, f"groups without the column {name!r}", "columns group, split, size", "add the column")
    for name in ("start", "stop"):
        if name in groups:
            raise bad(path, f"a label column {name!r}", "a name that is not the store's own", "rename the column")
    if groups.empty:
        raise bad(path, "no groups", "one group or more", "lower min_size or check the group columns")
    if (~groups["split"].isin(SPLITS)).any():
        odd = groups.loc[~groups["split"].isin(SPLITS), "split"].iloc[0]
        raise bad(path, f"split {odd!r}", f"one of {', '.join(SPLITS)}", "rename the split")
    twice = groups.duplicated(["group", "split"])
    if twice.any():
        name, split = groups.loc[twice, ["group", "split"]].iloc[0]
        raise bad(path, f"group {name!r} twice in split {split!r}", "each group once per split", "join its rows")
    if (groups["size"] < 1).any():
        name = groups.loc[groups["size"] < 1, "group"].iloc[0]
        raise bad(path, f"group {name!r} without samples", "one sample or more", "drop the group")
    return groups.assign(group=groups["group"].astype(str))


def laid_out(groups: pd.DataFrame) -> pd.DataFrame:
    """Checked groups with `start` and `stop`, one after the other, in the place of `size`; our columns first."""
    sizes = groups["size"].to_numpy(np.int64)
    stops = np.cumsum(sizes)
    groups = groups.drop(columns="size").assign(start=stops - sizes, stop=stops)
    own = ["group", "start", "stop", "split"]
    return groups[own + [c for c in groups if c not in own]]


def write_parts(
    directory: Path,
    path: Path,
    groups: pd.DataFrame,
    meta: dict[str, Any],
    *,
    truth: dict[str, Tensor] | None,
    features: Any = None,
    tables: dict[str, pd.DataFrame] | None,
    provenance: dict[str, Any] | None,
) -> None:
    """Write meta.json, groups.parquet, truth.safetensors, further tables, features/ and provenance.json (with the
    digests of meta's sources) into `directory`, which is to be the store at `path`. What was counted and left out on
    the way is logged.

    GdeError for truth that is not of all groups, and a table of samples with another number of rows than there are.
    """
    for line in told(meta):
        log.info("%s: %s", meta.get("name", path.name), line)
    write_json(directory / "meta.json", meta)
    groups.to_parquet(directory / "groups.parquet")
    if truth is not None:
        from safetensors.torch import save_file

        for name, value in truth.items():
            if len(value) != len(groups):
                raise bad(path, f"truth {name!r} for {len(value)} groups", f"{len(groups)}", "one each")
        save_file({k: v.contiguous() for k, v in truth.items()}, directory / "truth.safetensors")
    rows = groups["stop"].max()
    for name, table in (tables or {}).items():
        if name == "samples" and len(table) != rows:
            raise bad(path, f"{len(table)} rows of samples", f"{rows} as of x", "one each")
        file = directory / f"{name}.parquet"
        file.parent.mkdir(exist_ok=True)
        table.to_parquet(file, index=False)
    if features is not None:
        (directory / "features").mkdir()
        features.save(directory / "features")
    if provenance is not None:
        sources = [meta["source"]] if meta.get("source") else meta.get("sources", [])
        inputs = {source.get("key", source["file"]): source["sha256"] for source in sources}
        write_json(directory / PROVENANCE, provenance | {"inputs": inputs})
