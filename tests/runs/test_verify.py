"""`gde verify`: every file against its digest, every result against what it was made from, and what to do about it."""

import os
import shutil
from pathlib import Path

import anndata as ad
import numpy as np
import pytest
import tiny
import yaml

import gde
from gde.cli import main
from gde.cli.train_run import train_run
from gde.embed import embed_to_h5ad
from gde.errors import GdeError
from gde.files.io import read_json, read_sums, write_json, write_sums
from gde.files.seals import read_sealed_json, write_sealed_json
from gde.prepare import prepare_store
from gde.runs.publishing import keep_metrics
from gde.runs.verify import verify
from gde.sample import sample_test_sets

pytestmark = pytest.mark.usefixtures("no_fsync")
SMALL = {"training.steps": 4}


def make(root: Path, config: dict) -> None:
    """Store, run, model, embeddings, samples and metrics of an experiment, as the workflow makes them."""
    name, results = config["name"], root / "results"
    here, store = results / name, results / "sets" / name
    prepare_store({key: config[key] for key in ("name", "seed", "dataset")}, store)
    run = train_run(config, store, results / "runs", here / "model", accelerator="cpu")
    embed_to_h5ad(here / "model", store, here / "embeddings.h5ad", device=tiny.CPU)
    sample_test_sets(here / "model", here / "embeddings.h5ad", here / "samples.h5ad", device=tiny.CPU)
    report, model = tiny.metrics(run), read_json(here / "model/config.json")
    inputs = {"model": read_sums(here / "model")["model.safetensors"], "store": model["store"]}
    report["provenance"]["inputs"] = inputs
    write_sealed_json(here / "metrics.json", report)
    keep_metrics(here / "metrics.json", results / "runs")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A project with results of a family and of a user's file."""
    root = tmp_path_factory.mktemp("made")
    (root / "resources").mkdir()
    shutil.copy(Path(gde.__file__).parents[1] / "resources/sources.yaml", root / "resources")
    before = Path.cwd()
    os.chdir(root)
    try:
        tiny.cells().write_h5ad("cells.h5ad")
        make(root, tiny.experiment(SMALL))
        make(root, tiny.cells_experiment(Path("cells.h5ad"), SMALL))
    finally:
        os.chdir(before)
    return root


@pytest.fixture
def project(made, tmp_path, monkeypatch):
    """A copy to work in."""
    root = tmp_path / "project"
    shutil.copytree(made, root)
    monkeypatch.chdir(root)
    return root


def wrong(directory="results") -> dict[str, str]:
    """what -> state and detail of every finding that is neither fine nor without a digest."""
    fine = ("ok", "same", "no digest")
    return {f.what: f"{f.state}: {f.detail}" for f in verify(Path(directory)) if f.state not in fine}


def flip(file: Path, place: int = -3) -> None:
    data = bytearray(file.read_bytes())
    data[place] ^= 1
    file.write_bytes(data)


def test_whole_results_are_fine(project):
    findings = list(verify(Path("results")))
    assert {f.state for f in findings} == {"ok", "same", "no digest"}
    files = {f.what for f in findings if f.state in ("ok", "no digest")}
    there = {str(p) for p in Path("results").rglob("*") if p.is_file() and not p.name.startswith(".")}
    sums = {p for p in there if p.endswith("SHA256SUMS")}
    assert files == there - sums
    links = {f.what for f in findings if f.state == "same"}
    run = read_json(Path("results/cells/model/config.json"))["run"]
    assert links >= {
        "results/cells/metrics.json from model",
        "results/cells/metrics.json from store",
        f"results/cells/model from results/runs/{run}",
        "results/cells/model from results/sets/cells",
        "results/sets/cells from cells.h5ad",
        "results/cells/samples.h5ad from embeddings",
    }


@pytest.mark.parametrize(
    "file",
    [
        "results/tiny/model/model.safetensors",
        "results/tiny/model/config.json",
        "results/tiny/embeddings.h5ad",
        "results/tiny/samples.h5ad",
        "results/tiny/metrics.json",
        "results/sets/tiny/x.npy",
        "results/sets/tiny/provenance.json",
        "results/runs/*/run.json",
        "results/runs/*/checkpoints/step-*/state.safetensors",
    ],
)
@pytest.mark.parametrize("fault", ["flipped", "cut"])
def test_damage_is_named_with_both_digests_and_the_remedy(project, file, fault):
    path = sorted(Path().glob(file))[0]
    if fault == "flipped":
        flip(path)
    else:
        path.write_bytes(path.read_bytes()[:-1])
    found = wrong()
    state = found[str(path)]
    assert state.startswith("damaged: found sha256 ")
    assert "expected sha256 " in state and f"snakemake --force {path}" in state
    assert set(found) == {str(path)}


