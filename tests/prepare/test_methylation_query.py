"""A new sample of methylation reads is embedded as the same sample was in training."""

import numpy as np
import pytest
import tiny
import torch
from simulators.methylation import simulate_methylation

from gde.embed import embed_data, embed_store, open_data
from gde.errors import GdeError
from gde.model import GDE
from gde.prepare.methylation import prepare
from gde.sets.store.set_store import SetStore
from gde.tl.comparison import compare_samples

PARTS = {"encoder": {"kind": "dna_conv", "hidden": 8, "layers": 1, "kernel": 3},
         "generator": {"kind": "gpt", "hidden": 8, "layers": 1, "heads": 2}}  # fmt: skip


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    return simulate_methylation(tmp_path_factory.mktemp("reads"), fragments=60, seed=1, bam=True)


@pytest.fixture(scope="module")
def trained(truth, tmp_path_factory):
    """A store and a model with random weights."""
    files = [str(file) for file in truth.files.values()]
    dataset = {"kind": "methylation", "files": files, "genome": str(truth.fasta), "min_size": 2, "context": 20}
    config = tiny.experiment(PARTS, name="m", dataset=dataset, evaluation={"kind": "methylation"})
    out = tmp_path_factory.mktemp("store") / "sets"
    prepare(config["dataset"], out, name="m", seed=0)
    store = SetStore.open(out)
    torch.manual_seed(0)
    config |= store.sample_type.section
    return tiny.perturb(GDE(config, mean=store.meta["mean"], scale=store.meta["scale"])), store


def test_a_sample_of_training_is_embedded_as_it_was(truth, trained):
    model, store = trained
    z, _ = embed_store(model, store)
    whole = store.groups["group"].duplicated(keep=False)
    checked = 0
    for file in truth.files.values():
        found = embed_data(model, file, "sample")
        own = np.flatnonzero((store.groups["group"] == found.obs_names[0]) & ~whole)
        for g in own:
            np.testing.assert_allclose(found.X[0], z[g], rtol=1e-4, atol=1e-5)
            checked += 1
    assert checked


def test_what_it_samples_is_in_its_form(trained, tmp_path):
    """A store's sequences, written as FASTA, are the same reads."""
    model, store = trained
    lines = [f">r{i} sample=s\n{text}\n" for i, text in enumerate(store.alphabet.decode(store.read(0)))]
    (tmp_path / "reads.fasta").write_text("".join(lines))
    with open_data(model, tmp_path / "reads.fasta", "sample") as read:
        assert read.n_rows == store.sizes[0]


@pytest.mark.parametrize(
    ("groupby", "options", "said"),
    [
        ("donor", {}, "--groupby: found donor, expected sample"),
        (None, {"weight": "n"}, "--weight: found .*a file of reads"),
    ],
)
def test_what_a_file_of_reads_has_not_is_refused(truth, trained, groupby, options, said):
    with pytest.raises(GdeError, match=said):
        embed_data(trained[0], next(iter(truth.files.values())), groupby, **options)


def test_a_file_that_is_none_is_named(trained, tmp_path):
    (tmp_path / "empty.pat").write_text("")
    with pytest.raises(GdeError, match=r"empty\.pat"):
        embed_data(trained[0], tmp_path / "empty.pat")


def test_a_store_of_another_context_is_refused(trained, monkeypatch):
    model, store = trained
    names = store.groups["group"].drop_duplicates().iloc[:2]
    monkeypatch.setitem(model.config, "dataset", model.config["dataset"] | {"context": 19})
    with pytest.raises(GdeError, match="found 20 residues before the CpGs of a read, expected 19"):
        compare_samples(model, store, names.tolist(), split=None, permutations=3)
