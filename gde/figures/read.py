"""Tables of an evaluation: read a table that evaluation wrote: columns by bare name, units apart."""

from pathlib import Path

import pandas as pd

from gde.errors import bad, many


def read_table(tables: Path, name: str) -> tuple[pd.DataFrame, dict[str, str]]:
    """The table and its units: a column 'w2 [data units]' becomes 'w2' with unit 'data units'.

    A column of unit `category` is text, and one whose unit ends in `or empty` may lack values (NaN); '' is then None.
    Raises GdeError when the file is missing or unreadable, and for the first value that is missing or infinite.
    """
    path = tables / f"{name}.tsv"
    text = dict.fromkeys(("group", "label", "predicted", "part", "source", "status", "quantity", "frame"), str)
    try:
        head = pd.read_csv(path, sep="\t", nrows=0).columns
        named = {column: str for column in head if column.endswith(" [category]")}
        table = pd.read_csv(path, sep="\t", dtype=text | named, keep_default_na=False, na_values={})
    except FileNotFoundError as e:
        raise bad(path, "no such file", "a table written by evaluate", "run the evaluate rule") from e
    except (ValueError, pd.errors.ParserError) as e:
        raise bad(path, f"an unreadable table ({e})", "tab-separated values", "run the evaluate rule again") from e
    units = {}
    for column in table.columns:
        bare, _, unit = column.partition(" [")
        units[bare] = unit.removesuffix("]")
    table.columns = list(units)
    for column in table.columns:
        if column in text or (column == "set" and table[column].dtype == object):
            continue
        if units[column] == "category":
            table[column] = table[column].replace("", None)
            continue
        if units[column].endswith("or empty"):
            table[column] = table[column].replace("", "nan").astype(float)
            continue
        numbers = pd.to_numeric(table[column], errors="coerce")
        wrong = numbers.isna() | numbers.isin([float("inf"), float("-inf")])
        if wrong.any():
            row = int(wrong.to_numpy().argmax())
            found = f"{table[column].iloc[row]!r} in column {column!r}"
            raise bad(f"{path}: row {row + 1}", found, "a finite number", "run the evaluate rule again")
    return table, units


def left_out(tables: Path, name: str, about: str) -> str | None:
    """Why there is no table `name`, from the table of what was left out of the evaluation; None where it is there.

    about : the beginning of the metrics that it belongs to.
    """
    if (tables / f"{name}.tsv").is_file() or not (tables / "left_out.tsv").is_file():
        return None
    table, _ = read_table(tables, "left_out")
    own = table[table["group"].str.startswith(about)]
    if own.empty:
        return None
    return "not evaluated: " + "; ".join(dict.fromkeys(own["status"]))


def label(name: str, unit: str) -> str:
    """Axis label from a column's name and unit: 'pc_1' -> 'PC 1 (latent units, 63 % of variance)'."""
    shown = name.replace("pc_", "PC ").replace("_", " ") if name.startswith("pc_") else name.replace("_", " ")
    return f"{shown} ({unit})" if unit not in ("", "1") else shown


def drawn_of(n: int, result: dict, what: str) -> str:
    """How many are drawn of how many there are: '200 of 20,000 held-out groups', or '12 held-out groups' of all."""
    total = result["held_out"]
    of = "" if n >= total else f" of {total:,}"
    return f"{n:,}{of} {what}{'s' * (max(n, total) != 1)}"


def of_groups(shown: int, about: dict) -> str:
    """How many sets are shown, in words; about : {sets, groups}, how many there are."""
    what = "group" if about["sets"] == about["groups"] else "set"
    text = many(shown, what) if shown == about["sets"] else f"{shown} of {many(about['sets'], what)}"
    text = text if what == "group" else f"{text} of {many(about['groups'], 'group')}"
    return text if shown == about["sets"] else f"{text}, at random"
