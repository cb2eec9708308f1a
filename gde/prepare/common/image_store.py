"""Store of images: from blocks of pictures to a set store, read once: pixels as they are, and what scales them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from gde.features.intensities import Intensities
from gde.sets.store.writer import StoreWriter
from gde.sets.types.images import scaling


def write_images(
    out: Path,
    groups: pd.DataFrame,
    blocks: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]],
    *,
    shape: tuple[int, int, int],
    dtype: str,
    meta: dict[str, Any],
    seed: int,
    channels: list[str] | None = None,
    pixel_size: float | None = None,
    quantiles: tuple[float, float] | None = None,
    samples: pd.DataFrame | None = None,
    truth: dict[str, Tensor] | None = None,
    provenance: dict | None = None,
) -> None:
    """Write the store at `out` of images (c, h, w) in the groups of a table (group, split, size, labels).

    blocks : (images (m, c, h, w), number of the group of each (m,), -1 for one that is left out, and its row (m,) in
    `samples`), read once.   quantiles : of the training pixels of each channel, what becomes -1 and 1 for networks;
    None = the whole range of the dtype.   channels, pixel_size : names, and micrometres, where they are known.
    meta : the rest of meta.json; changed until the last block has passed, it may still tell what was counted.
    samples : what is known of each image; the store keeps it of those that it has.
    truth : leading axis the groups, of simulated ones.
    """
    counted, train = Intensities(shape[0]), (groups["split"] == "train").to_numpy()
    source = np.empty(int(groups["size"].sum()), np.int64)
    with StoreWriter(Path(out), groups=groups, sample_shape=shape, dtype=dtype, seed=seed) as writer:
        for images, group, row in blocks:
            kept = np.flatnonzero(group >= 0)
            if len(kept) == 0:
                continue
            images, group = (images, group) if len(kept) == len(group) else (images[kept], group[kept])
            source[writer.write(images, group)] = row[kept]
            if quantiles is not None:
                counted.add(images[train[group]])
        low, high = (np.zeros(shape[0]), np.full(shape[0], np.iinfo(dtype).max))
        if quantiles is not None:
            low, high = (counted.quantile(q) for q in quantiles)
        mean, scale = scaling(low, high)
        about = {"dtype": dtype, "channels": list(channels or []), "pixel_size": pixel_size}
        own = {"images": about, "units": f"pixels {dtype}", "mean": mean, "scale": scale}
        tables = {} if samples is None else {"samples": samples.iloc[source]}
        writer.finish(meta | own, tables=tables, truth=truth, provenance=provenance)
