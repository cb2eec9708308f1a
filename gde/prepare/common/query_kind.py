"""What is asked of a user's file that has the form of a data set of its own: its groups are made by that alone."""

from collections.abc import Mapping, Sequence
from typing import Any

from gde.errors import bad


def columns_among(groupby: str | list[str] | None, own: Sequence[str], what: str) -> list[str]:
    """The columns that make a group, none or all of those that files of the kind have. GdeError for others."""
    columns = [groupby] if isinstance(groupby, str) else list(groupby or [])
    if columns and columns != list(own):
        remedy = "leave it out; without a name all is one group"
        raise bad("--groupby", ", ".join(columns), f"{', '.join(own)}: {what}, has no other groups", remedy)
    return columns


def no_options(options: Mapping[str, Any], what: str, but: Sequence[str] = ()) -> None:
    """GdeError for options that are for files of another form."""
    given = ["--" + name.replace("_", "-") for name, value in options.items() if value and name not in but]
    if given:
        raise bad(", ".join(given), what, "a file of another form", "leave it out")
