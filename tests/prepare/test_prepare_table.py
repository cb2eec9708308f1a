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
    return table.assign(donor=[f"0{d}" for d in donor], sex=np.where(donor % 2, "NA", "f"))


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
    assert set(store.groups["group"]) == {f"0{i}" for i in range(6)} and set(store.groups["sex"]) == {"f", "NA"}
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
        ("c", "inf", ["row 12, column c: found inf, expected a finite number"]),
        ("c", "1e300", ["row 12, column c: found 1e+300"]),
        ("donor", "", ["row 12, column donor: found a missing value"]),
    ],
    ids=["word", "empty", "na", "inf", "huge", "group"],
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
        ("data.csv", GOOD + "1,2,3,d1\n", ["row of another length (4 fields in row 41, 5 in the header)"]),
        ("data.csv", GOOD + "1,2,3,d1,f,9\n", ["6 fields in row 41"]),
        ("data.csv", "b,c,donor,sex\n" + ROWS, ["5 fields in row 1, 4 in the header"]),
        ("data.csv", GOOD[:-4], ["fields in row 40"]),
        ("data.csv", GOOD.replace("donor", "doner"), ["no 'donor'", "did you mean 'doner'?"]),
        ("data.tsv", GOOD, ["one column with delimiter '\\t'"]),
        ("data.csv.gz", gzip.compress(GOOD.encode())[:-20], ["truncated or damaged"]),
        ("data.csv.gz", GOOD, ["truncated or damaged"]),
        ("data.xlsx", GOOD, ["the ending '.xlsx'"]),
        ("data.parquet", GOOD, ["truncated or damaged"]),
        ("data.csv", GOOD.encode() + b"\xff\xfe,1,1,d1,f\n", ["truncated or damaged"]),
        ("data.csv", GOOD.replace("\n3,", "\n3\0,"), ["row 4: found a NUL byte"]),
        ("data.csv", GOOD.replace("\n3,", '\n"3"3,'), ["truncated or damaged"]),
        ("data.csv", b"\x80\x04cos\nsystem\n.", ["a Python pickle", "gde never loads pickles"]),
    ],
    ids=["empty", "header-only", "html", "twice", "short", "long", "no-index-name", "cut", "unknown", "delimiter",
         "cut-gzip", "not-gzip", "ending", "not-parquet", "bytes", "nul", "quote", "pickle"],
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


def test_a_nameless_index_column_is_not_a_feature(tmp_path, out):
    path = tmp_path / "data.csv"
    make_table().to_csv(path)
    with refused(out, "a column without a name (number 1)"):
        prepare(cfg(path, features=None), out, name="mine", seed=0)
