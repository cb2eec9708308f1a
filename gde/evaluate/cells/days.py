"""Days between: half way between the embeddings of two days: are the cells generated there like those of the day
between?"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from gde.evaluate.cells.clones import CLONE, DAY, embedded, samples
from gde.evaluate.shared.bandwidth import median_distance
from gde.evaluate.shared.context import Context
from gde.evaluate.shared.metrics import interval_of_several, record
from gde.evaluate.shared.reconstruction import METRICS, compared
from gde.sets.store.annotations import rows_of

FEWEST = 30  # cells of each day in a pool of clones
MOST = 300  # cells compared: exact transport costs their cube
POOLS = 20
BASELINES = ("first_day", "last_day", "mixture")


def pools_of(store: Any, days: Sequence[float], rng: np.random.Generator) -> list[list[np.ndarray]]:
    """Pools of tested clones, in random order just so many that each day has FEWEST cells: rows of each day."""
    day, clone = store.groups[DAY].astype(float).to_numpy(), store.groups[CLONE].astype(str).to_numpy()
    rows: dict[str, list[list[np.ndarray]]] = {}
    for g in store.select(split="test"):
        if day[g] in days:
            rows.setdefault(clone[g], [[] for _ in days])[list(days).index(day[g])].append(np.r_[rows_of(store, g)])
    out: list[list[np.ndarray]] = []
    pool: list[list[np.ndarray]] = [[] for _ in days]
    for name in rng.permutation(sorted(rows)):
        for own, new in zip(pool, rows[name], strict=True):
            own.extend(new)
        if min(sum(map(len, own)) for own in pool) >= FEWEST:
            out.append([np.concatenate(own) for own in pool])
            pool = [[] for _ in days]
        if len(out) == POOLS:
            break
    return out


def evaluate_days(ctx: Context) -> tuple[dict[str, dict], pd.DataFrame]:
    """Records days/w2, days/mmd, days/energy and a table of each pool of held-out clones; empty without any pool.

    evaluation.interpolate : the first day, one between, the last. The model generates from (1 - t) z_first + t z_last,
    where t is the time between; half of the cells of the day between are the target. Baselines: cells of the first day,
    of the last one, and of both in shares 1 - t and t. Ceiling: the other half of the target's day. Every source gives
    as many cells.
    """
    model, store, rng = ctx.model, ctx.store, ctx.random("days")
    first, between, last = days = ctx.options["interpolate"]
    t = (between - first) / (last - first)
    draw, rows = ctx.generator("days"), []
    for i, (early, middle, late) in enumerate(pools_of(store, days, rng)):
        middle = rng.permutation(middle)
        target, rest = middle[: len(middle) // 2], middle[len(middle) // 2 :]
        n = min(len(target), len(early), len(late), MOST)
        z = torch.from_numpy(embedded(model, store, [early, late])).float().to(model.device)
        made = model.sample(((1 - t) * z[:1] + t * z[1:]), n, generator=draw)[0].cpu()
        take = {"first_day": early, "last_day": late, "ceiling": rest, "target": target}
        cells = {name: torch.from_numpy(samples(store, rng.permutation(of)[:n])) for name, of in take.items()}
        shared = round((1 - t) * n)
        cells["mixture"] = torch.cat([cells["first_day"][:shared], cells["last_day"][: n - shared]])
        goal = cells.pop("target")
        width = median_distance(goal[None]).clamp(min=1e-6)
        for source, x in {"model": made, **cells}.items():
            rows.append((i, source, n, *compared(x, goal, width)))
    table = pd.DataFrame(rows, columns=["pool", "source", "n", *METRICS])
    if table.empty:
        return {}, table
    means, metrics = table.groupby("source")[list(METRICS)].mean(), {}
    for name in METRICS:
        own = table.loc[table["source"] == "model", name].to_numpy()
        metrics[f"days/{name}"] = record(
            means.loc["model", name],
            n=len(own),
            higher_is_better=False,
            ci=interval_of_several(own, rng, repeats=ctx.repeats),
            baselines={b: means.loc[b, name] for b in BASELINES},
            ceiling=means.loc["ceiling", name],
        )
    return metrics, table
