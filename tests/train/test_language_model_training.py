"""Training behind a language model: exact continuation in every mode, and no sequence twice through a frozen one."""

import logging
import signal

import numpy as np
import pandas as pd
import published
import pytest
import tiny
import torch
from test_resume import final_tensors, in_another_process, stop_after

from gde.cli.train_run import train_run
from gde.embed import embed_store
from gde.model import GDE
from gde.pretrained import vector_cache as lm_cache
from gde.sets.store.set_store import SetStore
from gde.sets.store.token_writer import TokenStoreWriter
from gde.sets.types.alphabet import ALPHABETS
from gde.training import Interrupted, train

pytestmark = pytest.mark.usefixtures("no_fsync")
LENGTH, GROUPS, ROWS = 10, 7, 12
SPLITS = ["train"] * 5 + ["validation", "test"]
MODES = ("frozen", "full", "lora", "scratch")


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> SetStore:
    """Proteins of few different ones, so that sets have copies."""
    rng = np.random.default_rng(0)
    variants = rng.integers(1, 21, (30, LENGTH)).astype(np.uint8)
    variants[np.arange(LENGTH) >= rng.integers(3, LENGTH + 1, 30)[:, None]] = 0
    path = tmp_path_factory.mktemp("proteins") / "sets"
    with TokenStoreWriter(path, alphabet="protein", length=LENGTH, seed=0) as writer:
        code = np.repeat(np.arange(GROUPS), ROWS)
        writer.write(variants[rng.integers(0, 30, len(code))], code)
        groups = pd.DataFrame({"group": [f"g{i}" for i in range(GROUPS)], "split": SPLITS})
        writer.finish(groups, {"kind": "sequences", "data": "simulated"})
    return SetStore.open(path)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "esm2"
    published.esm2(path, hidden=8)
    return path


@pytest.fixture(autouse=True)
def new_process(monkeypatch, tmp_path):
    """What another test computed is forgotten; what is computed here is kept in a directory of its own."""
    monkeypatch.setenv(lm_cache.VARIABLE, str(tmp_path / "lm"))
    forget(monkeypatch)


def forget(monkeypatch):
    """As in a new process."""
    monkeypatch.setattr(lm_cache, "_opened", {})


@pytest.fixture
def passes(monkeypatch):
    """Rows of every call of ESM-2, as they come."""
    from transformers import EsmModel

    seen, forward = [], EsmModel.forward

    def counted(self, *args, **kwargs):
        seen.extend(tuple(row[row > 2].tolist()) for row in kwargs["input_ids"])
        return forward(self, *args, **kwargs)

    monkeypatch.setattr(EsmModel, "forward", counted)
    return seen


def experiment(mode, weights, **changes):
    encoder = {"kind": "protein_lm", "then": {"kind": "resnet", "hidden": 8}}
    if mode == "scratch":
        encoder |= {"hidden": 8, "layers": 1, "heads": 2}
    else:
        encoder |= {"mode": mode, "weights": str(weights)} | ({"rank": 2} if mode == "lora" else {})
    return of("protein_motifs", "patterns", encoder, **changes)


def of(dataset, evaluation, encoder, **changes):
    parts = {"encoder": encoder, "dataset": {"kind": dataset}, "evaluation": {"kind": evaluation}}
    parts["generator"] = {"kind": "gpt", "hidden": 8, "layers": 1, "heads": 2}
    return tiny.experiment({"training.set_size": 6, **changes}, name="proteins", **parts)


def unique(store):
    return {tuple(row[row > 0]) for chunk in store.chunks() for row in chunk}


@pytest.mark.parametrize("mode", MODES)
def test_stopped_and_continued_is_never_stopped(mode, store, weights, tmp_path, monkeypatch):
    config = experiment(mode, weights)
    whole, _ = train(config, store, tmp_path / "whole", device=tiny.CPU)
    forget(monkeypatch)
    with pytest.raises(Interrupted):
        stop_after(monkeypatch, store, config, tmp_path / "cut", 7)
    forget(monkeypatch)
    resumed, _ = train(config, store, tmp_path / "cut", device=tiny.CPU)
    assert tiny.weights(resumed) == tiny.weights(whole)
    assert final_tensors(tmp_path / "cut") == final_tensors(tmp_path / "whole")


@pytest.mark.parametrize("mode", MODES)
def test_killed_and_continued_with_nothing_kept(mode, store, weights, tmp_path, monkeypatch):
    """Without a directory of vectors these are computed again, to the last bit."""
    monkeypatch.delenv(lm_cache.VARIABLE)
    config = experiment(mode, weights)
    whole, _ = train(config, store, tmp_path / "whole", device=tiny.CPU)
    forget(monkeypatch)
    killed = in_another_process(stop_after, monkeypatch, store, config, tmp_path / "cut", 6, signal.SIGKILL)
    assert killed == -signal.SIGKILL
    resumed, _ = train(config, store, tmp_path / "cut", device=tiny.CPU)
    assert tiny.weights(resumed) == tiny.weights(whole)


