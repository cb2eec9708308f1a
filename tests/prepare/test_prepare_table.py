"""A user's table: CSV, TSV and Parquet give the same store; a bad cell is named by file, row, column and value."""

import gzip

import numpy as np
import pandas as pd
import pytest
from prepare_data import SPLIT, refused

from gde.features.pipeline import FeaturePipeline
from gde.prepare.table import prepare
from gde.sets.store.set_store import SetStore


def make_table(n=60):
    rng = np.random.default_rng(0)
    donor = np.arange(n) % 6
    values = rng.normal(donor[:, None], [1.0, 10.0, 1e4], (n, 3)) + [0, 5, 1e9]
    table = pd.DataFrame(values, columns=["a", "b", "c"])
    return table.assign(donor=[f"0{d}" for d in donor], sex=np.where(donor % 2, "none", "f"))


def cfg(path, **changes):
    base = {"kind": "table", "path": str(path), "groupby": ["donor"], "features": ["a", "b", "c"], "labels": ["sex"],
            "transpose": False, "scale": True, "n_pcs": None, "min_size": 3, "split": SPLIT}  # fmt: skip
    return base | changes


def write(table, tmp_path, kind="csv"):
    path = tmp_path / f"data.{kind}"
    if kind == "parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, sep="\t" if "tsv" in kind else ",", index=False)
    return path


def store_of(path, out, **changes):
    prepare(cfg(path) | changes, out, name="mine", seed=0)
    return SetStore.open(out)


@pytest.mark.parametrize("kind", ["csv", "tsv", "csv.gz", "parquet"])
def test_every_row_arrives_in_its_group_and_own_units_come_back(tmp_path, out, kind, monkeypatch):
    monkeypatch.setattr("gde.readers.table.CHUNK_VALUES", 50)
    table = make_table()
    store = store_of(write(table, tmp_path, kind), out)
    pipeline = FeaturePipeline.load(out / "features")
    assert set(store.groups["group"]) == {f"0{i}" for i in range(6)} and set(store.groups["sex"]) == {"f", "none"}
    for g, row in store.groups.iterrows():
        mine = table.loc[table["donor"] == row["donor"], ["a", "b", "c"]].to_numpy()
        np.testing.assert_allclose(np.sort(pipeline.inverse(store.read(g)), 0), np.sort(mine, 0), rtol=1e-5)
    np.testing.assert_allclose(store.meta["mean"], 0, atol=1e-6)
    np.testing.assert_allclose(store.meta["scale"], 1, rtol=1e-6)
    assert store.meta["data"] == "user" and store.meta["feature_names"] == ["a", "b", "c"]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_transposed_table_is_the_same(tmp_path, out, kind):
    table = make_table()
    reference = store_of(write(table, tmp_path, "tsv"), out)
    turned = table.T.astype(str)
    turned.columns = [f"s{i}" for i in range(len(table))]
    turned = turned.rename_axis("name").reset_index()
    turned.to_csv(tmp_path / "t.csv", index=False)
    turned.to_parquet(tmp_path / "t.parquet")
    other = store_of(tmp_path / f"t.{kind}", out.with_name("t"), transpose=True)
    np.testing.assert_allclose(other.x, reference.x, rtol=1e-6, atol=1e-6)


def test_features_default_to_every_other_column(tmp_path, out):
    store = store_of(write(make_table(), tmp_path), out, features=None, scale=False, n_pcs=2)
    assert store.meta["dim"] == 2 and FeaturePipeline.load(out / "features").names == ["a", "b", "c"]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("column", "value", "parts"),
    [
        ("b", "high", ["row 12, column b: found 'high', expected a number"]),
        ("a", "", ["row 12, column a: found nothing"]),
        ("a", "NA", ["row 12, column a: found 'NA'"]),
        ("sex", "NA", ["row 12, column sex: found 'NA', a missing value that was spelled out", "write it in full"]),
        ("c", "inf", ["row 12, column c: found inf, expected a finite number"]),
        ("c", "1e300", ["row 12, column c: found 1e+300"]),
        ("donor", "", ["row 12, column donor: found a missing value"]),
    ],
    ids=["word", "empty", "na", "na-label", "inf", "huge", "group"],
)
def test_a_bad_cell_is_named(tmp_path, out, kind, column, value, parts, monkeypatch):
    monkeypatch.setattr("gde.readers.table.CHUNK_VALUES", 21)
    table = make_table().astype({column: object})
    table.loc[11, column] = value
    path = write(table.astype({column: str}), tmp_path, kind)
    with refused(out, str(path), *parts):
        prepare(cfg(path), out, name="mine", seed=0)


