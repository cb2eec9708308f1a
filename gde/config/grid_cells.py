"""The cells of the grids: every combination of an experiment's values as a resolved experiment of its own.

Order, later wins: the base experiment's file, its preset, config/config.yaml, --config, the grid's overrides, the axes.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import product
from pathlib import Path
from typing import Any

from gde.config.base import LARGEST_SEED
from gde.config.evaluations import EVALUATIONS
from gde.config.experiment import Experiment
from gde.config.kinds import kind_of
from gde.config.listing import NAME, experiment_names
from gde.config.loading import Tree, merge
from gde.config.messages import nearest, show, submodels, unknown
from gde.config.resolve import complete, dotted_keys, layers, settings
from gde.errors import GdeError, bad

MOST_CELLS = 10_000
LONGEST_LABEL = 80
NOT_AXES = ("presets", "like", "description", "published")
WIDTH = ("hidden",)


@dataclass(frozen=True)
class Cell:
    """One combination of a grid's values.

    labels : axis -> short name of its value.   store : the set store below results/sets; that of the base experiment
    unless the data set differs, so that all seeds and models are tested on the same sets.
    resolved : as from `gde.config.resolve`; its name is the cell's path below results/.
    """

    labels: dict[str, str]
    store: str
    resolved: dict[str, Any]


@dataclass(frozen=True)
class ResolvedGrid:
    """A grid with its cells by path below results/.

    stores : name -> what a store of the grid's own is prepared from.   published : metric -> {label: number}.
    """

    cells: dict[str, Cell]
    stores: dict[str, dict[str, Any]]
    metrics: list[str]
    published: dict[str, dict[str, float]]


@dataclass(frozen=True)
class _Value:
    """One value of an axis: its short name and the tree that it lays on the base (a seed: the number)."""

    label: str
    tree: Tree


def resolve_grids(
    config: Mapping[str, Any], root: Path = Path(), configfiles: Sequence[str | Path] = ()
) -> dict[str, ResolvedGrid]:
    """Every grid of config/config.yaml. Arguments and errors as of `gde.config.resolve`; the errors name the cell."""
    checked, tree = settings(config, root, configfiles)
    return {name: resolve_grid(name, grid, checked, tree, root) for name, grid in checked["grids"].items()}


def resolve_grid(name: str, grid: dict[str, Any], checked: dict, tree: Tree, root: Path) -> ResolvedGrid:
    here = ("grids", name)
    if not NAME.fullmatch(name):
        where, key = tree.mark(here)
        raise bad(f"{where}: {key}", repr(name), "a letter, then letters, digits and _", "rename the grid")
    if grid["base"] not in (names := experiment_names(root)):
        raise unknown(*tree.mark((*here, "base")), grid["base"], names)
    base, *parts = layers(grid["base"], checked["preset"], tree, root)
    standard = complete(grid["base"], reduce(merge, parts, base), checked["seed"], checked["preset"])
    _check_names(grid, standard["evaluation"]["kind"], tree, here)
    if grid["overrides"]:
        parts.append(tree.sub(*here, "overrides"))
    common = reduce(merge, parts, base)
    axes = {axis: _values(axis, tree, (*here, "axes", axis)) for axis in sorted(grid["axes"], key=_order)}
    if (n_cells := math.prod(map(len, axes.values()))) > MOST_CELLS:
        where, key = tree.mark((*here, "axes"))
        raise bad(f"{where}: {key}", f"{n_cells} combinations", f"at most {MOST_CELLS}", "shorten an axis")
    done: dict[tuple, dict] = {}  # by values other than the seed, which changes nothing else
    cells, stores = {}, {}
    for combination in product(*axes.values()):
        values = dict(zip(axes, combination, strict=True))
        labels = {axis: value.label for axis, value in values.items()}
        path = "/".join(("grid", name, *_parts(labels)))
        seed = values.pop("seed").tree.data if "seed" in values else checked["seed"]
        key = tuple(value.label for value in values.values())
        try:
            if key not in done:
                chosen = common
                for axis, value in values.items():
                    chosen = _lay(chosen, parts, _path(axis), value.tree)
                done[key] = complete(path, chosen, seed, checked["preset"])
        except GdeError as e:
            raise GdeError(f"{e} (in cell {'/'.join(_parts(labels))} of grid {name})") from None
        resolved = done[key] | {"name": path, "seed": seed}
        store = grid["base"]
        if resolved["dataset"] != standard["dataset"]:
            own = {axis: label for axis, label in labels.items() if axis.partition(".")[0] == "dataset"}
            store = "/".join(("grid", name, *(_parts(own) or ["base"])))
            stores[store] = resolved | {"name": store, "seed": checked["seed"]}
        cells[path] = Cell(labels, store, resolved)
    return ResolvedGrid(cells, stores, grid["metrics"], _published(grid, axes))


def _check_names(grid: dict[str, Any], evaluation: str, tree: Tree, here: tuple) -> None:
    """GdeError for an unknown section under overrides, and for an unknown metric."""
    sections = [key for key in Experiment.model_fields if key not in NOT_AXES]
    for key, value in grid["overrides"].items():
        where, at = tree.mark((*here, "overrides", key))
        if key not in sections:
            raise unknown(where, at, key, sections)
        optional = key == "mixer" and value is None
        if submodels(Experiment.model_fields[key].annotation) and not optional and not isinstance(value, dict):
            # an axis may replace the section, and then nobody else would look at it
            raise bad(f"{where}: {at}", show(value), "a mapping of keys", "see config/README.md")
    known = EVALUATIONS[evaluation].metrics
    for i, metric in enumerate(grid["metrics"]):
        if metric not in known:
            raise unknown(*tree.mark((*here, "metrics", i)), metric, known)


def _published(grid: dict[str, Any], axes: dict[str, list[_Value]]) -> dict[str, dict[str, float]]:
    """Metric -> {label on the one axis beside seed: published number}."""
    labels = [[value.label for value in values] for axis, values in axes.items() if axis != "seed"]
    return {metric: dict(zip(*labels, curve["values"], strict=True)) for metric, curve in grid["published"].items()}


def _parts(labels: dict[str, str]) -> list[str]:
    return [f"{axis}~{label}" for axis, label in labels.items()]


def _values(axis: str, tree: Tree, here: tuple) -> list[_Value]:
    """The values of an axis, each with a name of its own."""
    path = _path(axis)
    keys = {key for key in dotted_keys(Experiment) if key.partition(".")[0] not in NOT_AXES} | {"seed"}
    key = ".".join(p for p in path if isinstance(p, str))
    if key not in keys:
        level = (nearest(key, keys) or "").rpartition(".")[0]
        raise unknown(*tree.mark(here), axis, [k for k in sorted(keys) if k.rpartition(".")[0] == level])
    kinds = [kind for kind in map(kind_of, _models(path)) if kind]
    out: dict[str, _Value] = {}
    for i in range(len(tree.sub(*here).data)):
        value = tree.sub(*here, i)
        where, at = tree.mark((*here, i))
        if axis == "seed" and (type(value.data) is not int or not 0 <= value.data <= LARGEST_SEED):
            raise bad(f"{where}: {at}", show(value.data), "a whole number >= 0, below 2**63", "correct the seed")
        data = {"kind": value.data} if kinds and isinstance(value.data, str) else value.data
        label = data
        if isinstance(data, dict):
            data = dict(data)
            label = data.pop("name", data.get("kind"))
            if not isinstance(label, str) or not label:
                raise bad(f"{where}: {at}", "no name", "a text by which to call this value", "add `name: ...`")
        label = _label(label)
        if len(label) > LONGEST_LABEL:
            found = f"a name of {len(label)} characters"
            raise bad(f"{where}: {at}", found, f"at most {LONGEST_LABEL}", "add `name: ...`, which names directories")
        if label in out:
            raise bad(f"{where}: {at}", f"{label!r} a second time", "values of different names", "add `name: ...`")
        out[label] = _Value(label, Tree(data, {("kind",): value.marks[()], **value.marks}))
    return list(out.values())


def _path(axis: str) -> tuple[str | int, ...]:
    """'dataset.alpha.0' -> ('dataset', 'alpha', 0)."""
    return tuple(int(part) if part.isascii() and part.isdecimal() else part for part in axis.split("."))


def _order(axis: str) -> tuple:
    """Sorts axes as an experiment file has its keys, seed last: Snakemake moves what --config repeats to the front,
    which must not make other paths. A section comes before its keys, which would go when it changes its kind."""
    sections = [*Experiment.model_fields, "seed"]
    section = axis.partition(".")[0]
    return sections.index(section) if section in sections else -1, axis


def _models(path: tuple) -> list[type]:
    """The models that may stand at a path of an experiment."""
    models: list[type] = [Experiment]
    for key in path:
        models = [s for m in models if key in m.model_fields for s in submodels(m.model_fields[key].annotation)]
    return models


def _label(value: Any) -> str:
    """A value as part of a file name."""
    if value is None or isinstance(value, bool):
        return {None: "none", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return "_".join(map(_label, value))
    short = f"{value:g}" if isinstance(value, float) else str(value)
    text = short if not isinstance(value, float) or float(short) == value else repr(value)
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", text.replace("+", ""))


def _lay(chosen: Tree, parts: list[Tree], path: tuple[str | int, ...], value: Tree) -> Tree:
    """`chosen` with `value` at `path`; parts : what was laid on the base experiment's file, a subset of `chosen`.

    Where that changes a kind, the old kind's keys go, but for its width and for what preset, config.yaml and overrides
    say to every kind: the budget is the same for all, what was tuned for one is not.
    """
    if isinstance(value.data, dict) and "kind" in value.data:
        old = _get(chosen.data, path)
        if not isinstance(old, dict) or old.get("kind") != value.data["kind"]:
            value = merge(_shared([chosen, *parts], path, value.data["kind"]), value)
    if isinstance(path[-1], int):
        *path, index = path
        items = _get(chosen.data, path)
        if not isinstance(items, list) or index >= len(items):
            where, key = value.mark(())
            found = show(items) if not isinstance(items, list) else f"a list of {len(items)} at {'.'.join(path)}"
            raise bad(f"{where}: {key}", found, f"a list of more than {index}", "give the base experiment a whole list")
        value = Tree([*items[:index], value.data, *items[index + 1 :]], value.marks)
    for key in reversed(path):
        value = Tree({key: value.data}, {(key, *p): m for p, m in value.marks.items()})
    return merge(chosen, value)


def _shared(parts: list[Tree], path: tuple, kind: str) -> Tree:
    """The keys below `path` that a section of another kind takes over: width from anywhere, others where no kind is
    named; the first of the parts is the whole experiment, whose other keys belong to its own kind."""
    fields = {key for m in _models(path) if kind_of(m) == kind for key in m.model_fields} - {"kind"}
    out = Tree({"kind": kind})
    for i, part in enumerate(parts):
        section = _get(part.data, path)
        if isinstance(section, dict):
            own = section.get("kind") not in ((kind,) if i == 0 else (kind, None))
            keys = fields & section.keys() & set(WIDTH) if own else fields & section.keys()
            sub = part.sub(*path)
            marks = {p: m for p, m in sub.marks.items() if p and p[0] in keys}
            out = merge(out, Tree({key: section[key] for key in sorted(keys)}, marks))
    return out


def _get(data: Any, path: Sequence[str | int]) -> Any:
    for key in path:
        if not isinstance(data, dict) or key not in data:
            return None
        data = data[key]
    return data
