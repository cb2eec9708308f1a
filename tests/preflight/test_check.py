"""`gde check`: what a run would ask for, and every mistake at once."""

import os
import shutil
from pathlib import Path

import pytest
import tiny
import yaml

from gde.checkpoint import flatten_optimizer, load_checkpoint, save_checkpoint
from gde.config import find_all, resolve, resolve_all
from gde.config.findings import Findings
from gde.config.inputs import input_files, listed_files
from gde.errors import GdeError
from gde.preflight import costs
from gde.preflight import obstacles as preflight
from gde.preflight.check import check

ROOT = Path(__file__).resolve().parents[2]
GPU_RULES = {"train", "embed", "sample", "evaluate", "predict", "cell"}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The repository's configuration in a directory of its own."""
    for part in ("config", "profiles", "workflow"):
        shutil.copytree(ROOT / part, tmp_path / part)
    (tmp_path / "resources").mkdir()
    shutil.copy(ROOT / "resources/sources.yaml", tmp_path / "resources")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def configure(**settings) -> None:
    Path("config/config.yaml").write_text(yaml.safe_dump(settings))


def write(name: str, **experiment) -> None:
    Path(f"config/experiments/{name}.yaml").write_text(yaml.safe_dump(experiment))


def found() -> Findings:
    return find_all(None, Path(), ["config/config.yaml"])


def lines(problems) -> list[str]:
    return [str(p).partition(", expected")[0] for p in problems]


# every mistake of a configuration


def test_a_right_configuration_is_what_resolve_gives(project):
    findings = found()
    assert findings.problems == []
    config = yaml.safe_load(Path("config/config.yaml").read_text())
    assert findings.experiments == resolve_all(config, Path(), ["config/config.yaml"])
    assert set(findings.grids) == set(config["grids"])
    assert findings.settings["experiments"] == config["experiments"]


def test_all_mistakes_are_found_and_the_rest_is_resolved(project):
    configure(experimets=["gmm"], experiments=["gmm", "gm"], preset="huge", seed=-1, mvn={"latent_dim": 0})
    write("one", dataset={"kind": "mvn", "dmi": 3}, encoder={"kind": "gn"}, latent_dim="x", presets={"smok": {}})
    write("two", dataset={"kind": "h5ad", "groupby": ["donor"], "pth": "x.h5ad"})
    write("sets", dataset={"kind": "mvn"})
    Path("config/experiments/three.yaml").write_text("a: [\n")
    findings = found()
    assert lines(findings.problems) == [
        "config/experiments/sets.yaml: found the reserved name 'sets'",
        "config/config.yaml:4: experimets: found 'experimets'",
        "config/config.yaml:8: preset: found 'huge'",
        "config/config.yaml:9: seed: found -1",
        "config/config.yaml:3: experiments[1]: found 'gm'",
        "config/config.yaml:7: mvn.latent_dim: found 0",
        "config/experiments/one.yaml:8: presets.smok: found 'smok'",
        "config/experiments/one.yaml:2: dataset.dmi: found 'dmi'",
        "config/experiments/one.yaml:5: encoder.kind: found 'gn'",
        "config/experiments/one.yaml:6: latent_dim: found 'x'",
        "config/experiments/three.yaml:2: found broken YAML (did not find expected node content)",
        "config/experiments/two.yaml:5: dataset.pth: found 'pth'",  # and not that `path` is missing
    ]
    broken = {"one", "two", "three", "sets", "mvn"}
    known = {p.stem for p in Path("config/experiments").glob("*.yaml")}
    assert set(findings.experiments) == known - broken and len(known - broken) >= 14
    assert findings.settings["experiments"] == ["gmm"]
    assert findings.experiments["gmm"] == resolve("gmm", {}, ROOT)  # defaults take the place of what is wrong


def test_a_mistyped_kind_hides_what_it_explains(project):
    write("one", dataset={"kind": "mvn"}, encoder={"knd": "gnn", "pooler": "mean"}, latent_dim=0)
    assert lines(found().problems) == [
        "config/experiments/one.yaml:4: encoder.knd: found 'knd'",
        "config/experiments/one.yaml:6: latent_dim: found 0",
    ]


def test_the_first_of_all_mistakes_is_the_one_that_the_workflow_says(project):
    config = {"preset": "huge", "gm": {}, "seed": -1}
    configure(**config)
    with pytest.raises(GdeError) as e:
        resolve_all(config, Path(), ["config/config.yaml"])
    assert str(e.value) == str(found().problems[0])


@pytest.mark.parametrize("settings", [{"seed": 2**64}, {"gpus": 10**10}])
def test_a_rule_about_the_whole_file_is_a_problem_like_others(project, settings):
    configure(experiments=["gmm"], **settings)
    findings = found()
    (problem,) = findings.problems
    assert str(problem).startswith("config/config.yaml:") and f": {next(iter(settings))}: found " in str(problem)
    assert set(findings.settings["experiments"]) <= set(findings.experiments) != set()


def test_grids_are_checked_one_by_one(project):
    grid = {"base": "mvn5", "axes": {"encoder": ["gnn", "resnt"]}}
    configure(
        grids={"one": grid, "two": {"base": "mvn6", "axes": {"seed": [0]}}, "three": {**grid, "axes": {"seed": [0]}}}
    )
    findings = found()
    assert len(findings.problems) == 2
    assert "'resnt'" in str(findings.problems[0]) and "'mvn6'" in str(findings.problems[1])
    assert set(findings.grids) == {"three"}


def test_a_broken_config_file_does_not_hide_the_experiments(project):
    Path("config/config.yaml").write_text("preset: [\n")
    write("one", dataset={"kind": "mvm"})
    said = lines(found().problems)
    assert len(said) == 2 and said[0].startswith("config/config.yaml:2") and said[1].endswith("found 'mvm'")


# what stops a run


def test_files_of_users_and_of_sources(project):
    configure(experiments=["mine", "virus"])
    table = yaml.safe_load(Path("resources/sources.yaml").read_text())
    facts = {"title": "t", "origin": "https://example.org", "licence": "x", "citation": "c"}
    table["login"] = {**facts, "access": "user", "files": {"a.h5ad": {}}}
    table["open1"] = {
        **facts,
        "access": "open",
        "files": {"b.h5ad": {"urls": ["https://example.org/b"], "bytes": 5000}},
    }
    Path("resources/sources.yaml").write_text(yaml.safe_dump(table))
    write("mine", dataset={"kind": "h5ad", "path": "gone.h5ad", "groupby": ["x"]})
    epidemic = {"kind": "epidemic", "reference": "away.fasta"}
    nets = {"encoder": {"kind": "dna_conv"}, "generator": {"kind": "gpt"}}
    write("spikes", dataset={"kind": "virus"}, evaluation=epidemic, **nets)
    write("virus", dataset={"kind": "h5ad", "path": "resources/login/a.h5ad", "groupby": ["x"]})
    write("free", dataset={"kind": "h5ad", "path": "resources/open1/b.h5ad", "groupby": ["x"]})
    said = lines(check(Path(), Path("results")).problems)
    assert said == [
        "config/experiments/mine.yaml: dataset.path: found no file 'gone.h5ad'",
        "resources/login/a.h5ad: found no such file",
    ]
    Path("folder").mkdir()
    write("there", dataset={"kind": "h5ad", "path": "folder", "groupby": ["x"]})
    assert "found a directory, 'folder'" in lines(check(Path(), Path("results"), ["there"]).problems)[0]
    assert lines(check(Path(), Path("results"), ["spikes"]).problems) == [
        "config/experiments/spikes.yaml: evaluation.reference: found no file 'away.fasta'"
    ]
    report = check(Path(), Path("results"), ["free", "gmm"])
    assert report.problems == []
    (row,) = report.downloads
    assert row == {
        "file": "resources/open1/b.h5ad", "bytes": 5000, "licence": "x", "access": "open", "present": False
    }  # fmt: skip
    assert report.costs["downloads"] == "5 kB"
    Path("resources/open1").mkdir()
    Path("resources/open1/b.h5ad").write_bytes(b"x")
    assert check(Path(), Path("results"), ["free"]).downloads == []


def test_results_that_cannot_be_written(project, monkeypatch):
    configure(experiments=[])
    Path("results").write_text("")
    assert lines(check(Path(), Path("results")).problems) == ["results: found a file"]
    Path("results").unlink()
    # tests may run as root, whom nothing stops
    monkeypatch.setattr("os.access", lambda path, mode: not mode & os.W_OK)
    assert "cannot be written" in lines(check(Path(), Path("results")).problems)[0]


