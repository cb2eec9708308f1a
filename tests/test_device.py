"""A job that was granted a GPU never computes on a CPU in silence."""

import logging

import pytest
import torch

from gde.device import autocast, pick_device
from gde.errors import GdeError


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for name in ("SLURM_JOB_GPUS", "SLURM_STEP_GPUS", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("variable", ["SLURM_JOB_GPUS", "SLURM_STEP_GPUS"])
@pytest.mark.parametrize("accelerator", ["auto", "cuda"])
def test_a_granted_gpu_that_is_not_visible(monkeypatch, variable, accelerator):
    monkeypatch.setenv(variable, "0")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    with pytest.raises(GdeError, match=r"accelerator: found no visible GPU .*'7'.*granted 0.*accelerator: cpu"):
        pick_device(accelerator)


def test_cpu_is_taken_at_its_word(monkeypatch):
    monkeypatch.setenv("SLURM_JOB_GPUS", "0")
    assert pick_device("cpu").type == "cpu"


def test_auto_falls_back_and_says_so(caplog):
    with caplog.at_level(logging.INFO):
        assert pick_device("auto").type == "cpu"
    assert "computing on the CPU" in caplog.text


def test_cuda_without_a_gpu():
    with pytest.raises(GdeError, match="no visible GPU"):
        pick_device("cuda")


def test_the_local_rank_chooses_the_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert pick_device("auto") == torch.device("cuda", 3)
    assert pick_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize(
    ("precision", "dtype"), [("fp32", torch.float32), ("auto", torch.float32), ("bf16", torch.bfloat16)]
)
def test_precision_on_a_cpu(precision, dtype):
    with autocast(torch.device("cpu"), precision):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype
