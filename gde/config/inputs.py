"""Which files an experiment is made from and evaluated with: what the workflow fetches and checks first."""

import os
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from gde.config.datasets import kind_of_data
from gde.config.evaluations import EVALUATIONS
from gde.files.input_files import expand, is_pattern


def input_files(dataset: Mapping[str, Any]) -> dict[str, str]:
    """Key of a resolved data set's settings -> file, for every file it is made from; {} for simulated and bundled
    ones."""
    return kind_of_data(dataset).input_files(dataset)


def listed_files(dataset: Mapping[str, Any]) -> Path | None:
    """Where the names of those files stand that are found in a listing when they are fetched; None for other data."""
    return kind_of_data(dataset).listing(dataset)


def named(dataset: Mapping[str, Any]) -> Callable[[str], bool]:
    """Whether a path is a file that the settings name, or that one of their patterns would find."""
    files = set(map(os.path.normpath, input_files(dataset).values()))
    patterns = [os.path.normpath(expand(file)) for file in kind_of_data(dataset).file_patterns(dataset)]
    return lambda path: os.path.normpath(path) in files or any(fnmatchcase(path, p) for p in patterns)


def own_files(dataset: Mapping[str, Any], published: Iterable[str]) -> dict[str, str]:
    """`input_files` without those at the `published` paths, and without patterns that these fit."""
    paths = set(map(os.path.normpath, published))
    return {
        key: file
        for key, file in input_files(dataset).items()
        if os.path.normpath(file) not in paths
        and not (is_pattern(file) and any(fnmatchcase(path, os.path.normpath(file)) for path in paths))
    }


def evaluation_files(evaluation: Mapping[str, Any]) -> dict[str, str]:
    """Key and path of the files that metrics are computed with."""
    kind = EVALUATIONS[evaluation["kind"]]
    return {key: expand(evaluation[key]) for key in kind.files if evaluation.get(key) not in (None, "", *kind.words)}
