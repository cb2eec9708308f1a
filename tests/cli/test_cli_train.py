"""`gde train` as Slurm stops it, and the card of what it trained."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import tiny
from projects import edit, prepare

import gde
from gde.cli import main
from gde.files.io import read_json
from gde.runs.card import card


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
    words = "geometry/w2_spearman: rank correlation of embedding distance with W2 (higher is better)"
    assert f"| {words} | 0.9 | 0.8 to 0.95 | 15 | mean 0.5 | 0 |  |  | strict |" in text
    assert f"- reconstruction/w2: {tiny.MARK}.\n" in text
    assert f"### Left out\n\n- {tiny.LEFT['what']}: {tiny.LEFT['why']}.\n" in text
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1


def test_card_of_real_cells(project):
    config = read_json(Path("results/cells/model/config.json"))
    text = card(config, json.loads(json.dumps(tiny.metrics(config["run"]))))
    assert "A file of the user" in text
