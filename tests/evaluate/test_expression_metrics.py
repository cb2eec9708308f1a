"""A model that knows the words scores near the ceiling, a blind one near chance; the oracle finds planted words."""

import numpy as np
import pytest
import torch
from promoters import DNA, BlindModel, WordModel, config, promoter_store
from simulators.promoters import WORDS

from gde.config.evaluations import EVALUATIONS
from gde.errors import GdeError
from gde.evaluate.sequences.expression import evaluate
from gde.evaluate.sequences.expression_generated import independent
from gde.evaluate.sequences.motifs import motif_hits, read_motifs
from gde.evaluate.sequences.near_copies import nearest_expression
from gde.evaluate.sequences.oracle import Measured, fit_oracle
from gde.evaluate.sequences.windows import conditions_of, order_of, windows
from gde.evaluate.shared.context import Context
from gde.evaluate.shared.metrics import check


def meme(path, words):
    """A file of motifs, each of them one word."""
    text = "MEME version 4\n\nALPHABET= ACGT\n\n"
    for word in words:
        rows = "\n".join(" ".join("1.0" if residue == other else "0.0" for other in "ACGT") for residue in word)
        text += f"MOTIF {word}\nletter-probability matrix: alength= 4 w= {len(word)} nsites= 20\n{rows}\n\n"
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return promoter_store(tmp_path_factory.mktemp("promoters"))


@pytest.fixture(scope="module")
def found(store, tmp_path_factory):
    """Metrics and tables of the model that knows the words, and of the blind one."""
    file = meme(tmp_path_factory.mktemp("motifs") / "motifs.meme", [w.decode() for w in WORDS])
    with torch.no_grad():
        return [evaluate(Context(m, store, config(motifs=str(file)), 0)) for m in (WordModel(), BlindModel())]


def value(found, which: int, metric: str) -> float:
    return found[which][0][metric]["value"]


def test_every_metric_is_there_and_finite(found):
    for metrics, tables in found:
        assert set(metrics) == set(EVALUATIONS["expression"].metrics)
        check(metrics)
        assert {"axis", "expression", "oracle", "kmers", "motifs", "left_out"} == set(tables)
        for metric in metrics.values():
            assert metric["ci"][0] <= metric["ci"][1]


def test_the_axis_is_found_by_who_sees_it(found):
    assert value(found, 0, "axis/spearman") > 0.9 > value(found, 1, "axis/spearman") + 0.3
    assert found[0][0]["axis/spearman"]["ceiling"] > 0.99
    assert value(found, 0, "extrapolation/auc") > 0.5


def test_the_nearest_training_sequence_tells_what_its_copy_does():
    rng = np.random.default_rng(0)
    x, condition = rng.integers(1, 5, (200, 80)).astype(np.uint8), np.arange(200) % 2
    train = Measured(x, condition, rng.normal(size=200))
    near = x[:50].copy()
    near[:, [3, 40]] = near[:, [3, 40]] % 4 + 1
    assert (nearest_expression(train, Measured(near, condition[:50], np.zeros(50)), DNA) == train.expression[:50]).all()
    other = Measured(np.full((2, 80), 5, np.uint8), np.array([0, 1]), np.zeros(2))  # N: nothing shares a k-mer
    means = [train.expression[condition == c].mean() for c in (0, 1)]
    np.testing.assert_allclose(nearest_expression(train, other, DNA), means)


def test_the_oracle_reads_the_words(found):
    metric = found[0][0]["oracle/pearson"]
    assert metric["value"] > 0.8 > metric["baselines"]["gc_content"]
    assert metric["value"] > metric["baselines"]["nearest"]  # of random sequences
    assert found[0][0]["oracle/pearson"] == found[1][0]["oracle/pearson"]  # it never sees the model


def test_generated_sequences_reach_what_they_were_generated_for(found):
    assert value(found, 0, "expression/spearman") > 0.9
    assert abs(value(found, 1, "expression/spearman")) < 0.6
    slope = found[0][0]["expression/slope"]
    assert slope["value"] == pytest.approx(slope["target"], rel=0.35) and abs(value(found, 1, "expression/slope")) < 0.2
    error = found[0][0]["expression/error"]
    assert error["value"] < error["baselines"]["mean_of_condition"] < value(found, 1, "expression/error") + 0.3
    assert value(found, 0, "extrapolation/shift") > value(found, 1, "extrapolation/shift")


