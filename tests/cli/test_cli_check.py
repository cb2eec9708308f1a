"""`gde check`: what would be trained, and why."""

import itertools
import re
import shutil

import tiny
from projects import EXPERIMENTS, edit, id_of, train


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
    assert float(rows["tiny"]["minutes"]) >= 0
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
    monkeypatch.setattr("gde.preflight.check.code_digest", lambda roots: "x")
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
