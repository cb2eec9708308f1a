"""Of which kinds of samples a group consists: one column of shares for each kind."""

import numpy as np
import pandas as pd

PREFIX = "composition/"


def composition(row: np.ndarray, kinds: np.ndarray, groups: int) -> pd.DataFrame:
    """Shares (groups, kinds), sum 1; row (N,) is each sample's group, -1 for none, kinds (N,) the name of its kind."""
    kept = row >= 0
    names, code = np.unique(kinds[kept].astype(str), return_inverse=True)
    count = np.bincount(row[kept] * len(names) + code, minlength=groups * len(names)).reshape(groups, len(names))
    share = count / np.maximum(count.sum(1, keepdims=True), 1)
    return pd.DataFrame(share, columns=[f"{PREFIX}{name}" for name in names])


def columns(groups: pd.DataFrame) -> list[str]:
    """The columns of shares in a store's groups."""
    return [c for c in groups.columns if c.startswith(PREFIX)]
