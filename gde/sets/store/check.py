"""Check of a store: whether the files of a set store fit each other: its digests only say that they are what somebody
wrote."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gde.errors import bad
from gde.sets.store.layout import OFFSETS, SPLITS, WEIGHT
from gde.sets.types import type_of_store
from gde.sets.types.alphabet import ALPHABETS

REMEDY = "the set store is damaged: make it again with the prepare rule"
PIXELS = ("uint8", "uint16")
PIECE = 1 << 22  # numbers that are looked at together


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
    if "images" in meta:
        check_image_meta(path, meta["images"], shape)
    n = type_of_store({"sample_shape": shape, **{k: meta[k] for k in ("images",) if k in meta}}).constants
    for key, low in (("mean", -np.inf), ("scale", 0.0)):
        values = meta.get(key)
        numbers = isinstance(values, list) and all(type(v) in (int, float) for v in values)
        if not numbers or len(values) != n or not all(low < v < np.inf for v in values):
            found = f"{values!r:.60}"
            raise bad(f"{path}: {key}", found, f"{n} finite numbers{' > 0' * (key == 'scale')}", REMEDY)
    if "alphabet" in meta and (meta["alphabet"] not in list(ALPHABETS) or len(shape) != 1):
        found = f"{meta['alphabet']!r:.60} for samples of {shape}"
        raise bad(f"{path}: alphabet", found, f"one of {', '.join(ALPHABETS)}, samples of one length", REMEDY)
    names = meta.get("feature_names")
    if names is not None and (not isinstance(names, list) or len(names) != dim):
        raise bad(f"{path}: feature_names", f"{names!r:.60}", f"{dim} names", REMEDY)


def check_image_meta(path: Path, images: Any, shape: list[int]) -> None:
    """GdeError unless `images` of meta.json (at `path`) says what the pixels of samples of this shape are."""
    where = f"{path}: images"
    if not isinstance(images, dict) or len(shape) != 3:
        raise bad(where, f"{images!r:.60} for samples of {shape}", "dtype of images (c, h, w)", REMEDY)
    if images.get("dtype") not in PIXELS:
        raise bad(f"{where}.dtype", f"{images.get('dtype')!r:.60}", f"one of {', '.join(PIXELS)}", REMEDY)
    names, size = images.get("channels", []), images.get("pixel_size")
    named = isinstance(names, list) and all(isinstance(name, str) for name in names)
    if not named or len(names) not in (0, shape[0]) or set(images) - {"dtype", "channels", "pixel_size"}:
        found = f"{images!r:.60}"
        raise bad(where, found, f"dtype, {shape[0]} channels and pixel_size", REMEDY)
    if size is not None and not (type(size) in (int, float) and 0 < size < np.inf):
        raise bad(f"{where}.pixel_size", f"{size!r:.60}", "micrometres above 0, or null", REMEDY)


def check_images(path: Path, x: np.ndarray, meta: Mapping[str, Any]) -> None:
    """GdeError unless x.npy (at `path`) holds pixels as meta.json says."""
    dtype = meta["images"]["dtype"]
    if x.dtype != dtype:
        raise bad(path, f"values of type {x.dtype}", f"pixels of type {dtype} as in meta.json", REMEDY)
    check_samples(path, x, meta)


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


def check_fields(path: Path, fields: Mapping[str, np.ndarray], rows: int, lengths: Mapping[str, int | None]) -> None:
    """GdeError unless every field of the store at `path` has a value for each row; weights are numbers above 0.

    lengths : of the fields that must be there and are as long as that; None = any length.
    """
    for name in lengths:
        if name not in fields:
            raise bad(path / f"{name}.npy", "no such file", "a file of every such set store", REMEDY)
    for name, values in fields.items():
        expected = lengths.get(name, rows)
        if not values.shape or (expected is not None and values.shape[0] != expected):
            found = f"{values.shape[0] if values.shape else 'no'} rows"
            raise bad(path / f"{name}.npy", found, f"{expected or 'some'} as in groups.parquet", REMEDY)
    weight = fields.get(WEIGHT)
    if weight is not None:
        if weight.ndim != 1 or weight.dtype.kind not in "fiu":
            raise bad(path / f"{WEIGHT}.npy", f"values of type {weight.dtype}", "a number for each sample", REMEDY)
        for i in range(0, len(weight), PIECE):
            part = weight[i : i + PIECE]
            if not (np.isfinite(part) & (part > 0)).all():
                raise bad(path / f"{WEIGHT}.npy", "a number that is not above 0", "finite weights above 0", REMEDY)


def check_tokens(path: Path, x: np.ndarray, offsets: np.ndarray, meta: Mapping[str, Any]) -> None:
    """GdeError unless the tokens and offsets of the store at `path` are those of sequences of the alphabet."""
    alphabet, length = ALPHABETS[meta["alphabet"]], meta["dim"]
    if x.ndim != 1 or x.dtype != np.uint8:
        raise bad(path / "x.npy", f"an array {x.shape} of type {x.dtype}", "tokens of type uint8, one by one", REMEDY)
    where = path / f"{OFFSETS}.npy"
    if offsets.ndim != 1 or offsets.dtype != np.int64:
        raise bad(where, f"an array {offsets.shape} of type {offsets.dtype}", "numbers of type int64", REMEDY)
    if offsets[0] != 0 or offsets[-1] != len(x):
        raise bad(where, f"from {offsets[0]} to {offsets[-1]}", f"from 0 to {len(x)}, the tokens of x.npy", REMEDY)
    for i in range(0, len(offsets) - 1, PIECE):
        n = np.diff(offsets[i : i + PIECE + 1])
        if (n < 1).any() or (n > length).any():
            row = int(((n < 1) | (n > length)).argmax())
            found = f"{n[row]} tokens in sequence {i + row + 1}"
            raise bad(where, found, f"1 to {length}, the length in meta.json", REMEDY)
    for i in range(0, len(x), PIECE):
        part = x[i : i + PIECE]
        if part.min() < 1 or part.max() > alphabet.size:
            found = f"token {part.max() if part.max() > alphabet.size else 0}"
            raise bad(path / "x.npy", found, f"1 to {alphabet.size}: {alphabet.symbols}", REMEDY)


def check_samples(path: Path, x: np.ndarray, meta: Mapping[str, Any]) -> None:
    """GdeError unless x.npy (at `path`) holds numbers in the shape that meta.json says."""
    if x.dtype.kind not in "fiu":
        raise bad(path, f"values of type {x.dtype}", "numbers", REMEDY)
    if list(x.shape[1:]) != meta["sample_shape"]:
        raise bad(path, f"samples of shape {x.shape[1:]}", f"{tuple(meta['sample_shape'])} as in meta.json", REMEDY)
