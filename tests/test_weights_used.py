"""The published models that an experiment names: their files, their digests, and what they cost beforehand."""

import published
import pytest
import tiny

from gde.check import known_weights
from gde.costs import disk
from gde.errors import GdeError
from gde.io import sha256_file
from gde.preflight import missing_files
from gde.sources import Source
from gde.weights_used import weights_files, with_digests


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
    assert with_digests(experiment(esm, weights_sha256="0" * 64))["encoder"]["weights_sha256"] == "0" * 64
    without = tiny.experiment()
    assert with_digests(without) == without


def test_gde_check_knows_the_run_once_the_weights_are_there(esm, tmp_path):
    assert known_weights(experiment(esm)) == with_digests(experiment(esm))
    absent = experiment(tmp_path / "not_yet")
    assert known_weights(absent) == absent


def test_files_of_ones_own_are_those_of_the_directory(esm, tmp_path):
    files = weights_files("mine", experiment(esm), tmp_path, {})
    assert files == [esm / "config.json", esm / "model.safetensors"]
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
