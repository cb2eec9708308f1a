"""IDX files: what is written is read, whole or in blocks, and everything that is not such a file is told in a line."""

import gzip
import struct

import numpy as np
import pytest

from gde.errors import GdeError
from gde.readers import idx
from gde.readers.idx import IdxImages, check_counts, read_labels


def images_file(path, x, *, code=8, n=None):
    head = struct.pack(">BBBBIII", 0, 0, code, 3, len(x) if n is None else n, *x.shape[1:])
    data = head + x.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def labels_file(path, y):
    path.write_bytes(struct.pack(">BBBBI", 0, 0, 8, 1, len(y)) + bytes(y))
    return path


def pictures(n=50, side=(7, 5)):
    return np.random.default_rng(0).integers(0, 256, (n, *side), np.uint8)


@pytest.mark.parametrize("name", ["x.gz", "x-ubyte"])
def test_pictures_come_back_in_blocks(tmp_path, monkeypatch, name):
    monkeypatch.setattr(idx, "BLOCK", 7 * 5 * 8)
    x = pictures()
    read = IdxImages(images_file(tmp_path / name, x))
    blocks = list(read.blocks())
    assert read.n == 50 and read.shape == (1, 7, 5) and max(map(len, blocks)) == 8
    assert np.array_equal(np.concatenate(blocks)[:, 0], x)


def test_labels_come_back(tmp_path):
    assert read_labels(labels_file(tmp_path / "y", [3, 0, 255])).tolist() == [3, 0, 255]


def read_all(path):
    return list(IdxImages(path).blocks())


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda d: d[:-1], "found 49 whole pictures, expected 50 as its head says; the file was cut"),
        (lambda d: d + b"\0", "found more than the 50 pictures of its head"),
        (lambda d: d[:10], "found 10 bytes, expected an IDX file of pictures"),
        (lambda d: d[:3], "found bytes 00 00 08 at its begin"),
        (lambda d: b"\0\0\x0d\x03" + d[4:], "found values of type float32"),
        (lambda d: b"\0\0\x09\x03" + d[4:], "found values of type int8"),
        (lambda d: b"\0\0\x08\x04" + d[4:], "found an array of 4 axes"),
        (lambda d: d[:8] + b"\xff\xff\xff\xff" + d[12:], "pixels, expected 1 to 4096 pixels on a side"),
        (lambda d: d[:4] + b"\xff\xff\xff\xff" + d[8:], "expected 4294967295 as its head says"),
        (lambda d: b"", "an empty file"),
        (lambda d: b"<!DOCTYPE html><html>", "an HTML page"),
        (lambda d: b"x,y\n1,2\n", "found bytes"),
    ],
)
def test_what_is_no_whole_file_of_pictures_is_told(tmp_path, change, message):
    data = images_file(tmp_path / "x", pictures()).read_bytes()
    (tmp_path / "x").write_bytes(change(data))
    with pytest.raises(GdeError, match=message):
        read_all(tmp_path / "x")


@pytest.mark.parametrize("kept", [0.3, 0.9, 0.999])
def test_a_packed_file_that_was_cut_is_told(tmp_path, kept):
    path = images_file(tmp_path / "x.gz", pictures(5000))
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(GdeError, match=r"x\.gz: found a damaged or cut gzip file"):
        read_all(path)


def test_labels_where_pictures_are_due_and_the_other_way_round(tmp_path):
    with pytest.raises(GdeError, match=r"found labels .magic number 2049., expected pictures"):
        IdxImages(labels_file(tmp_path / "y", [1, 2]))
    with pytest.raises(GdeError, match=r"found pictures .magic number 2051., expected labels"):
        read_labels(images_file(tmp_path / "x", pictures()))


def test_counts_that_differ_are_told(tmp_path):
    images = IdxImages(images_file(tmp_path / "x", pictures()))
    with pytest.raises(GdeError, match="found 49 labels for 50 pictures"):
        check_counts(images, np.zeros(49, np.uint8), tmp_path / "y")


def test_no_changed_byte_is_read_as_another_number_of_pictures(tmp_path):
    """Whatever byte of the head changes, the file is refused or says the same; there is no silent other shape."""
    whole = images_file(tmp_path / "x", pictures(9)).read_bytes()
    for place in range(16):
        for value in (0, 1, 7, 10, 128, 255):
            if whole[place] == value:
                continue
            (tmp_path / "x").write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
            with pytest.raises(GdeError):
                read_all(tmp_path / "x")
