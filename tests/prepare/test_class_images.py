"""Set stores of MNIST's files and of CIFAR-10: every picture once, in its class and split; the real excerpts too."""

import struct

import numpy as np
import pytest

from gde.errors import GdeError
from gde.prepare.class_images import prepare_cifar10, prepare_idx
from gde.readers.cifar import Cifar
from gde.readers.idx import IdxImages, read_labels
from gde.sets.store.set_store import SetStore

KEYS = ("train_images", "train_labels", "test_images", "test_labels")
MNIST = ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz",
         "t10k-labels-idx1-ubyte.gz")  # fmt: skip


def write(path, x):
    path.write_bytes(struct.pack(f">BBBB{x.ndim}I", 0, 0, 8, x.ndim, *x.shape) + x.tobytes())


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    for name, n in (("train", 90), ("test", 30)):
        write(tmp_path / f"{name}_images", rng.integers(0, 256, (n, 6, 9), np.uint8))
        write(tmp_path / f"{name}_labels", rng.permutation(np.repeat(np.arange(3), n // 3)).astype(np.uint8))
    return tmp_path


def settings(folder, names=KEYS, **more):
    paths = {key: str(folder / name) for key, name in zip(KEYS, names, strict=True)}
    return {"kind": "idx", **paths, "classes": None, "split": {"validation": 0.2, "seed": 0}, **more}


def read_pairs(images, labels):
    x = np.concatenate(list(IdxImages(images).blocks()))
    return sorted((int(c), row.tobytes()) for c, row in zip(read_labels(labels), x, strict=True))


def stored_pairs(store, splits):
    return sorted(
        (int(store.groups["label"][g]), row.tobytes())
        for split in splits
        for g in store.select(split)
        for row in np.asarray(store.read(g))
    )


def test_every_picture_is_once_in_its_class_and_part(files, tmp_path):
    prepare_idx(settings(files), tmp_path / "sets", name="own", seed=0)
    store = SetStore.open(tmp_path / "sets")
    assert stored_pairs(store, ["test"]) == read_pairs(files / "test_images", files / "test_labels")
    assert stored_pairs(store, ["train", "validation"]) == read_pairs(files / "train_images", files / "train_labels")
    assert [store.sizes[store.select(split)].tolist() for split in ("train", "validation")] == [[24] * 3, [6] * 3]
    assert store.sample_type.shape == (1, 6, 9) and store.meta["mean"] == [127.5] and store.meta["scale"] == [127.5]


def test_the_split_is_the_seeds_and_classes_have_names(files, tmp_path):
    split = {"validation": 0.2, "seed": 1}
    for name, more in (("a", {}), ("b", {}), ("c", {"split": split}), ("d", {"classes": ["x", "y", "z"]})):
        prepare_idx(settings(files, **more), tmp_path / name, name="own", seed=0)
    a, b, c, d = (SetStore.open(tmp_path / name) for name in "abcd")
    assert a.digest == b.digest
    assert stored_pairs(a, ["validation"]) != stored_pairs(c, ["validation"])
    assert sorted(set(d.groups["group"])) == ["x", "y", "z"]
    with pytest.raises(GdeError, match=r"dataset\.classes: found 2 names, expected 3"):
        prepare_idx(settings(files, classes=["x", "y"]), tmp_path / "e", name="own", seed=0)


def test_parts_that_do_not_belong_together_are_refused_and_leave_nothing(files, tmp_path):
    write(files / "wide", np.zeros((30, 6, 10), np.uint8))
    with pytest.raises(GdeError, match=r"found pictures of \(6, 10\) pixels, expected \(6, 9\) as in training"):
        prepare_idx(settings(files) | {"test_images": str(files / "wide")}, tmp_path / "sets", name="own", seed=0)
    with pytest.raises(GdeError, match="found 90 labels for 30 pictures"):
        prepare_idx(settings(files) | {"test_labels": str(files / "train_labels")}, tmp_path / "sets", name="x", seed=0)
    assert not (tmp_path / "sets").exists()


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_the_excerpts_of_mnist_and_fashion_mnist(excerpt, tmp_path, name):
    folder = excerpt(name)
    prepare_idx(settings(folder, MNIST), tmp_path / "sets", name=name, seed=0)
    store = SetStore.open(tmp_path / "sets")
    assert stored_pairs(store, ["test"]) == read_pairs(folder / MNIST[2], folder / MNIST[3])
    assert store.sample_type.shape == (1, 28, 28) and len(store.groups) == 30


def test_the_excerpt_of_cifar10(excerpt, tmp_path):
    path = excerpt("cifar10") / "cifar-10-batches-bin"
    split = {"validation": 0.1, "seed": 0}
    prepare_cifar10({"kind": "cifar10", "path": str(path), "split": split}, tmp_path / "sets", name="cifar10", seed=0)
    store = SetStore.open(tmp_path / "sets")
    assert store.n_rows == 650 and store.sizes[store.select("test")].tolist() == [15] * 10
    with Cifar(path) as read:
        boats = np.concatenate(list(read.test()))[read.labels("test") == read.classes.index("ship")]
    (ship,) = store.select("test", group="ship")
    assert {row.tobytes() for row in np.asarray(store.read(ship))} == {row.tobytes() for row in boats}
