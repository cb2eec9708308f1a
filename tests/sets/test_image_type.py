"""Images as samples: whole numbers on disk, in batches and in what a model gives back; their units; their store."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from gde.errors import GdeError
from gde.features.intensities import Intensities
from gde.sets.sampler import SetSampler
from gde.sets.store.set_store import SetStore
from gde.sets.store.writer import StoreWriter
from gde.sets.types import sample_type, type_of_model, type_of_store
from gde.sets.types.images import BEYOND, scaling

SHAPE = (2, 5, 4)
ABOUT = {"channels": ["DAPI", "GFP"], "pixel_size": 0.65}


def kind(dtype="uint16", shape=SHAPE):
    return sample_type("images", shape, dtype=dtype, **ABOUT)


def pictures(n=7, dtype="uint16", seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, (n, *SHAPE), dtype, endpoint=True)


def store(path, dtype="uint16", sizes=(9, 4, 6), **meta):
    groups = pd.DataFrame({"group": list("abc"), "size": sizes, "split": ["train", "train", "validation"]})
    with StoreWriter(path, groups=groups, sample_shape=SHAPE, dtype=dtype, seed=0) as writer:
        for g, size in enumerate(sizes):
            writer.write(pictures(size, dtype, seed=g), g)
        mean, scale = scaling(np.array([0, 100]), np.array([1000, 60000]))
        about = {"kind": "images", "images": {"dtype": dtype, **ABOUT}, "mean": mean, "scale": scale}
        writer.finish(about | meta)
    return path


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_model_and_a_store_say_again_what_images_are(dtype):
    made = kind(dtype)
    assert type_of_model(json.loads(json.dumps(made.section)), 2) == made
    assert type_of_store({"sample_shape": list(SHAPE), "images": {"dtype": dtype, **ABOUT}}) == made
    assert made != kind("uint8" if dtype == "uint16" else "uint16") and made != kind(dtype, (2, 4, 5))
    assert made.dim == 40 and made.constants == 2 and made.positions == 20 and made.sizes["shape"] == SHAPE


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_every_value_comes_back_that_networks_may_be_given(dtype):
    made, largest = kind(dtype), np.iinfo(dtype).max
    mean, scale = (torch.tensor(v, dtype=torch.float32) for v in scaling([0, largest // 4], [largest, largest // 2]))
    every = np.arange(largest + 1, dtype=dtype)
    x = torch.from_numpy(np.broadcast_to(every[:, None, None, None], (largest + 1, *SHAPE)).copy())
    given = made.standardise(x, mean, scale)
    assert given.dtype == torch.float32 and given.abs().max() <= BEYOND
    assert torch.equal(x[:, 0], made.restore(given, mean, scale)[:, 0]), "the first channel is scaled by all it has"
    inside = (given[:, 1, 0, 0].abs() < BEYOND).numpy()
    back = made.restore(given, mean, scale)[:, 1, 0, 0].numpy()
    assert np.array_equal(back[inside], every[inside]) and inside.sum() < len(every)


def test_generated_pixels_are_whole_numbers_inside_the_range():
    made, one = kind("uint8"), torch.ones(2)
    y = torch.tensor([-3.7, 0.5, 2.5, 254.6, 255.4, 1e6]).reshape(-1, 1, 1, 1).expand(-1, *SHAPE)
    assert made.restore(y, 0 * one, one)[:, 0, 0, 0].tolist() == [0, 0, 2, 255, 255, 255]


def test_samples_are_not_changed_when_they_are_given_to_networks():
    made = kind()
    x = made.tensor(pictures())
    before = x.clone()
    made.standardise(x, torch.zeros(2), torch.ones(2))
    assert torch.equal(x, before)


def test_what_is_no_image_of_the_model_is_refused():
    made = kind()
    with pytest.raises(GdeError, match="x: found pixels of type uint8, expected pixels of type uint16"):
        made.check(torch.zeros(1, 3, *SHAPE, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"x: found shape \(1, 3, 2, 4, 4\), expected \(sets, samples, 2, 5, 4\)"):
        made.check(torch.zeros(1, 3, 2, 4, 4, dtype=torch.uint16))


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_store_gives_back_the_pixels_and_batches_of_them(tmp_path, dtype):
    opened = SetStore.open(store(tmp_path / "sets", dtype))
    assert opened.x.dtype == dtype and isinstance(opened.x, np.memmap)
    for g, size in enumerate((9, 4, 6)):
        found = {row.tobytes() for row in np.asarray(opened.read(g))}
        assert found == {row.tobytes() for row in pictures(size, dtype, seed=g)}
    batch = SetSampler(opened, n_sets=4, set_size=6, seed=0)(0)
    assert str(batch.x.dtype) == f"torch.{dtype}" and batch.x.shape == (4, 6, *SHAPE)
    assert not batch.x[~batch.mask].any() and (~batch.mask).any(), "a group of four has no six"
    rows = {row.numpy().tobytes() for row in batch.samples()}
    assert rows <= {row.tobytes() for g in (0, 1) for row in np.asarray(opened.read(g))}


@pytest.mark.parametrize(
    "meta, message",
    [
        ({"images": {"dtype": "int16"}}, "images.dtype: found 'int16', expected one of uint8, uint16"),
        ({"images": {"dtype": "uint8"}}, "x.npy: found values of type uint16, expected pixels of type uint8"),
        ({"images": {"dtype": "uint16", "channels": ["a"]}}, "images: found"),
        ({"images": {"dtype": "uint16", "pixel_size": 0}}, "images.pixel_size: found 0"),
        ({"images": [1]}, "images: found"),
        ({"scale": [1.0]}, "scale: found"),
        ({"mean": [0.0] * 40}, "mean: found"),
    ],
)
def test_a_store_whose_parts_do_not_fit_is_refused(tmp_path, meta, message):
    with pytest.raises(GdeError, match=message):
        SetStore.open(store(tmp_path / "sets", **meta))


def test_quantiles_of_intensities_are_exact_and_of_each_channel():
    x = pictures(300)
    x[:, 1] //= 4
    counted = Intensities(2)
    for part in np.array_split(x, [10, 11, 200]):
        counted.add(part)
    for q in (0.0, 0.01, 0.5, 0.999, 1.0):
        want = np.quantile(x.swapaxes(0, 1).reshape(2, -1), q, axis=1, method="inverted_cdf")
        assert np.array_equal(counted.quantile(q), want)


def test_a_channel_without_variation_is_not_divided_by_nothing():
    mean, scale = scaling([5, 5], [5, 7])
    assert mean == [6.0, 6.0] and scale == [1.0, 1.0]
