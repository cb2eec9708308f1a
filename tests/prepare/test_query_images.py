"""New images for a trained model: the Zarr groups that gde writes and others may, and IDX files."""

import struct

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import tiny
import torch
import zarr

from gde.embed import embed_data, embed_store
from gde.errors import GdeError
from gde.model import GDE
from gde.prepare.common.query_images import image_store
from gde.sample import sample_to_file

SHAPE = (2, 9, 7)


def model_of(shape=SHAPE, dtype="uint16", channels=("DAPI", "GFP")):
    torch.manual_seed(0)
    parts = {
        "encoder": {"kind": "image_conv", "hidden": 8, "layers": 1},
        "generator": {"kind": "flow", "hidden": 8, "layers": 1, "evaluations": 2},
        "dataset": {"kind": "cifar10", "path": "x.tar.gz"},
        "evaluation": {"kind": "images"},
    }
    images = {"shape": list(shape), "dtype": dtype, "channels": list(channels), "pixel_size": None}
    c = shape[0]
    model = GDE(tiny.experiment(**parts) | {"images": images}, mean=[30000.0] * c, scale=[20000.0] * c)
    return tiny.moved(model, 0.1, torch.Generator().manual_seed(0)).eval()


def write_group(path, x, obs, **attributes):
    group = zarr.open_group(path, mode="w", zarr_format=2)
    array = group.create_array("images", shape=x.shape, chunks=(4, *x.shape[1:]), dtype=x.dtype)
    array[:] = x
    array.attrs.update(attributes)
    ad.io.write_elem(group, "obs", obs)
    return path


@pytest.fixture
def pictures():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 65536, (22, *SHAPE)).astype(np.uint16)
    obs = pd.DataFrame({"well": ["A1", "B2"] * 11, "plate": ["p"] * 22}, index=[str(i) for i in range(22)])
    return x, obs


def test_groups_are_embedded_as_their_images_are(tmp_path, pictures):
    x, obs = pictures
    path, model = write_group(tmp_path / "new.zarr", x, obs), model_of()
    found = embed_data(model, path, ["well"])
    assert found.obs["well"].tolist() == ["A1", "B2"] and found.obs["n_samples"].tolist() == [11, 11]
    for well, z in zip(("A1", "B2"), found.X, strict=True):
        own = torch.from_numpy(x[(obs["well"] == well).to_numpy()])[None]
        np.testing.assert_allclose(z, model.embed(own)[0].numpy(), rtol=1e-4, atol=1e-5)
    whole = embed_data(model, path)
    np.testing.assert_allclose(whole.X[0], model.embed(torch.from_numpy(x)[None])[0].numpy(), rtol=1e-4, atol=1e-5)


def test_what_is_generated_can_be_embedded_again(tmp_path):
    model = model_of()
    obs = pd.DataFrame({"gene": ["a", "b"], "split": "test", "n_samples": [5, 5]}, index=["a", "b"])
    z = ad.AnnData(np.random.default_rng(0).standard_normal((2, 4)).astype(np.float32), obs)
    z.write_h5ad(tmp_path / "z.h5ad")
    sample_to_file(model, z, tmp_path / "z.h5ad", tmp_path / "s.zarr.zip", n=np.array([6, 7]), seed=0)
    with image_store(model, tmp_path / "s.zarr.zip", "gene") as store:
        assert store.groups["gene"].tolist() == ["a", "b"] and store.sizes.tolist() == [6, 7]
        again, errors = embed_store(model, store)
    assert np.isfinite(again).all() and np.isfinite(errors).all()


def test_an_idx_file_is_one_set(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (12, 6, 5)).astype(np.uint8)
    path = tmp_path / "new-ubyte"
    path.write_bytes(struct.pack(">BBBBIII", 0, 0, 8, 3, *x.shape) + x.tobytes())
    model = model_of((1, 6, 5), "uint8", ())
    found = embed_data(model, path)
    own = model.embed(torch.from_numpy(x)[None, :, None])[0].numpy()
    np.testing.assert_allclose(found.X[0], own, rtol=1e-4, atol=1e-5)
    with pytest.raises(GdeError, match="--groupby: found label, expected no column"):
        embed_data(model, path, ["label"])


@pytest.mark.parametrize(
    "change, message",
    [
        (
            lambda x, obs: (x[:, :1], obs, {}),
            "found uint16 images of 1 channels, 9 x 7 pixels, expected",
        ),
        (lambda x, obs: (x[..., :6], obs, {}), "9 x 6 pixels, expected"),
        (lambda x, obs: (x.astype(np.uint8), obs, {}), "found uint8 images"),
        (lambda x, obs: (x.astype(np.float32), obs, {}), "images: found pixels of type float32"),
        (lambda x, obs: (x[:20], obs, {}), "obs: found 22 rows for 20 images"),
        (lambda x, obs: (x, obs, {"channels": ["GFP", "DAPI"]}), "found channels GFP, DAPI, expected DAPI, GFP"),
        (lambda x, obs: (x[:, 0], obs, {}), r"found an array \(22, 9, 7\), expected images \(n, c, h, w\)"),
        (lambda x, obs: (x, obs.rename(columns={"well": "wells"}), {}), "well"),
        (lambda x, obs: (x, obs.assign(well=[None, *obs["well"][1:]]), {}), "expected a value in every row"),
    ],
)
def test_what_does_not_fit_the_model_is_told(tmp_path, pictures, change, message):
    x, obs, attributes = change(*pictures)
    path = write_group(tmp_path / "new.zarr", x, obs, **attributes)
    with pytest.raises(GdeError, match=message):
        embed_data(model_of(), path, ["well"])


def test_what_is_no_such_group_is_told(tmp_path, pictures):
    model = model_of()
    for name, text in (("a.zarr.zip", b"no archive"), ("b.csv", b"x,y\n1,2\n")):
        (tmp_path / name).write_bytes(text)
        with pytest.raises(GdeError, match="expected a Zarr group"):
            embed_data(model, tmp_path / name)
    with pytest.raises(GdeError, match="found no such file"):
        embed_data(model, tmp_path / "none.zarr")
    path = write_group(tmp_path / "new.zarr", *pictures)
    (chunk,) = list(path.glob("images/0.0.0.0"))
    chunk.write_bytes(chunk.read_bytes()[:-20])
    with pytest.raises(GdeError, match=r"images: found \d+ bytes in chunk 0\.0\.0\.0, expected \d+ as its head says"):
        embed_data(model, path)
    chunk.unlink()
    with pytest.raises(GdeError, match=r"images: found no chunk 0\.0\.0\.0, expected all chunks"):
        embed_data(model, path)
