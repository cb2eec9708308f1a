"""The source tables of the workflow's map of all groups, from the embeddings that it wrote."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gde.errors import many
from gde.files.io import atomic_dir, write_json
from gde.readers.sealed_h5ad import read_anndata
from gde.tl.association import FEWEST, associations
from gde.tl.columns import is_number, panels, strips, without_strip
from gde.tl.mapping import SHAPE, map_table, pca
from gde.tl.pairwise import distances

if TYPE_CHECKING:
    import anndata

IN_MAP = 2000  # groups, at most, at random
IN_MATRIX = 300
PANELS = 8
LATENT = "latent units"


def write_map_tables(
    embeddings: Path, out: Path, *, unit: str | None = None, permutations: int = 999, seed: int = 0
) -> None:
    """Write the directory `out`: map.tsv, distances.tsv and associations.tsv, with the unit of every column in its
    name, and about.json = {sets, groups, left_out, no_strip, unit, why}: rows, different groups, rows far from all
    others, columns without a strip beside the matrix.

    unit : obs column of what is independent (`gde.tl.associations`), where there is such a column.
    Of many groups a random part is mapped. Of fewer than four there is about.json alone, which says why.
    """
    whole = read_anndata(embeddings, sealed=True)
    rng = np.random.default_rng(seed)
    about = {
        "sets": whole.n_obs,
        "groups": int(whole.obs["group"].nunique()),
        "left_out": [],
        "no_strip": [],
        "unit": "",
        "why": "",
    }
    tables = {}
    if whole.n_obs < FEWEST:
        about["why"] = f"{many(whole.n_obs, 'group')}: a map needs {FEWEST}"
    else:
        some = _some(whole, IN_MAP, rng)
        pca(some)
        about["left_out"] = list(some.uns["pca"]["left_out"])
        tables["map"] = _map(some)
        unit = unit if unit in some.obs and unit != "group" else None
        about["unit"] = unit or ""
        tables["associations"] = _associations(some, unit, permutations, seed)
        about["no_strip"] = without_strip(some.obs)
        tables["distances"] = _distances(_some(whole, IN_MATRIX, rng))
    with atomic_dir(out) as tmp:
        write_json(tmp / "about.json", about)
        for name, table in tables.items():
            table.to_csv(tmp / f"{name}.tsv", sep="\t", index=False, float_format="%.7g")


def _some(embeddings: "anndata.AnnData", most: int, rng: np.random.Generator) -> "anndata.AnnData":
    """At most so many rows, in their order."""
    if embeddings.n_obs <= most:
        return embeddings.copy()
    return embeddings[np.sort(rng.choice(embeddings.n_obs, most, replace=False))].copy()


def _map(embeddings: "anndata.AnnData") -> pd.DataFrame:
    table = map_table(embeddings)
    share = embeddings.uns["pca"]["variance_ratio"]
    units = {f"pc_{i}": f"{LATENT}, {100 * share[i - 1]:.0f} % of variance" for i in (1, 2)}
    units |= dict.fromkeys(SHAPE, f"{LATENT} squared or empty") | {"radius": "1 or empty"}
    obs = embeddings.obs
    told = [name for name in ("split", "n_samples") if name in obs]
    shown = [*told, *(name for name in panels(obs)[:PANELS] if name not in told)]
    return _named(table[list(units)], units, obs, shown)


def _associations(embeddings: "anndata.AnnData", unit: str | None, permutations: int, seed: int) -> pd.DataFrame:
    table = associations(embeddings, unit=unit, permutations=permutations, seed=seed)
    units = dict.fromkeys(("ceiling", "p_value", "fdr"), "1 or empty")
    table = table.rename(columns={name: f"{name} [{unit}]" for name, unit in units.items()})
    table = table.rename(columns={"kind": "kind [category]"}, index=_bare)
    return table.reset_index(names="column [category]")


def _distances(embeddings: "anndata.AnnData") -> pd.DataFrame:
    """Rows in the clustered order, columns d_1 ... d_g in the same; before them the columns of strips."""
    matrix = distances(embeddings)
    order = embeddings.uns["gde_distances"]["order"]
    obs = embeddings.obs.iloc[order]
    numbers = pd.DataFrame(matrix.to_numpy(), obs.index, [f"d_{i + 1} [{LATENT}]" for i in range(len(matrix))])
    return pd.concat([_named(obs[[]], {}, obs, strips(embeddings.obs)), numbers], axis=1)


def _named(table: pd.DataFrame, units: dict[str, str], obs: pd.DataFrame, shown: list[str]) -> pd.DataFrame:
    """Names of rows, a table with its units, and some columns of obs: a number, or a category, or empty."""
    kinds = {c: "number or empty" if is_number(obs, c) else "category" for c in shown}
    obs = obs[shown].rename(columns={c: f"{_bare(c)} [{kind}]" for c, kind in kinds.items()})
    table = table.rename(columns={c: f"{c} [{unit}]" for c, unit in units.items()})
    return pd.concat([pd.Series(obs.index, obs.index, name="name [category]", dtype=str), table, obs], axis=1)


def _bare(name: str) -> str:
    """A column's name without the brackets that set units apart."""
    return name.replace("[", "(").replace("]", ")")
