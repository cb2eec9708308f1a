"""A user's pictures: whole files, and objects in larger ones by boxes and centres, from TIFF and PNG."""

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from gde.config.datasets import DATASETS
from gde.errors import GdeError
from gde.prepare.images import examine, prepare
from gde.readers.pictures import open_picture
from gde.sets.store.set_store import SetStore


def settings(folder, **more):
    given = {"kind": "images", "table": str(folder / "cells.csv"), "groupby": ["well"], "split": {"by": "sample"}}
    return DATASETS["images"].model_validate(given | more).model_dump()


def pictures(n=6, shape=(2, 40, 50), dtype=np.uint16):
    rng = np.random.default_rng(0)
    return rng.integers(0, np.iinfo(dtype).max, (n, *shape), dtype)


def stored(store):
    """Row of the table -> pixels."""
    return {int(name): np.asarray(x) for name, x in zip(store.samples["number"], store.x, strict=True)}


@pytest.fixture
def whole(tmp_path):
    """Twelve small pictures in files of their own."""
    x = pictures(12, (2, 9, 10))
    for i, picture in enumerate(x):
        tifffile.imwrite(tmp_path / f"p{i:02d}.tif", picture, photometric="minisblack", metadata={"axes": "CYX"})
    table = pd.DataFrame({"image": [f"p{i:02d}.tif" for i in range(12)], "well": ["A", "B"] * 6})
    table.to_csv(tmp_path / "cells.csv", index=False)
    return tmp_path, x, table


def by_name(store, x):
    """Every stored picture is the file's that the store's table names."""
    for name, pixels in zip(store.samples["image"], store.x, strict=True):
        assert np.array_equal(pixels, x[int(name[1:3])])


def test_whole_pictures_are_samples(whole):
    folder, x, _ = whole
    examine(settings(folder))
    prepare(settings(folder), folder / "sets", name="own", seed=0)
    store = SetStore.open(folder / "sets")
    assert store.n_rows == 12 and store.sample_type.shape == (2, 9, 10) and store.x.dtype == np.uint16
    assert set(store.groups["well"]) == {"A", "B"} and store.sample_type.channels == ()
    by_name(store, x)


def test_labels_stay_with_their_groups(whole):
    folder, _, table = whole
    table.assign(drug=table["well"].map({"A": "TNF", "B": "none"})).to_csv(folder / "cells.csv", index=False)
    prepare(settings(folder, labels=["drug"]), folder / "sets", name="own", seed=0)
    groups = SetStore.open(folder / "sets").groups
    assert dict(zip(groups["well"], groups["drug"], strict=True)) == {"A": "TNF", "B": "none"}


def test_channels_are_chosen_and_scaled_by_training_pixels(whole):
    folder, x, _ = whole
    prepare(settings(folder, channels=[1], quantiles=[0.1, 0.9]), folder / "sets", name="own", seed=0)
    store = SetStore.open(folder / "sets")
    by_name(store, x[:, 1:])
    train = np.concatenate([np.asarray(store.read(g)) for g in store.select("train")])
    low, high = (np.quantile(train, q, method="inverted_cdf") for q in (0.1, 0.9))
    assert store.meta["mean"] == [(low + high) / 2] and store.meta["scale"] == [(high - low) / 2]


@pytest.fixture
def tiles(tmp_path):
    """Two stacks as ImageJ writes them, and cells in them, one over an edge."""
    x = pictures(2, (2, 3, 40, 50))  # z, c, y, x
    for i, stack in enumerate(x):
        tifffile.imwrite(tmp_path / f"tile{i}.tif", stack, imagej=True, metadata={"axes": "ZCYX", "unit": "um"},
                         resolution=(4, 4))  # fmt: skip
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"image": [f"tile{i % 2}.tif" for i in range(16)], "well": ["A", "B"] * 8})
    table["y"], table["x"] = rng.integers(4, 36, 16), rng.integers(4, 46, 16)
    table.loc[3, ["y", "x"]] = 1, 48
    for name, centre, side in (("top", "y", -3), ("left", "x", -4), ("bottom", "y", 3), ("right", "x", 4)):
        table[name] = table[centre] + side
    table.to_csv(tmp_path / "cells.csv", index=False)
    return tmp_path, x, table


