"""`gde compare-groups`: time a pair against embedding every deal anew, and power beside tests that need no model.

python benchmarks/compare_groups.py [--quick] [--groups 46] [--size 200] [--repeats 100] [--steps 1500]

An encoder is trained on mixtures of Gaussians (`gmm`, d = 2, resnet, the given number of steps). First table: all pairs
of so many groups of so many samples at once, and a few of the same pairs one by one by `gde.compare.compare` with 999
permutations; seconds a pair and their ratio. Second table: share of `repeats` pairs of sets of 100 samples that each
test calls different at level .05, without a difference and with one of the mean, the spread, the shape, the correlation
or the composition. Tests: influence (ours), anew (`compare`), a t-test of each feature (Welch, Bonferroni: pseudobulk
of samples), MMD (Gaussian kernel, median heuristic) and energy distance, the last two with as many permutations.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import torch
from scipy.spatial.distance import cdist
from scipy.stats import ttest_ind

from gde.compare import compare
from gde.config import resolve
from gde.influence import influence
from gde.model import GDE
from gde.prepare import prepare_of
from gde.sets.store.set_store import SetStore
from gde.sets.store.writer import StoreWriter
from gde.tl.comparison import Deals, compare_samples
from gde.training import train

ROOT = Path(__file__).resolve().parents[1]
LEVEL = 0.05
SIZE = 100


def trained(steps: int, folder: Path) -> GDE:
    """The encoder of `gmm`."""
    over = {"training": {"steps": steps, "tensorboard": False, "checkpoint_every": steps}}
    over |= {"encoder": {"hidden": 64}, "generator": {"hidden": 64}, "latent_dim": 16}
    over["dataset"] = {"test_sets": 4, "validation_sets": 16, "test_size": 100}
    config = resolve(
        "gmm", {"experiments": ["gmm"], "preset": "laptop", "seed": 0, "accelerator": "cpu", "gmm": over}, ROOT
    )
    prepare_of(config["dataset"]["kind"])(config["dataset"], folder / "sets", name="gmm", seed=0)
    return train(config, SetStore.open(folder / "sets"), folder / "run", device=torch.device("cpu"))[0]


def mixture(
    n: int, rng: np.random.Generator, *, share: float = 0.5, wide: float = 1.0, angle: float = 0.0
) -> np.ndarray:
    """Samples (n, 2) of two components; `wide` stretches one of them, `angle` turns it."""
    first = rng.random(n) < share
    x = rng.normal(size=(n, 2)) * [0.9, 0.3]
    turned = x * [wide, 1.0]
    turned = turned @ [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
    return np.where(first[:, None], turned + [1.2, 0.4], x - [1.2, 0.4]).astype(np.float32)


CHANGES: dict[str, Callable] = {
    "none": mixture,
    "mean + .3 sd": lambda n, rng: mixture(n, rng) + np.float32([0.45, 0.0]),
    "all 1.2 times as wide": lambda n, rng: 1.2 * mixture(n, rng),
    "one component 1.6 times as wide": lambda n, rng: mixture(n, rng, wide=1.6),
    "one component turned by 50 degrees": lambda n, rng: mixture(n, rng, angle=np.deg2rad(50)),
    "composition .5 -> .68": lambda n, rng: mixture(n, rng, share=0.68),
}


def by_permutation(statistic: np.ndarray) -> float:
    """p-value of a statistic (1 + permutations,), the true one first."""
    return (statistic[1:] >= statistic[0] - 1e-12).mean() * (len(statistic) - 1) / len(statistic) + 1 / len(statistic)


def two_sample(kernel: np.ndarray, n: int, first: np.ndarray) -> np.ndarray:
    """Mean kernel within both sets minus between (p,), of deals first (p, n + m) of 0 and 1."""
    a, b = first / n, (1 - first) / (kernel.shape[0] - n)
    d = a - b
    return np.einsum("pi,pi->p", d @ kernel, d)


def p_values(model: GDE, a: np.ndarray, b: np.ndarray, permutations: int, seed: int, *, anew: bool) -> dict[str, float]:
    """Of every test."""
    n, pool = len(a), np.concatenate([a, b])
    phi = influence(model, pool)
    deals = np.concatenate([(np.arange(len(pool)) < n)[None], *Deals(permutations, seed).parts(n, len(b))]).astype(
        float
    )
    distance = cdist(pool, pool)
    width = np.median(distance[np.triu_indices(len(pool), 1)])
    out = {"influence": Deals(permutations, seed).test(phi[:n], phi[n:], None, None)["p_value"]}
    if anew:
        out["anew"] = compare(model, a, b, permutations=permutations, seed=seed).p_value
    out["t-tests"] = min(1.0, a.shape[1] * ttest_ind(a, b, equal_var=False).pvalue.min())
    out["MMD"] = by_permutation(two_sample(np.exp(-np.square(distance / width) / 2), n, deals))
    out["energy"] = by_permutation(two_sample(-distance, n, deals))
    return out


def power(model: GDE, repeats: int, permutations: int) -> pd.DataFrame:
    """Share of pairs called different, a row for each change."""
    rows = []
    for change, draw in CHANGES.items():
        rng, found = np.random.default_rng(1), []
        for k in range(repeats):
            anew = k < repeats // 4  # slow
            found.append(p_values(model, mixture(SIZE, rng), draw(SIZE, rng), permutations, k, anew=anew))
        called = pd.DataFrame(found)
        rows.append({"difference": change, **((called <= LEVEL).sum() / called.notna().sum()).round(2)})
    return pd.DataFrame(rows)


def speed(model: GDE, groups: int, size: int, few: int, folder: Path) -> pd.DataFrame:
    """Seconds a pair of all pairs at once and of `few` one by one, and their ratio."""
    rng = np.random.default_rng(0)
    sets = [mixture(size, rng, share=0.3 + 0.4 * (i % 5) / 4) for i in range(groups)]
    table = pd.DataFrame({"group": [f"g{i:03}" for i in range(groups)], "split": "test", "size": size})
    with StoreWriter(folder / "groups", groups=table, sample_shape=(2,), seed=0) as writer:
        writer.write(np.concatenate(sets), np.repeat(np.arange(groups), size))
        writer.finish({"kind": "query", "data": "simulated"})
    store = SetStore.open(folder / "groups")
    start = time.perf_counter()
    pairs = compare_samples(model, store)
    whole = time.perf_counter() - start
    start = time.perf_counter()
    for i in range(few):
        compare(model, sets[i], sets[i + 1], permutations=999)
    anew = (time.perf_counter() - start) / few
    return pd.DataFrame(
        [
            {
                "pairs": len(pairs),
                "permutations": pairs.attrs["permutations"],
                "seconds, all at once": round(whole, 2),
                "seconds a pair": round(whole / len(pairs), 4),
                "anew, seconds a pair (999)": round(anew, 2),
                "ratio": round(anew / (whole / len(pairs))),
                "at equal permutations": round(anew / 999 / (whole / len(pairs) / pairs.attrs["permutations"])),
            }
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few steps, groups and repeats: does it run?")
    parser.add_argument("--groups", type=int, default=46, help="46 make 1,035 pairs")
    parser.add_argument("--size", type=int, default=200, help="samples of a group")
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--steps", type=int, default=1500)
    options = parser.parse_args()
    if options.quick:
        options.groups, options.size, options.repeats, options.steps = 4, 40, 4, 20
    with TemporaryDirectory() as folder:
        model = trained(options.steps, Path(folder))
        print(
            speed(model, options.groups, options.size, 1 if options.quick else 3, Path(folder)).T.to_string(
                header=False
            )
        )
        print()
        print(power(model, options.repeats, 199).to_string(index=False))


if __name__ == "__main__":
    main()