def text(tmp_path, content, name="data.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


ROWS = "".join(f"{i},{i * 2},1,d{i % 5},f\n" for i in range(40))
GOOD = "a,b,c,donor,sex\n" + ROWS


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        ("data.csv", "", ["an empty file"]),
        ("data.csv", "a,b,c,donor,sex\n", ["no rows"]),
        ("data.csv", "<html><body>", ["an HTML page"]),
        ("data.csv", "a,b,b,donor,sex\n" + ROWS, ["the column 'b' 2 times"]),
        ("data.csv", GOOD + "1,2,3,d1\n", ["row 41: found 4 fields, expected 5 as in the header"]),
        ("data.csv", GOOD + "1,2,3,d1,f,9\n", ["row 41: found 6 fields"]),
        ("data.csv", "b,c,donor,sex\n" + ROWS, ["row 1: found 5 fields, expected 4"]),
        ("data.csv", GOOD[:-4], ["row 40: found", "fields"]),
        ("data.csv", GOOD.replace("donor", "doner"), ["no 'donor'", "did you mean 'doner'?"]),
        ("data.tsv", GOOD, ["columns with commas (',')", "name it .csv"]),
        ("data.csv.gz", gzip.compress(GOOD.encode())[:-20], ["truncated or damaged"]),
        ("data.csv.gz", GOOD, ["found text, expected a gzip file"]),
        ("data.xlsx", GOOD, ["the ending '.xlsx'"]),
        ("data.parquet", GOOD, ["found text, expected a Parquet file"]),
        ("data.csv", gzip.compress(GOOD.encode()), ["found a gzip file, expected text"]),
        ("data.csv", GOOD.replace("f\n", "ü\n").encode("cp1252"), ["line 2: found text that is not in UTF-8", "iconv"]),
        ("data.csv", GOOD.encode("utf-16"), ["found text in UTF-16", "iconv"]),
        ("data.csv.gz", gzip.compress(GOOD.encode("utf-16")), ["found text in UTF-16", "iconv"]),
        ("data.csv", GOOD.replace(",", ";"), ["columns with semicolons (';')", "decimal=','"]),
        ("data.csv", GOOD.replace(",", ";").replace(";1;", ";1,5;"), ["semicolons (';')"]),
        ("data.csv", GOOD.replace("0,0,1", '0,"0,25",1', 1), ["row 1, column b: found '0,25'", "write decimal points"]),
        ("data.csv", GOOD.encode() + b"\xff\xfe,1,1,d1,f\n", ["line 42: found text that is not in UTF-8"]),
        ("data.csv", GOOD.replace("\n3,", "\n3\0,"), ["row 4: found a NUL byte"]),
        ("data.csv", GOOD.replace("\n3,", '\n"3"3,'), ["row 4: found an ill-formed row", "quotes"]),
        ("data.csv", b"\x80\x04cos\nsystem\n.", ["a Python pickle", "gde never loads pickles"]),
    ],
    ids=["empty", "header-only", "html", "twice", "short", "long", "no-index-name", "cut", "unknown", "delimiter",
         "cut-gzip", "not-gzip", "ending", "not-parquet", "gzip", "windows", "utf16", "utf16-gzip", "semicolons",
         "decimal-commas", "decimal-comma", "bytes", "nul", "quote", "pickle"],
)  # fmt: skip
def test_wrong_files_are_refused(tmp_path, out, name, content, parts):
    path = text(tmp_path, content, name)
    with refused(out, str(path), *parts):
        prepare(cfg(path), out, name="mine", seed=0)


@pytest.mark.parametrize("keep", [0.3, 0.7, 0.99])
def test_a_truncated_parquet_is_refused(tmp_path, out, keep):
    path = write(make_table(), tmp_path, "parquet")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with refused(out, str(path), "truncated or damaged"):
        prepare(cfg(path), out, name="mine", seed=0)


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"path": "absent.csv"}, ["absent.csv: found no such file"]),
        ({"features": ["a", "e"]}, ["no 'e'"]),
        ({"features": ["a", "donor"]}, ["'donor', which is a group or label column"]),
        ({"n_pcs": 4}, ["dataset.n_pcs: found 4, expected between 1 and 3"]),
        ({"labels": [], "features": None}, ["column sex: found 'f', expected a number"]),
    ],
    ids=["missing", "feature", "group-feature", "pcs", "text-feature"],
)
def test_wrong_settings_are_refused(tmp_path, out, changes, parts):
    path = text(tmp_path, GOOD)
    with refused(out, *parts):
        prepare(cfg(path) | changes, out, name="mine", seed=0)


def shuffled(n=60):
    """As a frame is after a filter and a shuffle: its index are whole numbers in no order."""
    return make_table(n).drop(columns="sex").sample(frac=0.9, random_state=0)


INDEXED = {
    "unnamed": lambda t: t,
    "named": lambda t: t.rename_axis("cell"),
    "text": lambda t: t.set_axis([f"c{i}" for i in t.index]),
    "two levels": lambda t: t.set_index([t.index.rename("x"), (t["a"] * 0 + 1).rename("y")]),
}


@pytest.mark.parametrize("form", INDEXED)
def test_the_index_of_pandas_in_a_parquet_file_is_no_feature(tmp_path, out, form, caplog):
    table = INDEXED[form](shuffled())
    caplog.set_level("INFO")
    store = store_of(write(table, tmp_path, "parquet"), out, features=None, labels=[], scale=False)
    assert FeaturePipeline.load(out / "features").names == ["a", "b", "c"]
    plain = table.reset_index(drop=True)
    expected = store_of(write(plain, tmp_path, "csv"), out.with_name("o"), labels=[], scale=False)
    np.testing.assert_allclose(store.x, expected.x, rtol=1e-6)
    assert set(store.meta["left_out_columns"].values()) == {"the index of pandas"}
    assert all(name in caplog.text for name in store.meta["left_out_columns"])


