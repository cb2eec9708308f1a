"""Topics found again, and documents generated for them, by models that know the words, are blind, or copy."""

import numpy as np
import pytest
import torch
from fakes import context
from texts import LENGTH, TEXT, BlindModel, TopicModel, abstract_store, config

from gde.config.datasets.texts import Pubmed
from gde.config.evaluations import EVALUATIONS
from gde.errors import GdeError
from gde.evaluate.sequences.copies import copied_shares, run_hashes
from gde.evaluate.sequences.documents import evaluate, length_errors, shown, spectrum_errors
from gde.evaluate.sequences.text_views import TextViews
from gde.evaluate.sequences.topics import topic_metrics
from gde.evaluate.shared.context import Context
from gde.evaluate.shared.held_sets import held_sets
from gde.evaluate.shared.metrics import check
from gde.evaluate.shared.rows import read_rows
from gde.evaluate.shared.tables import write_tables
from gde.prepare.pubmed import prepare
from gde.sets.store.set_store import SetStore


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return abstract_store(tmp_path_factory.mktemp("abstracts"))


@pytest.fixture(scope="module")
def good(made):
    return evaluate(Context(TopicModel(made[1]), made[0], config(), 0))


@pytest.fixture(scope="module")
def blind(made):
    return evaluate(Context(BlindModel(made[1]), made[0], config(), 0))


def test_every_metric_is_there_with_its_baselines(good, tmp_path):
    metrics, tables = good
    assert set(metrics) == set(EVALUATIONS["documents"].metrics) - {"retrieval/recall_10"}
    assert tables["left_out"]["group"].tolist() == [
        "retrieval/recall_10",
        "topics",
    ]  # of eight topics; six are asked for
    check(metrics)
    write_tables(tmp_path, tables)
    for name in ("retrieval/recall_1", "retrieval/mrr", "retrieval/purity"):
        assert set(metrics[name]["baselines"]) == {"tf_idf", "character_trigrams"}
    assert metrics["likelihood/byte"]["baselines"]["uniform"] == -np.log(256)
    assert set(tables) == {"retrieval", "embedding", "topics", "kmers", "document_scores", "left_out"}


def test_who_knows_the_words_finds_the_topic(good):
    metrics = good[0]
    assert metrics["retrieval/recall_1"]["value"] > 0.9 and metrics["retrieval/mrr"]["value"] > 0.9
    assert metrics["retrieval/recall_1"]["chance"] == 1 / 8
    assert metrics["retrieval/recall_1"]["baselines"]["tf_idf"] > 0.9  # as simple counts of words do


def test_who_is_blind_does_not(blind):
    metrics = blind[0]
    recall = metrics["retrieval/recall_1"]
    assert recall["value"] == pytest.approx(recall["chance"], abs=0.2) and recall["baselines"]["tf_idf"] > 0.9
    assert metrics["topics/generated"]["value"] < 0.5


def test_generated_documents_are_judged_by_a_classifier_of_real_ones(good, blind):
    own, other = (found[0]["topics/generated"] for found in (good, blind))
    assert own["value"] > 0.9 > own["baselines"]["other_set"] + 0.5
    assert own["ceiling"] == good[0]["topics/classifier"]["value"] > 0.6 > own["chance"] == 1 / 6
    assert other["value"] == pytest.approx(other["chance"], abs=0.25)


def test_the_ceiling_and_the_baseline_are_of_as_many_documents(made):
    """Few documents are far from the truth, whoever wrote them."""
    few, many = (
        evaluate(Context(TopicModel(made[1]), made[0], config(generated=n), 0))[0]["ngrams/distance"] for n in (3, 24)
    )
    for side in (lambda m: m["ceiling"], lambda m: m["baselines"]["training_mean"]):
        assert side(few) > 1.15 * side(many)


def test_what_the_embedding_saw_is_no_easier_to_recognise(made):
    """A model that gives back the documents it was given is as good as real documents, not better."""
    store = made[0]
    held = held_sets(store, 100, 6, np.random.default_rng(0))[0]
    seen, truth = (
        [read_rows(store, rows)[0] for rows in side] for side in ([h.context for h in held], [h.target for h in held])
    )
    noise = np.random.default_rng(0)
    blurred = [np.where(noise.random(x.shape) < 0.55, noise.integers(97, 123, x.shape), x) for x in [*seen, *truth]]
    seen, truth = blurred[: len(seen)], blurred[len(seen) :]
    metrics, _ = topic_metrics(context({"bootstrap": 20}), seen, truth, np.array([str(i) for i in range(6)]))
    recognised = metrics["topics/generated"]
    assert recognised["chance"] + 0.1 < recognised["ceiling"] < 0.9
    assert recognised["value"] == pytest.approx(recognised["ceiling"], abs=0.12)


