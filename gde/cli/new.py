"""A directory of one's own in which the installed workflow runs: configuration, profiles, later data and results."""

import argparse
from pathlib import Path

from gde.errors import bad
from gde.files.io import atomic_dir
from gde.files.product import PRODUCT

SNAKEFILE = """\
# The workflow of gde as it is installed; what it makes, and of what, is said in config/. See README.md.
from gde.files.product import PRODUCT


include: str(PRODUCT / "workflow/Snakefile")
"""
CONFIG = """\
# What `snakemake all` builds: names of files in config/experiments/, or of experiments that come with gde (`gde check`
# and `snakemake results/NAME/metrics.json` know both).
experiments: []

# smoke (seconds: does it run?), laptop (minutes on two cores), paper (as published, or ten times as long)
preset: laptop

# Change it for another repetition; every random number derives from it.
seed: 0

# auto = a GPU where there is one; cuda = fail without one; cpu = never
accelerator: auto

# Single keys of an experiment can be changed here, too:
# mine:
#   training: {steps: 5000}
"""
README = """\
# {name}

Embeddings of groups of samples with gde. Once in a shell: `export SNAKEMAKE_PROFILE=$PWD/profiles/local`

1. `gde init DATA.h5ad --name mine` writes config/experiments/mine.yaml: look it over. FASTA and FASTQ work, too.
2. `gde check mine` says what would be trained, for how long, and what is wrong.
3. `snakemake results/mine/embeddings.h5ad --config preset=smoke` tries everything in seconds; then without `--config`.
4. `snakemake all` makes metrics, figures and samples of the experiments in config/config.yaml.

On a Slurm cluster: look at the lines marked EDIT in profiles/slurm/config.yaml, then `snakemake all --profile
profiles/slurm`.
"""


def add_options(sub: argparse.ArgumentParser) -> None:
    """The command's options."""
    sub.add_argument("directory", type=Path, metavar="DIR", help="a new or empty directory")


def new(args: argparse.Namespace) -> None:
    """Write it, and say how to go on."""
    write_directory(args.directory)
    print(f"{args.directory}: a directory for the workflow; README.md says more. Go on with\n")
    print(f"    cd {args.directory}\n    export SNAKEMAKE_PROFILE=$PWD/profiles/local\n    gde init DATA.h5ad")


def write_directory(directory: Path) -> None:
    """Write a workflow's directory: Snakefile, README.md, config/, profiles/. GdeError where there already is one."""
    if directory.is_dir() and any(directory.iterdir()):
        raise bad(directory, "a directory with files in it", "a new or empty one", "give another name")
    if directory.exists() and not directory.is_dir():
        raise bad(directory, "a file", "a new or empty directory", "give another name")
    readme = README.format(name=directory.resolve().name)
    texts = {"Snakefile": SNAKEFILE, "README.md": readme, "config/config.yaml": CONFIG}
    for profile in sorted((PRODUCT / "profiles").glob("*/config.yaml")):
        texts[f"profiles/{profile.parent.name}/config.yaml"] = profile.read_text()
    with atomic_dir(directory, sums=False) as tmp:
        (tmp / "config/experiments").mkdir(parents=True)
        for name, text in texts.items():
            (tmp / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp / name).write_text(text)
