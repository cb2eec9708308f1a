"""Groups: from the columns of a table to the rows of a set store: groups named, small ones dropped, splits assigned."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from gde.errors import bad, lowering
from gde.prepare.common.split import (
    DEFAULT,
    TRAINING,
    check_training,
    crossing,
    split_samples,
    split_units,
    tell_crossing,
)
from gde.readers.missing import first_missing
from gde.sets.store.layout import SPLITS

AUTO, MANY = "auto", 20  # groups of which whole ones can be held out
RESERVED = ("group", "start", "stop", "split", "size", "n")


@dataclass
class Assignment:
    """row (N,) int64: the store row (index into `groups`) of every sample, -1 for a dropped one.

    groups : columns group, split, size, then groupby columns and labels;  dropped : group -> samples, below min_size.
    crossed : of groups held out whole, the columns that name them with others, such as donors, some of whose values
    are on both sides (`gde.prepare.common.split.crossing`).
    """

    row: np.ndarray
    groups: pd.DataFrame
    dropped: dict[str, int]
    split: dict
    crossed: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def train(self) -> np.ndarray:
        """Whether each sample (N,) trains."""
        return np.append((self.groups["split"] == "train").to_numpy(), False)[self.row]

    def meta(self, dropped_listed: int = 100) -> dict:
        """What meta.json tells about grouping: the split, the number of dropped groups and samples, the first names."""
        names = sorted(self.dropped)
        return {
            "split": self.split,
            "split_crossed_by": self.crossed,
            "dropped_groups": len(names),
            "dropped_samples": int(sum(self.dropped.values())),
            "dropped": {n: int(self.dropped[n]) for n in names[:dropped_listed]},
        }


def columns_needed(cfg: dict) -> list[str]:
    """The columns that `assign` wants: groupby, labels, and the split's own."""
    by = (cfg.get("split") or DEFAULT).get("by", "group")
    wanted = [*cfg["groupby"], *(cfg.get("labels") or []), *([] if by in ("group", "sample", AUTO) else [by])]
    return list(dict.fromkeys(wanted))


