"""Raw data that are to be embedded by a trained model: images."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gde.errors import bad
from gde.prepare.common.groups import as_text, name_groups
from gde.readers.idx import IdxImages
from gde.readers.image_zarr import ImageZarr
from gde.sets.store.set_store import SetStore
from gde.sets.store.writer import StoreWriter

if TYPE_CHECKING:
    from gde.models.base import Model

IDX = ("ubyte", "idx")  # in the names of IDX files


@contextmanager
def image_store(model: "Model", data: str | Path, groupby: str | list[str] | None = None) -> Iterator[SetStore]:
    """The groups of images in a Zarr group with a table (a folder or .zip, such as `gde sample` writes), or all of an
    IDX file as one, as `gde.embed.open_data`; read once, in constant memory.

    groupby : columns of the table; None makes all images one set. GdeError for images of another shape, type or
    channels than the model was trained on, and what makes a file unreadable.
    """
    path, columns = Path(data), [groupby] if isinstance(groupby, str) else list(groupby or [])
    own = model.sample_type
    if any(word in path.name for word in IDX):
        file = IdxImages(path)
        n, dtype, channels = file.n, "uint8", []
        if columns:
            raise bad(
                "--groupby", ", ".join(columns), "no column: an IDX file has none", "give --groupby without a name"
            )
        table = pd.DataFrame({"all": ["all"] * n})
    else:
        file = ImageZarr(path)
        n, dtype, channels = len(file.obs), file.dtype, file.channels
        table = file.columns(columns) if columns else pd.DataFrame({"all": ["all"] * n})
    if (file.shape, dtype) != (own.shape, own.dtype):
        c, h, w = file.shape
        found = f"{dtype} images of {c} channels, {h} x {w} pixels"
        raise bad(path, found, f"{own.described}, as in training", "cut and convert them as those were")
    if channels and own.channels and tuple(channels) != own.channels:
        expected = f"{', '.join(own.channels)}, in this order, as in training"
        raise bad(path, f"channels {', '.join(channels)}", expected, "put them in the order of training")
    columns = columns or ["all"]
    code, names, first = name_groups(as_text(table, columns, str(path)), columns, str(path))
    groups = table.iloc[first].reset_index(drop=True)
    groups = groups.assign(group=names, split="test", size=np.bincount(code, minlength=len(names)))
    with TemporaryDirectory() as scratch:
        form = {"sample_shape": own.shape, "dtype": own.dtype, "seed": 0}
        with StoreWriter(Path(scratch) / "sets", groups=groups, **form) as writer:
            start = 0
            for images in file.blocks():
                writer.write(images, code[start : start + len(images)])
                start += len(images)
            about = {k: v for k, v in own.section["images"].items() if k != "shape"}
            units = {"mean": model.x_mean.tolist(), "scale": model.x_scale.tolist()}
            writer.finish({"kind": "query", "data": "user", "images": about, **units})
        yield SetStore.open(Path(scratch) / "sets", verify=False)  # written a moment ago, by this process
