"""Evaluation on clones followed over days: information, fate and the days between, all on clones that were held out."""

from typing import Any

import numpy as np
import pandas as pd

from gde.evaluate.clones import CELL_TYPE, WELL, Clones, View, clones_of, embedded, pseudobulk, shares, sisters_of
from gde.evaluate.days import evaluate_days
from gde.evaluate.fate import FEWEST as FEWEST_FATES
from gde.evaluate.fate import fate_table, half_shares, predict_fate
from gde.evaluate.information import Information
from gde.evaluate.lineage_information import by_dimension, by_size, compare, known
from gde.evaluate.pairs import FEWEST as FEWEST_GROUPS
from gde.evaluate.pairs import held_out_pairs, large_enough
from gde.evaluate.pca import two_components
from gde.evaluate.samples import reconstruct
from gde.evaluate.tables import DATA, principal_columns
from gde.sets.annotations import codes, has
from gde.sets.random import seed_of

SPRING = ("spring_x", "spring_y")
SHOWN = 20_000  # cells in the picture


def evaluate(
    model: Any, store: Any, config: dict[str, Any], seed: int
) -> tuple[dict[str, dict], dict[str, pd.DataFrame]]:
    """Records and tables; what the data cannot tell (too few clones, no wells, no cell types) stands in `left_out`.

    A clone's early side is all its cells of the days `evaluation.early`, its late side those of `evaluation.late`.
    Baselines under the same treatment: pseudobulk means, and compositions where cells have types.
    """
    options = config["evaluation"]
    clones = clones_of(store, options["early"], options["late"])
    left: list[tuple[str, str]] = []
    views = views_of(model, store, clones)
    types = None
    if has(store, CELL_TYPE):
        code, types = codes(store, CELL_TYPE)
        early, late = (shares(side, code, len(types)) for side in (clones.early, clones.late))
        views["composition"] = View(early, late, clones.tested)
    metrics, tables, own = information(views, options, seed, left)
    if "embedding_all" in own:
        tables["spring"] = spring_table(store, clones, own, seed)
    metrics |= sisters(model, store, options, seed, left)
    if types is None:
        left.append(("fate", f"samples have no {CELL_TYPE}"))
    else:
        found, table = fate(views, clones, code, types, seed, options["bootstrap"], left)
        metrics, tables = metrics | found, tables | table
    found, table = evaluate_days(model, store, options["interpolate"], seed=seed, repeats=options["bootstrap"])
    metrics |= found
    if table.empty:
        left.append(("days", "no pool of held-out clones with enough cells on each of the three days"))
    else:
        units = {"w2": f"w2 {DATA}", "mmd": "mmd [1]", "energy": f"energy {DATA}", "n": "n_samples [1]"}
        tables["days"] = table.rename(columns={**units, "pool": "pool [1]"})
    if large_enough(store) >= FEWEST_GROUPS:
        found, table = reconstruct(model, store, held_out_pairs(store, seed), options, seed)
        metrics, tables = metrics | found, tables | table
    else:
        left.append(("reconstruction", "fewer than two held-out groups of four cells"))
    tables["embedding"] = embedding_table(views["gde"], clones)
    tables["left_out"] = left_out_table(left)
    return metrics, tables


def left_out_table(left: list[tuple[str, str]]) -> pd.DataFrame:
    """What was not evaluated and why; one row saying so where all was."""
    return pd.DataFrame(left or [("none", "everything was evaluated")], columns=["group", "status"])


def views_of(model: Any, store: Any, clones: Clones) -> dict[str, View]:
    """Embeddings and pseudobulk means of both sides."""
    sides = (clones.early, clones.late)
    return {
        "gde": View(*(embedded(model, store, side) for side in sides), clones.tested),
        "pseudobulk_mean": View(*(pseudobulk(store, side) for side in sides), clones.tested),
    }


def information(
    views: dict[str, View], options: dict, seed: int, left: list
) -> tuple[dict[str, dict], dict[str, pd.DataFrame], dict[str, Information]]:
    """Everything about mutual information between early and late sides."""
    rng = np.random.default_rng(seed_of(seed, "evaluate/information"))
    k = options["neighbours"]
    metrics, table, own = compare(views, rng, dim=options["dim"], k=k, permutations=options["permutations"])
    for name in ("embedding", "pca", "projection", "embedding_all"):
        if name not in own:
            left.append((f"information/{name}", "too few clones with early and late cells"))
    tables = {} if table.empty else {"information": table}
    if own:
        best = own.get("projection") or own.get("embedding") or own["embedding_all"]
        shape = views["gde"].late.shape
        n = int(views["gde"].tested.sum()) if "embedding" in own else shape[0]
        metrics["information/recovered"] = known(best.bits, n, shape[1], rng, k=k)
        continuous = {name: view for name, view in views.items() if name != "composition"}
        found = by_dimension(continuous, rng, dims=options["dims"], k=k, bits=best.bits)
        tables |= {} if found.empty else {"information_dim": found}
        tables["information_size"] = by_size(continuous, rng, k=k)
    return metrics, tables, own


