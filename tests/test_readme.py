"""README and docs/ do what they say: their commands and files are taken out and run, in order, in a copy of the
project."""

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse as sp
import torch
import yaml
from simulators.methylation import simulate_methylation
from simulators.promoters import simulate_promoters
from simulators.pubmed import simulate_baseline
from simulators.spike_files import write_gisaid
from simulators.spikes import simulate_epidemic

from gde.files.io import read_json

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/workflow"))
import forked  # noqa: E402

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
DIRECTIVE = re.compile(r"^```\{[\w-]+\}.*?^```$", re.M | re.S)
ORDER = (  # in which pages are run
    "index workflow cells tables results metrics commands compare_groups drivers map python api donors screens clones "
    "methylation promoters sequences proteins spikes texts images cluster grids downloads directory gallery "
    "configuration troubleshooting"
)
PAGES = ("README.md", *(f"docs/{name}.md" for name in ORDER.split()))
TEXTS = {page: (ROOT / page).read_text() for page in PAGES}
README = "\n".join(DIRECTIVE.sub("", text) for text in TEXTS.values())
COVERED = {  # not run here, because
    "make run",  # it builds an environment and trains for minutes: the acceptance run of a release
    "make test",  # this is it
    "source .venv/bin/activate",  # the environment that runs the tests takes its place
    "gde predict essential_genes K562.h5ad --condition GATA1 -o predicted.h5ad",  # test_predict.py, on a screen
    "snakemake results/mnist_multinomial/metrics.json",  # it downloads; workflow/test_image_sets.py, on own files
    "snakemake results/mine/model --config mirror=/data/copies",  # fetch/test_mirrors
    "snakemake -s gde/workflow/Snakefile --directory own results/mine/metrics.json",  # workflow/test_faults.py
}
DRY = {  # only planned: there is no cluster here, and no time
    "snakemake grids",
    "snakemake results/grid/mine/summary.tsv",
    "snakemake results/grid/mine/figures/geometry/w2_spearman.svg",
    "snakemake --profile profiles/slurm all",
    "snakemake --profile profiles/slurm results/gmm/model --config gpus=4",
}
REPEATED = {"snakemake results/gmm/metrics.json"}  # after an edit
EXAMPLE_RUN = "gmm-1a2b3c4d"
NOT_COPIED = (".*", "results", "__pycache__", "*.egg-info", "build", "tests", "docs")


def commands() -> list[str]:
    """Every command line of the README's bash blocks, without its comment."""
    lines = [line for kind, text in BLOCK.findall(README) if kind == "bash" for line in text.splitlines()]
    return [line.partition(" #")[0].strip() for line in lines if line.strip() and not line.startswith("#")]


