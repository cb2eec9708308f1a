"""The source tables of the figures: TSV with the unit of every column in its name."""

from pathlib import Path

import pandas as pd

from gde.errors import bad

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
