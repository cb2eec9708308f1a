"""The command `gde map`: a map of all groups from their embeddings: figures and tables."""

import argparse
from pathlib import Path
from typing import Any

OWN = {f"{name}{end}" for name in ("map", "umap", "distances", "associations") for end in ("", "_corrected")}


def add_options(sub: argparse.ArgumentParser, positive: Any, seed: Any) -> None:
    """The arguments of the command; positive, seed : types of whole numbers."""
    sub.add_argument("embeddings", type=Path, metavar="EMBEDDINGS", help="embeddings.h5ad, from gde embed or a run")
    sub.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="directory for figures and tables")
    sub.add_argument("--color", nargs="+", metavar="COLUMN", help="obs columns, a panel each (default: all)")
    sub.add_argument(
        "--categories", nargs="+", default=[], metavar="COLUMN", help="obs columns of numbers that are only names"
    )
    sub.add_argument("--batch", metavar="COLUMN", help="obs column whose effects are removed, beside the map as it is")
    sub.add_argument(
        "--keep", nargs="+", default=[], metavar="COLUMN", help="with --batch: obs columns whose effects stay"
    )
    sub.add_argument(
        "--unit", metavar="COLUMN", help="obs column of what is independent, e.g. the donor (default: the group)"
    )
    sub.add_argument("--split", choices=["train", "validation", "test"], help="only groups of this split")
    sub.add_argument("--no-umap", action="store_true", help="leave out UMAP, which takes ten seconds to load")
    sub.add_argument("--permutations", type=positive, default=999, help="default 999: p is at least 1 / 1000")
    sub.add_argument("--seed", type=seed, default=0)


def map_groups(args: argparse.Namespace) -> None:
    import matplotlib

    from gde.errors import bad, many
    from gde.files.io import atomic_dir
    from gde.readers.sealed_h5ad import read_anndata
    from gde.tl.association import slot
    from gde.tl.columns import column
    from gde.tl.mapping import map as map_embeddings

    if args.keep and not args.batch:
        raise bad("--keep", "no --batch", "--batch beside it", "name the column of batches, or leave --keep out")
    if others := [p for p in args.out.glob("*") if p.stem not in (*OWN, "SHA256SUMS")]:
        remedy = "name another, or delete it yourself: gde map writes the directory anew"
        raise bad(args.out, f"a directory with {others[0].name}", "a new one, or an earlier map", remedy)
    matplotlib.use("Agg")  # files, whatever display there is
    embeddings = read_anndata(args.embeddings)
    if args.split is not None:
        embeddings = embeddings[(column(embeddings, "split") == args.split).to_numpy()].copy()
    for name in args.categories:
        embeddings.obs[name] = column(embeddings, name).astype(str).astype("category")
    for name in [*(args.color or []), *args.keep, *([args.unit] if args.unit else [])]:
        column(embeddings, name)
    table = map_embeddings(
        embeddings,
        batch=args.batch,
        keep=args.keep,
        unit=args.unit,
        umap=not args.no_umap,
        permutations=args.permutations,
        seed=args.seed,
    )
    with atomic_dir(args.out) as tmp:
        table.to_csv(tmp / "map.tsv", sep="\t", index_label="name", float_format="%.7g")
        written = _write(tmp, embeddings, args)
    groups = embeddings.obs["group"].nunique() if "group" in embeddings.obs else embeddings.n_obs
    sets = "" if groups == embeddings.n_obs else f"{many(embeddings.n_obs, 'set')} of "
    print(f"{args.out}: {sets}{many(groups, 'group')}: {', '.join(written)}")
    told = embeddings.uns[slot(args.batch)]
    for name, row in told[told["fdr"] < 0.05].iterrows():
        within = f" within {args.batch}" if args.batch else ""
        share = f"{100 * row['r2']:.1f} % of the variation{within} (chance {100 * row['chance']:.1f} %)"
        print(f"{name}: {share}, p = {row['p_value']:.3g}, FDR {row['fdr']:.3g}")
    if not (told["fdr"] < 0.05).any():
        print("no column of obs is associated with the embeddings at a false discovery rate of .05")


def _write(out: Path, embeddings: Any, args: argparse.Namespace) -> list[str]:
    """Figures and tables into a directory; returns their names."""
    from matplotlib import pyplot

    from gde.export.h5ad import write_anndata
    from gde.pl.canvas import look
    from gde.pl.heatmap import distances as draw_distances
    from gde.pl.lollipop import associations as draw_associations
    from gde.pl.scatter import map as draw_map
    from gde.tl.association import slot

    written = ["map.tsv"]

    def keep(name: str, axes: Any) -> None:
        figure = (axes[0] if hasattr(axes, "__len__") else axes).figure
        for suffix, about in (("svg", {"Date": None, "Creator": "gde"}), ("png", {"Software": None})):
            with look():
                figure.savefig(out / f"{name}.{suffix}", metadata=about, dpi=200, bbox_inches="tight", pad_inches=0.08)
        pyplot.close(figure)
        written.append(f"{name}.svg")

    for corrected in (False, True) if args.batch else (False,):
        suffix = "_corrected" if corrected else ""
        keep(f"map{suffix}", draw_map(embeddings, args.color, corrected=corrected))
        if f"X_umap{suffix}" in embeddings.obsm:
            keep(f"umap{suffix}", draw_map(embeddings, args.color, basis="umap", corrected=corrected))
        if f"gde_distances{suffix}" in embeddings.obsp:
            keep(f"distances{suffix}", draw_distances(embeddings, args.color, corrected=corrected))
            _matrix(embeddings, f"gde_distances{suffix}").to_csv(
                out / f"distances{suffix}.tsv", sep="\t", index_label="name", float_format="%.7g"
            )
        table = embeddings.uns[slot(args.batch if corrected else None)]
        keep(f"associations{suffix}", draw_associations(embeddings, within=args.batch if corrected else None))
        table.to_csv(out / f"associations{suffix}.tsv", sep="\t", float_format="%.7g")
    write_anndata(embeddings, out / "map.h5ad")
    return [*written, "map.h5ad"]


def _matrix(embeddings: Any, key: str) -> Any:
    """Distances as a table, in the order of the tree."""
    import numpy as np
    import pandas as pd

    order = embeddings.uns[key]["order"]
    names = embeddings.obs_names[order]
    return pd.DataFrame(embeddings.obsp[key][np.ix_(order, order)], names, names)
