"""The command `gde compare-groups`: which groups differ."""

import argparse
import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pandas as pd

from gde.cli.commands import group_columns, load_model, options_for
from gde.errors import bad

SHOWN = 20  # rows of a table that are printed
SAMPLES = ["first", "second", "n_first", "n_second", "distance", "null_distance", "effect_size", "p_value", "fdr"]
LEVELS = ["first", "second", "n_first", "n_second", "distance", "effect_size", "pseudo_f", "deals", "p_value", "fdr"]


def add_options(sub: argparse.ArgumentParser, positive: Any, seed: Any) -> None:
    """The arguments of the command, but for how files are read; positive, seed : types of whole numbers."""
    sub.add_argument("model", metavar="MODEL", help="model directory, experiment, run id or hash")
    kinds = "set store (results/sets/<experiment>), or a file of the kind that the model was trained on"
    sub.add_argument("data", type=Path, metavar="DATA", help=kinds)
    groups = "names of groups; of several columns, joined with | (default: all pairs)"
    sub.add_argument("groups", nargs="*", metavar="GROUP", help=groups)
    groups = "columns of the file that make a group (default: the model's own); with --by the unit, e.g. the donor"
    sub.add_argument("--groupby", nargs="+", metavar="COLUMN", help=groups)
    by = (
        "compare the levels of this column, e.g. disease, with the group (the donor) as the unit: groups are dealt out "
    )
    sub.add_argument("--by", metavar="COLUMN", help=by + "anew, not samples")
    within = "with --by: deal out inside the values of this column only, e.g. the batch"
    sub.add_argument("--within", metavar="COLUMN", help=within)
    sub.add_argument("--reference", metavar="NAME", help="compare every group (or level) with this one only")
    splits = ["test", "validation", "train", "all"]
    told = "samples of the store to compare (default test; p-values are not valid for samples that trained)"
    sub.add_argument("--split", choices=splits, default="test", help=told)
    told = "default: 999 and more, so that the least p-value survives the number of pairs; with --by 9999, or every one"
    sub.add_argument("--permutations", type=positive, help=told)
    sub.add_argument("--exact", action="store_true", help="embed all permutations anew: hundreds of times as slow")
    sub.add_argument("--at-most", type=positive, default=2000, help="samples used of a group (default 2000)")
    sub.add_argument("--seed", type=seed, default=0)
    sub.add_argument("-o", "--out", type=Path, help="write the whole table there (.tsv, or .csv)")
    sub.add_argument("--json", type=Path, help="write table, settings and sentence there")


def compare_groups(args: argparse.Namespace) -> None:
    from gde.tl.differences import in_words

    if args.out and args.out.suffix not in (".tsv", ".csv"):
        raise bad("--out", str(args.out), "a name that ends in .tsv or .csv", "rename it")
    if len(args.groups) == 1:
        raise bad("gde compare-groups", f"one group, {args.groups[0]!r}", "two, or none", "--reference compares all")
    model = load_model(args.model)
    table = _levels(model, args) if args.by else _samples(model, args)
    _print(table, LEVELS if args.by else SAMPLES)
    words = in_words(table)
    for line in (table.attrs.get("note"), *(f"left out: {what}" for what in table.attrs.get("left_out", []))):
        if line:
            print(line)
    print(f"\n{words}")
    _write(table, words, args)


def _samples(model: Any, args: argparse.Namespace) -> pd.DataFrame:
    from gde.embed import open_data
    from gde.sets.store.set_store import SetStore
    from gde.tl.comparison import compare_samples
    from gde.tl.differences import trained_with

    options = options_for(model, args)
    if args.within:
        raise bad("--within", args.within, "--by COLUMN beside it", "add it, or leave --within out")
    if os.path.isdir(args.data) and (args.data / "meta.json").is_file():
        names = ["groupby", *model.sample_type.OPTIONS]
        if given := ["--" + name.replace("_", "-") for name in names if getattr(args, name, None)]:
            raise bad(", ".join(given), f"{args.data}, a set store", "a file", "leave them out")
        source = nullcontext(SetStore.open(args.data))
    else:
        source = open_data(model, args.data, group_columns(model, args), **options)
    with source as store:
        table = compare_samples(
            model,
            store,
            args.groups or None,
            reference=args.reference,
            split=None if args.split == "all" else args.split,
            at_most=args.at_most,
            permutations=args.permutations,
            exact=args.exact,
            seed=args.seed,
        )
    table.attrs["note"] = trained_with(model, args.data)
    return table


def _levels(model: Any, args: argparse.Namespace) -> pd.DataFrame:
    from gde.tl.differences import embed_units, trained_on
    from gde.tl.levels import compare_levels

    if args.exact or args.groups:
        raise bad("--by", "with --exact" if args.exact else "with names of groups", "alone", "leave them out")
    units = group_columns(model, args)
    embeddings = embed_units(model, args.data, units, args.by, args.within, **options_for(model, args))
    given = {} if args.permutations is None else {"permutations": args.permutations}
    table = compare_levels(embeddings, args.by, within=args.within, reference=args.reference, seed=args.seed, **given)
    table.attrs |= {"groupby": units, "run": model.config.get("run", ""), "note": trained_on(model, args.by)}
    return table


def _print(table: pd.DataFrame, columns: list[str]) -> None:
    from tabulate import tabulate

    print(tabulate(table[columns].head(SHOWN), headers="keys", tablefmt="simple", floatfmt=".3g", showindex=False))
    if len(table) > SHOWN:
        print(f"and {len(table) - SHOWN} more pairs; -o FILE writes all")


def _write(table: pd.DataFrame, words: str, args: argparse.Namespace) -> None:
    from gde.files.io import atomic_write, write_json

    if args.out:
        with atomic_write(args.out) as f:
            table.to_csv(f, sep="\t" if args.out.suffix == ".tsv" else ",", index=False)
    if args.json:
        write_json(args.json, {"pairs": table.to_dict(orient="records"), **table.attrs, "sentence": words})
