"""The law of simulated peptides with a motif: what is drawn, the exact answer which motif it is, and distances."""

from itertools import product

import numpy as np
import pytest

from gde.config.datasets.proteins import ProteinMotifs
from gde.errors import GdeError
from gde.prepare.protein_motifs import prepare
from gde.sets.motifs import RESIDUES, Motifs
from gde.sets.store.set_store import SetStore

THREE = Motifs.draw(3, 6, 12, 0.1, np.random.default_rng(0))


def test_motifs_are_distinct():
    names = Motifs.draw(390, 2, 5, 0.0, np.random.default_rng(1)).names
    assert len(set(names)) == 390 and set("".join(names)) <= set("ACDEFGHIKLMNPQRSTVWY")
    with pytest.raises(GdeError, match=r"dataset\.patterns: found 401, expected at most 400"):
        Motifs.draw(401, 2, 5, 0.0, np.random.default_rng(1))


def test_peptides_have_their_motif_somewhere():
    rng = np.random.default_rng(2)
    kmer = np.repeat(np.arange(3), 3000)
    clean = Motifs(THREE.kmers, 12, 0.0).sample(kmer, rng)
    texts = [bytes(row) for row in clean]
    position = np.array([text.find(bytes(THREE.kmers[w])) for text, w in zip(texts, kmer, strict=True)])
    assert position.min() == 0 and np.allclose(np.bincount(position, minlength=7) / len(position), 1 / 7, atol=0.02)
    x = THREE.sample(kmer, rng)
    found, differ = THREE.nearest(x)
    assert (found == kmer).mean() > 0.99 and x.min() == 1 and x.max() == RESIDUES
    assert differ.mean() / THREE.compared == pytest.approx(0.1, abs=0.01)


def test_probabilities_are_those_of_the_law():
    """Over all peptides of three tokens of an alphabet in which only the motif's tokens are counted one by one."""
    distribution = Motifs(np.array([[1, 2], [3, 3]]), 3, 0.2)
    every = np.array(list(product(range(1, RESIDUES + 1), repeat=3)), np.uint8)
    p = np.exp(distribution.log_prob(every))
    assert np.allclose(p.sum(0), 1.0)
    drawn = distribution.sample(np.zeros(200_000, int), np.random.default_rng(3))
    for text in ((1, 2, 7), (9, 1, 2), (1, 2, 2), (5, 6, 7)):
        expected = p[(every == text).all(1), 0][0]
        assert (drawn == text).all(1).mean() == pytest.approx(expected, abs=5 * (expected / 200_000) ** 0.5)


def test_the_answer_is_the_likeliest_motif_and_no_rule_is_better():
    """Motifs that are nearly alike, often replaced: then the answer is not always right, and as often as can be."""
    kmers = np.array([[1, 2, 3, 4], [1, 2, 3, 5]])
    distribution = Motifs(kmers, 6, 0.3)
    kmer = np.random.default_rng(4).integers(2, size=20_000)
    x = distribution.sample(kmer, np.random.default_rng(5))
    own = (distribution.nearest(x)[0] == kmer).mean()
    posterior = np.exp(distribution.log_prob(x))
    assert own == pytest.approx((posterior.max(1) / posterior.sum(1)).mean(), abs=0.01) and own < 0.97
    by_token = ((x == 5).any(1)).astype(int)  # a plausible other rule
    assert (by_token == kmer).mean() < own


def test_what_no_motif_makes_is_impossible_and_still_has_an_answer():
    x = THREE.sample(np.zeros(3, int), np.random.default_rng(6))
    x[0, 3], x[1, -2:] = 21, 0
    distribution = THREE.log_prob(x)
    assert np.isneginf(distribution[:2]).all() and np.isfinite(distribution[2]).all()
    assert THREE.nearest(x)[0].shape == (3,)
    assert np.isneginf(Motifs(THREE.kmers, 12, 0.0).log_prob(np.ones((1, 12), np.uint8))).all()


def test_cost_is_what_differs_on_average_under_the_best_coupling_of_places():
    distribution = Motifs(np.array([[1, 2], [1, 2], [3, 4]]), 2, 0.0)  # one position, no substitutions
    assert distribution.cost[0, 1] == 0 and distribution.cost[0, 2] == 2
    noisy = Motifs(distribution.kmers, 2, 0.2)
    assert noisy.cost[0, 2] == pytest.approx(2 * (0.8 - 0.2 / 19))  # total variation of the residues, added
    wide = Motifs(THREE.kmers, 12, 0.1)
    assert np.allclose(wide.cost, wide.cost.T) and (wide.cost[np.triu_indices(3, 1)] <= 6).all()


def test_the_best_likelihood_is_reached_by_no_other_mixture():
    rng = np.random.default_rng(7)
    share = np.array([0.7, 0.3, 0.0])
    x = THREE.sample(rng.choice(3, 4000, p=share), rng)
    best = THREE.best_likelihood(share, x)
    assert best > THREE.best_likelihood(np.array([0.3, 0.7, 0.0]), x) > -np.log(RESIDUES) > -4
    assert THREE.best_likelihood(np.ones(3) / 3, x) < best


def test_a_store_of_peptides_has_its_truth(tmp_path):
    cfg = ProteinMotifs.model_validate({"kind": "protein_motifs", "size": 300}).model_dump()
    prepare(cfg, tmp_path / "store", name="protein_motifs", seed=0)
    store = SetStore.open(tmp_path / "store")
    assert store.alphabet.name == "protein" and store.n_rows == 900 and len(store) == 9
    distribution = Motifs(store.alphabet.pad(store.meta["patterns"]["kmers"], 6), 12, 0.1)
    assert (store.truth["kmer"].numpy()[:3] == distribution.kmers[0]).all()
    for g in range(len(store)):
        found, _ = distribution.nearest(store.read(g))
        assert (np.array(distribution.names)[found] == store.groups["group"][g]).mean() > 0.97
