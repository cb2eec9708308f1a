"""The command `gde predict`: cells of perturbations that were not tried, from cells that were not perturbed."""

import argparse
from pathlib import Path
from typing import Any

from gde.cli.commands import load_model
from gde.errors import bad, many
from gde.files.sniffing import read_text


def add_options(sub: argparse.ArgumentParser, positive: Any, seed: Any) -> None:
    """The arguments of the command, but for those of any .h5ad; positive, seed : types of whole numbers."""
    sub.add_argument("model", metavar="MODEL", help="model directory, experiment, run id or hash")
    sub.add_argument("data", type=Path, help=".h5ad with control cells: genes and values as the model was trained on")
    sub.add_argument(
        "--condition", action="append", metavar="NAME", help="perturbation to predict, e.g. a gene; may be repeated"
    )
    sub.add_argument("--conditions", type=Path, metavar="FILE", help="text file of them, one a line")
    sub.add_argument("--pert-col", metavar="COLUMN", help="obs column of perturbations (default: the training data's)")
    sub.add_argument("--control", metavar="NAME", help="what controls are called in it (default: as in training)")
    sub.add_argument("--all-controls", action="store_true", help="no cell is perturbed; the column need not be there")
    sub.add_argument(
        "--within",
        nargs="+",
        metavar="COLUMN",
        help="obs columns whose values are predicted apart, e.g. the cell line (default: the training data's)",
    )
    sub.add_argument("-n", type=positive, default=500, help="cells of each perturbation (default 500)")
    sub.add_argument("--seed", type=seed, default=0)
    sub.add_argument("-o", "--out", type=Path, required=True, help="output .h5ad: predicted cells and controls")
    sub.add_argument(
        "--observed",
        type=Path,
        metavar="FILE",
        help="also write an .h5ad of the data's own cells of these perturbations, and the controls, to compare with",
    )


def predict(args: argparse.Namespace) -> None:
    from gde.predict import predict_file
    from gde.prepare.perturb_seq_query import Columns

    conditions = list(dict.fromkeys([*(args.condition or []), *_listed(args.conditions)]))
    if not conditions:
        raise bad("gde predict", "no perturbation", "one or more", "name it: --condition GENE")
    result = predict_file(
        load_model(args.model),
        args.data,
        conditions,
        args.out,
        columns=Columns(args.pert_col, args.control, args.within, args.all_controls),
        n=args.n,
        seed=args.seed,
        compared=args.observed,
        layer=args.layer,
        use_raw=args.use_raw,
        totals=args.totals,
    )
    made = int(result.obs["generated"].sum())
    print(
        f"{args.out}: {made} predicted cells of {many(len(conditions), 'perturbation')}, {result.n_obs - made} controls"
    )


def _listed(path: Path | None) -> list[str]:
    """The names in a text file, one a line. GdeError for an empty file."""
    if path is None:
        return []
    names = [line.strip() for line in read_text(path, "a text file", "one name a line").splitlines()]
    if not any(names):
        raise bad(path, "no name", "the name of a perturbation on each line", "write one")
    return [name for name in names if name]
