"""Companions: what an objective needs beside a group's set: its label, the set that follows it, its control."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from gde.errors import bad
from gde.sets.batch import Companion
from gde.sets.store.columns import column, joint, listed, numbers
from gde.sets.store.set_store import SetStore
from gde.sets.vectors import Vectors, load_vectors

MOST_RANK = 64


class Labels:
    """The label of each set: a class, or for a mixture of groups the share of each class.

    classes : the values of `label` among the training groups, sorted as text. heads : what the model needs for them.
    Raises GdeError for an unknown column and for fewer than two classes.
    """

    def __init__(self, store: SetStore, *, split: str, label: str):
        names = column(store, label, "objective.label")
        self.classes = sorted(names.iloc[store.select("train")].dropna().unique())
        if len(self.classes) < 2:
            found = f"{label!r} with {listed(self.classes)} in the training groups"
            raise bad("objective.label", found, "two classes or more", "choose another column")
        self.one_hot = (names.to_numpy()[:, None] == np.array(self.classes, object)).astype(np.float32)  # (G, c)
        self.heads = {"classifier": {"classes": self.classes}}

    def __call__(self, sampler: Any, group: np.ndarray, mix: np.ndarray | None, rngs: list) -> dict[str, Any]:
        """label (b, c) float32; it sums to less than 1 where samples have no label or one unknown to training."""
        label = self.one_hot[group] if mix is None else mix @ self.one_hot[sampler.groups]
        return {"label": torch.from_numpy(label)}


class Successors:
    """A set of the group that follows each group: the next value of `order_by`, equal values of the columns `within`.

    What follows is decided on all groups; where it is of another split, the group has no successor, since a longer
    step would be another quantity. A held-out group is also followed by training groups, never the other way round.
    Raises GdeError for unknown columns, values that are no numbers, and when no training group has a successor.
    """

    def __init__(
        self,
        store: SetStore,
        *,
        split: str,
        order_by: str,
        within: Iterable[str] = (),
        condition: str | None = None,
        hidden: int = 64,
    ):
        position = numbers(store, order_by, "objective.order_by")
        keys = joint(store, within, "objective.within")
        following = pd.Series(np.nan, position.index)
        for _, values in position.dropna().groupby(keys, sort=False):
            distinct = np.unique(values)
            after = np.append(distinct[1:], np.nan)
            following[values.index] = after[np.searchsorted(distinct, values)]
        wanted = list(zip(keys, following, strict=True))
        offered = list(zip(keys, position, strict=True))
        has = following.notna().to_numpy()
        self.matches = Matches(store, split, wanted, offered, has)
        if not self.matches.has("train").any():
            found = f"{order_by!r} with {listed(position.dropna().unique())}"
            expected = "a training group that follows another one"
            raise bad("objective.order_by", found, expected, "check objective.within, or the split")
        self.conditions = None
        head = {"hidden": hidden, "conditions": None}
        if condition is not None:
            names = column(store, condition, "objective.condition")
            self.conditions = Codes(names, self.matches.has("train"))
            head["conditions"] = self.conditions.values
        self.heads = {"ordered_next": head}

    def __call__(self, sampler: Any, group: np.ndarray, mix: None, rngs: list) -> dict[str, Any]:
        """next, the set that follows; condition (b,) int64 where there are some, of what trains."""
        following = self.matches.draw(sampler, group, rngs)
        if self.conditions is None:
            return {"next": following}
        following, code = self.conditions.known(group, following)
        return {"next": following, "condition": code}


def control_of(store: SetStore, control: dict[str, Any] | None) -> tuple[pd.Series, np.ndarray]:
    """The condition of each group (G,), as text, and whether it is a control (G,) bool: where the column in `control`
    has the given value; None = the column `gene` and the label that the store's meta.json tells.

    GdeError for an unknown column, a value that no group has, and a store that tells none.
    """
    if control is None:
        if (label := store.meta.get("control")) is None:
            found, expected = "a data set that does not say which groups are controls", "one `column: value`"
            raise bad("objective.control", found, expected, "set objective.control, e.g. {treatment: DMSO}")
        control = {"gene": label}
    ((name, value),) = control.items()
    names = column(store, name, f"objective.control.{name}")
    is_control = ((names == str(value)) | (store.groups[name] == value)).to_numpy()
    if not is_control.any():
        found, expected = repr(value), f"a value of the column: {listed(names.dropna().unique())}"
        raise bad(f"objective.control.{name}", found, expected, "give the control's value as it stands there")
    return names, is_control


def rank_of(rank: int | str, conditions: int) -> int:
    """The rank of the interaction with controls: as given, or one for every four conditions that train, so that few of
    them are not learned by heart."""
    return max(1, min(MOST_RANK, conditions // 4)) if rank == "auto" else int(rank)


class Controls:
    """A set of a control of each group, as `control_of` tells them; the columns in `within` agree.

    The column's other values are the conditions; with `vectors` all are known that the store has a vector for, also
    those that do not train. remark : what the log is to say, or nothing. A held-out group is also matched with training
    controls, never the other way round. Raises GdeError for unknown columns, a control value that no group has, when no
    training group has a control, and for vectors that the store lacks.
    """

    def __init__(
        self,
        store: SetStore,
        *,
        split: str,
        control: dict[str, Any] | None,
        within: Iterable[str] = (),
        rank: int | str = "auto",
        conditions: str = "learned",
    ):
        names, is_control = control_of(store, control)
        keys = list(joint(store, within, "objective.within"))
        offered = [key if control else None for key, control in zip(keys, is_control, strict=True)]
        self.matches = Matches(store, split, keys, offered, ~is_control)
        matched = self.matches.has("train")
        if not matched.any():
            named = "" if control is None else " ({}: {})".format(*next(iter(control.items())))
            found = f"no training group with a control{named} of equal {', '.join(within) or 'split'}"
            raise bad("objective.control", found, "one or more", "check objective.within, or the split")
        self.vectors = None
        self.conditions = Codes(names, matched)
        trained = len(self.conditions.values)
        rank, own = rank_of(rank, trained), rank_of("auto", trained)
        self.remark = ""
        if rank > trained:
            told = f"objective.rank: {rank} for {trained} conditions that train, which can so be learned by heart"
            self.remark = f"{told}; `auto` takes {own}"
        if conditions != "learned":
            self.vectors = described(store, self.conditions.values, shuffled=conditions == "shuffled_vectors")
            self.conditions = Codes(names, values=self.vectors.names)
        head = {"rank": rank, "conditions": self.conditions.values}
        if self.vectors is not None:
            head["vectors"] = self.vectors.table.shape[1]
        self.heads = {"mean_predictor": {}, "perturbation": head}

    def __call__(self, sampler: Any, group: np.ndarray, mix: None, rngs: list) -> dict[str, Any]:
        """control, valid where there is one and the group's condition trains; condition (b,) int64."""
        control, code = self.conditions.known(group, self.matches.draw(sampler, group, rngs))
        return {"control": control, "condition": code}