def test_spectra_and_novelty_tell_copies_from_others(store, found):
    class Copies(WordModel):
        """Generates training sequences."""

        def sample(self, z, n, *, generator=None):
            rows = np.concatenate([store.read(g)[:40] for g in store.select("train")[:30]])
            chosen = torch.randint(len(rows), (len(z), n), generator=generator)
            return torch.from_numpy(rows)[chosen]

    with torch.no_grad():
        metrics, _ = evaluate(Context(Copies(), store, config(known=20_000), 0))
    assert metrics["novelty/identity"]["value"] == 1.0 > metrics["novelty/identity"]["target"]
    # flanks apart, the others' tokens are random: they agree with no training sequence in particular
    assert value(found, 0, "novelty/identity") < metrics["novelty/identity"]["target"]
    assert metrics["kmers/distance"]["value"] < value(found, 0, "kmers/distance")
    assert metrics["kmers/distance"]["value"] == pytest.approx(metrics["kmers/distance"]["ceiling"], abs=0.1)


def test_sets_do_not_share_sequences_and_the_top_is_apart(store):
    value_of, (condition, names) = order_of(store, None), conditions_of(store, "condition")
    sets, small = windows(store, value_of, condition, 3, 2000, np.random.default_rng(0))
    assert names == ["c0", "c1"] and small == 0
    rows = np.concatenate([r for w in sets for r in (w.train, w.test)])
    assert len(rows) == len(set(rows.tolist()))
    split = np.repeat(store.groups["split"].to_numpy(), store.sizes)
    assert all((split[w.test] == "test").all() and (split[w.train] == "train").all() for w in sets)
    assert [w.top for w in sets if w.condition == 0] == [False] * 6 + [True]
    assert all(len(w.train) == 0 and w.value > 17 for w in sets if w.top)


def test_other_stores_are_refused(cells_store, store):
    with pytest.raises(GdeError, match="one of sequences with their expression"):
        evaluate(Context(WordModel(), cells_store, config(), 0))
    with pytest.raises(GdeError, match=r"evaluation\.along"):
        evaluate(Context(WordModel(), store, config(along="condition"), 0))


def test_independent_letters_keep_shares_and_ends():
    rng = np.random.default_rng(0)
    tokens = rng.integers(1, 5, (50, 12)).astype(np.uint8)
    tokens[:25, 8:] = 0
    tokens[:, 0] = 3
    out = independent(tokens, 4000, rng)
    assert (out[:, 0] == 3).all() and not ((out[:, 1:] > 0) & (out[:, :-1] == 0)).any()
    assert (out[:, 8] == 0).mean() == pytest.approx(0.5, abs=0.05)


def test_the_oracle_keeps_what_validates_best_and_is_repeatable():
    """Labels are noise: whatever it learns does not validate, so its predictions stay near the mean."""
    rng = np.random.default_rng(0)

    def part(n):
        return Measured(rng.integers(1, 5, (n, 30)).astype(np.uint8), np.zeros(n, int), rng.normal(5, 2, n))

    train, validation, test = part(400), part(200), part(200)
    options = {"hidden": 8, "layers": 1, "epochs": 6, "patience": 2, "lr": 5e-3, "copies": 2}
    oracles = [fit_oracle(train, validation, 5, options, 0, torch.device("cpu")) for _ in range(2)]
    one, two = (o.predict(test.tokens, 0) for o in oracles)
    np.testing.assert_array_equal(one, two)
    assert one.std() < 1.0 and abs(one.mean() - train.expression.mean()) < 0.7


def test_motifs_are_counted_on_both_strands(tmp_path):
    motifs = read_motifs(meme(tmp_path / "m.meme", ["ACGTTT", "GGCC"]))
    assert [m.name for m in motifs] == ["ACGTTT", "GGCC"]
    tokens = DNA.pad(["TTACGTTTAA", "AAACGTCCCC", "GGCCNGGNCC", "ACGT"], 12)
    assert motif_hits(motifs[0], tokens) == 2  # once forwards, once as AAACGT
    assert motif_hits(motifs[1], tokens) == 2  # a palindrome: the same place counts on either strand
    jaspar = tmp_path / "m.jaspar"
    jaspar.write_text(">MA0001.1 X\nA [ 9 0 ]\nC [ 0 9 ]\nG [ 0 0 ]\nT [ 0 0 ]\n")
    (motif,) = read_motifs(jaspar)
    assert motif.name == "MA0001.1 X" and motif_hits(motif, DNA.pad(["ACAC", "GTGT"], 6)) == 4


@pytest.mark.parametrize("text", ["", "nothing of the kind\n", ">MA1 X\nA [ 1 2 ]\nC [ 1 ]\n"])
def test_files_without_motifs_are_refused(tmp_path, text):
    path = tmp_path / "m.txt"
    path.write_text(text)
    with pytest.raises(GdeError, match=r"m\.txt"):
        read_motifs(path)