def test_missing_and_foreign_files_are_named(project):
    Path("results/tiny/model/log.jsonl").unlink()
    Path("results/sets/tiny/extra.npy").write_bytes(b"x")
    found = wrong()
    assert found["results/tiny/model/log.jsonl"].startswith("missing: ")
    assert found["results/sets/tiny/extra.npy"].startswith("unlisted: ")
    assert len(found) == 2


def test_a_damaged_list_of_digests_is_one_finding(project):
    sums = Path("results/sets/tiny/SHA256SUMS")
    sums.write_bytes(sums.read_bytes()[:-1])
    found = wrong("results/sets/tiny")
    assert set(found) == {"results/sets/tiny"} and "SHA256SUMS" in found["results/sets/tiny"]


def test_a_damaged_image_is_found_by_its_own_checksums(project):
    from PIL import Image

    file = Path("results/tiny/figures/loss.png")
    file.parent.mkdir()
    Image.new("RGB", (40, 40), "red").save(file)
    assert wrong("results/tiny") == {}
    flip(file, file.stat().st_size // 2)
    assert wrong("results/tiny")[str(file)].startswith("damaged: found a damaged image")


def test_a_users_file_that_changed_or_went_away(project):
    data = Path("cells.h5ad")
    flip(data, 5000)
    found = wrong("results/sets/cells")
    assert set(found) == {"results/sets/cells from cells.h5ad"}
    assert "changed: found " in found["results/sets/cells from cells.h5ad"]
    assert "snakemake results/sets/cells" in found["results/sets/cells from cells.h5ad"]
    data.unlink()
    assert wrong("results/sets/cells") == {"results/sets/cells from cells.h5ad": "absent: "}


def test_data_that_were_prepared_anew(project):
    config = tiny.experiment(seed=5)
    prepare_store({key: config[key] for key in ("name", "seed", "dataset")}, Path("results/sets/tiny"))
    found = wrong("results/tiny")
    assert set(found) == {"results/tiny/model from results/sets/tiny"}
    assert "the data changed since: snakemake results/tiny/model" in found["results/tiny/model from results/sets/tiny"]


def test_results_of_a_run_that_is_not_published_any_more(project):
    config = tiny.experiment(SMALL | {"latent_dim": 3})
    train_run(config, Path("results/sets/tiny"), Path("results/runs"), Path("results/tiny/model"), accelerator="cpu")
    found = wrong("results/tiny")
    assert {w for w in found if "metrics.json" in w} == {
        "results/tiny/metrics.json from run", "results/tiny/metrics.json from model"
    }  # fmt: skip
    assert all(d.startswith("changed: ") for d in found.values())
    assert "snakemake results/tiny/metrics.json" in found["results/tiny/metrics.json from model"]


def test_embeddings_that_were_made_anew_leave_other_samples(project):
    from gde.export.h5ad import write_anndata
    from gde.readers.sealed_h5ad import read_anndata

    z = read_anndata(Path("results/tiny/embeddings.h5ad"))
    z.X[0, 0] += 1
    write_anndata(z, Path("results/tiny/embeddings.h5ad"))  # sealed again: nothing but the chain can tell
    assert set(wrong("results/tiny")) == {"results/tiny/samples.h5ad from embeddings"}


def test_a_run_with_edited_settings_or_another_name(project):
    run = read_json(Path("results/tiny/model/config.json"))["run"]
    folder = Path("results/runs") / run
    record = read_sealed_json(folder / "run.json")
    record["config"]["latent_dim"] += 1
    write_sealed_json(folder / "run.json", record)
    found = wrong(folder)
    assert set(found) == {f"{folder} by its settings, store and code", f"{folder}/model from {folder}/run.json"}
    record["config"]["latent_dim"] -= 1
    write_sealed_json(folder / "run.json", record)
    other = folder.with_name("tiny-00000000")
    folder.rename(other)
    assert set(wrong(other)) == {f"{other} by its settings, store and code"}


def test_a_model_that_is_not_its_runs(project):
    """Sums that fit do not help an edited model."""
    folder = Path("results/tiny/model")
    flip(folder / "model.safetensors")
    write_sums(folder)
    run = read_json(folder / "config.json")["run"]
    assert f"results/tiny/model from results/runs/{run}" in wrong("results/tiny")


def test_results_copied_away_say_what_is_not_there(project):
    shutil.copytree("results/tiny", "elsewhere")
    found = wrong("elsewhere")
    assert found and set(found.values()) == {"absent: "}


def test_a_fetched_file_against_the_table_and_the_lock(project):
    """`resources/` is part of a `gde verify` without directories."""
    from gde.runs.verify import fetched

    table = {"some": {"title": "t", "access": "open", "origin": "o", "licence": None, "citation": "c",
                      "files": {"x.txt": {"urls": ["https://example.org/x.txt"], "bytes": 3}}}}  # fmt: skip
    Path("resources/sources.yaml").write_text(yaml.safe_dump(table))
    file = Path("resources/some/x.txt")
    assert list(fetched()) == []
    file.parent.mkdir()
    file.write_text("abc")
    write_json(Path("resources/sources.lock.json"), {str(file): {"bytes": 3, "sha256": "0" * 64, "from": "x"}})
    (finding,) = fetched()
    assert finding.state == "damaged" and "sources.lock.json" in finding.detail
    Path("resources/sources.lock.json").unlink()
    assert [f.state for f in fetched()] == ["ok"]
    file.write_text("abcd")
    (finding,) = fetched()
    assert "found 4 bytes, expected 3 bytes" in finding.detail


def test_a_grid_and_its_cells(project, capsys):
    from gde.runs.grid import summarise, write_provenance

    grid = Path("results/grid/some")
    shutil.copytree("results/tiny", grid / "encoder~resnet/seed~0")
    cells, metrics = [{"encoder": "resnet", "seed": "0"}], [grid / "encoder~resnet/seed~0/metrics.json"]
    summarise(cells, metrics, [metrics[0].parent / "model"], grid / "summary.tsv", published={})
    write_provenance(cells, metrics, grid / "provenance.json", published={})
    assert wrong("results/grid") == {}
    states = [f.what for f in verify(Path("results/grid"))]
    assert len(states) == len(set(states))  # cells are hashed once
    assert f"{grid}/summary.tsv from {metrics[0]}" in states
    report = read_sealed_json(metrics[0])
    report["budget"]["seconds"] += 1
    write_sealed_json(metrics[0], report)
    assert wrong("results/grid") == {}  # a timing
    report["metrics"]["reconstruction/w2"]["value"] += 1
    write_sealed_json(metrics[0], report)
    assert set(wrong("results/grid/some")) == {f"{grid}/summary.tsv from {metrics[0]}"}
    flip(grid / "summary.tsv", 10)
    assert wrong("results/grid/some")[f"{grid}/summary.tsv"].startswith("damaged: ")


def test_the_command_lists_everything_and_exits_2_on_any_difference(project, capsys):
    assert main(["verify"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[-1] == f"{len(out) - 1} files and links, none damaged, missing or changed"
    flip(Path("results/tiny/metrics.json"))
    assert main(["verify"]) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert said.err.startswith("gde: results: found 1 of ") and "results/tiny/metrics.json first" in said.err
    assert "damaged    results/tiny/metrics.json" in said.out
    assert main(["verify", "results/cells"]) == 0
    assert main(["verify", "results/sets"]) == 0
    assert main(["verify", "results/tiny"]) == 2


def test_nothing_to_verify(tmp_path):
    with pytest.raises(GdeError, match="no such directory"):
        list(verify(tmp_path / "results"))
    with pytest.raises(GdeError, match="nothing that gde wrote"):
        list(verify(tmp_path))


def analysed(path: Path) -> None:
    """What README's recipe does with embeddings, and what more scanpy offers, written back."""
    sc = pytest.importorskip("scanpy")
    z = ad.read_h5ad(path)
    sc.pp.pca(z, n_comps=2)
    z.obs["half"] = np.where(np.arange(z.n_obs) % 2, "odd", "even")
    z.obs["half"] = z.obs["half"].astype("category")
    sc.tl.rank_genes_groups(z, "half")
    sc.tl.dendrogram(z, "half")
    z.raw = z.copy()
    z.uns["neighbors"] = {"params": {"method": "umap", "random_state": None}}
    z.write_h5ad(path)


def test_whatever_scanpy_adds_is_survived(project, capsys):
    """In a copy and in place: samples are drawn of it, and verify says what is not as it was made."""
    source, copy = Path("results/cells/embeddings.h5ad"), Path("z.h5ad")
    shutil.copy(source, copy)
    analysed(copy)
    assert main(["sample", "cells", str(copy), "-n", "3", "-o", "of_copy.h5ad"]) == 0
    assert main(["sample", "cells", str(source), "-n", "3", "-o", "plain.h5ad"]) == 0
    assert (ad.read_h5ad("of_copy.h5ad").X == ad.read_h5ad("plain.h5ad").X).all()
    assert wrong() == {}
    analysed(source)
    found = wrong()
    assert list(found) == ["results/cells/samples.h5ad from embeddings"]
    assert found["results/cells/samples.h5ad from embeddings"].startswith("changed: ")
    assert main(["sample", "cells", str(source), "-n", "3", "-o", "results/cells/samples.h5ad"]) == 0
    assert wrong() == {}
    assert main(["show", "cells"]) == 0


def test_a_file_without_a_record_is_told(project):
    """Whoever cuts uns out of embeddings gets no trace."""
    path = Path("results/cells/embeddings.h5ad")
    z = ad.read_h5ad(path)
    del z.uns["gde"]
    z.write_h5ad(path)
    found = wrong()
    assert found["results/cells/embeddings.h5ad: no record of what it was made from"].startswith("absent")
