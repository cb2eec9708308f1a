"""Mutated tables, as text and Parquet: refused in one line that names the place, or read as the same."""

import gzip
import os
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fuzz import INVALID, SEED, UNKNOWN, VALID, Case, Tally, flip
from mutations import made

from gde.prepare.table import prepare as prepare_table

pytestmark = [
    pytest.mark.usefixtures("no_fsync"),
    pytest.mark.filterwarnings("ignore"),  # libraries warn of what the mutations do
]


TABLE = "donor,a,b,c\n" + "".join(f"d{i % 6},{3 * i % 11},{i * i % 7}.5,{-i}e-1\n" for i in range(60))
CELL = "d3,5,"  # of row 10
TABLES = {  # name or content of the file
    "empty": ("t.csv", INVALID, lambda t: ""),
    "one line break": ("t.csv", INVALID, lambda t: "\n"),
    "only the header": ("t.csv", INVALID, lambda t: t[:12]),
    "header without line end": ("t.csv", INVALID, lambda t: t[:11]),
    "no header": ("t.csv", INVALID, lambda t: t[12:]),
    "a column twice": ("t.csv", INVALID, lambda t: t.replace("a,b", "b,b", 1)),
    "a column without a name": ("t.csv", INVALID, lambda t: t.replace("a,b", "a,", 1)),
    "a short row": ("t.csv", INVALID, lambda t: t.replace(CELL, "d3,", 1)),
    "a long row": ("t.csv", INVALID, lambda t: t.replace(CELL, "d3,9,9,", 1)),
    "mixed separators": ("t.csv", INVALID, lambda t: t.replace(CELL, "d3;9;", 1)),
    "tabs": ("t.csv", INVALID, lambda t: t.replace(",", "\t")),
    "semicolons": ("t.csv", INVALID, lambda t: t.replace(",", ";")),
    "commas under the name of tabs": ("t.tsv", INVALID, lambda t: t),
    "other name": ("t.dat", INVALID, lambda t: t),
    "a word": ("t.csv", INVALID, lambda t: t.replace(CELL, "d3,nine,", 1)),
    "nothing": ("t.csv", INVALID, lambda t: t.replace(CELL, "d3,,", 1)),
    "no group": ("t.csv", INVALID, lambda t: t.replace(CELL, ",9,", 1)),
    "nan": ("t.csv", INVALID, lambda t: t.replace(CELL, "d3,nan,", 1)),
    "NA": ("t.csv", INVALID, lambda t: t.replace(CELL, "d3,NA,", 1)),
    "infinity": ("t.csv", INVALID, lambda t: t.replace(CELL, "d3,-inf,", 1)),
    "1e999": ("t.csv", INVALID, lambda t: t.replace(CELL, "d3,1e999,", 1)),
    "beyond float32": ("t.csv", INVALID, lambda t: t.replace(CELL, "d3,1e39,", 1)),
    "a date": ("t.csv", INVALID, lambda t: t.replace(CELL, "d3,2020-01-01,", 1)),
    "thousands": ("t.csv", INVALID, lambda t: t.replace(CELL, 'd3,"1,000",', 1)),
    "decimal comma": ("t.csv", INVALID, lambda t: t.replace(CELL, 'd3,"9,5",', 1)),
    "hexadecimal": ("t.csv", INVALID, lambda t: t.replace(CELL, "d3,0x10,", 1)),
    "complex": ("t.csv", INVALID, lambda t: t.replace(CELL, "d3,1+2j,", 1)),
    "minus of typographers": ("t.csv", INVALID, lambda t: t.replace(CELL, "d3,−9,", 1)),
    "underscore": ("t.csv", INVALID, lambda t: t.replace(CELL, "d3,1_0,", 1)),
    "NUL in a number": ("t.csv", INVALID, lambda t: t.replace(CELL, "d3,9\x000,", 1)),
    "NUL in a group": ("t.csv", INVALID, lambda t: t.replace(CELL, "d3\0x,9,", 1)),
    "NUL at the end": ("t.csv", INVALID, lambda t: t + "\0"),
    "quote left open": ("t.csv", INVALID, lambda t: t.replace(CELL, '"d3,9,', 1)),
    "quote left open in the last field": ("t.csv", INVALID, lambda t: t[:-6] + '"' + t[-6:]),
    "text after a quote": ("t.csv", INVALID, lambda t: t.replace(CELL, '"d3"x,9,', 1)),
    "two groups only": ("t.csv", INVALID, lambda t: t.replace("d3", "d0").replace("d4", "d0").replace("d5", "d0")
                        .replace("d2", "d1")),
    "small groups only": ("t.csv", INVALID, lambda t: "".join(t.splitlines(keepends=True)[:8])),
    "utf-16": ("t.csv", INVALID, lambda t: t.encode("utf-16")),
    "utf-16 without its mark": ("t.csv", INVALID, lambda t: t.encode("utf-16-le")),
    "latin-1": ("t.csv", INVALID, lambda t: t.replace("d3", "dé").encode("latin-1")),
    "noise": ("t.csv", INVALID, lambda t: random.Random(SEED).randbytes(3000)),
    "HTML": ("t.csv", INVALID, lambda t: "\n <!DOCTYPE html><html>"),
    "XML": ("t.csv", INVALID, lambda t: "<?xml version='1.0'?><Error/>"),
    "compressed, wrong name": ("t.csv", INVALID, lambda t: gzip.compress(t.encode())),
    "not compressed": ("t.csv.gz", INVALID, lambda t: t),
    "compressed, cut": ("t.csv.gz", INVALID, lambda t: gzip.compress(t.encode())[:-9]),
    "compressed, damaged": ("t.csv.gz", INVALID, lambda t: flip(gzip.compress(t.encode(), mtime=0), 8 * 90)),
    "text as Parquet": ("t.parquet", INVALID, lambda t: t),
    "a field of megabytes": ("t.csv", INVALID, lambda t: t.replace("d3", "d" * 2_000_000, 1)),
    "as it is": ("t.csv", VALID, lambda t: t),
    "byte order mark": ("t.csv", VALID, lambda t: b"\xef\xbb\xbf" + t.encode()),
    "lines of Windows": ("t.csv", VALID, lambda t: t.replace("\n", "\r\n")),
    "empty lines": ("t.csv", VALID, lambda t: t.replace("\n", "\n\n")),
    "no last line end": ("t.csv", VALID, lambda t: t[:-1]),
    "quotes": ("t.csv", VALID, lambda t: t.replace("d3", '"d3"')),
    "spaces before numbers": ("t.csv", VALID, lambda t: t.replace(CELL, "d3, 5,")),
    "tabs and their name": ("t.tsv", VALID, lambda t: t.replace(",", "\t")),
    "compressed": ("t.csv.gz", VALID, lambda t: gzip.compress(t.encode())),
}  # fmt: skip
FRAME = pd.DataFrame({"donor": [f"d{i % 6}" for i in range(60)], "a": np.arange(60.0) * 3 % 11, "b": 1.0, "c": 2.0})
ROW = ["d0"] * 10
PARQUETS = {
    "lists as numbers": (INVALID, lambda f: f.assign(a=[[1.0, 2.0]] * 60)),
    "lists as groups": (INVALID, lambda f: f.assign(donor=[[1]] * 60)),
    "records": (INVALID, lambda f: f.assign(a=[{"x": 1}] * 60)),
    "bytes": (INVALID, lambda f: f.assign(a=[b"1"] * 60)),
    "bytes as groups": (INVALID, lambda f: f.assign(donor=[b"\x80\x04."] * 60)),
    "times": (INVALID, lambda f: f.assign(a=pd.Timestamp("2020-01-01"))),
    "dates": (INVALID, lambda f: f.assign(a=pd.Timestamp("2020-01-01").date())),
    "durations": (INVALID, lambda f: f.assign(a=pd.Timedelta("1s"))),
    "text": (INVALID, lambda f: f.assign(a="x")),
    "nothing": (INVALID, lambda f: f.assign(a=None)),
    "not a number": (INVALID, lambda f: f.assign(a=f["a"].where(f["a"] != 7))),
    "infinity": (INVALID, lambda f: f.assign(a=f["a"].replace(7, np.inf))),
    "missing group": (INVALID, lambda f: f.assign(donor=f["donor"].where(f["a"] != 7))),
    "NUL in a group": (INVALID, lambda f: f.assign(donor=f["donor"] + "\0x")),
    "no rows": (INVALID, lambda f: f[:0]),
    "no columns": (INVALID, lambda f: f[[]]),
    "no group column": (INVALID, lambda f: f.drop(columns="donor")),
    "no feature": (INVALID, lambda f: f[["donor"]]),
    "as it is": (VALID, lambda f: f),
    "integers": (VALID, lambda f: f.astype({"a": "int32"})),
    "decimals": (VALID, lambda f: f.assign(a=[__import__("decimal").Decimal(int(a)) for a in f["a"]])),
    "categories": (VALID, lambda f: f.astype({"donor": "category"})),
    "nullable": (VALID, lambda f: f.astype({"a": "Float64"})),
}  # fmt: skip


