"""A job that was granted a GPU never computes on a CPU in silence."""

import logging

import pytest
import torch

from gde.cluster.device import autocast, pick_device
from gde.cluster.rank import Place
from gde.errors import GdeError


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for name in ("SLURM_JOB_GPUS", "SLURM_STEP_GPUS", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def gpus(monkeypatch):
    """gpus(n): as if torch saw n GPUs."""

    def see(n):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: n > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: n)

    return see


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
        assert pick_device("auto", tell=True).type == "cpu"
    assert "computing on the CPU" in caplog.text


def test_cuda_without_a_gpu():
    with pytest.raises(GdeError, match="no visible GPU"):
        pick_device("cuda")


@pytest.mark.parametrize("rank", [0, 1])
def test_each_process_takes_its_own_gpu(gpus, rank):
    """Also the second one of the second machine, whose rank is 3."""
    gpus(2)
    assert pick_device("auto", Place(rank, 2, rank)) == torch.device("cuda", rank)
    assert pick_device("cuda", Place(rank + 2, 4, rank)) == torch.device("cuda", rank)
    assert pick_device("cpu", Place(rank, 2, rank)) == torch.device("cpu")


def test_torchruns_local_rank_is_read(gpus, monkeypatch):
    gpus(4)
    for name, value in (("RANK", "3"), ("WORLD_SIZE", "4"), ("LOCAL_RANK", "3"), ("MASTER_PORT", "1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MASTER_ADDR", "node1")
    assert pick_device("auto") == torch.device("cuda", 3)


def test_srun_shows_each_process_one_gpu(gpus, monkeypatch):
    gpus(1)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert pick_device("auto", Place(1, 2, 1, bound=True)) == torch.device("cuda", 0)


def test_more_processes_than_gpus(gpus):
    gpus(1)
    with pytest.raises(GdeError, match=r"gpus: found 1 visible, expected 2 or more on this machine, one for each"):
        pick_device("auto", Place(1, 2, 1))


def test_one_of_the_granted_gpus_is_not_visible(gpus, monkeypatch):
    gpus(1)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with pytest.raises(GdeError, match=r"1 visible GPU \(CUDA_VISIBLE_DEVICES='0,1'.*every GPU that was granted"):
        pick_device("auto", Place(0, 2, 0))


@pytest.mark.parametrize(
    ("precision", "dtype"), [("fp32", torch.float32), ("auto", torch.float32), ("bf16", torch.bfloat16)]
)
def test_precision_on_a_cpu(precision, dtype):
    with autocast(torch.device("cpu"), precision):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype
