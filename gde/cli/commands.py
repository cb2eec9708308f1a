"""Commands: what the subcommands of `gde` do with their parsed arguments. Imports are lazy: `gde list` needs no
torch."""

import argparse
import os
import sys
from itertools import chain
from pathlib import Path
from typing import Any

from gde.errors import GdeError, bad

RESULTS = Path("results")


def print_table(rows: list[dict[str, Any]], nothing: str) -> None:
    """Aligned columns on standard output."""
    from tabulate import tabulate

    print(tabulate(rows, headers="keys", tablefmt="simple", floatfmt=".5g") if rows else nothing)


def list_runs(args: argparse.Namespace) -> None:
    from gde.runs.table import list_table

    print_table(list_table(RESULTS, args.name_contains, args.param), "no such run below results/runs")


def show_run(args: argparse.Namespace) -> None:
    import json

    import yaml

    from gde.cli.shown import screen
    from gde.runs.table import find_run, show

    run = find_run(RESULTS, args.run)
    if args.json:
        print(json.dumps(show(run), indent=1))
    elif args.all:
        print(yaml.safe_dump(show(run), sort_keys=False), end="")
    else:
        print(screen(run))


def compare_runs(args: argparse.Namespace) -> None:
    from gde.cli.compared import READING, metrics_table, settings_table
    from gde.runs.table import find_run

    if len(args.runs) < 2:
        raise bad("gde compare", "one run", "two or more", "name another; `gde list` shows them")
    runs = list({run.id: run for run in (find_run(RESULTS, word) for word in args.runs)}.values())
    print_table(settings_table(runs), "the same settings, data and code")
    print()
    rows = metrics_table(runs)
    print_table(rows, "no metrics yet: run `snakemake results/<experiment>/metrics.json`")
    if rows:
        print(f"\n{READING}")


def load_model(word: str) -> Any:
    """The model in a directory, or of an experiment or run."""
    from gde.models.base import Model, not_a_model
    from gde.runs.table import find_run

    if os.path.isdir(word):
        return Model.load(word)
    try:
        run = find_run(RESULTS, word)
    except GdeError:
        if os.path.lexists(word):
            raise not_a_model(Path(word)) from None
        raise
    if run.model is None:
        found, remedy = "no model: training has not finished", "finish it, or name another"
        raise bad(f"run {run.id}", found, "a finished run", remedy)
    return Model.load(run.path / "model")


def options_for(model: Any, args: argparse.Namespace) -> dict[str, Any]:
    """The options of the command line that are for a model's kind of samples; GdeError for one of another kind."""
    from gde.sets.types import all_types

    own = model.sample_type
    for other in all_types():
        for name in other.OPTIONS:
            if name not in own.OPTIONS and getattr(args, name, None):
                option = "--" + name.replace("_", "-")
                expected = f"{other.FILE}, with a model of its kind"
                raise bad(option, f"a model of {own.described}", expected, "leave it out")
    return {name: getattr(args, name) for name in own.OPTIONS if hasattr(args, name)}


def group_columns(model: Any, args: argparse.Namespace) -> list[str]:
    """Those of the command line, else those that the model's own groups were made by; `--groupby` alone is none.

    GdeError where neither says anything.
    """
    from gde.config.datasets import kind_of_data

    if args.groupby is not None:
        return args.groupby
    if model.features is None and "vectors" in model.sample_type.names:
        return []  # reads no files: the reader says so
    dataset = model.config["dataset"]
    columns = kind_of_data(dataset).group_columns(dataset)
    if not columns:
        expected = f"columns that make a group (a model of {dataset['kind']} has none of its own)"
        remedy = "name them: --groupby donor; or give --groupby without a name to make all samples one group"
        raise bad("--groupby", "nothing", expected, remedy)
    return columns


def embed(args: argparse.Namespace) -> None:
    from gde.export.h5ad import write_anndata

    model = load_model(args.model)
    options = options_for(model, args)
    groupby = group_columns(model, args)
    grouped = f", grouped by {', '.join(groupby) or 'nothing: all samples are one set'}"
    if options.pop("cells", False):
        from gde.export.cells import embed_cells

        result = embed_cells(model, args.data, groupby, **options)
        write_anndata(result, args.out)
        print(f"{args.out}: {result.n_obs} cells with the embedding of their group in obsm['X_gde']{grouped}")
        return
    from gde.embed import embed_data

    result = embed_data(model, args.data, groupby, **options)
    write_anndata(result, args.out)
    told = f"{result.n_obs} embeddings of length {result.n_vars}, standard errors in layers['se']{grouped}"
    print(f"{args.out}: {told}")


