"""Every benchmark says how it is used, has a quick form, and stands in benchmarks/README.md."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = sorted((ROOT / "benchmarks").glob("*.py"))
IDS = [script.stem for script in SCRIPTS]


@pytest.mark.parametrize("script", SCRIPTS, ids=IDS)
def test_help(script):
    """Imports all that it measures, then prints its options."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(script), "--help"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "--quick" in done.stdout
    assert f"python benchmarks/{script.name} [" in done.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=IDS)
def test_is_listed(script):
    assert f"`{script.name}`" in (ROOT / "benchmarks/README.md").read_text()


def test_the_jobs_of_startup_are_the_rules():
    """Script by script and file by file, so that what is measured is what the workflow runs."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import startup
    finally:
        sys.path.pop(0)
    from gde.config import resolve

    config = resolve("gmm", {"experiments": ["gmm"], "preset": "smoke", "seed": 0, "accelerator": "cpu"}, ROOT)
    jobs = startup.jobs(config)
    assert set(jobs) == {script.stem for script in (ROOT / "workflow/scripts").glob("*.py")}
    rules = "".join(file.read_text() for file in (ROOT / "workflow/rules").glob("*.smk"))
    for rule, job in jobs.items():
        text = rules.partition(f"rule {rule}:")[2].partition("\nrule ")[0]
        assert len(job["output"]) == text.partition("output:")[2].partition("log:")[0].count("results/")