def table_config(file: Path, **changes) -> dict:
    split = {"by": "group", "fractions": [0.6, 0.2, 0.2], "seed": 0}
    return {"kind": "table", "path": str(file), "groupby": ["donor"], "features": None, "labels": [],
            "transpose": False, "scale": True, "n_pcs": None, "min_size": 3, "split": split} | changes  # fmt: skip


def test_tables(here, record_property):
    tally, originals = Tally(), {}
    for name, (file, effect, edit) in TABLES.items():
        content = edit(TABLE)
        (here / file).write_bytes(content if isinstance(content, bytes) else content.encode())
        config = table_config(here / file)
        run = lambda c=config: made(prepare_table, c, here)  # noqa: E731
        if effect == VALID and not originals:
            (here / "good.csv").write_text(TABLE)
            originals["csv"] = made(prepare_table, table_config(here / "good.csv"), here)
        place = "dataset.split" if name == "two groups only" else file
        tally.add(Case(f"table: {name}", effect, run, place, originals["csv"] if effect == VALID else None), here)
        (here / file).unlink()
    FRAME.to_parquet(here / "good.parquet")
    original = made(prepare_table, table_config(here / "good.parquet"), here)
    file = here / "t.parquet"
    for name, (effect, edit) in PARQUETS.items():
        edit(FRAME).to_parquet(file)
        result = original if effect == VALID and name != "categories" else None
        run = lambda: made(prepare_table, table_config(file), here)  # noqa: E731
        tally.add(Case(f"parquet: {name}", effect, run, file.name, result), here)
    data, rng = (here / "good.parquet").read_bytes(), random.Random(f"{SEED} tables")
    for keep in sorted(rng.randrange(1, len(data)) for _ in range(8)):
        file.write_bytes(data[:keep])
        tally.add(Case(f"parquet cut at {keep}", INVALID, run, file.name), here)
    for _ in range(20):
        bit = rng.randrange(8 * len(data))
        file.write_bytes(flip(data, bit))
        tally.add(Case(f"parquet, bit {bit}", UNKNOWN, run, file.name), here)
    for _ in range(12):
        bit = rng.randrange(8 * len(TABLE))
        (here / "t.csv").write_bytes(flip(TABLE.encode(), bit))
        turned = table_config(here / "t.csv", transpose=bool(bit % 2))
        tally.add(Case(f"csv, bit {bit}", UNKNOWN, lambda c=turned: made(prepare_table, c, here), "t.csv"), here)
    tally.check(record_property, len(TABLES) + len(PARQUETS) + 40)


def test_a_parquet_type_that_names_its_own_class_runs_nothing(here, record_property):
    """Old pyarrow unpickled the class of such a column (CVE-2023-47248)."""
    tally, mark = Tally(), here / "ran"
    payload = f"cos\nsystem\n(S'touch {mark}'\ntR.".encode()
    field = pa.field("a", pa.float64(), metadata={
        b"ARROW:extension:name": b"arrow.py_extension_type", b"ARROW:extension:metadata": payload})  # fmt: skip
    schema = pa.schema([pa.field("donor", pa.string()), field])
    pq.write_table(pa.table([FRAME["donor"].to_list(), FRAME["a"].to_list()], schema=schema), here / "t.parquet")
    run = lambda: made(prepare_table, table_config(here / "t.parquet"), here)  # noqa: E731
    tally.add(Case("parquet: pickled type", UNKNOWN, run, "t.parquet"), here)
    assert not os.path.lexists(mark)
    tally.check(record_property, 1)