@pytest.fixture(scope="module")
def environment(tmp_path_factory, warm) -> dict[str, str]:
    """What activating .venv would set, from the environment of the tests. Commands start without their imports."""
    stubs = tmp_path_factory.mktemp("stubs")
    # Slurm's own tools, where they are installed without a controller, would hold up or refuse every plan.
    scripts = {"scontrol": "exit 1", "squeue": "exit 0", "sbatch": "exit 1", "scancel": "exit 1"}
    installed = Path(sys.executable).parent / "gde"
    gde = [str(installed)] if installed.exists() else ["-m", "gde.cli"]
    scripts["gde"] = f'exec {shlex.join([*warm.client(), *gde])} "$@"'
    for name, text in scripts.items():
        (stubs / name).write_text(f"#!/bin/sh\n{text}\n")
        (stubs / name).chmod(0o755)
    forked.stand_in(stubs / "snakemake", warm)
    keep = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "SNAKEMAKE_PROFILE")}
    return keep | {
        "PATH": os.pathsep.join([str(stubs), str(Path(sys.executable).parent), os.environ["PATH"]]),
        "SNAKEMAKE_PROFILE": "profiles/local",
        "XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache")),
        "MPLBACKEND": "Agg",
    }


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A copy of the project with the smoke preset and a user's two files."""
    root = tmp_path_factory.mktemp("readme") / "gde"
    shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns(*NOT_COPIED))
    config = root / "config/config.yaml"
    assert "preset: laptop" in config.read_text()
    config.write_text(config.read_text().replace("preset: laptop", "preset: smoke"))
    rng, n, genes = np.random.default_rng(0), 600, 60
    donor, kind = np.arange(n) % 8, np.arange(n) // 8 % 3
    rate = rng.gamma(1.0, 2.0, (3, genes))[kind] * rng.gamma(20, 0.05, (8, genes))[donor]
    obs = pd.DataFrame(
        {
            "donor": [f"D{d}" for d in donor],
            "cell_type": np.array(["B", "NK", "T"])[kind],
            "sex": np.array(["female", "male"])[donor % 2],
            "batch": np.array(["one", "two"])[donor // 4],
        },
        index=[f"cell{i}" for i in range(n)],
    )
    counts = sp.csr_matrix(rng.poisson(rate).astype(np.float32))
    ad.AnnData(counts, obs, pd.DataFrame(index=[f"gene{j}" for j in range(genes)])).write_h5ad(root / "my.h5ad")
    table = pd.DataFrame(rng.normal(donor[:, None], 1, (n, 3)), columns=["length", "width", "mass"])
    table.assign(site=obs["donor"].to_numpy(), species=obs["cell_type"].to_numpy()).to_csv(root / "my.csv", index=False)
    write_kinds(root)
    (root / "published").mkdir()
    torch.save({"weight": torch.ones(2)}, root / "published/pytorch_model.bin")
    (root / "published/config.json").write_text("{}")
    return root


def write_kinds(root: Path) -> None:
    """Files of kinds of data of their own, for `gde init`."""
    pd.DataFrame({"barcode": cell_ranger(root / "outs")}).assign(donor=[f"D{i % 4}" for i in range(80)]).to_csv(
        root / "cells.csv", index=False
    )
    simulate_methylation(root / "reads", samples=3, fragments=100)
    for seed, condition in enumerate(("glucose", "galactose")):
        simulate_promoters(root / f"{condition}.txt.gz", 600, seed=seed)
    rng = np.random.default_rng(0)
    elements = ["".join(rng.choice(list("ACGT"), 60)) for _ in range(150)]
    table = pd.DataFrame(
        {"seq_id": [f"e{i}_F" for i in range(150)], "seq": elements, "mean_value": rng.normal(size=150)}
    )
    table.to_csv(root / "elements.tsv", sep="\t", index=False)
    simulate_baseline().write(root / "xml")
    write_gisaid(simulate_epidemic(), root / "spikeprot0430.fasta", defects=0.0)


def cell_ranger(folder: Path) -> list[str]:
    """A folder as Cell Ranger writes it, plain; returns its barcodes."""
    folder.mkdir()
    barcodes = [f"{'ACGT'[i % 4]}{i:03d}-1" for i in range(80)]
    scipy.io.mmwrite(
        folder / "matrix.mtx", sp.coo_matrix(np.random.default_rng(0).poisson(2, (40, 80))), field="integer"
    )
    (folder / "features.tsv").write_text("".join(f"ENSG{i}\tG{i}\tGene Expression\n" for i in range(40)))
    (folder / "barcodes.tsv").write_text("\n".join(barcodes) + "\n")
    return barcodes


def run(project: Path, environment: dict[str, str], *command: str) -> str:
    """Run a command in the project; what it printed."""
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout + done.stderr


def write_file(project: Path, text: str) -> None:
    """A YAML block: its first line is a comment that names the file, and says where it is added to."""
    comment, _, rest = text.partition("\n")
    name, _, where = comment.removeprefix("# ").partition(", ")
    path = project / name
    if where.startswith("in "):  # a section that the file has
        section = f"{where.removeprefix('in ')}:\n"
        assert path.read_text().count(f"\n{section}") == 1 and rest.startswith(section)
        path.write_text(path.read_text().replace(f"\n{section}", f"\n{rest}"))
        return
    assert where in ("", "at the end")
    if not where and path.exists() and path.read_text() == text:
        return  # told on two pages
    assert path.exists() == bool(where), f"{name}: exists, or does not, against what the README says"
    path.write_text((path.read_text() if where else "") + text)


def execute(project: Path, environment: dict[str, str], python: list[str]) -> dict[str, str]:
    """Do all that the README says, in its order; {command: what it printed}."""
    said = {}
    for kind, text in BLOCK.findall(README):
        if kind == "yaml" and text.startswith("# "):
            write_file(project, text)
        elif kind == "python":
            run(project, environment, *python, "-c", text)
        elif kind == "bash":
            for line in text.splitlines():
                command = line.partition(" #")[0].strip()
                if not command or command in COVERED or (command in said and command not in REPEATED):
                    continue
                typed = command + (" -n" if command in DRY else "")
                if EXAMPLE_RUN in command:  # the run that the current one took the place of
                    typed = command.replace(EXAMPLE_RUN, superseded(project))
                output = run(project, environment, "bash", "-c", typed)
                said[command] = said.get(command, "") + output
    return said


def superseded(project: Path) -> str:
    """The id of the training of gmm that is not the current one."""
    runs = {p.name for p in (project / "results/runs").glob("gmm-*")}
    current = read_json(project / "results/gmm/model/config.json")
    assert len(runs) == 2 and current["run"] in runs and current["seed"] == 0  # published again after that of seed 1
    return (runs - {current["run"]}).pop()


@pytest.mark.slow
@pytest.mark.workflow
def test_every_command(project, environment, warm):
    said = execute(project, environment, warm.client())
    assert set(said) == set(commands()) - COVERED

    z = ad.read_h5ad(project / "results/mine/embeddings.h5ad")
    assert {"group", "split", "donor", "cell_type", "n_samples"} <= set(z.obs) and len(z) == 24
    assert z.obs["n_samples"].sum() == 600 and np.isfinite(z.layers["se"]).all() and set(z.uns["gde"]) >= {"run"}
    assert len(ad.read_h5ad(project / "results/flowers/embeddings.h5ad")) == 24
    generated = ad.read_h5ad(project / "generated.h5ad")
    assert (generated.obs["set"].value_counts() == 500).all() and len(generated) == 8 * 500
    assert generated.var_names[0].startswith("gene") and "X_features" in generated.obsm

    again = said["snakemake results/gmm/metrics.json"]  # after the edit of config.yaml the model was not trained again
    assert (
        again.count("Finished jobid") == 4 and again.count("Rule: train)") == 1 and again.count("Rule: evaluate)") == 2
    )
    once = said["snakemake -f results/gmm/figures/geometry.svg"]
    assert once.count("Finished jobid") == 1 and "(Rule: figure)" in once
    for metric in ("geometry/w2_spearman", "reconstruction/w2"):
        assert metric in said["gde compare gmm gmm-1a2b3c4d mine"]


def test_every_block_is_of_a_kind_that_is_checked():
    kinds = [kind for kind, _ in BLOCK.findall(README)]
    assert README.count("\n```") == 2 * len(kinds)
    assert set(kinds) == {"bash", "yaml", "python", "mermaid", "text"}


def test_commands_in_the_text_are_commands_of_the_blocks():
    """A command that only stands in a sentence would not be run; those of two words, and patterns, are names."""
    inline = set(re.findall(r"`((?:make|snakemake|gde|python|pytest) [^`]+)`", BLOCK.sub("", README)))
    names = {
        command
        for command in inline
        if len(command.split()) == 2 or command.split()[2:] == ["-o"] or re.search(r"<|[A-Z]{4}|\\|\.\.\.", command)
    }
    assert inline - names <= set(commands())


def test_what_is_not_run_is_in_the_readme():
    assert set(commands()) >= COVERED | DRY


def test_every_subcommand_is_shown():
    from gde.cli import parser

    actions = next(a for a in parser()._actions if hasattr(a, "choices") and a.choices)
    shown = {command.split()[1] for command in commands() if command.startswith("gde ")}
    assert shown == set(actions.choices) - {"train"}  # which torchrun and srun call


def test_every_experiment_is_named():
    names = {file.stem for file in (ROOT / "config/experiments").glob("*.yaml")}
    assert all(f"`{name}`" in README for name in names)


def test_every_metric_is_explained():
    from gde.config.evaluations import EVALUATIONS

    groups = "|".join({metric.partition("/")[0] for kind in EVALUATIONS.values() for metric in kind.metrics})
    rows = [line for line in README.splitlines() if re.match(rf"\| `({groups})/", line)]
    named = set()
    for row in rows:
        first, *others = re.findall(r"`([^`]+)`", row.split("|")[1])
        named |= {first} | {first.partition("/")[0] + other for other in others}
    variants = ("_strict", "_nearest", "_unmatched", "_generated", "_cv")  # of a metric that is explained
    plain = {re.sub(f"({'|'.join(variants)})$", "", m) for kind in EVALUATIONS.values() for m in kind.metrics}
    assert {m.replace("transfer/", "zero_shot/") for m in plain} == named


def test_every_output_is_explained():
    from gde.sets.types import all_types

    rules = "".join(file.read_text() for file in (ROOT / "workflow/rules").glob("*.smk"))
    outputs = set(re.findall(r'"results/\{experiment\}/([\w.]+)', rules)) - {"samples"}
    outputs |= {f"samples{samples.SUFFIX}" for samples in all_types()}
    slots = {re.split(r"[/`]", row)[0] for row in re.findall(r"^\| `(.*?)\|", README, re.M)}
    assert len(outputs) == 14 and outputs <= slots


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for target, _, heading in (link.partition("#") for link in re.findall(r"\]\((?!https?://)([^)]+)", TEXTS[page])):
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), target
        assert not heading or heading in anchors(path.read_text()), f"{target}#{heading}"


