"""Generated images as a file that others open: Zarr with a table, the same bytes each time, sealed."""

import zipfile

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import tiny
import torch
import zarr

from gde.errors import GdeError
from gde.files.sealed_zip import read_about
from gde.model import GDE
from gde.runs.canonical import canonical_digest
from gde.sample import draw, sample_to_file

SHAPE = (2, 12, 10)


@pytest.fixture
def model():
    torch.manual_seed(0)
    parts = {
        "encoder": {"kind": "mean"},
        "generator": {"kind": "flow", "hidden": 8, "layers": 1, "evaluations": 2},
        "dataset": {"kind": "cifar10", "path": "cifar-10-binary.tar.gz"},
        "evaluation": {"kind": "images"},
    }
    images = {"shape": list(SHAPE), "dtype": "uint16", "channels": ["DAPI", "GFP"], "pixel_size": 0.65}
    model = GDE(tiny.experiment(**parts) | {"images": images}, mean=[3000.0, 500.0], scale=[2000.0, 400.0])
    return tiny.moved(model, 0.1, torch.Generator().manual_seed(0)).eval()


@pytest.fixture
def embeddings(tmp_path):
    obs = pd.DataFrame({"gene": ["TNFA", "NULL1"], "split": "test", "n_samples": [3, 2]}, index=["a|1", "b|2"])
    out = ad.AnnData(np.random.default_rng(0).standard_normal((2, 4)).astype(np.float32), obs)
    out.write_h5ad(tmp_path / "embeddings.h5ad")
    return out


def write(model, embeddings, out):
    sample_to_file(model, embeddings, out.parent / "embeddings.h5ad", out, n=np.array([3, 2]), seed=5)
    return out


def test_others_read_pixels_and_what_they_are(model, embeddings, tmp_path):
    path = write(model, embeddings, tmp_path / "samples.zarr.zip")
    group = zarr.open_group(zarr.storage.ZipStore(path, mode="r"), mode="r")
    images, obs = group["images"], ad.io.read_elem(group["obs"])
    assert images.shape == (5, *SHAPE) and images.dtype == np.uint16
    assert images.attrs["channels"] == ["DAPI", "GFP"] and images.attrs["pixel_size"] == 0.65
    assert obs["gene"].tolist() == ["TNFA"] * 3 + ["NULL1"] * 2 and obs["set"].tolist() == ["a|1"] * 3 + ["b|2"] * 2
    assert obs.index.tolist() == ["a|1-0", "a|1-1", "a|1-2", "b|2-0", "b|2-1"]
    drawn = np.concatenate([x for _, x in draw(model, embeddings, np.array([3, 2]), 5)])
    assert np.array_equal(images[:], drawn) and drawn.std() > 0
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_the_same_samples_are_the_same_bytes_and_others_are_told(model, embeddings, tmp_path):
    first, again = (write(model, embeddings, tmp_path / f"{name}.zarr.zip") for name in "ab")
    assert first.read_bytes() == again.read_bytes()
    assert read_about(first)["provenance"]["seeds"]["samples"] == 5
    digest = canonical_digest(first)
    with zipfile.ZipFile(first) as archive:
        place = archive.getinfo("images/0.0.0.0").header_offset
    data = bytearray(first.read_bytes())
    data[place + 80] ^= 1
    first.write_bytes(data)
    with pytest.raises(GdeError, match="the file is damaged or was edited"):
        read_about(first)
    assert canonical_digest(again) == digest


def test_another_name_is_refused(model, embeddings, tmp_path):
    with pytest.raises(GdeError, match=r"expected a file name that ends in \.zarr\.zip"):
        write(model, embeddings, tmp_path / "samples.h5ad")