def test_a_model_that_copies_is_found_out(made):
    store, words = made

    class Copying(TopicModel):
        def sample(self, z, n, *, generator=None):
            g = int(store.select(split="train")[0])
            rows = torch.randint(int(store.sizes[g]), (len(z), n), generator=generator)
            return torch.from_numpy(store.read(g))[rows]

    few = config(known=30)  # whatever training documents the other metrics look at
    assert store.sizes[store.select(split="train")].sum() > 10 * 30
    copied = evaluate(Context(Copying(words), store, few, 0))[0]["novelty/copied"]
    assert copied["value"] == 1.0 and copied["target"] < 0.1


def test_the_few_documents_of_the_excerpt_are_enough(tmp_path, excerpt, made):
    """Topics of two or three real documents: what cannot be told of them is left out, and said."""
    cfg = {"kind": "pubmed", "files": [str(excerpt("pubmed") / "*.xml.gz")], "min_docs": 2, "length": LENGTH}
    cfg["split"] = {"fractions": [0.5, 0.1, 0.4]}
    prepare(Pubmed.model_validate(cfg).model_dump(), tmp_path / "sets", name="pubmed", seed=0)
    metrics, tables = evaluate(Context(BlindModel(made[1]), SetStore.open(tmp_path / "sets"), config(set_size=2), 0))
    check(metrics)
    missing = set(EVALUATIONS["documents"].metrics) - set(metrics)
    assert missing <= {
        "retrieval/purity",
        "retrieval/recall_10",
        "topics/classifier",
        "topics/generated",
    } and missing <= set(tables["left_out"]["group"])
    assert metrics["retrieval/recall_1"]["n"] >= 3


def test_other_stores_are_refused(made):
    store = made[0]
    store = type(store)(store.path, store.groups, store.meta | {"alphabet": "dna"}, store.fields, store.digest)
    with pytest.raises(GdeError, match="one of texts"):
        evaluate(Context(None, store, config(), 0))


def test_runs_are_found_wherever_they_stand():
    known = [TEXT.pad([text], 40) for text in ("the quick brown fox jumps", "pack my box")]
    asked = TEXT.pad(["xx quick brown fox", "something else", "short", "pack my box"], 40)
    share, none = copied_shares([asked, TEXT.pad(["abc"], 40)], known, 8)
    assert none.tolist() == [0]
    runs = len("xx quick brown fox") - 7
    assert share[0] == pytest.approx((len(" quick brown fox") - 7) / runs)
    assert share[1:].tolist() == [0, 0, 1]
    assert run_hashes(TEXT.pad(["abc"], 3), 8).shape == (1, 0)
    hashes = run_hashes(np.random.default_rng(0).integers(1, 255, (200, 300)).astype(np.uint8), 8)
    assert len(np.unique(hashes)) == hashes.size  # random runs do not meet


def test_spectra_and_lengths_of_equal_documents_are_equal():
    x = TEXT.pad(["abcabc", "abd"], 8)
    y = TEXT.pad(["zzzzzzzz"] * 2, 8)
    other = np.array([1, 0])
    both = [np.concatenate([x, y])] * 2
    errors, table = spectrum_errors([x, y], [x, y], [x, y], both, 2, other)
    assert errors["own"].tolist() == [0, 0] and errors["other_set"].tolist() == [1, 1]
    assert set(table["label"]) == {"ab", "bc", "ca", "bd", "zz"}
    lengths = length_errors([x, y], [x, y], [x, y], both, other)
    assert lengths["own"].tolist() == [0, 0] and lengths["other_set"].tolist() == [3.5, 3.5]
    assert shown(0, 2) == "\\x01\\x01" and shown(96 * 255 + 31, 2) == "a\\x20"


def test_plain_views_tell_topics_apart_and_ignore_order():
    tokens = TEXT.pad(["heart valve heart", "heart stroke", "gene allele", "allele gene locus"], LENGTH)
    views = TextViews(tokens)
    for view in (views.tf_idf, views.character_trigrams):
        z = view([tokens[:2], tokens[1::-1], tokens[2:]])
        assert np.allclose(z[0], z[1]) and np.linalg.norm(z[0] - z[2]) > 0.3
