"""Regular expressions of names and paths, short enough for Snakemake to compile one for every output of every rule."""

import re
from collections.abc import Iterable, Mapping


def any_of(names: Iterable[str]) -> str:
    """A wildcard's constraint: one of these names, which may be paths; with no names, nothing.

    What follows equal parts of paths is written once, so that the cells of a grid, hundreds of combinations, take no
    more than a list of each axis's values.
    """
    return _any({tuple(name.split("/")) for name in names}) or "(?!)"


def any_before(files: Mapping[str, str]) -> str:
    """A wildcard's constraint: one of these names, where its own file, `files[name]`, stands behind it."""
    names: dict[str, list[str]] = {}
    for name, file in files.items():
        names.setdefault(file, []).append(name)
    return "|".join(f"(?:{any_of(own)})(?=/{re.escape(file)}$)" for file, own in sorted(names.items())) or "(?!)"


def _any(paths: set[tuple[str, ...]]) -> str:
    behind: dict[str, set[tuple[str, ...]]] = {}
    for first, *rest in paths:
        behind.setdefault(first, set()).add(tuple(rest))
    alike: dict[frozenset[tuple[str, ...]], list[str]] = {}
    for first in sorted(behind):
        alike.setdefault(frozenset(behind[first]), []).append(re.escape(first))
    out = []
    for rest, firsts in alike.items():
        head = "|".join(firsts)
        if () in rest:
            out.append(head)
        if further := set(rest) - {()}:
            out.append(f"(?:{head})/(?:{_any(further)})")
    return "|".join(out)
