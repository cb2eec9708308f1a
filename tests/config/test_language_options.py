"""Encoders behind language models: sections in sections, their defaults, and what cannot be."""

import pytest
from helpers import project, write

from gde.config import resolve
from gde.config.datasets import sample_type_of
from gde.errors import GdeError

MOTIFS = "dataset: {kind: protein_motifs}\n"


def resolved(tmp_path, encoder, dataset=MOTIFS, more=""):
    if not (tmp_path / "config").is_dir():
        project(tmp_path)
    write(tmp_path, "mine", f"{dataset}encoder: {encoder}\n{more}")
    return resolve("mine", {}, tmp_path)


def test_the_encoder_behind_is_a_section_with_all_its_keys(tmp_path):
    found = resolved(tmp_path, "{kind: protein_lm, then: {kind: attention, hidden: 24}}")["encoder"]
    assert found["mode"] == "full"
    assert found["weights"] is None
    assert found["then"].items() >= {"kind": "attention", "hidden": 24, "heads": 4, "induced": 0}.items()
    default = resolved(tmp_path, "{kind: protein_lm}")["encoder"]["then"]
    assert default["kind"] == "resnet"
    assert resolved(tmp_path, "{kind: protein_lm, then: {hidden: 24}}")["encoder"]["then"] == default | {"hidden": 24}


def test_presets_reach_into_it(tmp_path):
    presets = (
        "presets:\n  laptop: {encoder: {then: {hidden: 8}}}\n  paper: {encoder: {then: {kind: mean}, hidden: 32}}\n"
    )
    encoder = "{kind: protein_lm, then: {kind: gnn, layers: 3}}"
    found = resolved(tmp_path, encoder, more=presets)["encoder"]
    assert found["then"].items() >= {"kind": "gnn", "layers": 3, "hidden": 8}.items()
    paper = resolve("mine", {"preset": "paper"}, tmp_path)["encoder"]
    assert paper["then"] == {"kind": "mean"}
    assert paper["hidden"] == 32
    assert resolve("mine", {"preset": "smoke"}, tmp_path)["encoder"]["hidden"] == 8


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        ("{kind: protein_lm, mode: frozen}", "encoder.mode: found 'frozen', expected 'full' without weights"),
        ("{kind: protein_lm, mode: lora}", "encoder.mode: found 'lora', expected 'full' without weights"),
        ("{kind: protein_lm, mode: half}", "encoder.mode: found 'half'"),
        ("{kind: protein_lm, hidden: 18}", "encoder.heads: found 4, expected a divisor of hidden = 18"),
        ("{kind: protein_lm, weights: w, weights_sha256: abc}", "encoder.weights_sha256: found 'abc'"),
        (f"{{kind: protein_lm, weights_sha256: {'a' * 64}}}", "expected null without weights"),
        ("{kind: protein_lm, then: {kind: dna_conv}}", "encoder.then.kind: found 'dna_conv'"),
        ("{kind: protein_lm, then: {kind: gnn, pool: sum}}", "encoder.then.pool: found 'sum'"),
        ("{kind: protein_lm, then: {kind: attention, hidden: 10}}", "encoder.then.heads: found 4"),
        ("{kind: protein_lm, then: {kind: resnet, hiden: 10}}", "did you mean 'hidden'?"),
        ("{kind: protein_lm, then: gnn}", "encoder.then: found 'gnn'"),
        (
            "{kind: text_lm}",
            "one of dna_conv, protein_lm for dataset protein_motifs, whose samples are sequences of prot",
        ),
    ],
)
def test_impossible_options_are_refused_at_their_line(tmp_path, encoder, message):
    with pytest.raises(GdeError) as e:
        resolved(tmp_path, encoder)
    assert str(e.value).startswith("config/experiments/mine.yaml:2: encoder")
    assert message in str(e.value)


@pytest.mark.parametrize(
    ("dataset", "encoder"),
    [
        ("dataset: {kind: synthetic_dna}\n", "protein_lm"),
        ("dataset: {kind: pubmed}\n", "protein_lm"),
        ("dataset: {kind: mvn}\n", "text_lm"),
    ],
)
def test_a_language_model_is_for_its_own_letters(tmp_path, dataset, encoder):
    with pytest.raises(GdeError, match=rf"encoder\.kind: found '{encoder}'"):
        resolved(tmp_path, f"{{kind: {encoder}}}", dataset)


def test_where_samples_go_follows_from_the_letters():
    kinds = {"mvn": "vectors", "gpra": "dna", "virus": "protein", "pfam": "protein", "pubmed": "text"}
    assert {kind: sample_type_of({"kind": kind}).name for kind in kinds} == kinds
    assert sample_type_of({"kind": "sequences", "alphabet": "protein"}).name == "protein"
    endings = {"mvn": ".h5ad", "virus": ".fasta.gz", "pubmed": ".jsonl.gz"}
    assert {kind: sample_type_of({"kind": kind}).SUFFIX for kind in endings} == endings


def test_no_experiment_is_called_as_the_cache_of_vectors(tmp_path):
    project(tmp_path)
    write(tmp_path, "lm_cache", "dataset: {kind: mvn}\n")
    with pytest.raises(GdeError, match="reserved name 'lm_cache'"):
        resolve("lm_cache", {}, tmp_path)
