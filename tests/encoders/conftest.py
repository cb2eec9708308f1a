"""Encoders without what others have computed, and a published language model."""

import published
import pytest


@pytest.fixture
def no_cache(monkeypatch):
    """Each encoder computes for itself: no directory, and none that another test has filled."""
    monkeypatch.delenv("GDE_LM_CACHE", raising=False)
    monkeypatch.setattr("gde.pretrained.vector_cache._opened", {})


@pytest.fixture
def esm(tmp_path):
    path = tmp_path / "esm2"
    return path, published.esm2(path)