def anchors(text: str) -> set[str]:
    """What links to headings of a page are written as."""
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def test_every_page_is_run_and_in_the_index():
    pages = {file.relative_to(ROOT).as_posix() for file in (ROOT / "docs").glob("*.md")}
    assert pages | {"README.md"} == set(PAGES)
    named = set(re.findall(r"^(\w+)$", TEXTS["docs/index.md"], re.M))
    assert named >= {Path(page).stem for page in pages} - {"index"}


def test_yaml_that_names_no_file_is_yaml():
    for kind, text in BLOCK.findall(README):
        if kind == "yaml" and not text.startswith("# "):
            for part in re.split(r"^(?=generator: )", text, flags=re.M):
                yaml.safe_load(part)


def test_one_version():
    import tomllib

    import gde

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert project["version"] == citation["version"] == gde.__version__
    assert f"## {gde.__version__}" in (ROOT / "CHANGELOG.md").read_text()
    assert project["license"] == citation["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")


def test_sources_are_the_files_that_are_read():
    from gde.fetch.sources import read_sources

    sources = {s.dataset: s for s in read_sources(ROOT).values() if s.access == "bundled"}
    for name, source in sources.items():
        assert source.path.stat().st_size == source.bytes, name
        assert hashlib.sha256(source.path.read_bytes()).hexdigest() == source.sha256, name
    from gde.prepare.common.write import KNOWN
    from gde.prepare.digits import DIGEST

    assert KNOWN[sources["pbmc68k"].sha256] == "release" and sources["digits"].sha256 == DIGEST