def sample(args: argparse.Namespace) -> None:
    from gde.readers.sealed_h5ad import read_anndata
    from gde.sample import sample_to_file

    model, embeddings = load_model(args.model), read_anndata(args.embeddings)
    sample_to_file(model, embeddings, args.embeddings, args.out, n=args.n, seed=args.seed, blocks=args.bgzip)
    print(f"{args.out}: {args.n} samples of each of {embeddings.n_obs} sets")


def check_runs(args: argparse.Namespace) -> int:
    from gde.preflight.check import check

    if args.grid and args.experiments:
        raise bad("gde check", "--grid and experiments", "one of them", "leave one out")
    profile = args.profile and Path(args.profile)
    report = check(Path(), RESULTS, args.experiments, grid=args.grid, profile=profile)
    print_table(report.trainings, "no experiments")
    print()
    print_table(report.downloads, "nothing to download")
    print()
    print_table([{"asked for": what, "": much} for what, much in report.costs.items()], "")
    for problem in report.problems:
        print(f"gde: {problem}", file=sys.stderr)
    return 2 if report.problems else 0


def init_experiment(args: argparse.Namespace) -> None:
    from gde.cli.init import init
    from gde.prepare.common.proposal import Given

    path, name = init(Given(args.data, args.groupby, args.genome, args.barcodes), Path(), name=args.name)
    print(f"{path}: look it over, then run\n\n    snakemake results/{name}/embeddings.h5ad")


def train(args: argparse.Namespace) -> None:
    from gde.cli.train_run import train_run
    from gde.config.stored import check_resolved
    from gde.files.io import read_json

    config = read_json(args.config)
    check_resolved(config, args.config)
    run = train_run(config, args.sets, args.runs, args.model, accelerator=args.accelerator)
    print(f"{args.model}: {run}")


def convert_weights(args: argparse.Namespace) -> None:
    from gde.fetch.conversion import convert

    convert(args.source, args.target, member=args.member)
    print(f"tensors of {args.source} written to {args.target}")


def verify_results(args: argparse.Namespace) -> None:
    from gde.runs.input_links import WRONG
    from gde.runs.verify import canonical_digests, compare, fetched, verify

    if len(args.directories) > 2:
        found, expected = f"{len(args.directories)} directories", "none, one or two"
        raise bad("gde verify", found, expected, "compare them pair by pair")
    if len(args.directories) == 2:
        first, second = (canonical_digests(d) for d in args.directories)
        compare(first, second, *args.directories)
        print(f"the same {len(first)} results, but for timings and host")
        return
    (directory,) = args.directories or [RESULTS]
    findings = []
    for finding in chain(verify(directory), [] if args.directories else fetched()):  # as they come: hashing takes time
        print(f"{finding.state:9}  {finding.what}" + (f"  {finding.detail}" if finding.detail else ""), flush=True)
        findings.append(finding)
    if wrong := [finding for finding in findings if finding.state in WRONG]:
        found = f"{len(wrong)} of {len(findings)} files and links damaged, missing or changed ({wrong[0].what} first)"
        raise bad(directory, found, "none", "the lines above say how to make each again")
    print(f"{len(findings)} files and links, none damaged, missing or changed")


def list_jobs(args: argparse.Namespace) -> None:
    from gde.cluster import jobs

    if args.action is None:
        print_table(jobs.table(Path()), "no job of this directory is alive")
        return
    number = jobs.cancel(Path())
    ended = f"{number} {'job' if number == 1 else 'jobs'} ended"
    print(f"{ended}; the directory is unlocked: run again, trainings go on from their checkpoints")


def clean(args: argparse.Namespace) -> None:
    import shutil

    from gde.runs.table import all_runs

    for run in all_runs(RESULTS):
        whole = args.superseded and run.state == "finished"
        target = run.path if whole else run.path / "checkpoints"
        if run.state == "unfinished" or not target.exists():
            continue
        size = sum(f.stat().st_size for f in target.rglob("*") if f.is_file())
        print(f"{'would delete' if args.dry_run else 'deleted'} {target} ({size / 1e6:.1f} MB)")
        if not args.dry_run:
            shutil.rmtree(target)
