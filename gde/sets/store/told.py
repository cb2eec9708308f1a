"""What was counted and left out while a store was made, as lines for the log: few look into meta.json."""

from collections.abc import Iterator, Mapping
from typing import Any

COUNTS = ("counted", "cells", "targets", "repeated_rows", "gene_duplicates")  # keys of meta.json whose numbers are told
SHOWN = 8  # groups that are named


def told(meta: Mapping[str, Any]) -> list[str]:
    """Lines of the counts in meta.json that are not 0, and of the groups that were left out as too small."""
    numbers = [
        f"{name} {value:,}"
        for key in COUNTS
        if key in meta
        for name, value in leaves(key.replace("_", " "), meta[key])
        if value
    ]
    lines = [", ".join(numbers)] if numbers else []
    if groups := meta.get("dropped_groups"):
        named = [f"{name} ({size:,})" for name, size in list((meta.get("dropped") or {}).items())[:SHOWN]]
        listed = f": {', '.join(named)}{', …' if groups > len(named) else ''}" if named else ""
        samples = meta["dropped_samples"]
        lines.append(f"left out as too small: groups {groups:,}, samples {samples:,}{listed}")
    return lines


def leaves(key: str, value: Any, names: tuple[str, ...] = ()) -> Iterator[tuple[str, int]]:
    """Whole numbers of a count and lengths of its lists, with words for each; names, as of files, may divide it."""
    if isinstance(value, Mapping):
        outer = names if key == COUNTS[0] else (*names, key)
        for name, part in value.items():
            yield from leaves(str(name), part, outer)
    elif isinstance(value, int | list) and not isinstance(value, bool):
        yield " ".join((*names, key.replace("_", " "))), len(value) if isinstance(value, list) else value
