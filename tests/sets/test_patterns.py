"""The law of simulated kmers: what is drawn, what is recognised, and the distances that are known of it."""

import numpy as np
import pytest
import torch

from gde.config.datasets.patterns import DnaMultinomial, SyntheticDna
from gde.distances.exact import solve_ot
from gde.errors import GdeError
from gde.prepare.synthetic_dna import prepare
from gde.sets.patterns import Patterns
from gde.sets.store.set_store import SetStore

THREE = Patterns.draw(3, 4, 24, 0.1, np.random.default_rng(0))


def test_words_are_distinct_however_they_are_turned():
    kmers = Patterns.draw(60, 4, 16, 0.0, np.random.default_rng(1)).names
    turned = {min(w[i:] + w[:i] for i in range(4)) for w in kmers}
    assert len(turned) == 60 and all(w != w[1:] + w[:1] and w != w[2:] + w[:2] for w in kmers)
    with pytest.raises(GdeError, match=r"dataset\.patterns: found 61, expected at most 60"):
        Patterns.draw(61, 4, 16, 0.0, np.random.default_rng(1))


def test_sequences_repeat_the_word_but_for_substitutions():
    rng = np.random.default_rng(2)
    kmer = np.repeat(np.arange(3), 4000)
    x = THREE.sample(kmer, rng)
    found, differ = THREE.nearest(x)
    assert (found == kmer).mean() > 0.999
    assert differ.mean() / 24 == pytest.approx(0.1, abs=0.005)
    clean = Patterns(THREE.kmers, 24, 0.0).sample(kmer, rng)
    texts = {bytes(row) for row in clean[kmer == 0]}
    assert texts == {bytes(row) for row in THREE.clean[0]}  # from each position
    changed = x[kmer == 0][:, None] != THREE.clean[0]
    assert changed.sum(-1).min(1).max() > 0


def test_the_cost_is_the_transport_between_the_words_sequences():
    clean = Patterns(THREE.kmers, 24, 0.0)
    for a in range(3):
        for b in range(3):
            differ = (clean.clean[a][:, None] != clean.clean[b][None]).sum(-1).astype(float)
            plan = solve_ot(np.full(4, 0.25), np.full(4, 0.25), differ)
            assert THREE.cost[a, b] == pytest.approx((plan * differ).sum())


def test_the_entropy_is_that_of_the_law():
    """By enumeration of all sequences of four tokens."""
    short = Patterns(THREE.kmers[:1], 4, 0.2)
    every = np.stack(np.meshgrid(*[np.arange(1, 5)] * 4, indexing="ij"), -1).reshape(-1, 4)
    same = (every[:, None] == short.clean[0]).sum(-1)
    p = (0.8**same * (0.2 / 3) ** (4 - same)).mean(1)
    assert p.sum() == pytest.approx(1.0)
    assert -(p * np.log(p)).sum() / 4 <= short.entropy
    long = Patterns(THREE.kmers[:1], 64, 0.0)
    assert long.entropy == pytest.approx(np.log(4) / 64)


def store_of(tmp_path, model, **options):
    cfg = model.model_validate({"kind": model.model_fields["kind"].annotation.__args__[0], **options}).model_dump()
    prepare(cfg, tmp_path / "sets", name="p", seed=0)
    return SetStore.open(tmp_path / "sets")


def test_sequences_of_every_word_are_held_out(tmp_path):
    store = store_of(tmp_path, DnaMultinomial, size=200, length=24)
    assert len(store) == 9 and store.groups.groupby("split")["stop"].size().tolist() == [3, 3, 3]
    assert store.sizes[store.select(split="train")].tolist() == [140] * 3
    kmers = np.stack([store.alphabet.encode(w) for w in store.meta["patterns"]["kmers"]])
    patterns = Patterns(kmers, 24, 0.1)
    for g in range(9):
        kmer, differ = patterns.nearest(store.read(g))
        assert (np.array(store.meta["patterns"]["kmers"])[kmer] == store.groups["pattern"][g]).mean() > 0.98
        assert torch.equal(store.truth["kmer"][g], torch.from_numpy(kmers[kmer[0]].astype(int))) or differ[0] > 6
    again = store_of(tmp_path / "again", DnaMultinomial, size=200, length=24)
    assert again.digest == store.digest


def test_whole_words_are_held_out(tmp_path):
    split = {"by": "group", "fractions": [0.5, 0.2, 0.3]}
    store = store_of(tmp_path, SyntheticDna, size=30, patterns=20, length=24, split=split)
    assert store.groups["group"].is_unique and store.groups["split"].value_counts().to_dict() == {
        "train": 10,
        "test": 6,
        "validation": 4,
    }


def test_splits_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match=r"split\.by|by"):
        DnaMultinomial.model_validate({"kind": "dna_multinomial", "split": {"by": "donor"}})