def assign(table: pd.DataFrame, cfg: dict, where: str, row_names: Sequence[str] | None = None) -> Assignment:
    """Group and split samples; table (N rows) holds `columns_needed(cfg)`, cfg has groupby, labels, min_size, split.
    row_names (N,) are for messages, and split samples whatever the order of the rows; without them rows count from 1.

    A group's name is its groupby values joined with '|'. One store row per group and split that has samples. A split by
    `auto` is by group where there are MANY, or one with too few samples for three parts, or one alone, from which
    nothing can be learned of how groups differ and which is refused; else by sample. Groups of fewer than min_size
    samples are dropped; with a split by a column this holds for each (group, split).
    GdeError: missing values (row named), labels that vary within a group, all groups too small, no room for a split.
    """
    groupby, labels = list(cfg["groupby"]), list(cfg.get("labels") or [])
    split = {**DEFAULT, **(cfg.get("split") or {})}
    min_size = cfg.get("min_size") or 1
    if not groupby:
        raise bad("dataset.groupby", "no column", "at least one", "name the columns whose values make a group")
    for name in dict.fromkeys([*groupby, *labels]):
        if name in RESERVED and [name, name] != ["group", *groupby]:
            raise bad(
                where, f"a group or label column called '{name}'", f"none of {', '.join(RESERVED)}", "rename the column"
            )
    text = as_text(table, columns_needed(cfg), where, row_names)
    code, names, _ = name_groups(text, groupby, where)

    size = np.bincount(code, minlength=len(names))
    if split["by"] == AUTO:
        large = size[size >= min_size]
        whole = len(large) >= MANY or len(large) == 1 or (large < len(SPLITS)).any()
        split["by"] = "group" if whole else "sample"
    by = split["by"]
    group = np.where((size < min_size)[code], -1, code) if by in ("group", "sample") else code
    dropped = {names[g]: int(size[g]) for g in np.flatnonzero(size < min_size)} if by in ("group", "sample") else {}
    kept = np.unique(group[group >= 0])
    if len(kept) == 0:
        raise _all_small(where, size, names, min_size)
    if by == "group":
        place = split_units([names[g] for g in kept], split["fractions"], split["seed"], "group", TRAINING)
        part = np.array([place.get(n, -1) for n in names], dtype=np.int8)[group]
        part[group < 0] = -1
    elif by == "sample":
        dense = np.where(group >= 0, np.searchsorted(kept, group), -1)
        part = split_samples(dense, [names[g] for g in kept], split["fractions"], split["seed"], row_names)
    else:
        place = split_units(text[by].unique(), split["fractions"], split["seed"], by)
        part = text[by].map(place).to_numpy(dtype=np.int8)

    cell = np.where(part >= 0, code * 3 + part, -1)
    present, first, n = np.unique(cell, return_index=True, return_counts=True)
    keep = (present >= 0) & (n >= min_size) if by not in ("group", "sample") else present >= 0
    for c, count in zip(present[~keep & (present >= 0)], n[~keep & (present >= 0)], strict=True):
        dropped[f"{names[c // 3]} ({SPLITS[c % 3]})"] = int(count)
    present, first, n = present[keep], first[keep], n[keep]
    if len(present) == 0:
        raise _all_small(where, size, names, min_size)
    empty = [s for i, s in enumerate(SPLITS) if i not in set((present % 3).tolist())]
    if empty:
        raise bad(
            where,
            f"no group of at least {min_size} samples in split '{empty[0]}'",
            "one in every split",
            ", ".join(filter(None, (lowering(("min_size", min_size, 1)), "change split.seed", "or split by sample"))),
        )
    if by != "sample":
        remedy = "choose groupby columns that make more groups, or set split: {by: sample}"
        check_training(int((present % 3 == 0).sum()), where, remedy)
    row = np.full(3 * len(names) + 1, -1, dtype=np.int64)
    row[present] = np.arange(len(present))
    groups = pd.DataFrame(
        {"group": [names[c // 3] for c in present], "split": [SPLITS[c % 3] for c in present], "size": n}
    )
    groups = groups.assign(
        **{n: table[n].iloc[first].tolist() for n in dict.fromkeys([*groupby, *labels]) if n != "group"}
    )
    several = groupby if by == "group" and len(groupby) > 1 else []
    crossed = crossing({name: text[name].iloc[first].tolist() for name in several}, groups["split"].tolist())
    tell_crossing(crossed, where)
    assignment = Assignment(row[cell], groups, dropped, split, crossed)
    for name in labels:
        _check_constant(text[name].to_numpy(), code, first, present // 3, assignment.row, name, names, where)
    return assignment


def as_text(
    table: pd.DataFrame, columns: Sequence[str], where: str, row_names: Sequence[str] | None = None
) -> dict[str, pd.Series]:
    """Columns as text. GdeError names the first row without a value, or with a word for a missing one."""
    text = {}
    for name in columns:
        if absent := first_missing(table[name]):
            i, found, remedy = absent
            row = f"row {i + 1}" if row_names is None else f"row {i} ({row_names[i]})"
            raise bad(f"{where}: {row}, column {name}", found, "a value in every row", remedy)
        text[name] = table[name].astype(str)
        if odd := [value for value in text[name].unique() if "\0" in value]:
            raise bad(f"{where}: column {name}", repr(odd[0]), "text without NUL bytes", "rename the value")
    return text


def name_groups(
    text: dict[str, pd.Series], groupby: Sequence[str], where: str
) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Group number of every row (N,), names of the groups (values joined with '|'), and the first row of each."""
    keys = pd.MultiIndex.from_frame(pd.DataFrame({n: text[n] for n in groupby}))
    code, unique = keys.factorize(sort=True)
    names = ["|".join(key) for key in unique]
    if len(set(names)) < len(names):
        twice = next(n for n in names if names.count(n) > 1)
        raise bad(
            where,
            f"two groups called '{twice}'",
            "distinct names when groupby values are joined with '|'",
            "remove '|' from the values",
        )
    return code, names, np.unique(code, return_index=True)[1]


def _check_constant(value, code, first, group_of_row, row, name, names, where) -> None:
    """GdeError when a label takes two values within one group."""
    reference = np.full(len(names), None, dtype=object)
    reference[group_of_row] = value[first]
    differs = (row >= 0) & (reference[code] != value)
    if differs.any():
        i = int(np.flatnonzero(differs)[0])
        raise bad(
            f"{where}: column {name}",
            f"'{reference[code[i]]}' and '{value[i]}' within group '{names[code[i]]}'",
            "one value per group",
            f"add {name} to groupby, or take it out of labels",
        )


def _all_small(where: str, size: np.ndarray, names: Sequence[str], min_size: int):
    largest = int(size.argmax())
    return bad(
        where,
        f"no group of at least {min_size} samples (largest: '{names[largest]}' with {size[largest]})",
        "groups of min_size or more",
        "lower min_size or choose other groupby columns",
    )
