"""The whole of an experiment on Slurm, with the profile as it is shipped."""

import itertools
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from on_slurm import SMOKE, Run, copy_project

from gde.runs.verify import canonical_digests

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

ALL = ("all", *SMOKE, "experiments=[gmm]")
ON_GPU = ("train", "embed", "sample", "evaluate")
# the pretended GPUs serve jobs on the CPU, which would not ask for one; one GPU in use at once
GPUS = ("--set-resources", *(f"{rule}:gpu=1" for rule in ON_GPU), "--resources", "gpu=1")


@pytest.fixture(scope="module")
def finished(slurm, environment, locally, tmp_path_factory):
    """The run on Slurm, its jobs as Slurm saw them by rule, and the same made on this machine meanwhile."""
    here = copy_project(tmp_path_factory.mktemp("here"))
    with ThreadPoolExecutor(1) as pool:
        local = pool.submit(locally, here, *ALL)
        run = Run(copy_project(tmp_path_factory.mktemp("cluster")), environment, *ALL, *GPUS)
        try:
            assert run.wait(600) == 0, run.said()
        finally:
            run.end()
        jobs = [(re.match(r"rule_(\w+?)(?:_wildcards_|$)", job["Comment"])[1], job) for job in run.jobs()]
        local.result()
    return run, jobs, here


def test_results_are_those_of_a_local_run(finished):
    run, _, here = finished
    digests = canonical_digests(run.root / "results/gmm")
    assert digests == canonical_digests(here / "results/gmm")
    assert {"metrics.json", "embeddings.h5ad", "samples.h5ad", "model/model.safetensors"} <= set(digests)


def test_gpu_jobs_landed_on_gpu_nodes_and_no_others_did(finished):
    run, jobs, _ = finished
    assert {rule for rule, _ in jobs} == {"prepare", *ON_GPU, "figure", "card", "page", "overview"}
    for rule, job in jobs:
        assert job["JobState"] == "COMPLETED"
        assert job["Partition"] == "all"  # the cluster's default
        assert job["JobName"].startswith("gde_")
        assert job["Requeue"] == "0"
        if rule in ON_GPU:
            assert job["NodeList"] in ("gpu1", "gpu2")
            assert "gres/gpu=1" in job["TRES"]
            (log,) = (file.read_text() for file in (run.root / f"results/logs/{rule}").glob("gmm*.log"))
            assert re.match(rf".* Slurm job {job['JobId']} on {job['NodeList']}, GPUs: [01]\n", log)
        else:
            assert job["NodeList"] in ("cpu1", "cpu2")
            assert "gpu" not in job["TRES"]


def test_no_more_gpus_at_once_than_allowed(finished):
    _, jobs, _ = finished
    times = sorted((job["StartTime"], job["EndTime"]) for rule, job in jobs if rule in ON_GPU)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(times))


def test_the_same_command_again_does_nothing(finished, environment):
    run, *_ = finished
    again = Run(run.root, environment, *ALL, *GPUS)
    assert again.wait() == 0, again.said()
    assert "Nothing to be done" in again.said()
    assert not again.submitted()
