"""The command line: `gde list | show | compare | embed | compare-groups | drivers | sample | check | init | ...`."""

import argparse
import logging
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gde import __version__
from gde.cli import commands, compare_groups, drivers, new, predict
from gde.cli import map as map_command
from gde.cli.memory import memory_errors
from gde.config.base import LARGEST, LARGEST_SEED
from gde.errors import GdeError

USES = (commands.embed, compare_groups.compare_groups, drivers.drivers)  # commands that a user's file is given to
KEYS = ("fields", "sequence", "weight", "too_long", "other_residues", "groupby", "layer", "use_raw", "barcodes")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns 0, or 2 after printing one line for a user's mistake."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("anndata").setLevel(logging.WARNING)  # it tells of each text column that it stores
    args = parser().parse_args(argv)
    try:
        with memory_errors():
            return args.command(args) or 0
    except GdeError as e:
        told = as_options(str(e)) if args.command in USES else str(e)
        print(f"gde: {told}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # `gde list | head`
        sys.stderr.close()
    return 0


def as_options(text: str) -> str:
    """A message about how a file is read, with the options of the command line for keys of a configuration."""
    return re.sub(rf"\bdataset\.({'|'.join(KEYS)})\b", lambda key: "--" + key[1].replace("_", "-"), text)


def parser() -> argparse.ArgumentParser:
    """All commands and options."""
    top = argparse.ArgumentParser(prog="gde", description="Embeddings of distributions: look at runs, use models.")
    top.add_argument("--version", action="version", version=f"gde {__version__}")
    subparsers = top.add_subparsers(required=True, metavar="COMMAND")

    def command(function: Any, name: str, text: str) -> argparse.ArgumentParser:
        sub = subparsers.add_parser(name, help=text, description=text)
        sub.set_defaults(command=function)
        return sub

    sub = command(commands.list_runs, "list", "list runs, finished or not")
    sub.add_argument("--name-contains", default="", metavar="TEXT", help="only experiments whose name contains TEXT")
    sub.add_argument(
        "--param", action="append", metavar="KEY=VALUE", help="only runs with this setting, e.g. latent_dim=64"
    )

    sub = command(commands.show_run, "show", "metrics, main settings and budget of a run, on one screen")
    sub.add_argument("run", help="experiment, run id or hash")
    how = sub.add_mutually_exclusive_group()
    how.add_argument("--all", action="store_true", help="every setting, and what the run was made from, as YAML")
    how.add_argument("--json", action="store_true", help="the same as JSON")

    sub = command(
        commands.compare_runs, "compare", "settings that differ between runs, and their metrics; the better is marked"
    )
    sub.add_argument("runs", nargs="+", metavar="RUN", help="experiments, run ids or hashes; two or more")

    sub = command(commands.embed, "embed", "embed the groups of a file with a trained model")
    sub.add_argument("model", metavar="MODEL", help="model directory, experiment, run id or hash")
    sub.add_argument(
        "data",
        type=Path,
        help="a file as the model was trained on: .h5ad (of cells always), table, Cell Ranger's matrix, .pat.gz or "
        "BAM, promoters, PubMed's XML; for a model of sequences FASTA, FASTQ, CSV or TSV, too",
    )
    groups = "columns; one embedding per combination (default: the model's own; no name: one embedding of everything)"
    sub.add_argument("--groupby", nargs="*", metavar="COLUMN", help=groups)
    sequence_options(sub)
    cell_options(sub)
    sub.add_argument("--cells", action="store_true", help="a row per cell, with the embedding of its group in obsm")
    sub.add_argument("-o", "--out", type=Path, required=True, help="output .h5ad")

    told = "which groups differ? permutation tests of all pairs, or of cases against controls (--by)"
    sub = command(compare_groups.compare_groups, "compare-groups", told)
    compare_groups.add_options(sub, positive, seed)
    cell_options(sub)
    sequence_options(sub)

    sub = command(drivers.drivers, "drivers", "in what do two groups differ? features and samples that carry it")
    drivers.add_options(sub, positive, seed)
    cell_options(sub)
    sequence_options(sub)

    sub = command(map_command.map_groups, "map", "map all groups: figures and tables of places and distances")
    map_command.add_options(sub, positive, seed)

    sub = command(commands.sample, "sample", "generate samples of embedded distributions")
    sub.add_argument("model", metavar="MODEL", help="model directory, experiment, run id or hash")
    sub.add_argument("embeddings", type=Path, help="embeddings.h5ad of this model")
    sub.add_argument("-n", type=positive, default=500, help="samples per set (default 500)")
    sub.add_argument("--seed", type=seed, default=0)
    sub.add_argument(
        "-o",
        "--out",
        type=Path,
        required=True,
        help="output .h5ad; of sequences .fasta.gz, texts .jsonl.gz, images .zarr.zip",
    )
    sub.add_argument(
        "--bgzip",
        action="store_true",
        help="of sequences: gzip in blocks, for samtools faidx; the record goes to OUT.json",
    )

    sub = command(predict.predict, "predict", "predict cells of perturbations from control cells")
    predict.add_options(sub, positive, seed)
    cell_options(sub, barcodes=False)

    sub = command(
        commands.check_runs, "check", "what a run would download, train and ask for, and every problem, beforehand"
    )
    sub.add_argument("experiments", nargs="*", metavar="EXPERIMENT", help="default: those of config/config.yaml")
    sub.add_argument("--grid", metavar="NAME", help="the cells of this grid instead")
    profile = os.environ.get("SNAKEMAKE_PROFILE")
    sub.add_argument("--profile", type=Path, default=profile, metavar="DIR", help="Snakemake profile that will be used")

    sub = command(commands.init_experiment, "init", "write a commented experiment file for data of yours")
    forms = (
        ".h5ad; Cell Ranger's .h5 or folder; CSV, TSV or Parquet; FASTA or FASTQ; .pat.gz or BAM; promoters; PubMed XML"
    )
    sub.add_argument("data", type=Path, nargs="+", help=forms)
    groupby = "columns of obs or of the table, fields of headers, that make a group (default: guessed)"
    sub.add_argument("--groupby", nargs="+", metavar="COLUMN", help=groupby)
    sub.add_argument("--name", help="name of the experiment (default: from the file's name)")
    sub.add_argument("--genome", type=Path, metavar="FASTA", help=".pat.gz, BAM: the genome of the reads")
    sub.add_argument("--barcodes", type=Path, metavar="TABLE", help="Cell Ranger: a table with a row per cell")

    new.add_options(command(new.new, "new", "lay down a directory of one's own in which the workflow runs"))

    sub = command(commands.train, "train", "train a resolved experiment; what torchrun and srun call")
    sub.add_argument("config", type=Path, help="resolved experiment (JSON)")
    sub.add_argument("--sets", type=Path, required=True, help="its set store")
    sub.add_argument("--model", type=Path, required=True, help="where to publish the model")
    sub.add_argument("--runs", type=Path, default=commands.RESULTS / "runs")
    sub.add_argument("--accelerator", choices=["auto", "cpu", "cuda"], default="auto")

    sub = command(
        commands.convert_weights, "convert-weights", "take the tensors out of a publisher's pickle, and nothing else"
    )
    sub.add_argument("source", type=Path, metavar="PICKLE", help=".bin, .pt or .pth, or a .tar.gz or .zip with one")
    sub.add_argument("target", type=Path, metavar="DIR", help="where model.safetensors goes; or an .npz, of vectors")
    sub.add_argument("--member", metavar="PATTERN", help="the pickle's name in the archive, where it holds several")

    sub = command(
        commands.verify_results, "verify", "re-hash results and what they were made from, or compare two directories"
    )
    sub.add_argument(
        "directories",
        nargs="*",
        type=Path,
        metavar="DIR",
        help="results/<experiment>, results/sets/<name>, results/runs/<run> or results/grid/<name>; "
        "none = all of results, two = do they hold the same?",
    )

    sub = command(
        commands.list_jobs, "jobs", "live jobs of the workflow here; `cancel` ends what a killed Snakemake left"
    )
    sub.add_argument("action", nargs="?", choices=["cancel"], help="end them, wait until they are gone, unlock")

    sub = command(commands.clean, "clean", "delete the checkpoints of finished runs; models, logs and metrics stay")
    sub.add_argument("--superseded", action="store_true", help="delete finished runs that are not current altogether")
    sub.add_argument("--dry-run", action="store_true", help="only say what would go")
    return top


def cell_options(sub: argparse.ArgumentParser, *, barcodes: bool = True) -> None:
    """How an .h5ad is read; by default as the model's own was.   barcodes : whether other files are read, too."""
    sub.add_argument("--layer", help="of an .h5ad: layer to read (default: the model's own, where there is one; X: X)")
    sub.add_argument("--use-raw", action="store_true", help="of an .h5ad: read .raw")
    told = "of Cell Ranger's output: the table with the barcode and the columns of each cell"
    if barcodes:
        sub.add_argument("--barcodes", type=Path, metavar="TABLE", help=told)
    totals = (
        "of counts: obs column with each cell's total, for a file that lacks genes which totals were of in training"
    )
    sub.add_argument("--totals", metavar="COLUMN", help=f"{totals}; what it counted otherwise moves the embedding")


def sequence_options(sub: argparse.ArgumentParser) -> None:
    """How a file of sequences is read, as under `dataset` in a configuration; by default as the model's own was."""
    sub.add_argument(
        "--fields", metavar="PATTERN", help="of sequences: what headers say, e.g. '{name} {donor}|{tissue}'"
    )
    sub.add_argument("--sequence", metavar="COLUMN", help="of sequences: a table's column with them")
    sub.add_argument("--weight", metavar="COLUMN", help="of sequences: column with how many each stands for")
    sub.add_argument("--too-long", choices=["refuse", "cut", "drop"], help="of sequences: what becomes of longer ones")
    sub.add_argument("--other-residues", choices=["refuse", "N", "X"], help="of sequences: residues for several")


def positive(text: str) -> int:
    """An integer of at least 1, for argparse."""
    if not 1 <= (value := int(text)) <= LARGEST:
        raise argparse.ArgumentTypeError(f"found {value}, expected 1 to {LARGEST}")
    return value


def seed(text: str) -> int:
    """A whole number that seeds every generator, for argparse."""
    if not 0 <= (value := int(text)) <= LARGEST_SEED:
        raise argparse.ArgumentTypeError(f"found {value}, expected 0 to {LARGEST_SEED}")
    return value


if __name__ == "__main__":
    sys.exit(main())
