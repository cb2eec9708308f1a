"""Synthetic stores whose labels, orders and conditions are known to be learnable, and experiments on them."""

from pathlib import Path

import numpy as np
import pandas as pd
import tiny

from gde.sets.store.set_store import SetStore
from gde.sets.store.writer import StoreWriter

SAMPLES = 60


def write(
    path: Path, groups: pd.DataFrame, mean: np.ndarray, root: np.ndarray, *, seed: int = 0, uneven: bool = False
) -> SetStore:
    """A store of normal groups: mean (g, d), root (g, d, d) of the covariance; groups has group, split and columns.

    60 samples in each group; uneven: 20 or 40 in two thirds of them.
    """
    g, d = mean.shape
    noise = np.random.default_rng(seed).standard_normal((g, SAMPLES, d))
    x = mean[:, None] + np.einsum("gij,gnj->gni", root, noise)
    size = SAMPLES - 20 * (np.arange(g) % 3) if uneven else np.full(g, SAMPLES)
    kept = np.arange(SAMPLES) < size[:, None]
    train = x[(groups["split"] == "train").to_numpy()].reshape(-1, d)
    meta = {"kind": "test", "data": "simulated", "mean": train.mean(0).tolist(), "scale": train.std(0).tolist()}
    with StoreWriter(path, groups=groups.assign(size=size), sample_shape=(d,), seed=seed) as writer:
        writer.write(x[kept], np.repeat(np.arange(g), size))
        writer.finish(meta)
    return SetStore.open(path)


def shapes(path: Path, groups: int = 90) -> SetStore:
    """Groups anywhere in the plane, labelled by shape alone: along a diagonal, across it, or round."""
    rng = np.random.default_rng(1)
    label = np.arange(groups) % 3
    root = np.array([[[1, 0], [0.9, 0.3]], [[1, 0], [-0.9, 0.3]], [[1, 0], [0, 1]]])[label]
    table = pd.DataFrame({"shape": np.array(["along", "across", "round"])[label]})
    table["group"] = [f"g{i}" for i in range(groups)]
    table["split"] = np.repeat(
        ["train", "validation", "test"], [groups // 2, groups // 6, groups - groups // 2 - groups // 6]
    )
    return write(path, table, rng.uniform(-1, 1, (groups, 2)), root)


def circles(path: Path, series: int = 16, days: int = 8, *, uneven: bool = False) -> SetStore:
    """Series of groups that walk on circles of different radius, an eighth of a turn a day; whole series held out."""
    rng = np.random.default_rng(2)
    start, radius = rng.uniform(0, 2 * np.pi, series), rng.uniform(1, 3, series)
    s, day = (v.ravel() for v in np.indices((series, days)))
    angle = start[s] + day * np.pi / 4
    table = pd.DataFrame({"series": [f"s{i:02d}" for i in s], "day": day})
    table["group"] = table["series"] + "|" + table["day"].astype(str)
    table["split"] = np.where(s % 4 == 3, "test", np.where(s % 4 == 2, "validation", "train"))
    mean = radius[s, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    return write(path, table, mean, np.tile(0.3 * np.eye(2), (len(s), 1, 1)), uneven=uneven)


def lines_and_genes(path: Path, lines: int = 6, genes: int = 8) -> tuple[SetStore, np.ndarray]:
    """Cell lines x genes: every gene moves the mean, in each line by another factor; some combinations are held out.

    returns the store and the true shift (g, 4) of every group from its line's control.
    """
    rng = np.random.default_rng(3)
    place = rng.normal(size=(lines, 4)) * 2
    factor, effect = place[:, 0] / 2, rng.normal(size=(genes, 4))  # the factor can be read off the line's place
    line, gene = (v.ravel() for v in np.indices((lines, genes + 1)))
    shift = np.where((gene > 0)[:, None], factor[line, None] * effect[gene - 1], 0.0)
    table = pd.DataFrame({"line": [f"L{i}" for i in line], "gene": [f"G{i}" if i else "none" for i in gene]})
    table["group"] = table["gene"] + "|" + table["line"]
    held = (gene > 0) & ((line + gene) % 5 == 0)
    table["split"] = np.where(held, np.where(line == 0, "validation", "test"), "train")
    return write(path, table, place[line] + shift, np.tile(0.3 * np.eye(4), (len(line), 1, 1))), shift


def experiment(objective: dict, **changes) -> dict:
    """An experiment on such a store that trains in a few seconds."""
    dataset = {"kind": "table", "path": "worlds.csv", "groupby": ["group"]}
    training = {"n_sets": 16, "set_size": 30, "steps": 200, "ema": 0.95, "validate_every": 100, "checkpoint_every": 500}
    small = {"encoder.hidden": 16, "generator.affine": True, "objective": objective, "training.scheduler.warmup": 20}
    small |= {f"training.{key}": value for key, value in training.items()}
    return tiny.experiment(small | changes, dataset=dataset, evaluation={"kind": "samples"})
