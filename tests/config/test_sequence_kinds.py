"""Which encoders, generators, evaluations and mixers go with sequences, and which with vectors."""

from pathlib import Path

import pytest
from helpers import data, project, write

from gde.config import resolve
from gde.config.budget import Sizes, settle
from gde.config.datasets.base import BY_DATA
from gde.config.stored import check_architecture, check_resolved
from gde.errors import GdeError

ROOT = Path(__file__).resolve().parents[2]
MINE = {"dataset": {"kind": "sequences", "path": "mine.fasta", "groupby": ["tissue"]}}
NEIGHBOURS = {"kind": "neighbours", "along": "day"}


def resolved(tmp_path, content):
    write(project(tmp_path), "mine", content)
    return resolve("mine", {}, tmp_path)


def test_sequences_have_defaults_of_their_own(tmp_path):
    config = resolved(tmp_path, MINE)
    kinds = {section: config[section]["kind"] for section in ("encoder", "generator", "objective", "evaluation")}
    assert kinds == {
        "encoder": "dna_conv",
        "generator": "hyenadna",
        "objective": "reconstruction",
        "evaluation": "sequences",
    }
    check_resolved(config, "config.json")
    check_resolved({k: v for k, v in config.items() if k != "evaluation"}, "config.json")


@pytest.mark.parametrize(
    ("kind", "given"),
    [("virus", {"source": "gisaid", "sequences": "mine.fasta"}), ("pfam", {"path": "mine.fasta"}), ("pubmed", {})],
)
def test_data_of_a_shipped_kind_start_from_its_settings(tmp_path, kind, given):
    """Else sequences of a thousand residues would meet the defaults of vectors, and the memory would end."""
    config, shipped = resolved(tmp_path, {"dataset": {"kind": kind} | given}), resolve(kind, {}, ROOT)
    for section in ("encoder", "generator", "latent_dim", "mixer", "objective", "training"):
        own, theirs = config[section], shipped[section]
        if section == "training" and kind != "pfam":  # whose schedule follows the data
            assert {own[key] for key in ("steps", "validate_every", "checkpoint_every")} == {"auto"}
            own, theirs = ({k: v for k, v in part.items() if k not in BY_DATA} for part in (own, theirs))
        assert own == theirs, section


def test_sequences_start_small_and_what_is_given_counts(tmp_path):
    config = resolved(tmp_path, MINE | {"training": {"steps": 7}, "generator": {"layers": 3}, "latent_dim": 5})
    assert (config["training"]["steps"], config["generator"]["layers"], config["latent_dim"]) == (7, 3, 5)
    training = settle(config, Sizes(samples=10**6, groups=10, typical=10**5, features=100, positions=100))["training"]
    assert training["n_sets"] * training["set_size"] <= 256 and config["encoder"]["pool"] > 1
    assert config["generator"]["subsample"] <= 4
    assert resolve("mine", {"mine": {"generator": {"layers": 4}}}, tmp_path)["generator"]["subsample"] <= 4
    smoke = resolve("mine", {"preset": "smoke"}, tmp_path)
    assert smoke["training"]["steps"] == 12 and smoke["training"]["n_sets"] == 4 and smoke["latent_dim"] == 8


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("mine", {"encoder": {"kind": "resnet"}},
         "encoder.kind: found 'resnet', expected one of dna_conv for dataset sequences, whose samples are sequences"),
        ("mine", {"generator": {"kind": "flow"}}, "generator.kind: found 'flow', expected one of hyenadna, dna_vae"),
        ("pbmc68k", {"encoder": {"kind": "dna_conv"}}, "encoder.kind: found 'dna_conv', expected one of mean, mlp"),
        ("pbmc68k", {"generator": {"kind": "gpt"}}, "whose samples are vectors; choose one of them"),
        ("mine", {"evaluation": {"kind": "samples"}}, "evaluation.kind: found 'samples', expected 'sequences' for"),
        ("pbmc68k", {"evaluation": {"kind": "sequences"}}, "evaluation.kind: found 'sequences', expected 'samples'"),
        ("mine", {"objective": {"isometry": 1.0}}, "objective.isometry: found 1.0, expected 0 for sequences"),
        ("mine", {"objective": {"kind": "perturbation", "control": {"tissue": "a"}}},
         "objective.kind: found 'perturbation', expected another objective for sequences"),
        ("mine", {"mixer": NEIGHBOURS | {"k": 4}}, "mixer.k: found 4, expected an odd number"),
        ("mine", {"mixer": {"kind": "neighbours"}}, "mixer.along: found nothing"),
        ("mine", {"mixer": {"kind": "neighbors"}}, "mixer.kind: found 'neighbors', .*did you mean 'neighbours'"),
    ],
)  # fmt: skip
def test_kinds_that_do_not_fit_the_samples_are_refused(tmp_path, name, change, message):
    with pytest.raises(GdeError, match=message) as e:
        resolved(tmp_path, (MINE if name == "mine" else data(name)) | change)
    assert "\n" not in str(e.value)


def test_a_mixer_without_a_kind_mixes_at_random(tmp_path):
    config = resolved(tmp_path, MINE | {"mixer": {"k": 2}})
    assert config["mixer"] == {"kind": "dirichlet_k", "k": 2, "alpha": 1.0}


def test_neighbours_leave_the_group_its_successor(tmp_path):
    ordered = {"kind": "ordered", "order_by": "day"}
    config = resolved(tmp_path, MINE | {"mixer": NEIGHBOURS | {"within": ["donor"]}, "objective": ordered})
    assert config["mixer"] == {"kind": "neighbours", "along": "day", "within": ["donor"], "k": 3}
    with pytest.raises(GdeError, match="mixer: found 'dirichlet_k', expected null for the objective ordered"):
        resolved(tmp_path / "other", MINE | {"mixer": {"k": 2}, "objective": ordered})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tokens": None}, "encoder.kind: found 'dna_conv' in a model of vectors"),
        (
            {"encoder": {"kind": "mean"}},
            "encoder.kind: found 'mean' in a model of sequences of dna, expected one of dna_conv;",
        ),
        ({"generator": {"kind": "flow"}}, "generator.kind: found 'flow' in a model of sequences"),
        ({"tokens": {"alphabet": "rna", "length": 12}}, "tokens.alphabet: found 'rna'"),
        ({"tokens": {"alphabet": "dna", "length": 0}}, "tokens.length: found 0"),
        ({"tokens": {"alphabet": "dna"}}, "tokens.length: found nothing"),
    ],
)
def test_models_of_sequences_say_of_which(change, message):
    config = {"encoder": {"kind": "dna_conv"}, "generator": {"kind": "gpt"}, "latent_dim": 4}
    config |= {"tokens": {"alphabet": "dna", "length": 12}}
    check_architecture(config, "config.json")
    with pytest.raises(GdeError, match=message):
        check_architecture(config | change, "config.json")
