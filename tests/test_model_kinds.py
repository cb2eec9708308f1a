"""Another kind of model goes through training, embedding, files and commands without an edit of any of them."""

import numpy as np
import pytest
import tiny
import torch
from torch import nn

from gde import models
from gde.config import stored
from gde.embed import embed_store
from gde.encoders.mean import Mean
from gde.errors import GdeError
from gde.model import GDE
from gde.models.base import Model
from gde.sample import sample_anndata
from gde.training import train

pytestmark = pytest.mark.usefixtures("no_fsync")


class Averages(Model):
    """Reads the mean of a set off its embedding: one network, no generator."""

    PARTS = ("encoder",)

    def __init__(self, config, **data):
        super().__init__(config, **data)
        self.encoder = Mean(Mean.Options(), dim=self.dim, latent_dim=self.latent_dim)
        self.head = nn.Linear(self.latent_dim, self.dim)

    def loss(self, batch, rng):
        x = self.standardise(batch.x)
        z = self.encoder(x, mask=batch.mask, weight=batch.weight)
        real = torch.ones(x.shape[:2], dtype=torch.bool) if batch.mask is None else batch.mask
        mean = (x * real[..., None]).sum(1) / real.sum(1, keepdim=True)
        return {"loss": (self.head(z) - mean).square().mean()}


@pytest.fixture
def averages(monkeypatch):
    monkeypatch.setitem(models.REGISTRY, "averages", f"{__name__}:Averages")
    monkeypatch.setattr(stored, "check_architecture", lambda config, where: None)  # pydantic knows the shipped kinds
    return "averages"


@pytest.fixture
def trained(averages, cells_store, cells_h5ad, tmp_path):
    config = tiny.cells_experiment(cells_h5ad) | {"model": {"kind": averages}, "run": "cells-00000000"}
    model, budget = train(config, cells_store, tmp_path / "run", device=tiny.CPU)
    assert budget["steps"] == config["training"]["steps"]
    return model


def test_it_is_trained_saved_and_embeds(trained, cells_store, tmp_path):
    assert type(trained) is Averages
    trained.save(tmp_path / "model")
    loaded = Model.load(tmp_path / "model")
    assert type(loaded) is Averages and tiny.weights(loaded) == tiny.weights(trained)
    z, se = embed_store(loaded, cells_store)
    streamed, _ = embed_store(loaded, cells_store, rows_at_once=8)
    assert z.shape == (len(cells_store), trained.latent_dim) and np.isfinite(z).all() and (se >= 0).all()
    np.testing.assert_allclose(streamed, z, atol=1e-5)


def test_what_it_cannot_is_said_in_one_line(trained, cells_store, tmp_path):
    trained.save(tmp_path / "model")
    with pytest.raises(GdeError, match=r"model: found a model of kind 'averages', expected one of class GDE"):
        GDE.load(tmp_path / "model")
    z, se = embed_store(trained, cells_store)
    from gde.export.h5ad import to_anndata

    embeddings = to_anndata(z, se, cells_store.groups, {"run": "cells-00000000"})
    with pytest.raises(GdeError, match=r"model: found one of kind 'averages', expected one that generates samples"):
        sample_anndata(trained, embeddings, 2, 0)


def test_without_a_kind_it_is_the_gde(family_store):
    config = {key: value for key, value in tiny.experiment().items() if key != "model"}
    assert models.model_class(config) is GDE and models.kind_of_model(tiny.experiment()) == "gde"
    with pytest.raises(ValueError, match="kind: found 'vae', expected one of gde"):
        models.model_class({"model": {"kind": "vae"}})
