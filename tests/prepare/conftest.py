from pathlib import Path

import anndata as ad
import pytest
from prepare_data import make_cells


@pytest.fixture
def out(tmp_path) -> Path:
    """A place for the store in a directory of its own."""
    return tmp_path / "sets" / "mine"


@pytest.fixture
def cells() -> ad.AnnData:
    return make_cells()


@pytest.fixture
def write(tmp_path):
    """Write an AnnData and give its path."""

    def write(adata: ad.AnnData, name: str = "cells.h5ad") -> Path:
        path = tmp_path / name
        adata.write_h5ad(path)
        return path

    return write
