"""Every mistake of a configuration at once, and all that can be resolved in spite of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any

from gde.config.grid_cells import ResolvedGrid, resolve_grid
from gde.config.listing import RESERVED, experiment_file, list_experiments
from gde.config.loading import Tree, from_snakemake, merge, read_yaml
from gde.config.resolve import (
    check_settings,
    complete,
    overrides,
    read_experiment,
    shown,
    validate,
)
from gde.config.start import with_kinds
from gde.errors import GdeError


@dataclass
class Findings:
    """What a configuration holds, as far as it is right, and every problem in it.

    settings : {experiments, preset, seed, accelerator, grids}.   experiments, grids : by name, resolved.
    general : the problems that concern all of it.   broken : name of an experiment, or grid/<name> -> the first of its
    problems, which stop nothing else.
    """

    settings: dict[str, Any]
    experiments: dict[str, dict[str, Any]] = field(default_factory=dict)
    grids: dict[str, ResolvedGrid] = field(default_factory=dict)
    problems: list[GdeError] = field(default_factory=list)
    general: list[GdeError] = field(default_factory=list)
    broken: dict[str, GdeError] = field(default_factory=dict)

    def add(self, *problems: GdeError) -> None:
        """Keep problems that are not known yet: a mistake in a file shows again in each of its presets."""
        known = set(map(str, self.problems))
        self.problems += {str(p): p for p in problems if str(p) not in known}.values()


def find_all(config: Mapping[str, Any] | None, root: Path = Path(), configfiles: Sequence[str | Path] = ()) -> Findings:
    """Resolve every experiment and grid and collect what is wrong; arguments as of `gde.config.resolve`.

    config : None reads the files. A grid shows its first mistake only. GdeError without config/experiments.
    """
    names, unusable = list_experiments(root)
    files, problems = [], []
    for file in configfiles:
        try:
            files.append(read_yaml(root / file, shown(file, root)))
        except GdeError as e:
            problems.append(e)
    if config is None:
        config = reduce(merge, files, Tree({})).data
    tree = from_snakemake(dict(config), files)
    checked, wrong = check_settings(tree, names)
    found = Findings(checked, general=[*problems, *wrong])
    found.broken |= {name: problem for name, problem in unusable.items() if name not in (*names, *RESERVED)}
    found.add(*unusable.values(), *found.general)
    for name in names:
        resolved, wrong = examine(name, checked, tree, root)
        found.add(*wrong)
        if wrong:
            found.broken[name] = wrong[0]
        if resolved is not None and not wrong:
            found.experiments[name] = resolved
    for name, grid in checked["grids"].items():
        try:
            found.grids[name] = resolve_grid(name, grid, checked, tree, root)
        except GdeError as e:
            if grid["base"] in found.broken:
                found.broken[f"grid/{name}"] = e
            else:  # a mistake of config/config.yaml or the command line
                found.general.append(e)
            found.add(e)
    return found


def examine(name: str, checked: dict[str, Any], tree: Tree, root: Path) -> tuple[dict[str, Any] | None, list[GdeError]]:
    """An experiment, resolved, or None; and all that is wrong in its file, its presets and its overrides."""
    try:
        base, presets, problems = read_experiment(*experiment_file(name, root), root)
        over = overrides(name, tree)
    except GdeError as e:
        return None, [e]
    chosen = reduce(merge, over, merge(base, presets[checked["preset"]]))
    problems = problems + validate(with_kinds(chosen))[1]
    if problems:
        return None, problems
    return complete(name, chosen, checked["seed"], checked["preset"]), []
