"""Of which kinds of samples a group consists: one column of shares for each kind."""

import numpy as np
import pandas as pd

from gde.files.keys import without_slashes

PREFIX = "composition_"


def composition(row: np.ndarray, kinds: np.ndarray, groups: pd.DataFrame) -> pd.DataFrame:
    """The groups (g, columns) with shares behind, one column for each kind, sum 1; row (N,) is each sample's group, -1
    for none, kinds (N,) the name of its kind. A slash of a name is `_` in its column's."""
    kept = row >= 0
    names, code = np.unique(kinds[kept].astype(str), return_inverse=True)
    count = np.bincount(row[kept] * len(names) + code, minlength=len(groups) * len(names)).reshape(-1, len(names))
    share = count / np.maximum(count.sum(1, keepdims=True), 1)
    columns = without_slashes([f"{PREFIX}{name}" for name in names], groups.columns)
    return pd.concat([groups, pd.DataFrame(share, columns=columns, index=groups.index)], axis=1)


def columns(groups: pd.DataFrame) -> list[str]:
    """The columns of shares in a store's groups."""
    return [c for c in groups.columns if c.startswith(PREFIX)]
