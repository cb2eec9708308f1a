"""A signal for the parent reaches the scripts below it."""

import signal
import subprocess
import sys
import time

import pytest

from gde.cluster.signals import running_scripts

# what Snakemake does: its own handler, installed later, waits for the shell that runs the script
PARENT = """
import signal, subprocess, sys
from gde.cluster.signals import pass_on_sigterm
pass_on_sigterm()
signal.signal(signal.SIGTERM, lambda *_: print("waiting for jobs", flush=True))
sys.exit(subprocess.run(["bash", "-c", f"true; {sys.executable} {sys.argv[1]}; code=$?; echo shell lives; exit $code"]).returncode)
"""  # noqa: E501
SCRIPT = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
print("training", flush=True)
time.sleep(60)
"""


@pytest.fixture
def parent(tmp_path, monkeypatch):
    """parent(): start it, with its script at work."""
    script = tmp_path / ".snakemake/scripts/tmp1.train.py"
    script.parent.mkdir(parents=True)
    script.write_text(SCRIPT)
    started = []

    def start() -> subprocess.Popen:
        process = subprocess.Popen([sys.executable, "-c", PARENT, str(script)], stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "training\n"
        return process

    yield start
    for process in started:
        for child in [*running_scripts(process.pid), process.pid]:
            subprocess.run(["kill", "-KILL", str(child)], check=False, capture_output=True)
        process.communicate()


def test_in_a_slurm_job_the_script_gets_it_and_the_shell_does_not(parent, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    process = parent()
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 143
    assert sorted(process.stdout.read().splitlines()) == ["shell lives", "waiting for jobs"]


def test_elsewhere_it_does_not(parent, monkeypatch):
    """Snakemake's own way stays: it waits for what runs."""
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    process = parent()
    (script,) = running_scripts(process.pid)
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "waiting for jobs\n"
    time.sleep(0.3)
    assert running_scripts(process.pid) == [script]
