"""The command line on trained runs: what it prints, what it writes, and one line for every mistake."""

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import anndata as ad
import numpy as np
import pytest
import tiny
import yaml

import gde
from gde.card import card, write_card
from gde.cli import main
from gde.config import resolve, training_slice
from gde.config.load import read_yaml
from gde.integrity import write_sealed_json
from gde.io import read_json, write_json, write_sums
from gde.prepare import prepare_store
from gde.runs import keep_metrics
from gde.sets.layout import store_digest

EXPERIMENTS = ("tiny", "cells")


def prepare(root: Path, name: str) -> Path:
    """Store and resolved settings of an experiment, as the workflow makes them; returns the settings' file."""
    config = resolve(name, read_yaml(root / "config/config.yaml").data, root)
    if not (root / "results/sets" / name).exists():
        prepare_store({key: config[key] for key in ("name", "seed", "dataset")}, root / "results/sets" / name)
    write_json(root / f"{name}.json", training_slice(config))
    return root / f"{name}.json"


def train(root: Path, name: str) -> int:
    arguments = ["--sets", f"results/sets/{name}", "--model", f"results/{name}/model", "--accelerator", "cpu"]
    return main(["train", str(prepare(root, name)), *arguments])


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A project with two trained experiments, `tiny` (families) and `cells`, one of them with metrics."""
    root = tmp_path_factory.mktemp("project")
    (root / "config/experiments").mkdir(parents=True)
    (root / "config/config.yaml").write_text("experiments: [tiny, cells]\n")
    tiny.cells().write_h5ad(root / "cells.h5ad")
    (root / "resources").mkdir()
    shutil.copy(Path(gde.__file__).parents[1] / "resources/sources.yaml", root / "resources")
    dataset = {"kind": "h5ad", "path": "cells.h5ad", "groupby": ["donor", "cell_type"], "n_hvg": None, "n_pcs": 5}
    for name, data in {"tiny": tiny.FAMILY, "cells": dataset}.items():
        text = yaml.safe_dump({**tiny.SMALL, "dataset": data})
        (root / f"config/experiments/{name}.yaml").write_text(text)
    before = Path.cwd()
    os.chdir(root)
    try:
        for name in EXPERIMENTS:
            assert train(root, name) == 0
        run = read_json(root / "results/tiny/model/config.json")["run"]
        write_sealed_json(root / "results/tiny/metrics.json", tiny.metrics(run))
        keep_metrics(root / "results/tiny/metrics.json", root / "results/runs")
    finally:
        os.chdir(before)
    return root


@pytest.fixture
def project(trained, tmp_path, monkeypatch, no_fsync):
    """A copy of the trained project to work in."""
    root = tmp_path / "project"
    shutil.copytree(trained, root)
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def run(capsys):
    """run(*arguments) -> (status, stdout, stderr)"""

    def run(*arguments):
        capsys.readouterr()
        status = main([str(a) for a in arguments])
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def refused(run):
    """refused(*arguments, parts=[...]): exits 2, one line has every part; nothing on stdout unless `prints`."""

    def refused(*arguments, parts, prints=False):
        status, out, err = run(*arguments)
        assert status == 2
        assert bool(out) == prints
        assert err.startswith("gde: ")
        assert err.count("\n") == 1
        for part in parts:
            assert part in err

    return refused


def id_of(name: str) -> str:
    return read_json(Path(f"results/{name}/model/config.json"))["run"]


# list, show, compare


def test_list(project, run):
    status, out, _ = run("list")
    assert status == 0
    rows = {line.split()[0]: line for line in out.splitlines()[2:]}
    assert set(rows) == {id_of("tiny"), id_of("cells")}
    for row in rows.values():
        assert "current" in row
        assert "16/16" in row
        assert "resnet" in row


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--name-contains", "ell"], ["cells"]),
        (["--param", "latent_dim=4"], ["cells", "tiny"]),
        (["--param", "latent_dim=64"], []),
        (["--param", "dataset.kind=mvn"], ["tiny"]),
        (["--param", "lr=5e-3"], ["cells", "tiny"]),
        (["--param", "lr=0.005", "--param", "training.steps=16", "--name-contains", "tiny"], ["tiny"]),
        (["--param", "mixer=null"], ["cells", "tiny"]),
    ],
)
def test_list_with_conditions(project, run, arguments, names):
    status, out, _ = run("list", *arguments)
    assert status == 0
    assert [line.split()[0].rpartition("-")[0] for line in out.splitlines()[2:]] == names
    assert names or "no such run" in out


def test_list_without_runs(tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    assert run("list") == (0, "no such run below results/runs\n", "")


def test_show(project, run):
    for word in ("tiny", id_of("tiny"), id_of("tiny")[5:], id_of("tiny")[5:9]):
        status, out, _ = run("show", word)
        shown = yaml.safe_load(out)
        assert status == 0
        assert shown["run"] == id_of("tiny")
        assert shown["state"] == "current"
        assert shown["budget"]["steps"] == 16
        assert shown["metrics"]["geometry/w2_spearman"] == 0.9
        assert shown["config"]["latent_dim"] == 4
        record = shown["provenance"]["model"]
        assert record["inputs"] == {"store": store_digest(project / "results/sets/tiny")}
        assert record["seeds"] == {"experiment": 0}
        assert len(record["config"]) == len(record["code"]) == len(record["environment"]["lock"]) == 64
        assert record["environment"]["torch"].startswith("2.")
        assert shown["provenance"]["metrics"]["code"] == "c" * 64


def edit(root: Path, name: str, **changes) -> None:
    file = root / f"config/experiments/{name}.yaml"
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | changes))


def test_an_edit_makes_another_run_and_compare_says_what_differs(project, run):
    first = id_of("tiny")
    edit(project, "tiny", latent_dim=3)
    assert train(project, "tiny") == 0
    second = id_of("tiny")
    assert first != second
    states = {line.split()[0]: line.split()[1] for line in run("list", "--name-contains", "tiny")[1].splitlines()[-2:]}
    assert states == {first: "finished", second: "current"}
    status, out, _ = run("compare", "tiny", first, "cells")
    assert status == 0
    settings, metrics = out.split("\n\n")
    assert ["latent_dim", "3", "4", "4"] in [line.split() for line in settings.splitlines()]
    assert "geometry/w2_spearman" in metrics
    assert "training.n_sets" not in settings
    assert run("compare", second, second)[1].startswith("the same settings")
    edit(project, "tiny", latent_dim=4)
    assert train(project, "tiny") == 0
    assert id_of("tiny") == first


def test_words_that_name_no_run_or_several(project, run, refused):
    refused("show", "tinny", parts=["'tinny'", "no such run", id_of("tiny"), id_of("cells")])
    refused("show", "", parts=["several", id_of("tiny"), id_of("cells")])
    refused("compare", "tiny", parts=["two or more"])
    refused("list", "--param", "latent_dim", parts=["--param latent_dim", "key=value"])


def test_no_runs_at_all(tmp_path, monkeypatch, refused):
    monkeypatch.chdir(tmp_path)
    refused("show", "gmm", parts=["no such run", "train an experiment first"])


def test_a_damaged_record_is_named(project, refused):
    (project / "results/runs" / id_of("tiny") / "run.json").write_text("{")
    refused("list", parts=["run.json", "the file is damaged"])
    refused("check", parts=["run.json", "the file is damaged"], prints=True)


# check


def checked(run) -> dict[str, dict[str, str]]:
    """experiment -> row of `gde check`."""
    status, out, err = run("check")
    assert (status, err) == (0, "")
    head, rule, *rows = out.partition("\n\n")[0].splitlines()
    columns = [m.span() for m in re.finditer("-+", rule)]
    keys = [head[a:b].strip() for a, b in columns]
    starts = [a for a, _ in columns] + [None]
    cells = ([r[a:b].strip() for a, b in itertools.pairwise(starts)] for r in rows)
    parsed = [dict(zip(keys, c, strict=True)) for c in cells]
    return {row["experiment"]: row for row in parsed}


def test_check_says_what_would_train_and_why(project, run):
    rows = checked(run)
    assert [rows[n]["action"] for n in EXPERIMENTS] == ["nothing", "nothing"]
    edit(project, "tiny", latent_dim=3)
    rows = checked(run)
    assert rows["tiny"]["action"] == "train"
    assert rows["tiny"]["why"] == "latent_dim: 4 -> 3"
    assert float(rows["tiny"]["hours"]) >= 0
    assert rows["cells"]["action"] == "nothing"


def test_check_of_a_superseded_run_publishes_it_again(project, run):
    edit(project, "tiny", latent_dim=3)
    train(project, "tiny")
    edit(project, "tiny", latent_dim=4)
    assert checked(run)["tiny"]["action"] == "publish again"


def test_check_of_changed_data_code_and_nothing_yet(project, run, monkeypatch):
    shutil.rmtree(project / "results/sets/cells")
    assert checked(run)["cells"]["action"] == "prepare and train"
    shutil.rmtree(project / "results/sets/tiny")
    tiny.prepare(tiny.experiment(seed=5), project / "results/sets/tiny")
    assert "the data changed" in checked(run)["tiny"]["why"]
    monkeypatch.setattr("gde.check.code_digest", lambda roots: "x")
    assert "the training code changed" in checked(run)["tiny"]["why"]
    shutil.rmtree(project / "results/runs")
    assert checked(run)["tiny"]["why"] == "never trained"


def test_check_of_an_interrupted_run(project, run):
    shutil.rmtree(project / "results/runs" / id_of("tiny") / "model")
    row = checked(run)["tiny"]
    assert row["action"] == "continue from step 16"
    assert "unfinished" in row["why"]


def test_check_prints_every_problem_and_what_is_right(project, run):
    edit(project, "tiny", latent_dimm=3, encoder={"kind": "resnt"}, training={"steps": 0, "n_sets": 6})
    edit(project, "cells", dataset={"kind": "h5ad", "path": "gone.h5ad", "groupby": ["donor"]})
    status, out, err = run("check")
    assert status == 2
    lines = err.splitlines()
    assert len(lines) == 5 and all(line.startswith("gde: config/experiments/") for line in lines)
    for part in ("latent_dimm", "did you mean 'resnet'?", "training.steps", "training.shards", "no file 'gone.h5ad'"):
        assert sum(part in line for line in lines) == 1
    assert "cells" in out and "tiny" not in out.partition("\n\n")[0]


def test_check_of_chosen_experiments(project, run, refused):
    status, out, _ = run("check", "cells")
    assert status == 0
    assert "cells" in out and "tiny" not in out
    refused("check", "cels", parts=["'cels'", "did you mean 'cells'?"])
    refused("check", "cells", "--grid", "some", parts=["one of them"])
    refused("check", "--grid", "some", parts=["grids", "'some'"])


# clean


def test_clean_keeps_models_logs_and_metrics(project, run):
    run_dir = project / "results/runs" / id_of("tiny")
    status, out, _ = run("clean", "--dry-run")
    assert status == 0
    assert out.count("would delete") == 2
    assert (run_dir / "checkpoints").is_dir()
    run("clean")
    assert {p.name for p in run_dir.iterdir()} == {"log.jsonl", "metrics.json", "model", "run.json"}
    assert run("clean")[1] == ""
    assert train(project, "tiny") == 0


def test_clean_spares_unfinished_and_current_runs(project, run):
    current, other = id_of("cells"), id_of("tiny")
    edit(project, "tiny", latent_dim=3)
    train(project, "tiny")
    newest = id_of("tiny")
    shutil.rmtree(project / "results/runs" / newest / "model")
    run("clean", "--superseded")
    assert {p.name for p in (project / "results/runs").iterdir()} == {current, newest}
    assert other not in (current, newest)
    assert (project / "results/runs" / newest / "checkpoints").is_dir()


# verify


def test_verify_finds_equal_results_equal(project, run):
    write_card(
        Path("results/tiny/model"),
        Path("results/tiny/metrics.json"),
        Path("results/tiny/MODEL_CARD.md"),
        description="a tiny one",
    )
    main(["embed", "cells", "cells.h5ad", "--groupby", "donor", "-o", "results/tiny/embeddings.h5ad"])
    shutil.copytree("results/tiny", "other")
    main(["embed", "cells", "cells.h5ad", "--groupby", "donor", "-o", "other/embeddings.h5ad"])
    for name, change in (("metrics.json", {"seconds": 9}), ("model/config.json", {"seconds": 7.5})):
        content = read_json(Path("other") / name)
        content["budget"] |= change
        record = content["provenance"]["environment"]
        content["provenance"]["environment"] = record | {"host": "another", "git": "v9-dirty", "lock": "x"}
        (write_sealed_json if name == "metrics.json" else write_json)(Path("other") / name, content)
    write_sums(Path("other/model"))
    write_card(Path("other/model"), Path("other/metrics.json"), Path("other/MODEL_CARD.md"), description="a tiny one")
    status, out, _ = run("verify", "results/tiny", "other")
    assert status == 0
    assert "the same 5 results" in out


@pytest.mark.parametrize("file", ["metrics.json", "embeddings.h5ad", "extra.txt"])
def test_verify_names_what_differs(project, run, refused, file, capsys):
    main(["embed", "cells", "cells.h5ad", "--groupby", "donor", "-o", "results/tiny/embeddings.h5ad"])
    shutil.copytree("results/tiny", "other")
    if file == "metrics.json":
        content = read_json(Path("other/metrics.json"))
        content["metrics"]["reconstruction/w2"]["value"] += 1e-12
        write_sealed_json(Path("other/metrics.json"), content)
    elif file == "extra.txt":
        (project / "other/extra.txt").write_text("x")
    else:
        z = ad.read_h5ad("other/embeddings.h5ad")
        z.X[0, 0] = np.nextafter(z.X[0, 0], np.float32(9))
        z.write_h5ad("other/embeddings.h5ad")
    capsys.readouterr()
    refused("verify", "results/tiny", "other", parts=["other: found other results in", file])


def test_verify_of_nothing_damage_and_too_many(project, refused):
    refused("verify", "results/nothing", parts=["results/nothing", "no such directory"])
    refused("verify", "a", "b", "c", parts=["3 directories"])
    with Path("results/tiny/model/model.safetensors").open("ab") as f:
        f.write(b"x")
    refused("verify", "results/tiny", "results/tiny", parts=["model.safetensors", "damaged"])


# embed, sample


@pytest.mark.parametrize("word", ["cells", "id", "hash", "results/cells/model"])
def test_embed_and_sample(project, run, word):
    word = {"id": id_of("cells"), "hash": id_of("cells")[-8:]}.get(word, word)
    status, out, _ = run("embed", word, "cells.h5ad", "--groupby", "donor", "cell_type", "-o", "out/z.h5ad")
    assert status == 0
    assert "24 embeddings of length 4" in out
    z = ad.read_h5ad("out/z.h5ad")
    assert z.shape == (24, 4)
    assert z.uns["gde"]["run"] == id_of("cells")
    status, out, _ = run("sample", word, "out/z.h5ad", "-n", 3, "-o", "out/x.h5ad")
    assert status == 0
    assert "3 samples of each of 24 sets" in out
    assert ad.read_h5ad("out/x.h5ad").shape == (72, 30)
    assert sorted(os.listdir("out")) == ["x.h5ad", "z.h5ad"]


def test_embed_cells(project, run):
    status, out, _ = run("embed", "cells", "cells.h5ad", "--groupby", "donor", "--cells", "-o", "out/c.h5ad")
    assert status == 0
    assert "cells with the embedding of their group in obsm['X_gde']" in out
    cells = ad.read_h5ad("out/c.h5ad")
    assert cells.obsm["X_gde"].shape == (ad.read_h5ad("cells.h5ad").n_obs, 4)


def test_embed_mistakes(project, refused):
    def embed(*arguments, parts):
        refused("embed", *arguments, "-o", "z.h5ad", parts=parts)
        assert not Path("z.h5ad").exists()

    embed("cell", "cells.h5ad", parts=["'cell'", id_of("cells")])
    embed("cells", "nothing.h5ad", parts=["nothing.h5ad"])
    embed("cells", "cells.h5ad", "--groupby", "doner", parts=["doner", "donor"])
    embed("cells", "cells.h5ad", "--layer", "counts", parts=["counts"])
    embed("cells", "cells.h5ad", "--use-raw", parts=["raw"])
    embed("tiny", "cells.h5ad", parts=["no preprocessing"])
    Path("cut.h5ad").write_bytes(Path("cells.h5ad").read_bytes()[:3000])
    embed("cells", "cut.h5ad", parts=["cut.h5ad"])
    embed("config", "cells.h5ad", parts=["config", "SHA256SUMS"])


def test_sample_mistakes(project, refused, capsys):
    main(["embed", "cells", "cells.h5ad", "-o", "z.h5ad"])
    capsys.readouterr()
    refused("sample", "cells", "nothing.h5ad", "-o", "x.h5ad", parts=["nothing.h5ad"])
    refused("sample", "cells", "cells.h5ad", "-o", "x.h5ad", parts=["30 columns", "latent_dim"])
    with pytest.raises(SystemExit) as e:
        main(["sample", "cells", "z.h5ad", "-n", "0", "-o", "x.h5ad"])
    assert e.value.code == 2
    assert "expected 1 to" in capsys.readouterr().err
    assert not Path("x.h5ad").exists()


def test_an_unfinished_run_has_no_model(project, refused):
    name = id_of("cells")
    shutil.rmtree(f"results/runs/{name}/model")
    refused("embed", "cells", "cells.h5ad", "-o", "z.h5ad", parts=[name, "training has not finished"])


# init


def test_init_writes_an_experiment_that_resolves_and_prepares(project, run, refused):
    shutil.copy("cells.h5ad", "My data-2.h5ad")
    status, out, _ = run("init", "My data-2.h5ad", "--groupby", "donor", "cell_type")
    assert status == 0
    assert "snakemake results/my_data_2/embeddings.h5ad" in out
    config = resolve("my_data_2", {"experiments": ["my_data_2"]}, project)
    assert config["dataset"]["groupby"] == ["donor", "cell_type"]
    assert config["dataset"]["values"] == "counts"
    assert config["dataset"]["path"] == "My data-2.h5ad"
    tiny.prepare(config, project / "results/sets/my_data_2")
    text = Path("config/experiments/my_data_2.yaml").read_text()
    assert "donor (12)" in text
    assert "cell_type (2)" in text
    # the commented suggestions are valid too
    keys = ("# encoder:", "# generator:", "# latent_dim:", "# training:")
    lines = [line.removeprefix("# ") if line.startswith(keys) else line for line in text.splitlines()]
    Path("config/experiments/my_data_2.yaml").write_text("\n".join(lines))
    assert resolve("my_data_2", {"experiments": []}, project)["training"]["set_size"] == 64
    refused("init", "My data-2.h5ad", parts=["my_data_2.yaml", "give --name"])
    assert Path("config/experiments/my_data_2.yaml").read_text() == "\n".join(lines)


def test_init_guesses_the_groups(project, run):
    assert run("init", "cells.h5ad", "--name", "guessed")[0] == 0
    assert resolve("guessed", {"experiments": []}, project)["dataset"]["groupby"] == ["donor"]


@pytest.mark.parametrize("values", ["counts", "lognorm", "scaled"])
@pytest.mark.parametrize("form", ["sparse", "dense"])
def test_init_recognises_the_values(project, run, values, form):
    adata = tiny.cells()
    x = adata.X.toarray()
    x = {"counts": x, "lognorm": np.log1p(x / x.sum(1, keepdims=True) * 1e4), "scaled": x - x.mean(0)}[values]
    adata.X = type(adata.X)(x) if form == "sparse" else x
    adata.write_h5ad("x.h5ad")
    assert run("init", "x.h5ad", "--name", "xx")[0] == 0
    assert resolve("xx", {"experiments": []}, project)["dataset"]["values"] == values


def test_init_of_a_long_path_and_odd_names(project, run):
    folder = Path("a folder: with, odd [signs] # and spaces " * 4)
    folder.mkdir()
    adata = tiny.cells()
    adata.obs["odd: column, no. 1"] = adata.obs["donor"]
    adata.write_h5ad(folder / "x.h5ad")
    assert run("init", folder / "x.h5ad", "--name", "odd", "--groupby", "odd: column, no. 1", "cell_type")[0] == 0
    dataset = resolve("odd", {"experiments": []}, project)["dataset"]
    assert dataset["path"] == str(folder / "x.h5ad")
    assert dataset["groupby"] == ["odd: column, no. 1", "cell_type"]


def test_init_mistakes(project, refused):
    before = sorted(os.listdir("config/experiments"))
    refused("init", "nothing.h5ad", parts=["nothing.h5ad"])
    refused("init", "cells.h5ad", "--name", "new", "--groupby", "doner", parts=["doner", "donor"])
    refused("init", "cells.h5ad", "--name", "1x", parts=["--name", "'1x'"])
    refused("init", "cells.h5ad", "--name", "runs", parts=["runs"])
    refused("init", "config/config.yaml", "--name", "new", parts=["config.yaml"])
    adata = tiny.cells()
    adata.obs = adata.obs[[]]
    adata.write_h5ad("bare.h5ad")
    refused("init", "bare.h5ad", parts=["no column that groups cells", "--groupby"])
    assert sorted(os.listdir("config/experiments")) == before


# train, card


def test_train_is_stopped_by_sigterm_and_continued(project, capsys, caplog):
    """A real process and a real signal, as Slurm's time limit sends it."""
    edit(project, "tiny", training=tiny.SMALL["training"] | {"steps": 400, "validate_every": 200, "log_every": 1})
    arguments = ["train", str(prepare(project, "tiny")), "--sets", "results/sets/tiny", "--model", "results/tiny/model"]
    environment = os.environ | {"PYTHONPATH": str(Path(gde.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    before = set(Path("results/runs").iterdir())
    process = subprocess.Popen(
        [sys.executable, "-m", "gde.cli", *arguments], env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        deadline = time.monotonic() + 60
        while not (logs := [d / "log.jsonl" for d in set(Path("results/runs").iterdir()) - before]) or not (
            logs[0].exists() and logs[0].stat().st_size
        ):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 143
    assert "SIGTERM: checkpoint written at step" in said
    newest = max(p.name for p in logs[0].parent.glob("checkpoints/step-*"))
    assert 0 < int(newest[5:]) < 400
    with caplog.at_level("INFO"):
        assert main(arguments) == 0
    assert f"resumed at step {int(newest[5:])} of 400" in caplog.text
    assert f"results/tiny/model: {logs[0].parent.name}" in capsys.readouterr().out


def test_train_mistakes(project, refused):
    refused("train", "nothing.json", "--sets", "x", "--model", "y", parts=["nothing.json"])
    refused("train", prepare(project, "tiny"), "--sets", "nothing", "--model", "y", parts=["nothing"])
    assert not Path("y").exists()


def test_the_card_says_methods_and_metrics(project):
    config, report = read_json(Path("results/tiny/model/config.json")), read_json(Path("results/tiny/metrics.json"))
    text = card(config, report)
    for part in ("resnet encoder into 4 dimensions", "flow model", "16 steps", "8 sets of 12 samples", "step 16",
                 "arXiv 2505.18150", config["run"], "kind: mvn", "Simulated", "## Limits", "## Citation"):  # fmt: skip
        assert part in text
    assert "| geometry/w2_spearman (higher is better) | 0.9 | 0.8 to 0.95 | 15 | mean 0.5 | 0 |  |  | strict |" in text
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1


def test_card_of_real_cells(project):
    config = read_json(Path("results/cells/model/config.json"))
    text = card(config, json.loads(json.dumps(tiny.metrics(config["run"]))))
    assert "A file of the user" in text
