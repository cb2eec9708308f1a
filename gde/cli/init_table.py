"""A commented experiment file for a user's numeric table, guessed from its columns."""

from pathlib import Path

import pandas as pd
import yaml

from gde.errors import bad
from gde.readers.table import Table

FEWEST = 5  # rows in a group that is worth a set, on average
WIDE = 10**6  # no line breaks
TEMPLATE = """\
# Written by `gde init`. Every key has a default: config/README.md lists them all.
description: {description}

dataset:
  kind: table
  path: {path}
  # One set of rows per combination of these columns. With words in the file: {columns}
  groupby: {groupby}
  # Columns with a number in every row: {count}. Not used: {left_out}
  features: {features}
  labels: {labels}        # constant within each group: what embeddings are scored and coloured by
  min_size: 3             # smaller groups are left out
  split:
    by: {by}              # group: whole groups are held out; sample: rows of each; or a column, e.g. donor
    fractions: [0.7, 0.1, 0.2]   # train, validation, test
"""


def describe_table(path: Path, groupby: list[str] | None) -> str:
    """The text of an experiment file. GdeError for a file that is no table, where no column groups the rows, where
    `groupby` names none, and where no other column is numeric."""
    every = Table(path, [], None)
    names = [*every.features, *every.left_out]
    frame = Table(path, names, [], text_only=True).frame().astype(str)
    numeric = [n for n in every.features if pd.to_numeric(frame[n], errors="coerce").notna().all()]
    words = {n: int(frame[n].nunique()) for n in names if n not in numeric and n not in every.left_out}
    if not numeric:
        found = f"neither a column 'sequence' nor one with a number in every row ({', '.join(names)})"
        raise bad(path, found, "a table of numbers, or of sequences", "rename the column, or leave out rows with gaps")
    if groupby is None:
        usable = {n: k for n, k in words.items() if 2 <= k <= len(frame) / FEWEST and (frame[n] != "").all()}
        if not usable:
            found = f"no column of words that groups rows ({', '.join(words) or 'none'})"
            raise bad(path, found, "one", "give --groupby COLUMN")
        groupby = [max(usable, key=usable.get)]
    for name in groupby:
        if name not in names:
            raise bad("--groupby", repr(name), f"one of {', '.join(names)}", "correct it")
    features = [n for n in numeric if n not in groupby]
    if not features:
        raise bad(path, "no column with a number in every row", "features", "give a numeric table")
    groups = frame.groupby(groupby, sort=False)
    labels = [n for n, k in words.items() if n not in groupby and k > 1 and (groups[n].nunique() == 1).all()]
    rest = [n for n in words if n not in (*groupby, *labels)]
    left_out = [*rest, *every.left_out]
    by = "group" if len(groups) >= 20 else "sample"
    return TEMPLATE.format(
        description=listed(f"{len(frame)} rows of {path.name}; a set is one {' x '.join(groupby)}"),
        path=listed(str(path)),
        columns=", ".join(f"{n} ({k})" for n, k in words.items()) or "none",
        groupby=listed(groupby),
        count=len(features),
        left_out=", ".join(left_out) or "none",
        features=listed(features) if rest else "null            # all of these",
        labels=listed(labels),
        by=by,
    )


def listed(value: str | list[str]) -> str:
    """A value as YAML on one line."""
    return yaml.safe_dump(value, default_flow_style=True, width=WIDE).split("\n")[0]
