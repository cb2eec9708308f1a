"""Embeddings and samples as .h5ad files, with their digests inside."""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gde.files.io import atomic_path
from gde.files.keys import without_slashes
from gde.files.seals import SEAL, SEAL_TEXT, seal

if TYPE_CHECKING:
    import anndata

log = logging.getLogger(__name__)
SLOTS = ("obsm", "varm", "layers", "obsp", "varp")


def to_anndata(z: np.ndarray, se: np.ndarray, groups: Any, provenance: dict[str, Any]) -> "anndata.AnnData":
    """Embeddings as AnnData: X (g, l) and the same as obsm['X_gde'], where scanpy looks for embeddings; layers['se'],
    obs = the columns of `groups` plus n_samples, uns['gde']."""
    import anndata

    obs = groups.drop(columns=["start", "stop"]).assign(n_samples=(groups["stop"] - groups["start"]).to_numpy())
    names = obs["group"] if obs["group"].is_unique else obs["group"] + "/" + obs["split"]
    if not names.is_unique:
        names = names + "/" + obs["distribution"]
    obs.index = names.astype(str).to_numpy()
    result = anndata.AnnData(z, obs=obs, layers={"se": se}, obsm={"X_gde": z.copy()}, uns={"gde": provenance})
    result.var_names = [f"z{i}" for i in range(z.shape[1])]
    return result


def plain_keys(data: "anndata.AnnData") -> "anndata.AnnData":
    """The data, a copy where a key has a slash, with no slash in any key (`gde.files.keys.without_slashes`)."""
    if not any("/" in key for key in _keys(data)):
        return data
    data = data.copy()
    for frame in (data.obs, data.var):
        frame.columns = without_slashes(list(frame.columns))
    for slot in SLOTS:
        mapping = getattr(data, slot)
        for old, new in zip(list(mapping), without_slashes(list(mapping)), strict=True):
            if new != old:
                mapping[new] = mapping.pop(old)
    data.uns = _plain(data.uns)
    return data


def _keys(data: "anndata.AnnData") -> Iterator[str]:
    """Every key of the slots, and of what is inside `uns`."""
    yield from (*data.obs.columns, *data.var.columns)
    waiting: list[Any] = [*(getattr(data, slot) for slot in SLOTS), data.uns]
    while waiting:
        mapping = waiting.pop()
        yield from map(str, mapping)
        waiting += [value for value in mapping.values() if isinstance(value, Mapping)]


def _plain(mapping: Mapping[str, Any]) -> dict[str, Any]:
    values = (_plain(value) if isinstance(value, Mapping) else value for value in mapping.values())
    return dict(zip(without_slashes(list(mapping)), values, strict=True))


def write_anndata(data: "anndata.AnnData", out: Path) -> None:
    """Write an .h5ad, whole or not at all, with its digest inside; text columns are stored as categories, and keys have
    `_` in the place of a slash.

    HDF5 makes it in memory, compressed: where a disk is full, HDF5 itself may end the process.
    """
    import anndata
    import h5py

    data.strings_to_categoricals()
    data = plain_keys(data)
    with atomic_path(out) as tmp:
        with h5py.File("memory", "w", driver="core", backing_store=False) as f:
            f.attrs[SEAL] = np.bytes_(SEAL_TEXT)  # first, so that it stands at the start of a file that was cut
            anndata.io.write_elem(f, "/", data, dataset_kwargs={"compression": "gzip"})
            if data.raw is None:
                del f["raw"]  # a note that there is none, which older anndata cannot read; write_h5ad leaves it out
            f.flush()
            tmp.write_bytes(f.id.get_file_image())
        seal(tmp)