REGISTRY = {"classification": Labels, "ordered": Successors, "perturbation": Controls}


class Matches:
    """For each group of a split the groups whose `offered` key equals its `wanted` one; one of them is drawn each time.

    wanted, offered (G,) hashable, offered None for groups that are nobody's; asks (G,) bool: whether a group is
    matched at all.
    """

    def __init__(self, store: SetStore, split: str, wanted: list, offered: list, asks: np.ndarray):
        self.store, self.split = store, store.groups["split"].to_numpy()
        rows: dict[tuple, list[int]] = {}
        for g, key in enumerate(offered):
            if key is not None:
                rows.setdefault((self.split[g], key), []).append(g)
        found: list[list[int]] = [[] for _ in wanted]
        for g in np.flatnonzero(asks):
            own = rows.get((self.split[g], wanted[g]), [])
            found[g] = own or rows.get(("train", wanted[g]), [])
        self.count = np.array([len(f) for f in found])
        self.first = np.cumsum(self.count) - self.count
        self.row = np.array([g for f in found for g in f] + [0])  # the last one for `first` of a group without matches

    def has(self, split: str) -> np.ndarray:
        """Groups (G,) bool of a split that have a match."""
        return (self.count > 0) & (self.split == split)

    def of(self, g: int) -> np.ndarray:
        """The matches of a group."""
        return self.row[self.first[g] : self.first[g] + self.count[g]]

    def draw(self, sampler: Any, group: np.ndarray, rngs: list) -> Companion:
        """A set of one match of each `group` (b,), of the group itself where it has none; valid: whether it has one.

        rngs : one generator per shard, each for its equal part of the sets.
        """
        rows = []
        for part, rng in zip(np.split(group, len(rngs)), rngs, strict=True):
            pick = self.first[part] + (rng.random(len(part)) * self.count[part]).astype(np.int64)
            match = np.where(self.count[part] > 0, self.row[pick], part)
            component = np.zeros((len(part), sampler.set_size), np.int64)
            rows.append(self.store.rows(match[:, None], component, rng))
        row = np.concatenate(rows)
        x, mask = self.store.gather(row)
        return Companion(x, mask, self.store.weights(row), valid=torch.from_numpy(self.count[group] > 0))


class Codes:
    """Numbers for the values that a column has in the groups `known` (G,) bool.

    values : those values, sorted as text, or the ones given; code (G,) int64: their position, -1 for others.
    """

    def __init__(self, names: pd.Series, known: np.ndarray | None = None, *, values: list[str] | None = None):
        self.values = sorted(names[known].dropna().unique()) if values is None else values
        index = {value: i for i, value in enumerate(self.values)}
        self.code = np.array([index.get(name, -1) for name in names], np.int64)

    def known(self, group: np.ndarray, companion: Companion) -> tuple[Companion, torch.Tensor]:
        """The companions of groups (b,), valid only where these have a number, and the numbers (b,) int64, else 0."""
        code = torch.from_numpy(self.code[group])
        return replace(companion, valid=companion.valid & (code >= 0)), code.clamp_min(0)


def described(store: SetStore, trained: list[str], *, shuffled: bool) -> Vectors:
    """The store's vectors; GdeError where it has none, or none for a condition that trains."""
    vectors = load_vectors(store)
    if vectors is None:
        remedy = "prepare the data set with vectors, or set objective.conditions: learned"
        raise bad("objective.conditions", "a data set without vectors", "vectors of its conditions", remedy)
    lost = [name for name, row in zip(trained, vectors.rows(trained), strict=True) if row < 0]
    if lost:
        found = f"no vector for {len(lost)} of {len(trained)} conditions: {listed(lost)}"
        raise bad("objective.conditions", found, "one for each", "prepare the data set with a vector for each")
    return vectors.shuffled(0) if shuffled else vectors