def sisters(model: Any, store: Any, options: dict, seed: int, left: list) -> dict[str, dict]:
    """`information/sisters`: between late cells of a clone in one well and its cells in other wells, projected."""
    if not has(store, WELL):
        left.append(("information/sisters", f"samples have no {WELL}"))
        return {}
    clones = sisters_of(store, options["late"], codes(store, WELL)[0])
    rng = np.random.default_rng(seed_of(seed, "evaluate/sisters"))
    if len(clones) > 0:
        views = views_of(model, store, clones)
        found = compare(views, rng, dim=options["dim"], k=options["neighbours"], permutations=options["permutations"])
        if "information/projection" in found[0]:
            return {"information/sisters": found[0]["information/projection"]}
    left.append(("information/sisters", f"too few clones in two wells ({len(clones)})"))
    return {}


def fate(views, clones: Clones, code, types, seed, repeats, left) -> tuple[dict, dict[str, pd.DataFrame]]:
    """Records and table of the fate of tested clones whose late cells have types."""
    typed = views["composition"].late.sum(1) > 0
    tested = clones.tested[typed]
    if (~tested).sum() < FEWEST_FATES or tested.sum() < 3:
        left.append(("fate", f"{(~tested).sum()} clones to fit on and {tested.sum()} to test"))
        return {}, {}
    rng = np.random.default_rng(seed_of(seed, "evaluate/fate"))
    late = views["composition"].late[typed]
    sets = [clones.late[i] for i in np.flatnonzero(typed & clones.tested)]
    early = {name: view.early[typed] for name, view in views.items()}
    halves = half_shares(sets, code, len(types), rng)
    metrics, predicted = predict_fate(early, late, tested, rng, halves=halves, repeats=repeats)
    return metrics, {"fate": fate_table(clones.names[typed & clones.tested], types, late[tested], predicted)}


def spring_table(store: Any, clones: Clones, own: dict[str, Information], seed: int) -> pd.DataFrame:
    """Cells of clones with both sides where they lie in the published map, or on two principal components without one,
    and their clone's pointwise information: of all clones, and of the held-out ones ('part')."""
    rng = np.random.default_rng(seed_of(seed, "evaluate/spring"))
    parts = [("all", np.arange(len(clones)), own["embedding_all"].pointwise)]
    if "projection" in own:
        parts.append(("held out", np.flatnonzero(clones.tested), own["projection"].pointwise))
    published = all(has(store, name) for name in SPRING)
    frames = []
    for part, index, bits in parts:
        rows = [np.concatenate([clones.early[i], clones.late[i]]) for i in index]
        value = np.repeat(bits, [len(r) for r in rows])
        rows = np.concatenate(rows)
        some = np.sort(rng.permutation(len(rows))[:SHOWN])
        frames.append(pd.DataFrame({"row": rows[some], "part": part, "bits [bits]": value[some]}))
    table = pd.concat(frames, ignore_index=True)
    rows = table.pop("row").to_numpy()
    if published:
        for name in SPRING:
            table[f"{name} [1]"] = store.samples[name].to_numpy(dtype=float)[rows]
    else:
        x = np.asarray(store.x[rows], dtype=float)
        centre, directions, share = two_components(x)
        table[principal_columns("pc", "data units", share)] = (x - centre) @ directions
    return table


def embedding_table(view: View, clones: Clones) -> pd.DataFrame:
    """Two principal components of all clones' embeddings, with clone, side and whether the clone was held out."""
    z = np.concatenate([view.early, view.late])
    centre, directions, share = two_components(z)
    table = pd.DataFrame((z - centre) @ directions, columns=principal_columns("pc", "latent units", share))
    table["group"] = np.tile(clones.names, 2)
    table["label"] = np.repeat(["early", "late"], len(clones))
    table["part"] = np.tile(np.where(clones.tested, "target", "context"), 2)
    table["n_samples [1]"] = [len(rows) for side in (clones.early, clones.late) for rows in side]
    return table
