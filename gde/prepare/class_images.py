"""Pictures of classes, in two parts of which the second tests: MNIST's IDX files, and CIFAR-10. A group is a class."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from gde.errors import bad
from gde.files.input_files import cifar_files
from gde.prepare.common.image_store import write_images
from gde.prepare.common.write import origin, source_of
from gde.readers.cifar import Cifar
from gde.readers.idx import IdxImages, check_counts, read_labels
from gde.sets.random import seed_of
from gde.sets.store.layout import SPLITS

LABEL = "label"
Blocks = Callable[[], Iterator[np.ndarray]]  # of a part, each (m, c, h, w), in the order of its labels


def prepare_idx(cfg: dict, out: Path, *, name: str, seed: int, provenance: dict | None = None) -> None:
    """Write the store of dataset `name` at `out` from four IDX files (kind idx), in constant memory.

    groups : group = class, label, for each split. GdeError names the file, and what was found.
    """
    keys = ("train_images", "train_labels", "test_images", "test_labels")
    paths = {key: Path(cfg[key]).expanduser() for key in keys}
    labels = [read_labels(paths[key]) for key in ("train_labels", "test_labels")]
    images = [IdxImages(paths[key]) for key in ("train_images", "test_images")]
    for part, own, of_labels in zip(images, labels, ("train_labels", "test_labels"), strict=True):
        check_counts(part, own, paths[of_labels])
    if images[0].shape != images[1].shape:
        found, expected = f"pictures of {images[1].shape[1:]} pixels", f"{images[0].shape[1:]} as in training"
        raise bad(paths["test_images"], found, expected, "take both parts of one data set")
    sources = [{"key": key, **source_of(path)} for key, path in paths.items()]
    classes, where = cfg["classes"], paths["train_labels"]
    _write(
        cfg, out, labels, [part.blocks for part in images], classes, images[0].shape, where, sources,
        name=name, seed=seed, provenance=provenance,
    )  # fmt: skip


def prepare_cifar10(cfg: dict, out: Path, *, name: str, seed: int, provenance: dict | None = None) -> None:
    """Write the store of dataset `name` at `out` from CIFAR-10's binary version (kind cifar10).

    As `prepare_idx`; the pickled version is refused.
    """
    path = Path(cfg["path"]).expanduser()
    with Cifar(path) as found:
        sources = [{"key": key, **source_of(Path(file))} for key, file in cifar_files(cfg).items()]
        labels, blocks = [found.labels(part) for part in ("train", "test")], [found.train, found.test]
        _write(
            cfg, out, labels, blocks, found.classes, (3, 32, 32), path, sources,
            name=name, seed=seed, provenance=provenance,
        )  # fmt: skip


def _write(
    cfg: dict,
    out: Path,
    labels: list[np.ndarray],
    blocks: list[Blocks],
    classes: Sequence[str] | None,
    shape: tuple[int, int, int],
    where: Path,
    sources: list[dict],
    *,
    name: str,
    seed: int,
    provenance: dict | None,
) -> None:
    """The store of two parts, labels (n,) and pictures of each, in which classes have names, or numbers."""
    known = max(int(own.max()) for own in labels) + 1
    names = [str(i) for i in range(known)] if classes is None else list(classes)
    if known > len(names):
        raise bad("dataset.classes", f"{len(names)} names", f"{known}, one for each class of {where}", "add some")
    part = [_parts(labels[0], cfg["split"], where), np.full(len(labels[1]), SPLITS.index("test"))]
    cell = np.concatenate(labels).astype(np.int64) * len(SPLITS) + np.concatenate(part)
    present, code, size = np.unique(cell, return_inverse=True, return_counts=True)
    label = [names[c // len(SPLITS)] for c in present]
    groups = pd.DataFrame({"group": label, "split": [SPLITS[c % len(SPLITS)] for c in present], "size": size})

    def numbered() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        start = 0
        for own in blocks:
            for images in own():
                stop = start + len(images)
                yield images, code[start:stop], np.arange(start, stop)
                start = stop

    meta = {
        "name": name,
        "kind": cfg["kind"],
        "data": origin(sources),
        "sources": sources,
        "groupby": [LABEL],
        "labels": [LABEL],
        "classes": names,
        "split": cfg["split"],
        "counted": {"train": len(labels[0]), "test": len(labels[1])},
    }
    write_images(
        out, groups.assign(**{LABEL: label}), numbered(), shape=shape, dtype="uint8", meta=meta, seed=seed,
        provenance=provenance,
    )  # fmt: skip


def _parts(labels: np.ndarray, split: dict, where: Path) -> np.ndarray:
    """Split (n,) of training pictures: of every class a share validates, one at least."""
    part, rng = np.zeros(len(labels), np.int64), np.random.default_rng(seed_of(split["seed"], "classes"))
    for c in np.unique(labels):
        own = np.flatnonzero(labels == c)
        n = min(max(1, round(split["validation"] * len(own))), len(own) - 1)
        if n < 1:
            raise bad(where, f"one picture of class {c}", "two or more of each", "leave the class out")
        part[rng.permutation(own)[:n]] = SPLITS.index("validation")
    return part
