"""Memory that runs out is told in one line, wherever it was asked for; other errors pass."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gde.cli import commands, main
from gde.cli.memory import memory_errors
from gde.cli.script import EXIT, job
from gde.errors import GdeError

TOO_MUCH = 1 << 50


class OutOfMemoryError(RuntimeError):
    """As torch's for a GPU, which no machine without one raises."""


def of_a_gpu():
    raise OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


ASKED = {
    "numpy": lambda: np.empty(TOO_MUCH),
    "torch": lambda: torch.empty(TOO_MUCH),
    "gpu": of_a_gpu,
    "python": lambda: bytes(TOO_MUCH),
}


@pytest.mark.parametrize("who", ASKED)
def test_one_line_with_the_remedy(who):
    said = r"^memory: found .*; take smaller or fewer sets \(training\.set_size"
    with pytest.raises(GdeError, match=said), memory_errors():
        ASKED[who]()


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), GdeError("file: not there"), KeyError("key")])
def test_other_errors_pass(error):
    with pytest.raises(type(error)) as caught, memory_errors():
        raise error
    assert caught.value is error


def test_a_command_and_a_job_say_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(commands, "list_runs", lambda _: ASKED["torch"]())
    assert main(["list"]) == EXIT
    assert capsys.readouterr().err.startswith("gde: memory: found ")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # a job sets it, and what SIGTERM does, for its process
    monkeypatch.setattr("signal.signal", lambda *_: None)
    rule = SimpleNamespace(log=[str(tmp_path / "log")], output=["results/x/y"], params=SimpleNamespace(), threads=1)
    with pytest.raises(SystemExit) as ended, job(rule):
        ASKED["numpy"]()
    assert ended.value.code == EXIT
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert line.startswith("gde: memory: found ")


@pytest.mark.skipif(sys.platform != "linux", reason="limits of a process's memory are Linux's")
def test_a_process_with_a_limit():
    code = """
import resource, torch
from gde.cli.memory import memory_errors
resource.setrlimit(resource.RLIMIT_AS, (1 << 33, 1 << 33))
with memory_errors():
    torch.zeros(1 << 32)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "GdeError: memory: found" in found.stderr
