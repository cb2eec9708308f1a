"""CIFAR-10's binary version, as a folder and as its archive; the pickled one is refused."""

import io
import tarfile

import numpy as np
import pytest

from gde.errors import GdeError
from gde.readers.cifar import FILES, NAMES, RECORD, Cifar

CLASSES = [f"class{i}" for i in range(10)]


def records(n, seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (n, RECORD), np.uint8)
    x[:, 0] = rng.integers(0, 10, n)
    return x


def folder(path, n=4):
    path.mkdir()
    (path / NAMES).write_text("\n".join(CLASSES) + "\n\n")
    made = {}
    for i, name in enumerate([*FILES["train"], *FILES["test"]]):
        made[name] = records(n + i, i)
        (path / name).write_bytes(made[name].tobytes())
    return made


def archive(path, members):
    with tarfile.open(path, "w:gz") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture(params=["folder", "archive"])
def release(request, tmp_path):
    made = folder(tmp_path / "cifar-10-batches-bin")
    if request.param == "folder":
        return tmp_path / "cifar-10-batches-bin", made
    files = sorted((tmp_path / "cifar-10-batches-bin").iterdir())
    members = {f"cifar-10-batches-bin/{file.name}": file.read_bytes() for file in files}
    members["cifar-10-batches-bin/readme.html"] = b"<html>"
    return archive(tmp_path / "cifar-10-binary.tar.gz", members), made


def test_labels_and_pictures_come_back_in_one_order(release):
    path, made = release
    with Cifar(path) as read:
        assert read.classes == CLASSES
        for part, pictures in (("train", read.train), ("test", read.test)):
            whole = np.concatenate([made[name] for name in FILES[part]])
            assert np.array_equal(read.labels(part), whole[:, 0])
            assert np.array_equal(np.concatenate(list(pictures())), whole[:, 1:].reshape(-1, 3, 32, 32))


def test_the_pickled_version_is_refused_with_the_way_to_the_other(tmp_path):
    path = archive(tmp_path / "cifar-10-python.tar.gz", {"cifar-10-batches-py/data_batch_1": b"never loaded"})
    with pytest.raises(GdeError, match=r"found CIFAR-10 for Python.*cifar-10-binary\.tar\.gz.*pickle"), Cifar(path):
        pass
    (tmp_path / "py").mkdir()
    (tmp_path / "py/data_batch_1").write_bytes(b"never loaded")
    with pytest.raises(GdeError, match="found CIFAR-10 for Python"), Cifar(tmp_path / "py"):
        pass


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda d: (d / "data_batch_3.bin").unlink(), "found no data_batch_3.bin"),
        (lambda d: (d / NAMES).unlink(), f"found no {NAMES}"),
        (lambda d: (d / "test_batch.bin").write_bytes(b"1" * 3000), "test_batch.bin: found 3000 bytes, expected whole"),
        (lambda d: (d / NAMES).write_text("\n"), "expected a name for each class"),
        (lambda d: (d / NAMES).write_text("cat\ncat\n"), "expected a name for each class"),
    ],
)
def test_what_is_missing_or_cut_is_told(tmp_path, change, message):
    folder(tmp_path / "bin")
    change(tmp_path / "bin")
    with pytest.raises(GdeError, match=message), Cifar(tmp_path / "bin"):
        pass


def test_a_label_without_a_name_is_told(tmp_path):
    folder(tmp_path / "bin")
    (tmp_path / "bin" / NAMES).write_text("\n".join(CLASSES[:9]))
    made = records(3, 0)
    made[1, 0] = 9
    (tmp_path / "bin/data_batch_1.bin").write_bytes(made.tobytes())
    with Cifar(tmp_path / "bin") as read, pytest.raises(GdeError, match=r"data_batch_1\.bin, record 2: found label 9"):
        read.labels("train")


def test_an_archive_that_was_cut_is_told(release, tmp_path):
    path, _ = release
    if path.is_dir():
        pytest.skip("a folder is no archive")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(GdeError, match="a damaged or cut archive"), Cifar(path):
        pass


def test_no_member_leaves_the_folder_it_is_unpacked_in(tmp_path):
    """Names are taken without their folders, links are left."""
    made = folder(tmp_path / "bin")
    with tarfile.open(tmp_path / "c.tar.gz", "w:gz") as tar:
        for file in sorted((tmp_path / "bin").iterdir()):
            tar.add(file, f"../../outside/{file.name}")
        link = tarfile.TarInfo("cifar-10-batches-bin/data_batch_1.bin")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tar.addfile(link)
    with Cifar(tmp_path / "c.tar.gz") as read:
        assert np.array_equal(read.labels("test"), made["test_batch.bin"][:, 0])
        assert not (read.folder / "data_batch_1.bin").is_symlink()
    assert not (tmp_path.parent / "outside").exists()