def test_the_index_of_pandas_can_be_the_group(tmp_path, out):
    path = write(make_table().set_index("donor"), tmp_path, "parquet")
    store = store_of(path, out)
    assert set(store.groups["donor"]) == {f"0{i}" for i in range(6)} and store.meta["source"]["rows"] == 60


COUNTERS = {
    "Unnamed: 0": lambda n: np.random.default_rng(1).permutation(n),
    "index": lambda n: np.arange(n) % 20,
    "level_0": lambda n: np.arange(n)[::-1] // 2,
    "cell_id": lambda n: 1 + np.arange(n),
    "kept": lambda n: np.cumsum(np.random.default_rng(1).integers(1, 4, n)),
    "falling": lambda n: 1000 - 3 * np.arange(n),
    "of_each_file": lambda n: np.arange(n) % 20,
}


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("name", COUNTERS)
def test_a_column_that_counts_rows_is_no_feature_unless_it_is_named(tmp_path, out, kind, name, caplog):
    table = make_table()
    table.insert(1, name, COUNTERS[name](len(table)))
    path = write(table, tmp_path, kind)
    caplog.set_level("INFO")
    store = store_of(path, out, features=None)
    assert store.meta["feature_names"] == ["a", "b", "c"] and list(store.meta["left_out_columns"]) == [name]
    assert repr(name) in caplog.text and "dataset.features" in caplog.text
    chosen = store_of(path, out.with_name("chosen"), features=["a", name])
    assert chosen.meta["feature_names"] == ["a", name] and chosen.meta["left_out_columns"] == {}


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(0).integers(0, 1000, 60),  # counts
        np.sort(np.random.default_rng(0).normal(size=60)),  # no whole numbers
        np.arange(60) // 3,
        np.arange(60) % 2,
    ],
)
def test_features_of_whole_numbers_stay(tmp_path, out, values):
    store = store_of(write(make_table().assign(d=values), tmp_path), out, features=None)
    assert store.meta["feature_names"] == ["a", "b", "c", "d"] and store.meta["left_out_columns"] == {}


def test_an_index_of_row_numbers_alone_is_no_table(tmp_path, out):
    table = make_table()[["donor", "sex"]].assign(index=range(60))
    with refused(out, "no feature column ('index' is left out"):
        prepare(cfg(write(table, tmp_path), features=None), out, name="mine", seed=0)


@pytest.mark.parametrize("kind", ["csv", "tsv"])
@pytest.mark.parametrize(("first", "last"), [(3, 4), (3, 30), (0, 39)])
def test_stray_quotes_swallow_no_row(tmp_path, out, kind, first, last):
    rows = [f"{i},{i % 7},1,d{i % 5},f" for i in range(40)]
    rows[first], rows[last] = f'{rows[first][:-1]}"big', f'{rows[last][:-1]}nucleus"'
    content = "\n".join(["a,b,c,donor,sex", *rows, ""])
    path = text(tmp_path, content.replace(",", "\t") if kind == "tsv" else content, f"data.{kind}")
    with refused(out, f"row {first + 1}: found quotes around {last - first + 1} lines", "stray quotes"):
        prepare(cfg(path, labels=[]), out, name="mine", seed=0)


@pytest.mark.parametrize("quoted", ['"two\nlines"', '"a, b\nand c"', '"5"" and\n\nmore"', '"x, y"', '5" wide'])
def test_quotes_that_a_program_wrote_are_read(tmp_path, out, quoted):
    table = make_table()
    lines = table.to_csv(index=False).splitlines()
    lines = [f"{line},{quoted if i else 'note'}" for i, line in enumerate(lines)]
    store = store_of(text(tmp_path, "\n".join(lines) + "\n"), out)
    expected = store_of(write(table, tmp_path, "tsv"), out.with_name("o"))
    np.testing.assert_array_equal(store.x, expected.x)


def test_a_transposed_parquet_file_has_its_names_in_the_index(tmp_path, out):
    table = make_table()
    turned = table.T.astype(str).set_axis([f"s{i}" for i in range(len(table))], axis=1)
    turned.to_parquet(tmp_path / "t.parquet")  # names of the columns are the index, which is text
    store = store_of(tmp_path / "t.parquet", out, transpose=True)
    assert store.meta["source"]["rows"] == len(table)  # no sample was taken for names
    np.testing.assert_allclose(store.x, store_of(write(table, tmp_path, "tsv"), out.with_name("o")).x, rtol=1e-6)


def test_a_nameless_index_column_is_not_a_feature(tmp_path, out):
    path = tmp_path / "data.csv"
    make_table().to_csv(path)
    with refused(out, "a column without a name (number 1)"):
        prepare(cfg(path, features=None), out, name="mine", seed=0)
