"""A set store from a user's pictures: a table of files, or of objects in larger pictures."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from gde.errors import bad
from gde.files.io import storage_errors
from gde.prepare.common.crops import Plan
from gde.prepare.common.groups import assign, columns_needed
from gde.prepare.common.image_store import write_images
from gde.prepare.common.write import KNOWN, source_of
from gde.readers.table import Table


def read_plan(cfg: dict) -> tuple[Plan, pd.DataFrame]:
    """What is to be read of the table cfg['table'], and its columns of groups. GdeError names row and column."""
    path = Path(cfg["table"]).expanduser()
    places = cfg["boxes"] or cfg["centres"]
    needed = list(dict.fromkeys([cfg["image"], *columns_needed(cfg)]))
    table = Table(path, needed, places or [], text_only=not places, key="boxes" if cfg["boxes"] else "centres")
    frame = table.frame()
    if frame[cfg["image"]].isna().any() or (frame[cfg["image"]] == "").any():
        row = int((frame[cfg["image"]].isna() | (frame[cfg["image"]] == "")).to_numpy().argmax())
        raise bad(f"{path}: row {row + 1}, column {cfg['image']}", "nothing", "the name of a picture", "fill it in")
    file, names = pd.factorize(frame[cfg["image"]], sort=True)
    centre = extent = None
    if places:
        numbers = np.concatenate([x for _, x in table.chunks()])
        centre = numbers if cfg["centres"] else (numbers[:, :2] + numbers[:, 2:]) / 2
        if cfg["boxes"]:
            extent = numbers[:, 2:] - numbers[:, :2]
            if (wrong := (extent <= 0).any(1)).any():
                row = int(wrong.argmax())
                found = "a box " + ", ".join(f"{v:g}" for v in numbers[row])
                expected = "top, left, bottom, right, the last two the larger ones"
                raise bad(
                    f"{path}: row {row + 1}, {', '.join(places)}", found, expected, "check the order of dataset.boxes"
                )
    files = [path.parent / name for name in names]
    return Plan(files, file, centre, cfg["size"], cfg["channels"], cfg["z"], extent), frame


def examine(cfg: dict) -> None:
    """GdeError for what the table and the heads of the pictures tell."""
    plan, frame = read_plan(cfg)
    there = plan.survey(cfg["max_missing"])
    assign(frame[there].reset_index(drop=True), cfg, cfg["table"])


def prepare(cfg: dict, out: Path, *, name: str, seed: int, provenance: dict | None = None) -> None:
    """Write the store of dataset `name` at `out` (kind images). Every picture is opened twice, for its head and for its
    pixels; memory is that of one picture and of the table.

    GdeError names file, row and column, and what was found, and leaves nothing behind.
    """
    with storage_errors(Path(out)):
        Path(out).parent.mkdir(parents=True, exist_ok=True)
    path = Path(cfg["table"]).expanduser()
    plan, frame = read_plan(cfg)
    there = np.flatnonzero(plan.survey(cfg["max_missing"]))
    assignment = assign(frame.iloc[there].reset_index(drop=True), cfg, str(path), [str(i + 1) for i in there])
    group = np.full(len(frame), -1)
    group[there] = assignment.row
    samples = frame[[cfg["image"]]].rename(columns={cfg["image"]: "image"})
    if plan.centre is not None:
        samples = samples.assign(row=plan.centre[:, 0], column=plan.centre[:, 1])
    source = source_of(path)
    meta = {
        "name": name,
        "kind": cfg["kind"],
        "data": KNOWN.get(source["sha256"], "user"),
        "source": source,
        "groupby": list(cfg["groupby"]),
        "labels": list(cfg["labels"]),
        "counted": plan.counted,
        **assignment.meta(),
    }

    def blocks() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        for images, rows in plan.blocks(group >= 0):
            yield images, group[rows], rows

    write_images(
        out, assignment.groups, blocks(), shape=plan.shape, dtype=plan.dtype, meta=meta, seed=seed,
        channels=plan.names, pixel_size=plan.pixel_size, quantiles=tuple(cfg["quantiles"]), samples=samples,
        provenance=provenance,
    )  # fmt: skip
