"""One Slurm of virtual nodes for the session, the reference results, and the workflow run on it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from on_slurm import CLUSTER, MODEL, Run, cluster, copy_project, edit, resume_with_sigterm, wait_until

from gde.runs.verify import canonical_digests


@pytest.fixture(scope="session")
def slurm() -> Iterator[None]:
    """The cluster, up. One that was up before stays up."""
    if os.geteuid() != 0:
        pytest.skip("only root can start Slurm's daemons")
    if shutil.which("scontrol") is None and shutil.which("apt-get") is None:
        pytest.skip("no Slurm here, and no apt-get to install it with")
    was_up = subprocess.run([CLUSTER, "status"], capture_output=True).returncode == 0
    up = subprocess.run([CLUSTER, "up"], capture_output=True, text=True, timeout=900)
    if up.returncode and shutil.which("scontrol") is None:
        pytest.skip(f"Slurm cannot be installed here: {up.stderr.strip()}")
    assert up.returncode == 0, up.stdout + up.stderr
    yield
    if not was_up:
        cluster("down")


@pytest.fixture(scope="session")
def environment(tmp_path_factory) -> dict[str, str]:
    """What Snakemake starts with, here and on the nodes."""
    keep = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "SNAKEMAKE_PROFILE")}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return keep | {"PATH": path, "XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache"))}


@pytest.fixture(scope="session")
def locally(slurm, environment) -> Callable[..., None]:
    """locally(project, *arguments): Snakemake on this machine, to its end."""

    def run(root: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "snakemake", "--profile", "profiles/local", *arguments]
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr

    return run


@pytest.fixture(scope="session")
def prepared(tmp_path_factory, locally) -> Path:
    """A project with the set store of `normal`, and a profile with account and partitions; tests work on copies."""
    root = copy_project(tmp_path_factory.mktemp("prepared"))
    edit(
        root / "profiles/slurm/config.yaml",
        ("# slurm_account: my_account ", "slurm_account: lab "),
        ("# slurm_partition: cpu ", "slurm_partition: cpu "),
        ("# set-resources: ", "set-resources: "),
        # the pretended GPUs serve a training on the CPU, which would not ask for one
        ("#   train: {slurm_partition: gpu}", "  train: {slurm_partition: gpu, gpu: 1}"),
        ("#   embed: {", "  embed: {"),
        ("#   sample: {", "  sample: {"),
        ("#   evaluate: {", "  evaluate: {"),
        ("#   cell: {", "  cell: {"),
    )
    locally(root, "results/sets/normal", *MODEL[1:])
    return root


@pytest.fixture
def project(prepared, tmp_path) -> Path:
    """A copy of `prepared`."""
    return shutil.copytree(prepared, tmp_path / "project", copy_function=shutil.copy2)


@pytest.fixture(scope="session")
def undisturbed(prepared, locally, tmp_path_factory) -> dict[str, str]:
    """Digests of the model that a training gives which nothing disturbs."""
    root = tmp_path_factory.mktemp("undisturbed") / "project"
    shutil.copytree(prepared, root, copy_function=shutil.copy2)
    locally(root, *MODEL)
    digests = canonical_digests(root / "results/normal")
    assert "model/model.safetensors" in digests
    return digests


@pytest.fixture
def start(slurm, environment) -> Iterator[Callable[..., Run]]:
    """start(project, *arguments): Snakemake in the background, ended with the test."""
    runs = []

    def start(root: Path, *arguments: str) -> Run:
        runs.append(Run(root, environment, *arguments))
        return runs[-1]

    yield start
    for run in runs:
        run.end()


@pytest.fixture(scope="session")
def limited(prepared, environment, tmp_path_factory) -> Iterator[Future[tuple[Run, list[str], list[dict[str, str]]]]]:
    """A training that meets its time limit twice, its log after each, and its jobs, which the controller soon forgets.
    It waits for minutes, so it runs beside the other tests."""
    root = tmp_path_factory.mktemp("limited") / "project"
    shutil.copytree(prepared, root, copy_function=shutil.copy2)
    # a minute is Slurm's shortest limit, and the profile's early SIGTERM would come at the start of it; on a CPU node,
    # since other tests kill GPU nodes
    train = "train: {runtime: 1, slurm_extra: \"''\"}"
    edit(root / "profiles/slurm/config.yaml", ("train: {slurm_partition: gpu, gpu: 1}", train))
    run = Run(root, environment, *MODEL)

    def meet_two_limits() -> tuple[Run, list[str], list[dict[str, str]]]:
        logs = []
        for _ in range(2):
            training = run.pause_training()
            resume_with_sigterm(training, 180, run)
            wait_until(lambda: run.training() is None, 60, run.said)
            logs.append(run.log())
            run.known = set(run.checkpoints())  # its last one is not the next attempt's
        assert run.wait() == 0, run.said()
        return run, logs, run.jobs()

    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(meet_two_limits)
        run.end()


@pytest.fixture(scope="session", autouse=True)
def start_early(request) -> None:
    """What takes minutes of waiting starts first."""
    if any("limited" in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("limited")
