"""Mutated input files: what cannot be right is refused in one line that names the place, and nothing is left behind."""

import copy
import gzip
import json
import os
import random
import shutil
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny
import torch
from fuzz import INVALID, SEED, UNKNOWN, VALID, Case, Tally, at, flip, paths, put
from safetensors.torch import load_file, save_file

from gde.anndata_io import read_anndata, write_anndata
from gde.config.stored import check_resolved
from gde.embed import embed_anndata, embed_store
from gde.io import read_json, sha256_file, write_sums
from gde.model import GDE
from gde.prepare.h5ad import prepare as prepare_h5ad
from gde.prepare.table import prepare as prepare_table
from gde.samples import sample_anndata
from gde.sets.source import make_family
from gde.sets.store import SetStore

pytestmark = pytest.mark.filterwarnings("ignore")  # libraries warn of what the mutations do


@pytest.fixture(autouse=True)
def _no_fsync(no_fsync):
    pass


@pytest.fixture
def here(tmp_path):
    """A directory for the mutated file and the store made from it."""
    (tmp_path / "sets").mkdir()
    return tmp_path


def made(prepare, config: dict, here: Path) -> tuple:
    """Prepare a store, take it away again, and say what was in it."""
    out = here / "sets/mine"
    prepare(config, out, name="mine", seed=0)
    SetStore.open(out)
    digests = tuple(sha256_file(out / name) for name in ("x.npy", "groups.parquet", "features/features.json"))
    shutil.rmtree(out)
    return digests


# .h5ad


def replace(f, name: str, value, **options) -> None:
    """Put another data set in place of one, with its attributes."""
    attributes = dict(f[name].attrs) if name in f else {}
    del f[name]
    node = f.create_dataset(name, data=value, **options)
    node.attrs.update(attributes)


def change(name: str, function):
    """A mutation of the values of one data set."""
    return lambda f: replace(f, name, function(f[name][:]))


def with_value(index, value):
    def function(values):
        values = values.astype(np.result_type(values.dtype, type(value)))
        values[index] = value
        return values

    return function


def as_column(f, values, **attributes) -> None:
    """Another data set as the column `donor`."""
    del f["obs/donor"]
    f["obs"].create_dataset("donor", data=values).attrs.update(attributes)


def legacy(f, reference) -> None:
    """The categories of anndata 0.7: aside, with an object reference from the codes."""
    codes, names = f["obs/donor/codes"][:], f["obs/donor/categories"][:]
    del f["obs/donor"]
    f["obs/donor"] = codes
    f.create_dataset("obs/__categories/donor", data=names)
    f["obs/donor"].attrs["categories"] = reference(f)


def outside(f, name: str) -> None:
    """The data set's values in a file beside this one."""
    values = f[name][:]
    del f[name]
    beside = Path(f.filename).with_name("beside.bin")
    f.create_dataset(name, values.shape, values.dtype, external=[(beside, 0, values.nbytes)])


def virtual(f, name: str) -> None:
    """The data set's values in an HDF5 file that does not exist: HDF5 gives zeros."""
    values = f[name]
    layout = h5py.VirtualLayout(values.shape, values.dtype)
    layout[:] = h5py.VirtualSource("nowhere.h5", "x", values.shape)
    del f[name]
    f.create_virtual_dataset(name, layout)


def linked(f) -> None:
    f.move("obs", "obs_here")
    f["obs"] = h5py.ExternalLink(Path(f.filename).with_name("base.h5ad"), "/obs")


def dense(f, convert) -> None:
    x = ad.io.read_elem(f["X"]).toarray()
    del f["X"]
    f["X"] = convert(x)


