"""CIFAR-10's binary version: records of a label and 32 x 32 pixels in red, green and blue; a folder, or its archive."""

import shutil
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import numpy as np

from gde.errors import GdeError, bad
from gde.files.sniffing import check_file, kind_of, read_text

SHAPE = (3, 32, 32)
RECORD = 1 + 3 * 32 * 32
FOLDER, NAMES = "cifar-10-batches-bin", "batches.meta.txt"
FILES = {"train": [f"data_batch_{i}.bin" for i in range(1, 6)], "test": ["test_batch.bin"]}
EXPECTED = f"cifar-10-binary.tar.gz, or the folder {FOLDER}"
BINARY = f"fetch the binary version, {EXPECTED}: that for Python is a pickle, which could run any code"
AGAIN = "fetch it again"
LARGEST = RECORD * 1_000_000  # bytes of one file
AT_ONCE = 1000  # records


class Cifar:
    """The pictures and labels of `path`; a context manager, since an archive is unpacked for as long as it lasts.

    classes : their ten names, or as many as there are.   GdeError for the pickled version, missing and cut files, and
    labels without a name.
    """

    def __init__(self, path: Path):
        self.path = path

    def __enter__(self) -> "Cifar":
        self._scratch = TemporaryDirectory()
        try:
            self.folder = self.path if self.path.is_dir() else self._unpacked(Path(self._scratch.name))
            self._check()
        except BaseException:
            self._scratch.cleanup()
            raise
        return self

    def __exit__(self, *_) -> None:
        self._scratch.cleanup()

    def labels(self, part: str) -> np.ndarray:
        """Labels (n,) uint8 of "train" or "test". GdeError for one that has no name."""
        found = [
            np.fromfile(self.folder / name, np.uint8).reshape(-1, RECORD)[:, 0].copy() for name in FILES[part]
        ]  # one file at a time
        for name, own in zip(FILES[part], found, strict=True):
            if (wrong := own >= len(self.classes)).any():
                where = f"{self.path}: {name}, record {int(wrong.argmax()) + 1}"
                expected = f"0 to {len(self.classes) - 1}, the classes of {NAMES}"
                raise bad(where, f"label {own[wrong][0]}", expected, AGAIN)
        return np.concatenate(found)

    def train(self) -> Iterator[np.ndarray]:
        """Pictures that train, (m, 3, 32, 32) uint8, in the order of their labels."""
        return self._pictures("train")

    def test(self) -> Iterator[np.ndarray]:
        """Pictures that test."""
        return self._pictures("test")

    def _pictures(self, part: str) -> Iterator[np.ndarray]:
        for name in FILES[part]:
            with (self.folder / name).open("rb") as file:
                while block := file.read(AT_ONCE * RECORD):
                    yield np.frombuffer(block, np.uint8).reshape(-1, RECORD)[:, 1:].reshape(-1, *SHAPE)

    def _check(self) -> None:
        own = sorted(file.name for file in self.folder.iterdir())
        if any(name in own for name in ("data_batch_1", "batches.meta")):
            raise bad(self.path, "CIFAR-10 for Python", EXPECTED, BINARY)
        for name in [NAMES, *FILES["train"], *FILES["test"]]:
            if name not in own:
                raise bad(self.path, f"no {name}", EXPECTED, AGAIN)
        for name in [*FILES["train"], *FILES["test"]]:
            file = self.folder / name
            check_file(file, "pictures of CIFAR-10", AGAIN)
            size = file.stat().st_size
            if size == 0 or size % RECORD:
                found = f"{size} bytes"
                raise bad(f"{self.path}: {name}", found, f"whole records of {RECORD} bytes", f"it was cut: {AGAIN}")
        lines = read_text(self.folder / NAMES, "names of classes", AGAIN).splitlines()
        self.classes = [line.strip() for line in lines if line.strip()]
        if not self.classes or len(set(self.classes)) < len(self.classes):
            raise bad(f"{self.path}: {NAMES}", f"{self.classes}", "a name for each class", AGAIN)

    def _unpacked(self, scratch: Path) -> Path:
        """The folder with the archive's files. Only regular files of the names that are wanted leave it."""
        check_file(self.path, EXPECTED, "correct the path")
        if (kind := kind_of(self.path)) != "a gzip file":
            remedy = BINARY if "pickle" in kind else AGAIN
            raise bad(self.path, kind, EXPECTED, remedy)
        wanted = [NAMES, *FILES["train"], *FILES["test"]]
        try:
            with tarfile.open(self.path, "r:gz") as tar:
                for member in tar:
                    name = PurePosixPath(member.name).name
                    if member.isreg() and name in ("data_batch_1", "batches.meta"):
                        raise bad(self.path, "CIFAR-10 for Python", EXPECTED, BINARY)
                    if not member.isreg() or name not in wanted:
                        continue
                    if member.size > LARGEST:
                        raise bad(f"{self.path}: {name}", f"{member.size} bytes", f"at most {LARGEST}", AGAIN)
                    with tar.extractfile(member) as packed, (scratch / name).open("wb") as out:
                        shutil.copyfileobj(packed, out)
                while tar.fileobj.read(1 << 20):  # to its end, where its checksum stands
                    pass
        except (tarfile.TarError, zlib.error, EOFError, OSError) as e:
            if isinstance(e, GdeError) or getattr(e, "errno", None) is not None:  # of the disk
                raise
            raise bad(self.path, f"a damaged or cut archive ({e})", EXPECTED, AGAIN) from e
        return scratch