def test_a_frozen_model_sees_every_sequence_once(store, weights, tmp_path, monkeypatch, passes, caplog):
    """Over a whole training, the embedding of all groups with errors, and a second experiment on the same data."""
    model, _ = train(experiment("frozen", weights), store, tmp_path / "first", device=tiny.CPU)
    embed_store(model, store)
    assert sorted(passes) == sorted(set(passes))
    assert len(passes) == len(unique(store))
    forget(monkeypatch)
    passes.clear()
    other = experiment("frozen", weights, **{"encoder.then": {"kind": "mean"}, "latent_dim": 3})
    with caplog.at_level(logging.INFO):
        second, _ = train(other, store, tmp_path / "second", device=tiny.CPU)
    embed_store(second, store)
    assert passes == []
    assert second.encoder.shared._network is None  # not even read
    n = len(unique(store))
    assert f"language model: {n} of {n} sequences were known, 0 computed" in caplog.text


def test_a_second_process_does_no_pass(store, weights, tmp_path, monkeypatch, passes):
    def first():
        train(experiment("frozen", weights), store, tmp_path / "first", device=tiny.CPU)

    assert in_another_process(first) == 0
    train(experiment("frozen", weights), store, tmp_path / "second", device=tiny.CPU)
    assert passes == []


def test_other_weights_have_vectors_of_their_own(store, weights, tmp_path, monkeypatch, passes):
    train(experiment("frozen", weights), store, tmp_path / "first", device=tiny.CPU)
    published.esm2(tmp_path / "other", hidden=8, seed=9)
    passes.clear()
    train(experiment("frozen", tmp_path / "other"), store, tmp_path / "second", device=tiny.CPU)
    assert len(passes) == len(unique(store))


@pytest.mark.parametrize("mode", ["full", "lora"])
def test_a_model_in_training_sees_copies_once_in_a_step(mode, store, weights, tmp_path, passes):
    model, _ = train(experiment(mode, weights), store, tmp_path / "run", device=tiny.CPU)
    x = torch.from_numpy(store.read(0)[[0, 1, 0, 0, 1]])[None]
    passes.clear()
    model.encode(x)
    assert len(passes) == 2


@pytest.mark.parametrize("mode", ["full", "lora", "scratch"])
def test_embedding_groups_takes_one_pass_for_each_sequence(mode, store, weights, tmp_path, passes):
    """Jackknife, streaming and all; and nothing of it is kept when the weights may change."""
    model, _ = train(experiment(mode, weights, **{"training.steps": 4}), store, tmp_path / "run", device=tiny.CPU)
    before = set((tmp_path / "lm").rglob("*")) if (tmp_path / "lm").exists() else set()
    passes.clear()
    z, _ = embed_store(model, store, rows_at_once=5)
    assert len(passes) == len(unique(store))
    assert model.encoder.known() is None
    assert (set((tmp_path / "lm").rglob("*")) if (tmp_path / "lm").exists() else set()) == before
    with torch.no_grad():
        for p in model.encoder.parameters():
            p += 0.1
    assert np.abs(embed_store(model, store)[0] - z).max() > 0.01


def test_a_run_is_of_the_weights_that_were_there(store, weights, tmp_path, monkeypatch):
    """The digest is part of the run: others at the same path make another one, and are refused by the first model."""
    path = tmp_path / "esm2"
    published.esm2(path, hidden=8)
    config = experiment("frozen", path, **{"training.steps": 4})
    runs = [train_run(config, store.path, tmp_path / "runs", tmp_path / "model", accelerator="cpu")]
    settings = GDE.load(tmp_path / "model").config["encoder"]
    assert len(settings["weights_sha256"]) == 64
    published.esm2(path, hidden=8, seed=4)
    forget(monkeypatch)
    runs.append(train_run(config, store.path, tmp_path / "runs", tmp_path / "model", accelerator="cpu"))
    assert len(set(runs)) == 2


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("rows", [5, 1000])
def test_groups_are_embedded_exactly_whatever_the_memory(mode, rows, store, weights, tmp_path):
    config = experiment(mode, weights, **{"training.steps": 4})
    model, _ = train(config, store, tmp_path / "run", device=tiny.CPU)
    z, _ = embed_store(model, store, rows_at_once=rows)
    for g in range(GROUPS):
        with torch.no_grad():
            expected = model.encode(torch.from_numpy(store.read(g))[None])[0]
        np.testing.assert_allclose(z[g], expected, rtol=1e-4, atol=1e-5)


def test_texts_are_trained_on_as_proteins_are(tmp_path):
    """From scratch, byte by byte; texts of any language."""
    texts = ["käse", "a virus", "été", "of the\nspike", "子"]
    text = ALPHABETS["text"]
    with TokenStoreWriter(tmp_path / "sets", alphabet="text", length=16, seed=0) as writer:
        writer.write(text.pad([texts[i % 5] for i in range(60)], 16), np.repeat(np.arange(4), 15))
        groups = pd.DataFrame({"group": list("abcd"), "split": ["train", "train", "validation", "test"]})
        writer.finish(groups, {"kind": "pubmed", "data": "simulated"})
    store = SetStore.open(tmp_path / "sets")
    assert set(text.decode(store.read(0))) <= set(texts)
    encoder = {"kind": "text_lm", "then": {"kind": "mean"}, "hidden": 8, "layers": 1, "heads": 2, "positions": 12}
    config = of("pubmed", "documents", encoder)
    model, _ = train(config, store, tmp_path / "run", device=tiny.CPU)
    z, se = embed_store(model, store)
    assert np.isfinite(z).all()
    assert np.isfinite(se).all()
    assert model.sample(torch.from_numpy(z[:1]), 3).shape == (1, 3, 16)
