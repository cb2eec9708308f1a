"""A set store from the cells of a user's .h5ad file: one group per combination of obs columns."""

from pathlib import Path

from gde.prepare.common import h5ad_store


def examine(cfg: dict) -> None:
    """`h5ad_store.examine`."""
    h5ad_store.examine(cfg)


def prepare(cfg: dict, out: Path, *, name: str, seed: int, provenance: dict | None = None) -> None:
    """Write the store of dataset `name` at `out`, a directory, from cfg (kind h5ad): `h5ad_store.write`."""
    h5ad_store.write(cfg, out, name=name, seed=seed, provenance=provenance)
