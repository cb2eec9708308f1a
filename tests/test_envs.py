"""The lock, the conda environment and pyproject.toml name the same versions."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def lock() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line) for line in lines), (
        "plain name==version lines only"
    )
    return {normal(name): version for name, version in (line.split("==") for line in lines)}


def test_the_lock_serves_cpu_and_gpu_machines():
    assert lock()["torch"] == "2.13.0"
    assert not [name for name in lock() if name.startswith("nvidia") or name == "triton"]


def test_every_dependency_is_locked():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {normal(re.match(r"[A-Za-z0-9._-]+", d)[0]) for d in project["dependencies"]}
    tools = {"pytest", "hypothesis", "geomloss", "ruff", "snakefmt", "snakemake-executor-plugin-slurm"}
    assert names | tools <= lock().keys()


def test_conda_environment_has_the_lock_versions():
    env = yaml.safe_load((ROOT / "envs/gde.yaml").read_text())
    pip = next(d["pip"] for d in env["dependencies"] if isinstance(d, dict))
    pins = {normal(name): version for name, version in (line.split("==") for line in pip)}
    assert pins.items() <= lock().items()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {normal(re.match(r"[A-Za-z0-9._-]+", d)[0]) for d in project["dependencies"]} <= pins.keys()


def test_installed_versions_are_the_locked_ones():
    from importlib.metadata import PackageNotFoundError, version

    for name, expected in lock().items():
        try:
            found = version(name).partition("+")[0]
        except PackageNotFoundError:
            found = None
        assert found == expected, name