def test_a_disk_that_is_too_full(project, monkeypatch):
    configure(experiments=["gmm"])
    monkeypatch.setattr("gde.preflight.costs.free", lambda path: 1_000_000)
    (problem,) = check(Path(), Path("results")).problems
    assert "found 1 MB free, expected about " in str(problem) and "free disk space" in str(problem)


def test_asked_of_one_disk_together(tmp_path, monkeypatch):
    monkeypatch.setattr("gde.preflight.costs.free", lambda path: 100)
    assert list(preflight.too_full([(tmp_path / "a", 60), (tmp_path / "b", 40)])) == []
    (problem,) = preflight.too_full([(tmp_path / "a", 60), (tmp_path / "b", 41)])
    assert "about 101 bytes" in str(problem)


def test_a_gpu_is_asked_for_where_the_work_is_done(project, monkeypatch):
    configure(experiments=["gmm"], accelerator="cuda")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert lines(check(Path(), Path("results")).problems) == ["config/config.yaml: accelerator: found no visible GPU"]
    assert list(preflight.no_gpu("cuda", cluster=True)) == []
    assert list(preflight.no_gpu("auto", cluster=False)) == []
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert check(Path(), Path("results")).problems == []


def test_profiles(project, monkeypatch, tmp_path):
    settings, problems = preflight.profile_settings(Path("profiles/local"))
    assert problems == [] and settings["cores"] == "all"
    _, (problem,) = preflight.profile_settings(Path("profiles/none"))
    assert "profiles/none/config.yaml: found no such file" in str(problem)
    monkeypatch.setenv("PATH", "")
    said = preflight.profile_settings(Path("profiles/slurm"))[1]
    assert lines(said)[0] == "profiles/slurm: found no sbatch, squeue, scancel here"
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in preflight.SLURM_TOOLS:
        (tools / tool).write_text("#!/bin/sh\n")
        (tools / tool).chmod(0o755)
    monkeypatch.setenv("PATH", str(tools))
    assert preflight.profile_settings(Path("profiles/slurm"))[1] == []
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "its plugin" in str(preflight.profile_settings(Path("profiles/slurm"))[1][0])


# what a run costs


def test_time_limits_of_every_gpu_rule_are_read(project):
    """A rule written otherwise would go uncounted."""
    limits = costs.time_limits(Path())
    assert set(limits) == GPU_RULES
    for minutes, grows in limits.values():
        assert minutes >= 10 and isinstance(grows, bool)


def test_most_hours_are_all_attempts_of_the_limit():
    limits = {"fixed": (240, False), "growing": (60, True)}
    assert costs.most_hours("fixed", limits, 3) == 12
    assert costs.most_hours("growing", limits, 3) == 6
    assert costs.most_hours("other", limits, 3) is None


def test_nothing_is_said_of_gpu_hours_without_slurm(project, monkeypatch):
    monkeypatch.setattr("gde.cluster.slurm.installed", lambda: False)
    configure(experiments=["gmm"])
    costs_ = check(Path(), Path("results")).costs
    assert not [what for what in costs_ if "GPU" in what]


def test_gpu_hours(project, monkeypatch):
    monkeypatch.setattr("gde.cluster.slurm.installed", lambda: True)
    configure(experiments=["gmm"], accelerator="cpu")
    assert check(Path(), Path("results")).costs["GPU hours"] == "none (accelerator: cpu)"
    configure(experiments=["gmm"])
    report = check(Path(), Path("results"))
    attempts = 1 + yaml.safe_load(Path("profiles/slurm/config.yaml").read_text())["retries"]
    limits = costs.time_limits(Path())
    most = sum(costs.most_hours(rule, limits, attempts) for rule in GPU_RULES - {"predict", "cell"})
    assert report.costs["GPU hours charged at most"].startswith(
        f"{most:.4g} (time limits of 4 jobs, {attempts} attempts"
    )


def test_store_is_estimated_as_it_comes_out(tmp_path, cells_h5ad):
    for name, config in {"family": tiny.experiment(), "cells": tiny.cells_experiment(cells_h5ad)}.items():
        before = costs.disk(config, tmp_path / name, trains=True)
        store = tiny.prepare(config, tmp_path / name)
        assert before["set store"] == store.x.nbytes
        after = costs.disk(config, tmp_path / name, trains=True)
        assert after["set store"] == 0
        assert after["checkpoints and model"] == before["checkpoints and model"]
        assert costs.disk(config, tmp_path / name, trains=False)["checkpoints and model"] == 0