N, GENES = 594, 30  # of tiny.cells()
DONOR, KIND = "obs/donor", "obs/cell_type"
EDITS = {
    "no obs": (INVALID, lambda f: f.pop("obs")),
    "no var": (INVALID, lambda f: f.pop("var")),
    "no X": (INVALID, lambda f: f.pop("X")),
    "obs of numbers": (INVALID, lambda f: replace(f, "obs", np.arange(9))),
    "obs of strings": (INVALID, lambda f: replace(f, "obs", np.array([b"a", b"b"]))),
    "obs that leads to itself": (INVALID, lambda f: (f.pop("obs"), f.__setitem__("obs", h5py.SoftLink("/obs")))),
    "obs in another file": (INVALID, linked),
    "index of another name": (INVALID, lambda f: f["obs"].attrs.__setitem__("_index", "nowhere")),
    "index called by a number": (INVALID, lambda f: f["obs"].attrs.__setitem__("_index", 5)),
    "index called by a list": (INVALID, lambda f: f["obs"].attrs.__setitem__("_index", ["a", "b"])),
    "index cut": (INVALID, change("obs/_index", lambda v: v[:-1])),
    "index twice": (INVALID, change("obs/_index", lambda v: np.append(v[:-1], v[0]))),
    "index of fractions": (INVALID, change("obs/_index", lambda v: np.arange(len(v)) / 3)),
    "index of pairs": (INVALID, change("obs/_index", lambda v: np.stack([v, v], 1))),
    "index that is opaque": (INVALID, change("obs/_index", lambda v: np.arange(len(v), dtype="i4").view("V4"))),
    "index in latin-1": (INVALID, change("obs/_index", lambda v: np.array([b"\xe9" + s for s in v]))),
    "genes twice": (INVALID, change("var/_index", lambda v: np.append(v[:-1], v[0]))),
    "genes cut": (INVALID, change("var/_index", lambda v: v[:-1])),
    "no donor": (INVALID, lambda f: f.pop(DONOR)),
    "donor without codes": (INVALID, lambda f: f.pop(f"{DONOR}/codes")),
    "donor without categories": (INVALID, lambda f: f.pop(f"{DONOR}/categories")),
    "codes cut": (INVALID, change(f"{DONOR}/codes", lambda v: v[:-1])),
    "codes too many": (INVALID, change(f"{DONOR}/codes", lambda v: np.append(v, v[0]))),
    "codes of fractions": (INVALID, change(f"{DONOR}/codes", lambda v: v + 0.0)),
    "codes of text": (INVALID, change(f"{DONOR}/codes", lambda v: v.astype("S2"))),
    "codes in pairs": (INVALID, change(f"{DONOR}/codes", lambda v: np.stack([v, v], 1))),
    "code without category": (INVALID, change(f"{DONOR}/codes", with_value(3, 99))),
    "code below none": (INVALID, change(f"{DONOR}/codes", with_value(3, -2))),
    "code of a missing value": (INVALID, change(f"{DONOR}/codes", with_value(3, -1))),
    "categories in latin-1": (INVALID, change(f"{DONOR}/categories", lambda v: np.array([b"\xe9" + s for s in v]))),
    "categories that are opaque": (INVALID, change(f"{DONOR}/categories", lambda v: np.zeros(12, "V4"))),
    "categories of records": (INVALID, change(f"{DONOR}/categories", lambda v: np.zeros(12, [("a", "i4")]))),
    "categories in pairs": (INVALID, change(f"{DONOR}/categories", lambda v: np.stack([v, v], 1))),
    "one category only": (INVALID, change(f"{DONOR}/codes", lambda v: v * 0)),
    "donor opaque": (INVALID, lambda f: as_column(f, np.zeros(N, "V4"))),
    "donor of records": (INVALID, lambda f: as_column(f, np.zeros(N, [("a", "i4"), ("b", "V4")]))),
    "donor of references": (INVALID, lambda f: as_column(f, np.full(N, f["X"].ref, dtype=h5py.ref_dtype))),
    "donor of complex numbers": (INVALID, lambda f: as_column(f, np.arange(N) * 1j)),
    "donor of lists": (INVALID, lambda f: as_column(f, np.zeros((N, 2)))),
    "donor one value": (INVALID, lambda f: as_column(f, np.float32(3))),
    "mask cut": (INVALID, change("obs/flag/mask", lambda v: v[:-1])),
    "mask of numbers": (INVALID, change("obs/flag/mask", lambda v: v.astype("i8"))),
    "values of a mask cut": (INVALID, change("obs/flag/values", lambda v: v[:-1])),
    "old categories nowhere": (INVALID, lambda f: legacy(f, lambda f: h5py.h5r.Reference())),
    "old categories by a number": (INVALID, lambda f: legacy(f, lambda f: 7)),
    "old categories in a section": (INVALID, lambda f: legacy(f, lambda f: f["obs"].ref)),
    "not a number": (INVALID, change("X/data", with_value(7, np.nan))),
    "infinity": (INVALID, change("X/data", with_value(7, np.inf))),
    "negative": (INVALID, change("X/data", with_value(7, -1.0))),
    "fraction": (INVALID, change("X/data", with_value(7, 0.5))),
    "beyond float32": (INVALID, change("X/data", lambda v: with_value(7, 1e300)(v.astype("f8")))),
    "text": (INVALID, change("X/data", lambda v: v.astype("S4"))),
    "complex numbers": (INVALID, change("X/data", lambda v: v * 1j)),
    "references": (INVALID, change("X/data", lambda v: np.full(len(v), v[0]).astype("V4"))),
    "values cut": (INVALID, change("X/data", lambda v: v[:-5])),
    "values in pairs": (INVALID, change("X/data", lambda v: v[: len(v) // 2 * 2].reshape(-1, 2))),
    "no values": (INVALID, change("X/data", lambda v: v[:0])),
    "values as a section": (INVALID, lambda f: (f["X"].pop("data"), f["X"].create_group("data"))),
    "values in a file beside": (INVALID, lambda f: outside(f, "X/data")),
    "values in no file": (INVALID, lambda f: virtual(f, "X/data")),
    "column outside": (INVALID, change("X/indices", with_value(3, GENES))),
    "column below": (INVALID, change("X/indices", with_value(3, -1))),
    "column beyond 32 bits": (INVALID, change("X/indices", lambda v: with_value(3, 2**32 + 1)(v.astype("i8")))),
    "columns of fractions": (INVALID, change("X/indices", lambda v: v + 0.25)),
    "columns cut": (INVALID, change("X/indices", lambda v: v[:-5])),
    "pointers that go back": (INVALID, change("X/indptr", with_value(5, 0))),
    "pointers cut": (INVALID, change("X/indptr", lambda v: v[:-1])),
    "pointers of fractions": (INVALID, change("X/indptr", lambda v: v + 0.5)),
    "first pointer": (INVALID, change("X/indptr", with_value(0, 1))),
    "last pointer": (INVALID, change("X/indptr", with_value(-1, 10**6))),
    "no pointers": (INVALID, lambda f: f["X"].pop("indptr")),
    "rows fewer": (INVALID, lambda f: f["X"].attrs.__setitem__("shape", [N - 1, GENES])),
    "columns fewer": (INVALID, lambda f: f["X"].attrs.__setitem__("shape", [N, GENES - 1])),
    "shape below zero": (INVALID, lambda f: f["X"].attrs.__setitem__("shape", [-N, GENES])),
    "shape of text": (INVALID, lambda f: f["X"].attrs.__setitem__("shape", "many")),
    "shape of one": (INVALID, lambda f: f["X"].attrs.__setitem__("shape", [N])),
    "no shape": (INVALID, lambda f: f["X"].attrs.__delitem__("shape")),
    "other encoding": (INVALID, lambda f: f["X"].attrs.__setitem__("encoding-type", "csc_matrix")),
    "unknown encoding": (INVALID, lambda f: f["X"].attrs.__setitem__("encoding-type", "coo_matrix")),
    "encoding by number": (INVALID, lambda f: f["X"].attrs.__setitem__("encoding-type", 5)),
    "encodings": (INVALID, lambda f: f["X"].attrs.__setitem__("encoding-type", ["csr_matrix", "b"])),
    "dense, a row too few": (INVALID, lambda f: dense(f, lambda x: x[:-1])),
    "dense, a column too many": (INVALID, lambda f: dense(f, lambda x: np.pad(x, ((0, 0), (0, 1))))),
    "dense, three axes": (INVALID, lambda f: dense(f, lambda x: x[..., None])),
    "dense, one axis": (INVALID, lambda f: dense(f, lambda x: x[0])),
    "dense, not a number": (INVALID, lambda f: dense(f, lambda x: with_value((2, 2), np.nan)(x))),
    "dense, records": (INVALID, lambda f: dense(f, lambda x: np.zeros((N, GENES), [("a", "f4")]))),
    "dense, text": (INVALID, lambda f: dense(f, lambda x: x.astype("S3"))),
    "X empty": (INVALID, lambda f: (f.pop("X"), f.create_group("X"))),
    "X one number": (INVALID, lambda f: (f.pop("X"), f.create_dataset("X", data=5.0))),
    "X without values": (INVALID, lambda f: (f.pop("X"), f.create_dataset("X", data=h5py.Empty("f4")))),
    "opaque values aside": (INVALID, lambda f: f.create_dataset("uns/thing", data=np.void(b"\x80\x04cos\nsystem\n."))),
    "as it is": (VALID, lambda f: None),
    "float64": (VALID, change("X/data", lambda v: v.astype("f8"))),
    "int8": (VALID, change("X/data", lambda v: v.astype("i1"))),
    "64-bit columns": (VALID, change("X/indices", lambda v: v.astype("u8"))),
    "compressed": (VALID, lambda f: replace(f, "X/data", f["X/data"][:], compression="gzip", shuffle=True)),
    "one value per chunk": (VALID, lambda f: replace(f, "X/indices", f["X/indices"][:], chunks=(7,))),
    "donor as text": (VALID, lambda f: as_column(f, ad.io.read_elem(f["obs"])["donor"].astype("S3").to_numpy())),
    "old categories": (VALID, lambda f: legacy(f, lambda f: f["obs/__categories/donor"].ref)),
    "other parts": (VALID, lambda f: f.create_dataset("obsm/X_pca", data=np.full((N, 2), np.nan))),
    "dense": (VALID, lambda f: dense(f, lambda x: x)),
}  # fmt: skip


@pytest.fixture
def cells(here):
    """The configuration of an .h5ad at `here / base.h5ad`."""
    adata = tiny.cells()
    assert adata.shape == (N, GENES)
    adata.obs["flag"] = pd.array([True, None] * (N // 2), dtype="boolean")
    adata.write_h5ad(here / "base.h5ad")
    (here / "beside.bin").write_bytes(bytes(10**6))
    return tiny.cells_experiment(here / "in.h5ad")["dataset"]


def test_h5ad(here, cells, record_property):
    tally, file = Tally(), here / "in.h5ad"
    shutil.copy(here / "base.h5ad", file)
    original = made(prepare_h5ad, cells, here)
    for name, (effect, edit) in EDITS.items():
        shutil.copy(here / "base.h5ad", file)
        with h5py.File(file, "a") as f:
            edit(f)
        # the mask's column takes part as a label; where it is whole, missing values are what is wrong with it
        config = cells | ({"labels": ["flag"]} if "mask" in name else {})
        place = "dataset.split" if name == "one category only" else file.name
        result = original if effect == VALID else None
        tally.add(Case(f"h5ad: {name}", effect, lambda c=config: made(prepare_h5ad, c, here), place, result), here)
    data, rng = (here / "base.h5ad").read_bytes(), random.Random(f"{SEED} h5ad")
    for keep in sorted(rng.randrange(1, len(data)) for _ in range(12)):
        file.write_bytes(data[:keep])
        tally.add(Case(f"h5ad cut at {keep}", INVALID, lambda: made(prepare_h5ad, cells, here), file.name), here)
    for _ in range(30):  # no digest protects a user's file: a flipped bit may make another that is as good
        bit = rng.randrange(8 * len(data))
        file.write_bytes(flip(data, bit))
        tally.add(Case(f"h5ad, bit {bit}", UNKNOWN, lambda: made(prepare_h5ad, cells, here), file.name), here)
    tally.check(record_property, len(EDITS) + 42)


# tables

TABLE = "donor,a,b,c\n" + "".join(f"d{i % 6},{i},{i * i % 7}.5,{-i}e-1\n" for i in range(60))
CELL = "d3,9,"  # of row 10
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
    "spaces before numbers": ("t.csv", VALID, lambda t: t.replace(CELL, "d3, 9,")),
    "tabs and their name": ("t.tsv", VALID, lambda t: t.replace(",", "\t")),
    "compressed": ("t.csv.gz", VALID, lambda t: gzip.compress(t.encode())),
}  # fmt: skip
FRAME = pd.DataFrame({"donor": [f"d{i % 6}" for i in range(60)], "a": np.arange(60.0), "b": 1.0, "c": 2.0})
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


# what gde itself wrote: set stores, models, embeddings, settings


def edited(file: Path, edit) -> None:
    """Change a JSON file; `edit` takes the data and gives the new one."""
    file.write_text(json.dumps(edit(json.loads(file.read_text()))))


def edited_table(file: Path, edit) -> None:
    edit(pd.read_parquet(file)).to_parquet(file)


def edited_tensors(file: Path, edit) -> None:
    save_file({k: v.contiguous() for k, v in edit(load_file(file)).items()}, file)


def edited_array(file: Path, edit) -> None:
    np.save(file, edit(np.load(file)))


def with_cell(column: str, row: int, value):
    def edit(table):
        table = table.copy()
        table.loc[row, column] = value
        return table

    return edit


META = {
    "a list": lambda m: [m],
    "a number": lambda m: 5,
    "nothing": lambda m: {},
    "another format": lambda m: m | {"format": 2},
    "no format": lambda m: {k: v for k, v in m.items() if k != "format"},
    "another shape": lambda m: m | {"sample_shape": [3]},
    "an empty shape": lambda m: m | {"sample_shape": []},
    "a shape below zero": lambda m: m | {"sample_shape": [-2]},
    "a shape of text": lambda m: m | {"sample_shape": "2"},
    "another dim": lambda m: m | {"dim": 7},
    "a mean too short": lambda m: m | {"mean": m["mean"][1:]},
    "a mean of text": lambda m: m | {"mean": ["0"] * len(m["mean"])},
    "a mean of nothing": lambda m: m | {"mean": None},
    "a scale of zero": lambda m: m | {"scale": [0.0] * len(m["scale"])},
    "a scale below zero": lambda m: m | {"scale": [-s for s in m["scale"]]},
    "a scale that is missing": lambda m: {k: v for k, v in m.items() if k != "scale"},
    "a mean that is not a number": lambda m: m | {"mean": [float("nan")] * len(m["mean"])},
    "names of other features": lambda m: m | {"feature_names": ["a"]},
    "another family": lambda m: m | {"family": {"kind": "gamma", "params": {}}},
    "a family of more dimensions": lambda m: m | {"family": {"kind": "mvn", "params": {"dim": 3}}},
    "a family with other parameters": lambda m: m | {"family": {"kind": "mvn", "params": {"dims": 2}}},
    "a family that is a list": lambda m: m | {"family": ["mvn"]},
}
GROUPS = {
    "no start": lambda g: g.drop(columns="start"),
    "no split": lambda g: g.drop(columns="split"),
    "no rows": lambda g: g[:0],
    "an unknown split": with_cell("split", 0, "held out"),
    "a start too late": with_cell("start", 1, 1000),
    "a stop below zero": with_cell("stop", 0, -5),
    "stops of fractions": lambda g: g.assign(stop=g["stop"] + 0.5),
    "stops of text": lambda g: g.assign(stop=g["stop"].astype(str)),
    "one group less": lambda g: g[:-1],
    "groups in another order": lambda g: g[::-1],
    "a group twice": with_cell("group", 1, "validation-strict-00000"),
}
SAMPLES = {
    "a row less": lambda x: x[:-1],
    "a column less": lambda x: x[:, :-1],
    "one axis": lambda x: x[:, 0],
    "no axis": lambda x: np.float32(1),
    "text": lambda x: x.astype("U4"),
    "complex": lambda x: x * 1j,
    "records": lambda x: np.zeros(len(x), [("a", "f4"), ("b", "f4")]),
    "not a number": lambda x: np.full_like(x, np.nan),
    "infinity": lambda x: np.full_like(x, np.inf),
}
TRUTH = {
    "a set less": lambda t: {k: v[:-1] for k, v in t.items()},
    "not a number": lambda t: {k: v * float("nan") for k, v in t.items()},
}


def used(path: Path, model: GDE) -> tuple:
    """What evaluation does first with a store."""
    store = SetStore.open(path)
    family, truth = make_family(store), store.truth
    return type(family).__name__, sorted(truth), embed_store(model, store, se=False)[0].tobytes()


def test_stores(here, family_store, record_property):
    model = tiny.model_for(family_store, tiny.experiment())
    store, tally, rng = here / "store", Tally(), random.Random(f"{SEED} stores")
    original = used(family_store.path, model)

    def fresh():
        shutil.rmtree(store, ignore_errors=True)
        shutil.copytree(family_store.path, store)

    parts = {"meta.json": (edited, META), "groups.parquet": (edited_table, GROUPS), "x.npy": (edited_array, SAMPLES),
             "truth.safetensors": (edited_tensors, TRUTH)}  # fmt: skip
    for file, (edit_file, edits) in parts.items():
        for name, edit in edits.items():
            fresh()
            edit_file(store / file, edit)
            write_sums(store)  # somebody made the digests fit
            place = "x" if edits is SAMPLES else file
            tally.add(Case(f"store: {file}: {name}", INVALID, lambda: used(store, model), place), here)
    files = sorted(p.name for p in family_store.path.iterdir())
    for _ in range(24):  # digests protect what gde wrote
        fresh()
        file = store / rng.choice(files)
        data = file.read_bytes()
        bit = rng.randrange(8 * len(data))
        file.write_bytes(flip(data, bit))
        tally.add(Case(f"store: {file.name}, bit {bit}", UNKNOWN, lambda: used(store, model), "store", original), here)
    for name in files:
        fresh()
        (store / name).write_bytes((store / name).read_bytes()[:-7])
        tally.add(Case(f"store: {name} cut", INVALID, lambda: used(store, model), "store"), here)
    tally.check(record_property, len(META) + len(GROUPS) + len(SAMPLES) + len(TRUTH) + 24 + len(files))


CONFIGS = {
    "a list": lambda c: [c],
    "text": lambda c: "model",
    "no encoder": lambda c: {k: v for k, v in c.items() if k != "encoder"},
    "an encoder by name": lambda c: c | {"encoder": "resnet"},
    "an unknown encoder": lambda c: put(c, ("encoder", "kind"), "resnt"),
    "an unknown option": lambda c: c | {"encoder": c["encoder"] | {"width": 4}},
    "a width of text": lambda c: put(c, ("encoder", "hidden"), "8"),
    "a width below zero": lambda c: put(c, ("encoder", "hidden"), -8),
    "a width beyond memory": lambda c: put(c, ("encoder", "hidden"), 900_000_000),
    "another width": lambda c: put(c, ("encoder", "hidden"), 16),
    "no network evaluations": lambda c: put(c, ("generator", "evaluations"), 0),
    "another solver": lambda c: put(c, ("generator", "solver"), "euler2"),
    "no latent space": lambda c: c | {"latent_dim": 0},
    "a latent space of fractions": lambda c: c | {"latent_dim": 4.0},
    "another latent space": lambda c: c | {"latent_dim": 5},
    "heads of a list": lambda c: c | {"heads": ["classifier"]},
    "unknown heads": lambda c: c | {"heads": {"predictor": {}}},
    "heads without classes": lambda c: c | {"heads": {"classifier": {}}},
    "classes of a number": lambda c: c | {"heads": {"classifier": {"classes": 3}}},
    "heads that have no weights": lambda c: c | {"heads": {"mean_predictor": {}}},
}
WEIGHTS = {
    "no mean": lambda t: {k: v for k, v in t.items() if k != "x_mean"},
    "a mean of fewer features": lambda t: t | {"x_mean": t["x_mean"][1:]},
    "a mean of two axes": lambda t: t | {"x_mean": t["x_mean"][None]},
    "a scale of zero": lambda t: t | {"x_scale": t["x_scale"] * 0},
    "not a number": lambda t: t | {"encoder.readout_.weight": t["encoder.readout_.weight"] * float("nan")},
    "float64": lambda t: {k: v.double() for k, v in t.items()},
    "half precision": lambda t: {k: v.half() for k, v in t.items()},
    "whole numbers": lambda t: {k: v.long() for k, v in t.items()},
    "one tensor more": lambda t: t | {"extra": torch.zeros(2)},
    "nothing": lambda t: {"x": torch.zeros(1)},
}
HEADERS = {  # of a safetensors file
    "no length": lambda d: b"",
    "half a length": lambda d: d[:4],
    "a length beyond the file": lambda d: (2**62).to_bytes(8, "little") + d[8:],
    "a length of zero": lambda d: bytes(8) + d[8:],
    "no JSON": lambda d: d[:8] + b"[" * 64 + d[72:],
    "an unknown type": lambda d: d.replace(b'"F32"', b'"Q32"').replace(b'"F64"', b'"Q64"'),
    "places that overlap": lambda d: d.replace(b'"data_offsets":[', b'"data_offsets":[0,1],"a":[', 1),
    "an empty header": lambda d: (2).to_bytes(8, "little") + b"{}",
    "text": lambda d: b"weights",
}
FEATURES = {
    "a list": lambda m: [m],
    "no names": lambda m: {k: v for k, v in m.items() if k != "names"},
    "names twice": lambda m: m | {"names": m["names"][:-1] + m["names"][:1]},
    "fewer names": lambda m: m | {"names": m["names"][:-1]},
    "names of a number": lambda m: m | {"names": 5},
    "other values": lambda m: put(m, ("steps", "values"), "count"),
    "no steps": lambda m: m | {"steps": {}},
    "steps of a list": lambda m: m | {"steps": ["counts"]},
    "fewer components": lambda m: put(m, ("steps", "n_pcs"), 3),
    "no components": lambda m: put(m, ("steps", "n_pcs"), None),
    "a clip of text": lambda m: put(m, ("steps", "clip"), "10"),
    "a clip below zero": lambda m: put(m, ("steps", "clip"), -1),
    "no scaling": lambda m: put(m, ("steps", "scale"), False),
}


@pytest.fixture
def published(here, cells_store, cells_h5ad):
    """A model with its preprocessing at `here / good`, and embeddings made with it."""
    config = tiny.cells_experiment(cells_h5ad) | {"run": "cells-00000000"}
    model = tiny.model_for(cells_store, config)
    model.save(here / "good")
    write_anndata(embed_anndata(GDE.load(here / "good"), cells_h5ad, "donor"), here / "z.h5ad")
    return here / "good"


def test_models(here, published, cells_h5ad, record_property):
    path, tally, rng = here / "model", Tally(), random.Random(f"{SEED} models")

    def embedded():
        return embed_anndata(GDE.load(path), cells_h5ad, "donor").X.tobytes()

    def fresh():
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(published, path)

    fresh()
    original = embedded()
    weights = "model.safetensors"
    name = next(k for k in load_file(path / weights) if k.startswith("encoder.") and k.endswith("weight"))
    nan = {"not a number": lambda t: t | {name: t[name] * float("nan")}}
    bytes_of = lambda file, edit: file.write_bytes(edit(file.read_bytes()))  # noqa: E731
    parts = [("config.json", edited, CONFIGS), (weights, edited_tensors, WEIGHTS | nan), (weights, bytes_of, HEADERS),
             ("features/features.json", edited, FEATURES),
             ("features/features.safetensors", bytes_of, HEADERS)]  # fmt: skip
    for file, edit_file, edits in parts:
        for what, edit in edits.items():
            fresh()
            edit_file(path / file, edit)
            write_sums(path)
            tally.add(Case(f"model: {file}: {what}", INVALID, embedded, "model/"), here)
    files = [str(p.relative_to(published)) for p in sorted(published.rglob("*")) if p.is_file()]
    for _ in range(24):
        fresh()
        file = path / rng.choice(files)
        data = file.read_bytes()
        bit = rng.randrange(8 * len(data))
        file.write_bytes(flip(data, bit))
        tally.add(Case(f"model: {file.name}, bit {bit}", UNKNOWN, embedded, "model", original), here)
    tally.check(record_property, sum(len(edits) for *_, edits in parts) + 24)


EMBEDDINGS = {
    "as it is": (VALID, lambda z: z),
    "fewer columns": (INVALID, lambda z: z[:, :3].copy()),
    "no rows": (INVALID, lambda z: z[:0].copy()),
    "not a number": (INVALID, lambda z: _with_x(z, np.full(z.shape, np.nan, "f4"))),
    "text": (INVALID, lambda z: _with_x(z, np.full(z.shape, "a", object))),
    "whole numbers": (INVALID, lambda z: _with_x(z, np.ones(z.shape, int))),
    "sparse": (INVALID, lambda z: _with_x(z, __import__("scipy.sparse").sparse.csr_matrix(z.X))),
    "no X": (INVALID, lambda z: ad.AnnData(obs=z.obs, var=z.var, layers={"se": z.X})),
    "another run": (INVALID, lambda z: _with_run(z, "cells-11111111")),
    "a set twice": (INVALID, lambda z: _with_names(z, [z.obs_names[0]] * z.n_obs)),
    "counts instead": (INVALID, lambda z: tiny.cells()),
    "without a run": (VALID, lambda z: _with_run(z, None)),
}


def _with_x(z, x):
    return ad.AnnData(x, obs=z.obs, var=z.var, uns=z.uns)


def _with_run(z, run):
    z = z.copy()
    z.uns = {} if run is None else {"gde": {"run": run}}
    return z


def _with_names(z, names):
    z = z.copy()
    z.obs_names = names
    return z


def test_embeddings(here, published, record_property):
    model, tally, rng = GDE.load(published), Tally(), random.Random(f"{SEED} embeddings")
    file, good = here / "other.h5ad", (here / "z.h5ad").read_bytes()

    def sampled():
        return sample_anndata(model, read_anndata(file), 3, 0).X.tobytes()

    file.write_bytes(good)
    original, z = sampled(), read_anndata(file)
    for name, (effect, edit) in EMBEDDINGS.items():
        edit(z).write_h5ad(file)
        tally.add(Case(f"embeddings: {name}", effect, sampled, "", original if effect == VALID else None), here)
    for _ in range(20):
        bit = rng.randrange(8 * len(good))
        file.write_bytes(flip(good, bit))
        tally.add(Case(f"embeddings, bit {bit}", UNKNOWN, sampled, file.name, original), here)
    for name, edit in {
        "no obs": lambda f: f.pop("obs"),
        "no encoding": lambda f: f.attrs.pop("encoding-type"),
        "unknown encoding": lambda f: f["X"].attrs.__setitem__("encoding-type", "tensor"),
        "pickle aside": lambda f: f.create_dataset("uns/thing", data=np.void(b"\x80\x04.")),
        "references aside": lambda f: f.create_dataset("uns/ref", data=f["X"].ref, dtype=h5py.ref_dtype),
    }.items():
        z.write_h5ad(file)
        with h5py.File(file, "a") as f:
            edit(f)
        effect = UNKNOWN if name in ("no encoding", "references aside") else INVALID
        tally.add(Case(f"embeddings: {name}", effect, sampled, file.name), here)
    tally.check(record_property, len(EMBEDDINGS) + 25)


def test_resolved_settings(here, record_property):
    """What torchrun and srun call: `gde train resolved.json`."""
    tally, file, rng = Tally(), here / "resolved.json", random.Random(f"{SEED} settings")
    good = tiny.experiment()
    values = {"text": "abc", "a list": [[1]], "a mapping": {"a": 1}, "not a number": float("nan"), "below": -1}
    everywhere = [p for p in paths(good) if p[0] not in ("description", "preset", "published", "evaluation")]

    def read():
        check_resolved(read_json(file), file)
        return True

    file.write_text(json.dumps(good))
    tally.add(Case("resolved: as it is", VALID, read), here)
    for _ in range(40):
        path, (name, value) = rng.choice(everywhere), rng.choice(list(values.items()))
        old = at(good, path)
        if isinstance(old, str):
            name, value = "a number", 5
        if name == "below" and path[-1] in ("mean_low", "mean_high"):
            name, value = "text", "abc"
        if isinstance(value, dict) and isinstance(old, dict):
            name, value = "text", "abc"
        file.write_text(json.dumps(put(good, path, value)))
        tally.add(Case(f"resolved: {name} at {path}", INVALID, read, file.name), here)
    for path in rng.sample([p for p in everywhere if isinstance(p[-1], str)], 12):
        less = copy.deepcopy(good)
        del at(less, path[:-1])[path[-1]]
        file.write_text(json.dumps(less))
        tally.add(Case(f"resolved: without {path}", INVALID, read, file.name), here)
    for name, text in {"empty": "", "a list": "[]", "deep": "[" * 100_000, "cut": json.dumps(good)[:-9],
                       "digits": '{"seed": ' + "1" * 5000 + "}",
                       "name that climbs": json.dumps(good | {"name": "../x"}),
                       "NUL": "\0" * 9, "two": "{}{}"}.items():  # fmt: skip
        file.write_text(text)
        tally.add(Case(f"resolved: {name}", INVALID, read, file.name), here)
    tally.check(record_property, 61)


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
