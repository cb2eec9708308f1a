"""The lock, the conda environment and pyproject.toml name the same versions."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
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


OPTIONAL = {"wandb"}
UNIMPORTED = {
    "scanpy",  # its bundled data
    "tensorboard",  # torch.utils.tensorboard
}


def third_party() -> set[str]:
    """Packages that modules of gde import, also within functions."""
    trees = [ast.parse(file.read_text()) for file in (ROOT / "gde").rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.split(".")[0] for name in names} - {"gde", *sys.stdlib_module_names}


def test_what_is_imported_is_what_is_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {normal(re.match(r"[A-Za-z0-9._-]+", d)[0]) for d in project["dependencies"]}
    owners = packages_distributions()
    imported = {normal(owners[name][0]) for name in third_party() - OPTIONAL}
    assert imported == declared - UNIMPORTED
    assert third_party() >= OPTIONAL == set(project["optional-dependencies"])


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