def test_parameters_are_those_of_the_model(family_store):
    from gde.files.io import canonical_json
    from gde.models.base import n_parameters

    config = tiny.experiment()
    model = tiny.model_for(family_store, config)
    assert costs.model_sizes(canonical_json(costs.model_of(config, 2)), 2)[0] == n_parameters(model)


@pytest.mark.parametrize("preset", ["laptop", "paper"])
def test_every_experiment_has_an_estimate(preset, tmp_path):
    for name, resolved in resolve_all({"preset": preset}, ROOT).items():
        sizes = costs.disk(resolved, tmp_path, trains=True)
        if resolved["encoder"].get("weights"):  # a language model that is not here says nothing of its size
            assert sizes.pop("checkpoints and model") is None, name
        else:
            assert sizes["checkpoints and model"] > 0, name
        if input_files(resolved["dataset"]) or listed_files(resolved["dataset"]):  # of files that are not here
            assert sizes.pop("set store") is None and sizes.pop("embeddings and samples") is None, name
        assert all(size > 0 for size in sizes.values()), name


def test_files_that_are_here_count_with_their_sizes(tmp_path):
    (tmp_path / "a.h5ad").write_bytes(b"x" * 700)
    (tmp_path / "b.h5ad").write_bytes(b"x" * 300)
    files = {"A": f"{tmp_path}/a.h5ad", "B": f"{tmp_path}/b.h5ad"}
    resolved = resolve("essential_genes", {}, ROOT)
    resolved["dataset"] |= {"files": files}
    assert costs.disk(resolved, tmp_path, trains=False)["set store"] == 1000


def test_checkpoints_take_what_is_estimated(family_store, tmp_path):
    """One checkpoint of the kind that training writes."""
    import torch

    config = tiny.experiment()
    model = tiny.model_for(family_store, config)
    optimizer = torch.optim.AdamW(model.parameters())
    sum(p.sum() for p in model.parameters()).backward()
    optimizer.step()
    names = [name for name, _ in model.named_parameters()]
    tensors = {f"{part}/{k}": v.clone() for part in ("model", "average") for k, v in model.state_dict().items()}
    path = save_checkpoint(tmp_path, 1, tensors | flatten_optimizer(optimizer, names), {})
    size = sum(t.nbytes for t in load_checkpoint(path)[0].values())  # without headers, which are large here
    parameters = sum(p.numel() for p in model.parameters())
    training = config["training"] | {"steps": 1, "checkpoint_every": 1, "keep_every": 0}
    two_and_models = costs.checkpoints(training, parameters)  # one kept, one being written, the model twice
    assert two_and_models == 4 * parameters * (2 * 4 + 2)
    assert size == pytest.approx(4 * parameters * 4, rel=0.05)
    kept = costs.checkpoints(training | {"steps": 100, "keep_every": 10}, parameters)
    assert kept == 4 * parameters * ((4 + 10) * 4 + 2)


def test_a_table_counts_with_its_rows_or_its_size(tmp_path):
    file = tmp_path / "x.csv"
    file.write_text("a,b,g\n" + "1,2,x\n" * 100)
    config = tiny.experiment(
        dataset={"kind": "table", "path": str(file), "groupby": ["g"]}, evaluation={"kind": "samples"}
    )
    sizes = costs.disk(config, tmp_path / "s", trains=True)
    assert sizes["set store"] == 100 * 2 * 4 and sizes["checkpoints and model"] > 0
    config["dataset"]["transpose"] = True
    sizes = costs.disk(config, tmp_path / "s", trains=True)
    assert sizes["set store"] == file.stat().st_size and sizes["checkpoints and model"] is None
    config["dataset"]["path"] = str(tmp_path / "gone.csv")
    assert costs.disk(config, tmp_path / "s", trains=True)["set store"] is None


def test_nothing_is_written(project):
    before = sorted(Path().rglob("*"))
    check(Path(), Path("results"))
    check(Path(), Path("results"), grid="mvn5")
    assert sorted(Path().rglob("*")) == before


def test_sizes_for_people():
    sizes = {0: "0 bytes", 999: "999 bytes", 1500: "1.5 kB", 2_340_000: "2.34 MB", 7.1e12: "7.1 TB"}
    assert {size: preflight.readable(size) for size in sizes} == sizes
