"""Evaluation on clones followed over days: information, fate and the days between, all on clones that were held out."""

import numpy as np
import pandas as pd

from gde.evaluate.cells.clones import CELL_TYPE, WELL, Clones, View, clones_of, embedded, pseudobulk, shares, sisters_of
from gde.evaluate.cells.days import evaluate_days
from gde.evaluate.cells.fate import FEWEST as FEWEST_FATES
from gde.evaluate.cells.fate import fate_table, half_shares, predict_fate
from gde.evaluate.cells.information import Information
from gde.evaluate.cells.lineage_information import by_dimension, by_size, compare, known
from gde.evaluate.shared.context import Context, Results
from gde.evaluate.shared.pairs import FEWEST as FEWEST_GROUPS
from gde.evaluate.shared.pairs import held_out_pairs, large_enough
from gde.evaluate.shared.pca import two_components
from gde.evaluate.shared.reconstruction import COLUMNS, reconstruct
from gde.evaluate.shared.tables import embedding_table, left_out_table, principal_columns
from gde.sets.store.annotations import codes, has

SPRING = ("spring_x", "spring_y")
SHOWN = 20_000  # cells in the picture


def evaluate(ctx: Context) -> Results:
    """Records and tables; what the data cannot tell (too few clones, no wells, no cell types) stands in `left_out`.

    A clone's early side is all its cells of the days `evaluation.early`, its late side those of `evaluation.late`.
    Baselines under the same treatment: pseudobulk means, and compositions where cells have types.
    """
    store, options = ctx.store, ctx.options
    clones = clones_of(store, options["early"], options["late"])
    views = views_of(ctx, clones)
    types = None
    if has(store, CELL_TYPE):
        code, types = codes(store, CELL_TYPE)
        early, late = (shares(side, code, len(types)) for side in (clones.early, clones.late))
        views["composition"] = View(early, late, clones.tested)
    metrics, tables, own = information(ctx, views)
    if "embedding_all" in own:
        tables["spring"] = spring_table(ctx, clones, own)
    metrics |= sisters(ctx)
    if types is None:
        ctx.leave_out("fate", f"samples have no {CELL_TYPE}")
    else:
        found, table = fate(ctx, views, clones, code, types)
        metrics, tables = metrics | found, tables | table
    found, table = evaluate_days(ctx)
    metrics |= found
    if table.empty:
        ctx.leave_out("days", "no pool of held-out clones with enough cells on each of the three days")
    else:
        tables["days"] = table.rename(columns=COLUMNS | {"pool": "pool [1]"})
    if large_enough(store) >= FEWEST_GROUPS:
        found, table = reconstruct(ctx, held_out_pairs(store, ctx.seed))
        metrics, tables = metrics | found, tables | table
    else:
        ctx.leave_out("reconstruction", "fewer than two held-out groups of four cells")
    tables["embedding"] = clone_map(views["gde"], clones)
    tables["left_out"] = left_out_table(ctx.left)
    return metrics, tables


def views_of(ctx: Context, clones: Clones) -> dict[str, View]:
    """Embeddings and pseudobulk means of both sides."""
    sides = (clones.early, clones.late)
    return {
        "gde": View(*(embedded(ctx.model, ctx.store, side) for side in sides), clones.tested),
        "pseudobulk_mean": View(*(pseudobulk(ctx.store, side) for side in sides), clones.tested),
    }


def information(
    ctx: Context, views: dict[str, View]
) -> tuple[dict[str, dict], dict[str, pd.DataFrame], dict[str, Information]]:
    """Everything about mutual information between early and late sides."""
    rng, options = ctx.random("information"), ctx.options
    k = options["neighbours"]
    metrics, table, own = compare(views, rng, dim=options["dim"], k=k, permutations=options["permutations"])
    for name in ("embedding", "pca", "projection", "embedding_all"):
        if name not in own:
            ctx.leave_out(f"information/{name}", "too few clones with early and late cells")
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
    else:
        ctx.leave_out("information/recovered", "nothing was estimated: too few clones with early and late cells")
    return metrics, tables, own


def sisters(ctx: Context) -> dict[str, dict]:
    """`information/sisters`: between late cells of a clone in one well and its cells in other wells, projected."""
    store, options = ctx.store, ctx.options
    if not has(store, WELL):
        ctx.leave_out("information/sisters", f"samples have no {WELL}")
        return {}
    clones = sisters_of(store, options["late"], codes(store, WELL)[0])
    rng = ctx.random("sisters")
    if len(clones) > 0:
        views = views_of(ctx, clones)
        found = compare(views, rng, dim=options["dim"], k=options["neighbours"], permutations=options["permutations"])
        if "information/projection" in found[0]:
            return {"information/sisters": found[0]["information/projection"]}
    ctx.leave_out("information/sisters", f"too few clones in two wells ({len(clones)})")
    return {}


def fate(ctx: Context, views: dict[str, View], clones: Clones, code: np.ndarray, types: list[str]) -> Results:
    """Records and table of the fate of tested clones whose late cells have types; code (rows,) of the type of each."""
    typed = views["composition"].late.sum(1) > 0
    tested = clones.tested[typed]
    if (~tested).sum() < FEWEST_FATES or tested.sum() < 3:
        ctx.leave_out("fate", f"{(~tested).sum()} clones to fit on and {tested.sum()} to test")
        return {}, {}
    rng = ctx.random("fate")
    late = views["composition"].late[typed]
    sets = [clones.late[i] for i in np.flatnonzero(typed & clones.tested)]
    early = {name: view.early[typed] for name, view in views.items()}
    halves = half_shares(sets, code, len(types), rng)
    metrics, predicted = predict_fate(early, late, tested, rng, halves=halves, repeats=ctx.repeats)
    return metrics, {"fate": fate_table(clones.names[typed & clones.tested], types, late[tested], predicted)}


def spring_table(ctx: Context, clones: Clones, own: dict[str, Information]) -> pd.DataFrame:
    """Cells of clones with both sides where they lie in the published map, or on two principal components without one,
    and their clone's pointwise information: of all clones, and of the held-out ones ('part')."""
    store, rng = ctx.store, ctx.random("spring")
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


def clone_map(view: View, clones: Clones) -> pd.DataFrame:
    """Two principal components of all clones' embeddings, with clone, side and whether the clone was held out."""
    return embedding_table(
        np.concatenate([view.early, view.late]),
        group=np.tile(clones.names, 2),
        label=np.repeat(["early", "late"], len(clones)),
        part=np.tile(np.where(clones.tested, "target", "context"), 2),
        sizes=[len(rows) for side in (clones.early, clones.late) for rows in side],
    )