@pytest.mark.parametrize("places", [{"centres": ["y", "x"]}, {"boxes": ["top", "left", "bottom", "right"]}], ids=str)
@pytest.mark.parametrize("z", [0, 1, "max"])
def test_objects_are_cut_out_around_their_centres(tiles, places, z):
    folder, x, _ = tiles
    prepare(settings(folder, size=8, z=z, channels=[2, 0], **places), folder / "sets", name="own", seed=0)
    store = SetStore.open(folder / "sets")
    assert store.n_rows == 16 and store.meta["counted"]["padded"] == 1
    assert store.sample_type.pixel_size == pytest.approx(0.25)
    for (name, row, column), pixels in zip(store.samples.itertuples(index=False), store.x, strict=True):
        plane = x[int(name[4])]
        plane = plane.max(0) if z == "max" else plane[z]
        padded = np.pad(plane[[2, 0]], ((0, 0), (8, 8), (8, 8)))
        y, c = int(row) + 8, int(column) + 8
        assert np.array_equal(pixels, padded[:, y - 4 : y + 4, c - 4 : c + 4])


def test_a_larger_object_is_counted(tiles):
    folder, _, table = tiles
    prepare(settings(folder, size=8, z=0, boxes=["top", "left", "bottom", "right"]), folder / "a", name="own", seed=0)
    assert SetStore.open(folder / "a").meta["counted"]["larger"] == 0
    table.assign(bottom=table["bottom"] + 10).to_csv(folder / "cells.csv", index=False)
    prepare(settings(folder, size=8, z=0, boxes=["top", "left", "bottom", "right"]), folder / "b", name="own", seed=0)
    assert SetStore.open(folder / "b").meta["counted"]["larger"] == 16


