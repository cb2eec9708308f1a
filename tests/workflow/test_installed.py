"""gde installed from a wheel: the command, the function and a workflow of one's own, without a checkout."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tiny
from copies import ROOT, SMOKE, copy_project

from gde.files.io import read_json

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The directory of an installation, made from a copy of the checkout that is then deleted."""
    made = tmp_path_factory.mktemp("installed")
    copy = copy_project(made / "copy")
    for file in ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, copy)
    shutil.copytree(ROOT / "resources/references", copy / "resources/references")
    (copy / "resources/downloaded.txt").touch()  # what stands in a checkout that was used
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-compile"]
    done = subprocess.run([*pip, "--no-index", "--target", made / "site", copy], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    shutil.rmtree(copy)
    return made / "site"


@pytest.fixture(scope="module")
def environment(environment, site) -> dict[str, str]:
    return environment | {"PYTHONPATH": str(site)}


def test_a_wheel_holds_the_product(site):
    product = site / "gde/_product"
    assert not list(product.rglob("downloaded.txt"))
    for part in ("workflow", "config", "profiles", "envs", "resources/references"):
        there = {f.relative_to(ROOT) for f in (ROOT / part).rglob("*") if f.is_file() and f.suffix != ".pyc"}
        assert {f for f in there if not (product / f).is_file()} == set()
    assert (site / "bin/gde").is_file()


def test_a_directory_of_ones_own(site, environment, warm, tmp_path):
    from forked import Snakemake

    def gde(*arguments: str, cwd: Path) -> str:
        done = warm.run(["-m", "gde.cli", *arguments], cwd=cwd, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    gde("new", "own", cwd=tmp_path)
    own = tmp_path / "own"
    tiny.cells().write_h5ad(own / "cells.h5ad")
    gde("init", "cells.h5ad", "--groupby", "donor", "cell_type", "--name", "mine", cwd=own)
    done = Snakemake(warm, environment)(own, "results/mine/embeddings.h5ad", *SMOKE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (own / "results/mine/embeddings.h5ad").is_file()
    assert "mine" in gde("list", cwd=own)
    # the function in that installation takes the run that the workflow made
    dataset = read_json(own / "results/mine/model/config.json")["dataset"]
    code = f"import gde; print(gde.__file__); print(gde.train(dataset={dataset!r}, name='mine', preset='smoke').config)"
    done = warm.run(["-c", code], cwd=own, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(str(site)) and read_json(own / "results/mine/model/config.json")["run"] in done.stdout
    assert sorted(p.name for p in own.iterdir() if p.name[0] != ".") == [
        "README.md", "Snakefile", "cells.h5ad", "config", "profiles", "results"
    ]  # fmt: skip
