"""The published models that an experiment names: their files, their digests, and what they cost beforehand."""

import shutil

import published
import pytest
import tiny
import torch

from gde.config import run_id, training_slice
from gde.encoders.text_lm import TextLm
from gde.errors import GdeError
from gde.fetch.published_models import weights_files, with_digests
from gde.fetch.sources import Source
from gde.files.io import sha256_file
from gde.preflight.check import known_weights
from gde.preflight.costs import disk
from gde.preflight.obstacles import missing_files
from gde.pretrained.weights import further_files
from gde.sets.types.alphabet import ALPHABETS


def experiment(path, **encoder):
    section = {"kind": "protein_lm", "mode": "frozen", "weights": str(path), **encoder}
    return tiny.experiment(
        {"training.n_sets": 8},
        dataset={"kind": "protein_motifs"},
        evaluation={"kind": "patterns"},
        encoder=section,
        generator={"kind": "gpt", "hidden": 8, "layers": 1, "heads": 2},
    )


@pytest.fixture
def esm(tmp_path):
    published.esm2(tmp_path / "esm2", hidden=8)
    return tmp_path / "esm2"


def test_digests_are_filled_in_where_they_are_not_given(esm):
    digest = sha256_file(esm / "model.safetensors")
    resolved = experiment(esm)
    assert with_digests(resolved)["encoder"]["weights_sha256"] == digest
    assert resolved["encoder"]["weights_sha256"] is None  # the given settings stay as they are
    given = with_digests(experiment(esm, weights_sha256="0" * 64))
    assert given["encoder"]["weights_sha256"] == "0" * 64
    assert given["beside_weights"] == {"encoder": {"config.json": sha256_file(esm / "config.json")}}
    without = tiny.experiment()
    assert with_digests(without) == without


def bert(path, *, whole=False):
    """A BERT with its tokenizer in one file or in two, and a file that nobody reads."""
    published.bert(path, hidden=8)
    (path / "tokenizer_config.json").write_text('{"do_lower_case": true}')
    (path / "README.md").write_text("about it")
    if whole:
        from gde.encoders.text_lm import word_pieces

        word_pieces(path / "vocab.txt", True).save(str(path / "tokenizer.json"))
    return path


READ = {False: ["config.json", "vocab.txt", "tokenizer_config.json"], True: ["config.json", "tokenizer.json"]}


@pytest.mark.parametrize("whole", [False, True])
def test_a_run_is_of_every_file_that_is_read_and_of_no_other(tmp_path, whole):
    path = bert(tmp_path / "bert", whole=whole)
    resolved = experiment(path) | {"encoder": {**experiment(path)["encoder"], "kind": "text_lm"}}

    def run():
        return run_id(with_digests(resolved), "store", "code")

    assert [file.name for file in further_files("text_lm", path)] == READ[whole]
    for file in [f for f in path.iterdir() if f.name != "model.safetensors"]:
        before, text = run(), file.read_bytes()
        file.write_bytes(text + b"\n")
        assert (run() != before) == (file.name in READ[whole]), file.name
        file.write_bytes(text)
        assert run() == before


@pytest.mark.parametrize("whole", [False, True])
def test_the_files_that_are_named_are_all_that_is_read(tmp_path, whole):
    path, alone = bert(tmp_path / "bert", whole=whole), tmp_path / "alone"
    alone.mkdir()
    for file in [*further_files("text_lm", path), path / "model.safetensors"]:
        shutil.copy(file, alone)
    x = torch.from_numpy(ALPHABETS["text"].pad(["The viruses of the spike.", "caf"], 30))
    found = [
        TextLm(TextLm.Options(then={"kind": "mean"}, mode="full", weights=str(p)), dim=30, latent_dim=3)
        for p in (path, alone)
    ]
    for made in found:
        made.initialise()
    assert torch.equal(found[0].vectors(x), found[1].vectors(x))


def test_runs_without_published_models_keep_their_names():
    resolved = tiny.experiment()
    assert "beside_weights" not in training_slice(with_digests(resolved))


def test_a_directory_without_its_settings_is_refused_in_one_line(esm):
    (esm / "config.json").unlink()
    with pytest.raises(GdeError, match=r"config\.json: found no such file") as e:
        with_digests(experiment(esm))
    assert "\n" not in str(e.value)


def test_gde_check_knows_the_run_once_the_weights_are_there(esm, tmp_path):
    assert known_weights(experiment(esm)) == with_digests(experiment(esm))
    absent = experiment(tmp_path / "not_yet")
    assert known_weights(absent) == absent


def test_files_of_ones_own_are_those_of_the_directory(esm, tmp_path):
    files = weights_files("mine", experiment(esm), tmp_path, {})
    assert files == [esm / "config.json", esm / "model.safetensors"]
    named = experiment(bert(tmp_path / "bert"))
    named["encoder"]["kind"] = "text_lm"
    files = weights_files("mine", named, tmp_path, {})
    assert [file.name for file in files] == [*READ[False], "model.safetensors"]
    (esm / "model.safetensors").rename(esm / "model-1.safetensors")
    (esm / "model.safetensors.index.json").write_text('{"weight_map": {"a": "model-1.safetensors"}}')
    files = weights_files("mine", experiment(esm), tmp_path, {})
    assert [file.name for file in files] == ["config.json", "model.safetensors.index.json", "model-1.safetensors"]
    with pytest.raises(GdeError) as e:
        weights_files("mine", experiment("nowhere"), tmp_path, {})
    assert str(e.value).startswith(
        "config/experiments/mine.yaml: encoder.weights: found no file or directory 'nowhere'"
    )


def test_files_of_the_table_need_not_be_there(tmp_path):
    given = "resources/weights/esm2_8m"
    facts = {"urls": ("https://example.org/x",), "bytes": None, "sha256": None, "md5": None}
    table = {f"{given}/{file}": source(file, facts) for file in ("config.json", "model.safetensors")}
    files = weights_files("mine", experiment(f"{given}/"), tmp_path, table)
    assert [str(file) for file in files] == list(table)


def source(file, facts):
    from dataclasses import fields

    known = {"dataset": "weights/esm2_8m", "file": file, "title": "t", "access": "open", "origin": "o", "licence": None}
    known |= facts | {"citation": "c", "package": None}
    return Source(**{f.name: known.get(f.name) for f in fields(Source)})


def test_what_is_missing_is_said_before_anything_runs(tmp_path):
    (tmp_path / "resources").mkdir()
    (tmp_path / "resources/sources.yaml").write_text("{}\n")
    (problem,) = missing_files({"mine": experiment("nowhere")}, tmp_path)
    assert "encoder.weights: found no file or directory 'nowhere'" in str(problem)


def test_disk_is_estimated_without_frozen_weights_and_unknown_before_weights_are_there(esm, tmp_path):
    asked = {mode: disk(experiment(esm, mode=mode), tmp_path / "sets", trains=True) for mode in ("frozen", "full")}
    parts = {mode: found["checkpoints and model"] for mode, found in asked.items()}
    assert 0 < parts["frozen"] < parts["full"]
    unknown = disk(experiment(tmp_path / "not_yet"), tmp_path / "sets", trains=True)
    assert unknown["checkpoints and model"] is None
    assert unknown["set store"] == asked["full"]["set store"]
