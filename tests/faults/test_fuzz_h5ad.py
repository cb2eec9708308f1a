"""Mutated .h5ad files: what cannot be right is refused in one line that names the place, and nothing is left behind."""

import random
import shutil
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import tiny
from fuzz import INVALID, SEED, UNKNOWN, VALID, Case, Tally, flip
from mutations import made

from gde.prepare.h5ad import prepare as prepare_h5ad

pytestmark = [
    pytest.mark.usefixtures("no_fsync"),
    pytest.mark.filterwarnings("ignore"),  # libraries warn of what the mutations do
]


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
        if name == "one category only":  # which may well be split by sample
            config = config | {"split": {**config["split"], "by": "group"}}
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