def test_missing_and_cut_tiles_are_skipped_up_to_a_share_and_named(whole, caplog):
    folder, x, _ = whole
    (folder / "p03.tif").unlink()
    cut = (folder / "p05.tif").read_bytes()
    (folder / "p05.tif").write_bytes(cut[: len(cut) // 2])
    with pytest.raises(GdeError, match=r"p03\.tif: found no such file"):
        examine(settings(folder))
    with pytest.raises(GdeError, match=r"2 of 12 pictures: found .*p03\.tif.*, expected at most 0.1 of them"):
        examine(settings(folder, max_missing=0.1))
    prepare(settings(folder, max_missing=0.2), folder / "sets", name="own", seed=0)
    store = SetStore.open(folder / "sets")
    assert store.n_rows == 10 and store.meta["counted"]["missing_files"] == 2
    by_name(store, x)
    assert "p03.tif" in caplog.text and "p05.tif" in caplog.text


@pytest.mark.parametrize(
    "change, message",
    [
        ({"image": "file"}, "columns"),
        ({"channels": ["DAPI"]}, "no channel 'DAPI', expected one of 0, 1"),
        ({"channels": [2]}, "no channel 2, expected one of 0, 1"),
        ({"groupby": ["plate"]}, "plate"),
    ],
)
def test_settings_that_do_not_fit_are_told(whole, change, message):
    folder = whole[0]
    with pytest.raises(GdeError, match=message):
        examine(settings(folder, **change))
    with pytest.raises(GdeError, match=message):
        prepare(settings(folder, **change), folder / "sets", name="own", seed=0)
    assert not (folder / "sets").exists()


def test_places_outside_and_boxes_the_wrong_way_round_are_told(tiles):
    folder, _, table = tiles
    table.assign(y=table["y"] + 100).to_csv(folder / "cells.csv", index=False)
    with pytest.raises(GdeError, match=r"tile0\.tif: object 1 of the table: found an object at row 1\d\d, .*40 x 50"):
        examine(settings(folder, size=8, z=0, centres=["y", "x"]))
    table.to_csv(folder / "cells.csv", index=False)
    with pytest.raises(GdeError, match=r"row 1, bottom, left, top, right: found a box"):
        examine(settings(folder, size=8, z=0, boxes=["bottom", "left", "top", "right"]))
    with pytest.raises(GdeError, match="found a stack of 2 planes, expected one plane"):
        examine(settings(folder, size=8, centres=["y", "x"]))


def test_pictures_that_are_not_alike_are_told(whole):
    folder, x, _ = whole
    for pixels, message in (
        (x[0][:, :8], r"2 channels of uint16, 8 x 10 pixels, expected 2 channels of uint16, 9 x 10"),
        (x[0][:1], "1 channel of uint16"),
        ((x[0] >> 8).astype(np.uint8), "2 channels of uint8"),
    ):
        tifffile.imwrite(folder / "p07.tif", pixels, photometric="minisblack", metadata={"axes": "CYX"})
        with pytest.raises(GdeError, match=message):
            examine(settings(folder))


@pytest.mark.parametrize(
    "pixels, message",
    [
        (np.zeros((4, 4), np.float32), "pixels of type float32"),
        (np.zeros((4, 4), np.int16), "pixels of type int16"),
        (np.zeros((4, 4), bool), "pixels of type"),
        (np.zeros((3, 2, 4, 4), np.uint8), "axes"),
    ],
    ids=["float", "signed", "bits", "axes"],
)
def test_tiff_that_is_no_picture_is_told(tmp_path, pixels, message):
    axes = {"axes": "TCYX"} if pixels.ndim == 4 else None
    tifffile.imwrite(tmp_path / "x.tif", pixels, photometric="minisblack", metadata=axes)
    with pytest.raises(GdeError, match=message):
        open_picture(tmp_path / "x.tif")


def test_png_of_grey_and_colour(tmp_path):
    rng = np.random.default_rng(0)
    grey, deep = rng.integers(0, 256, (5, 7), np.uint8), rng.integers(0, 65536, (5, 7)).astype(np.uint16)
    colour = rng.integers(0, 256, (5, 7, 3), np.uint8)
    for name, pixels, want in (
        ("g", grey, grey[None]),
        ("d", deep, deep[None]),
        ("c", colour, colour.transpose(2, 0, 1)),
    ):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
        head = open_picture(tmp_path / f"{name}.png")
        assert np.array_equal(head.read(head.chosen(None)), want) and head.dtype == str(pixels.dtype)
    for mode in ("RGBA", "1", "P"):
        Image.new(mode, (7, 5)).save(tmp_path / "x.png")
        with pytest.raises(GdeError, match=f"PNG pixels of mode {mode}"):
            open_picture(tmp_path / "x.png")


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.98])
def test_a_cut_tiff_is_told(tmp_path, compression, kept):
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, pictures(1)[0], photometric="minisblack", compression=compression, metadata={"axes": "CYX"})
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(GdeError, match=r"x\.tif: found"):
        head = open_picture(path)
        head.read(head.chosen(None))


def test_a_picture_that_claims_more_than_it_holds_is_refused_before_anything_is_allocated(tmp_path):
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, np.zeros((16, 16), np.uint8), photometric="minisblack")
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        for name in ("ImageWidth", "ImageLength"):
            tiff.pages[0].tags[name].overwrite(1_000_000)
    with pytest.raises(GdeError, match=r"x\.tif: found"):
        open_picture(path)


def test_real_pictures_have_their_channels_and_values(excerpt):
    path = excerpt("images") / "Plate_2_D6_2.ome.tif"
    head = open_picture(path)
    assert head.channels == ("DAPI", "GFP", "RFP") and head.shape == (1, 3, 448, 448) and head.pixel_size is None
    assert np.array_equal(head.read(head.chosen(["RFP", "DAPI"])), tifffile.imread(path)[[2, 0]])
    tile = next((excerpt("ops") / "screenA").rglob("*.tif"))
    stack = open_picture(tile)
    assert stack.shape == (2, 2, 400, 400)
    assert np.array_equal(stack.read([1], 0), tifffile.imread(tile)[0, 1:])
    with pytest.raises(GdeError, match="found a stack of 2 planes"):
        stack.read([0])
