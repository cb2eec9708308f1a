"""Whether the files of a set store fit each other: its digests only say that they are what somebody wrote."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gde.errors import bad
from gde.sets.layout import SPLITS

REMEDY = "the set store is damaged: make it again with the prepare rule"


def check_meta(path: Path, meta: Any) -> None:
    """GdeError unless meta.json (at `path`) says what a sample is and how it is standardised."""
    if not isinstance(meta, dict):
        raise bad(path, f"a {type(meta).__name__}", "a mapping of keys", REMEDY)
    shape = meta.get("sample_shape")
    if not isinstance(shape, list) or not shape or not all(type(n) is int and n >= 1 for n in shape):
        raise bad(f"{path}: sample_shape", repr(shape), "a list of whole numbers >= 1", REMEDY)
    dim = int(np.prod(shape))
    if meta.get("dim") != dim:
        raise bad(f"{path}: dim", repr(meta.get("dim")), f"{dim}, the product of sample_shape", REMEDY)
    for key, low in (("mean", -np.inf), ("scale", 0.0)):
        values = meta.get(key)
        numbers = isinstance(values, list) and all(type(v) in (int, float) for v in values)
        if not numbers or len(values) != dim or not all(low < v < np.inf for v in values):
            found = f"{values!r:.60}"
            raise bad(f"{path}: {key}", found, f"{dim} finite numbers{' > 0' * (key == 'scale')}", REMEDY)
    names = meta.get("feature_names")
    if names is not None and (not isinstance(names, list) or len(names) != dim):
        raise bad(f"{path}: feature_names", f"{names!r:.60}", f"{dim} names", REMEDY)


def check_groups(path: Path, groups: pd.DataFrame) -> None:
    """GdeError unless groups.parquet (at `path`) cuts the rows into groups, one after the other."""
    for name in ("group", "start", "stop", "split"):
        if name not in groups:
            raise bad(path, f"no column {name!r}", "columns group, start, stop, split", REMEDY)
    if groups.empty:
        raise bad(path, "no groups", "one group or more", REMEDY)
    for name in ("start", "stop"):
        if groups[name].dtype.kind not in "iu":
            raise bad(f"{path}: {name}", f"values of type {groups[name].dtype}", "whole numbers", REMEDY)
    start, stop = (groups[name].to_numpy(np.int64) for name in ("start", "stop"))
    if start[0] != 0 or (stop <= start).any() or (start[1:] != stop[:-1]).any():
        raise bad(
            path, "groups that overlap, are empty or leave gaps", "each to start where the last one stops", REMEDY
        )
    if not groups["split"].isin(SPLITS).all():
        raise bad(f"{path}: split", f"{sorted(set(map(str, groups['split'])))}", f"of {', '.join(SPLITS)}", REMEDY)
    if groups.duplicated(["group", "split"]).any():
        raise bad(path, "a group twice in one split", "each group once per split", REMEDY)


def check_samples(path: Path, x: np.ndarray, meta: Mapping[str, Any]) -> None:
    """GdeError unless x.npy (at `path`) holds numbers in the shape that meta.json says."""
    if x.dtype.kind not in "fiu":
        raise bad(path, f"values of type {x.dtype}", "numbers", REMEDY)
    if list(x.shape[1:]) != meta["sample_shape"]:
        raise bad(path, f"samples of shape {x.shape[1:]}", f"{tuple(meta['sample_shape'])} as in meta.json", REMEDY)
