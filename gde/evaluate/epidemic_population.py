"""The real and the generated sequences of every month, country by country, in the reference's numbering."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from gde.evaluate.epidemic_frame import Frame, site_counts
from gde.evaluate.epidemic_sets import FUTURE, Keys
from gde.evaluate.windows import drawn, tokens_of
from gde.sets.random import seed_of


@dataclass(frozen=True)
class Population:
    """Of each of k groups: its number in the store, its month, whether that is held out whole. Of both sides: tokens
    (n, L), the same placed at the reference's sites (n, R), and counts of the letters there (k, R, letters + 1)."""

    group: np.ndarray
    month: np.ndarray
    future: np.ndarray
    tokens: dict[str, list[np.ndarray]]
    placed: dict[str, list[np.ndarray]]
    counts: dict[str, np.ndarray]


def population(
    model: Any, store: Any, keys: Keys, z: np.ndarray, frame: Frame, options: dict, seed: int, rng: np.random.Generator
) -> tuple[Population | None, list[tuple[str, str]]]:
    """Sequences of the months with at least `least` of them in the groups that are looked at, and as many generated as
    `generated` says, from the embeddings z (g, l) of these groups, of each by its share of the month's sequences."""
    looked = np.ones(len(keys.month), bool) if options["keys"] == "all" else keys.part != "train"
    rows, made, group, left = [], [], [], []
    for month in np.unique(keys.month[looked]):
        own = np.flatnonzero(looked & (keys.month == month))
        sizes = store.sizes[own]
        if sizes.sum() < options["least"]:
            left.append((f"sweeps, month {month:g}", f"{sizes.sum()} sequences, fewer than evaluation.least"))
            continue
        all_rows = np.concatenate([np.arange(store.starts[g], store.starts[g] + store.sizes[g]) for g in own])
        kept = drawn(all_rows, options["most"], rng)
        rows += [kept[(kept >= store.starts[g]) & (kept < store.starts[g] + store.sizes[g])] for g in own]
        made.append(shared_out(options["generated"], sizes))
        group.append(own)
    if not group:
        return None, left
    group, made = np.concatenate(group), np.concatenate(made)
    real = [tokens_of(store, r) if len(r) else np.zeros((0, store.meta["dim"]), np.uint8) for r in rows]
    tokens = {"real": real, "generated": generate(model, z[group], made, seed)}
    placed = {side: [frame.place(x, whole=side == "generated") for x in parts] for side, parts in tokens.items()}
    counts = {side: np.stack([site_counts(frame, x) for x in parts]) for side, parts in placed.items()}
    return Population(group, keys.month[group], keys.part[group] == FUTURE, tokens, placed, counts), left


def shared_out(n: int, sizes: np.ndarray) -> np.ndarray:
    """n things among groups (k,) in proportion to their sizes, the remainders to the largest ones."""
    exact = n * sizes / sizes.sum()
    whole = np.floor(exact).astype(np.int64)
    whole[np.argsort(whole - exact, kind="stable")[: n - whole.sum()]] += 1
    return whole


def generate(model: Any, z: np.ndarray, n: np.ndarray, seed: int) -> list[np.ndarray]:
    """n[i] sequences (n[i], L) from each embedding z[i]."""
    draw = torch.Generator(model.device).manual_seed(seed_of(seed, "evaluate/epidemic/generated") % 2**63)
    points = torch.from_numpy(np.repeat(z, n, axis=0)).float().to(model.device)
    made = model.sample(points, 1, generator=draw)[:, 0].cpu().numpy()
    return np.split(made, np.cumsum(n)[:-1])
