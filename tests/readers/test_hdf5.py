"""What keeps an HDF5 file from being read is told apart: only damage asks for the file to be made again."""

import fcntl

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from gde.errors import GdeError
from gde.readers import hdf5
from gde.readers.anndata import read_cells

AGAIN = ("damaged", "fetch or write it again")


@pytest.fixture
def path(tmp_path):
    x = sp.csr_matrix(np.random.default_rng(0).poisson(1.0, (6, 4)).astype(np.float32))
    ad.AnnData(x, pd.DataFrame({"donor": list("aabbcc")}, index=list("uvwxyz"))).write_h5ad(tmp_path / "cells.h5ad")
    return tmp_path / "cells.h5ad"


def said(path, **options) -> str:
    """The one line for a file whose cells are read to their end."""
    with pytest.raises(GdeError) as e, read_cells(path, values="counts", **options) as cells:
        for _ in cells.chunks():
            pass
    assert "\n" not in str(e.value)
    return str(e.value)


def test_a_file_that_another_process_writes_is_not_called_damaged(path):
    with path.open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # as HDF5 does where a file is opened for writing
        line = said(path)
    assert "another process has open for writing" in line and "close it there" in line
    assert not any(word in line for word in AGAIN)
    with read_cells(path, values="counts") as cells:
        assert len(list(cells.chunks())) == 1


def test_a_filter_that_is_not_installed_is_not_called_damage(path):
    with h5py.File(path, "r+") as f:
        del f["X"]
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_chunk((6, 4))
        plan.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, ())  # zstd
        space = h5py.h5s.create_simple((6, 4))
        h5py.h5d.create(f.id, b"X", h5py.h5t.IEEE_F32LE, space, plan).write_direct_chunk((0, 0), bytes(40), 0)
    line = said(path)
    assert "filter that is not installed" in line and "compression='gzip'" in line
    assert not any(word in line for word in AGAIN)


def mudata(f):
    for name in ("rna", "prot"):
        for part in ("X", "obs", "var"):
            f.copy(part, f.require_group(f"mod/{name}"))
    del f["X"]


def loom(f):
    for key in list(f):
        del f[key]
    f["matrix"] = np.zeros((4, 6))
    f.create_group("row_attrs")


def cell_ranger(f):
    for key in list(f):
        del f[key]
    f["matrix/data"] = np.zeros(3)


def no_var(f):
    del f["var"]


OTHERS = {
    "mudata": (mudata, ["MuData file (.h5mu) of the modalities prot, rna", "['prot'].write_h5ad('prot.h5ad')"]),
    "loom": (loom, ["a loom file", "read_loom"]),
    "cell ranger": (cell_ranger, ["Cell Ranger", "kind: tenx"]),
    "no var": (no_var, ["no 'var'", "AnnData.write_h5ad"]),
}


@pytest.mark.parametrize("other", OTHERS)
def test_other_hdf5_files_are_called_what_they_are(path, other):
    change, parts = OTHERS[other]
    with h5py.File(path, "r+") as f:
        change(f)
    line = said(path)
    assert all(part in line for part in parts), line
    assert "layer:" not in line and "use_raw" not in line and not any(word in line for word in AGAIN)
    if other != "no var":
        with pytest.raises(GdeError):
            hdf5.columns(path, "raw")


@pytest.mark.parametrize("mark", [".zgroup", "zarr.json"])
def test_a_zarr_store_is_told_how_to_become_a_file(tmp_path, mark):
    (tmp_path / "cells.zarr").mkdir()
    (tmp_path / "cells.zarr" / mark).touch()
    line = said(tmp_path / "cells.zarr")
    assert "a Zarr store" in line and "anndata.read_zarr('cells.zarr').write_h5ad('cells.h5ad')" in line


@pytest.mark.parametrize("error", [KeyError("donor"), AttributeError("x"), IndexError("3"), TypeError("None")])
def test_what_only_our_code_did_not_expect_is_not_called_damage(error):
    with pytest.raises(GdeError) as e, hdf5.reading("cells.h5ad"):
        raise error
    assert type(error).__name__ in str(e.value) and not str(e.value).endswith("fetch or write it again")


def test_a_name_that_is_not_in_the_file_is_damage(path):
    wanted = pytest.raises(GdeError, match=r"a damaged file .*nothing.*fetch or write it again")
    with h5py.File(path) as f, wanted, hdf5.reading(path):
        f["nothing"]
