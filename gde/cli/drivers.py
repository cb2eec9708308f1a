"""The command `gde drivers`: in what two groups differ."""

import argparse
from pathlib import Path
from typing import Any

import pandas as pd

from gde.cli.commands import group_columns, load_model, options_for
from gde.errors import bad

SHOWN = ["feature", "decoded_shift", "lower", "upper", "effect", "fdr", "pseudobulk_shift", "pseudobulk_fdr"]
PICTURES = (".png", ".svg", ".pdf")


def add_options(sub: argparse.ArgumentParser, positive: Any, seed: Any) -> None:
    """The arguments of the command, but for how files are read; positive, seed : types of whole numbers."""
    sub.add_argument("model", metavar="MODEL", help="model directory, experiment, run id or hash")
    kinds = "set store (results/sets/<experiment>), or a file of the kind that the model was trained on"
    sub.add_argument("data", type=Path, metavar="DATA", help=kinds)
    told = "name of a group (of several columns, joined with |); with --by a level, such as well"
    sub.add_argument("first", metavar="A", help=told)
    sub.add_argument("second", metavar="B", help="the group that is compared with A: shifts are B - A")
    groups = "columns of the file that make a group (default: the model's own); with --by the unit, e.g. the donor"
    sub.add_argument("--groupby", nargs="+", metavar="COLUMN", help=groups)
    told = "A and B are levels of this column, e.g. disease; groups (donors) are the units of all intervals"
    sub.add_argument("--by", metavar="COLUMN", help=told)
    told = "which samples carry the difference: sums over the values of these columns, e.g. cell_type"
    sub.add_argument("--over", nargs="+", default=[], metavar="COLUMN", help=told)
    splits = ["test", "validation", "train", "all"]
    told = "samples of the store (default test; intervals are too narrow for samples that trained)"
    sub.add_argument("--split", choices=splits, default="test", help=told)
    sub.add_argument("-n", type=positive, default=512, help="samples generated of each embedding (default 512)")
    sub.add_argument("--draws", type=positive, default=64, help="bootstrap replicates (default 64)")
    sub.add_argument("-k", type=positive, help="of sequences: length of k-mers (default: DNA 4, protein 2)")
    sub.add_argument("--top", type=positive, default=20, help="features to print and draw (default 20)")
    sub.add_argument("--seed", type=seed, default=0)
    sub.add_argument("-o", "--out", type=Path, help="write the table of features there (.tsv, or .csv)")
    sub.add_argument("--samples", type=Path, help="write the contribution of each sample there (.tsv, or .csv)")
    sub.add_argument("--plot", type=Path, help=f"draw the top features there ({', '.join(PICTURES)})")


def drivers(args: argparse.Namespace) -> None:
    from gde.tl.driver_features import feature_table, in_words
    from gde.tl.driver_samples import carriers, sample_table
    from gde.tl.sides import is_store, read_sides

    for path in (args.out, args.samples):
        if path and path.suffix not in (".tsv", ".csv"):
            raise bad(str(path), f"the ending {path.suffix!r}", "a name that ends in .tsv or .csv", "rename it")
    if args.plot and args.plot.suffix not in PICTURES:
        raise bad("--plot", str(args.plot), f"a name that ends in {', '.join(PICTURES)}", "rename it")
    if args.n < 2 or args.draws < 8:
        raise bad("-n, --draws", f"{args.n}, {args.draws}", "2 samples and 8 replicates or more", "raise them")
    model = load_model(args.model)
    columns = args.groupby if is_store(args.data) else group_columns(model, args)
    options = {key: value for key, value in options_for(model, args).items() if key != "cells"}
    split = None if args.split == "all" else args.split
    about = {"split": split, "k": args.k, **options}
    sides = read_sides(model, args.data, args.first, args.second, columns, args.by, args.over, **about)
    table = feature_table(model, sides, n=args.n, draws=args.draws, seed=args.seed)
    _print(table, SHOWN, args.top)
    parts = []
    if args.over or args.samples:
        samples = sample_table(model, sides)
        for column in args.over:
            parts.append(carriers(samples, column))
            print()
            _print(parts[-1], list(parts[-1]), args.top)
        if args.samples:
            _write(samples, args.samples)
    print(f"\n{in_words(table)}")
    if args.out:
        _write(table, args.out)
    if args.plot:
        _draw(table, args.top, args.plot)


def _print(table: pd.DataFrame, columns: list[str], top: int) -> None:
    from tabulate import tabulate

    print(tabulate(table[columns].head(top), headers="keys", tablefmt="simple", floatfmt=".3g", showindex=False))
    if len(table) > top:
        print(f"and {len(table) - top} more; -o FILE writes all")


def _write(table: pd.DataFrame, out: Path) -> None:
    from gde.files.io import atomic_write

    with atomic_write(out) as f:
        table.to_csv(f, sep="\t" if out.suffix == ".tsv" else ",", index=False)


def _draw(table: pd.DataFrame, top: int, out: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from gde.files.io import atomic_path
    from gde.pl.driver_bars import drivers as draw

    figure = draw(table, top=top).figure
    with atomic_path(out) as tmp:
        figure.savefig(tmp, format=out.suffix[1:], dpi=160, bbox_inches="tight")
