"""The source tables of the figures: TSV with the unit of every column in its name."""

from pathlib import Path

import numpy as np
import pandas as pd

from gde.errors import bad
from gde.evaluate.shared.pca import two_components

LATENT, DATA = "[latent units]", "[data units]"


def write_tables(directory: Path, tables: dict[str, pd.DataFrame]) -> None:
    """Write <name>.tsv each, 7 significant digits. GdeError for a table that is empty or holds NaN or infinity."""
    for name, table in tables.items():
        check_table(directory / f"{name}.tsv", table)
        table.to_csv(directory / f"{name}.tsv", sep="\t", index=False, float_format="%.7g")


def check_table(where: Path, table: pd.DataFrame) -> None:
    """GdeError naming the column and row of the first missing or infinite value."""
    if table.empty:
        raise bad(where, "no rows", "a table", "evaluate again")
    lost = table.isna() | table.isin([float("inf"), float("-inf")])
    if lost.to_numpy().any():
        column = lost.columns[lost.any()][0]
        row = int(lost[column].to_numpy().argmax())
        raise bad(f"{where}: row {row + 1}", f"no finite value in column {column!r}", "finite values", "evaluate again")


def principal_columns(prefix: str, unit: str, share) -> list[str]:
    """Column names of two principal components with their share of the variance, e.g. 'pc_1 [latent units, 63 %]'."""
    return [f"{prefix}_{i + 1} [{unit}, {100 * s:.0f} % of variance]" for i, s in enumerate(share)]


def principal_table(z: np.ndarray, fit: np.ndarray | slice = slice(None)) -> pd.DataFrame:
    """Embeddings (n, l) in the two principal components of those at `fit`."""
    centre, directions, share = two_components(z[fit])
    return pd.DataFrame((z - centre) @ directions, columns=principal_columns("pc", "latent units", share))


def embedding_table(z: np.ndarray, *, group, label, part, sizes) -> pd.DataFrame:
    """Two principal components of embeddings (n, l), with the group, label, part and number of samples (n,) of each."""
    about = {"group": group, "label": label, "part": part, "n_samples [1]": sizes}
    return principal_table(z).assign(**about)


def left_out_table(left: list[tuple[str, str]]) -> pd.DataFrame:
    """What was not evaluated and why; one row saying so where all was."""
    return pd.DataFrame(left or [("none", "everything was evaluated")], columns=["group", "status"])
