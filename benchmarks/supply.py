"""Speed and memory of batch supply, each against a plain reference in the same run.

python benchmarks/supply.py [--quick] [--only batches|memory|families] [--gb 4] [--batches 1000]
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from gde.sets.families import build
from gde.sets.mixer import DirichletMixer
from gde.sets.sampler import FamilySampler, SetSampler
from gde.sets.store.set_store import SetStore
from gde.sets.store.writer import StoreWriter

SETS, SIZE, DIM = 256, 64, 100


def milliseconds(f: Callable[[int], object], repeats: int) -> tuple[float, float]:
    """Median and least milliseconds of f(step): the least is what the code needs when nothing else runs."""
    f(0)
    times = []
    for step in range(repeats):
        start = time.perf_counter()
        f(step)
        times.append((time.perf_counter() - start) * 1e3)
    return float(np.median(times)), min(times)


def report(name: str, ours: tuple[float, float], reference: tuple[float, float], goal: str) -> None:
    print(
        f"{name}: {ours[0]:.2f} ms (least {ours[1]:.2f}), reference loop {reference[0]:.1f} ms"
        f" (least {reference[1]:.1f}), ratio {reference[0] / ours[0]:.0f} (least {reference[1] / ours[1]:.0f}); {goal}"
    )


def random_store(path: Path, gigabytes: float, groups: int = 200) -> SetStore:
    """A store of normal numbers with groups of uneven size, written in small pieces."""
    rows = int(gigabytes * 1e9 / 4 / DIM)
    rng = np.random.default_rng(0)
    share = rng.gamma(2.0, size=groups)
    size = np.maximum(50, (rows * share / share.sum()).astype(int))
    table = pd.DataFrame({"group": [f"g{i}" for i in range(groups)], "split": "train", "size": size})
    with StoreWriter(path, groups=table, sample_shape=(DIM,), seed=0) as writer:
        for g in range(groups):
            for start in range(0, size[g], 20_000):
                writer.write(rng.standard_normal((min(20_000, size[g] - start), DIM), dtype=np.float32), g)
        writer.finish({"kind": "benchmark", "data": "simulated"})
    return SetStore.open(path, verify=False)  # written a moment ago; hashing gigabytes is not what is timed


def reference_batch(store: SetStore, step: int) -> torch.Tensor:
    """The obvious loop: for each set its weights and counts, then rows drawn group by group."""
    rng = np.random.default_rng(step)
    x = np.empty((SETS, SIZE, DIM), np.float32)
    for i in range(SETS):
        counts = rng.multinomial(SIZE, rng.dirichlet(np.ones(3)))
        at = 0
        for g, count in zip(rng.choice(len(store), 3, replace=False), counts, strict=True):
            for row in rng.choice(store.sizes[g], count, replace=False):
                x[i, at] = store.x[store.starts[g] + row]
                at += 1
    return torch.from_numpy(x)


def batches(directory: Path, quick: bool) -> None:
    store = random_store(directory / "batches", 0.1)
    sampler = SetSampler(store, n_sets=SETS, set_size=SIZE, seed=0, mixer=DirichletMixer(3, 1.0))
    ours = milliseconds(sampler, 100 if quick else 500)
    reference = milliseconds(lambda step: reference_batch(store, step), 3 if quick else 10)
    report(f"mixed batch of {SETS} sets x {SIZE} x {DIM}", ours, reference, "goal <= 3 ms")


def resident() -> dict[str, float]:
    """Anonymous and file-backed memory of this process, MB."""
    lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    return {f[0][:-1]: int(f[1]) / 1e3 for f in lines if f[0] in ("RssAnon:", "RssFile:")}


def memory(directory: Path, gigabytes: float, steps: int) -> None:
    before = resident()
    start = time.perf_counter()
    store = random_store(directory / "memory", gigabytes)
    seconds, anonymous = time.perf_counter() - start, resident()["RssAnon"] - before["RssAnon"]
    print(
        f"wrote {store.x.nbytes / 1e9:.2f} GB in {seconds:.1f} s, growth of RssAnon while writing: {anonymous:.0f} MB"
    )
    sampler = SetSampler(store, n_sets=SETS, set_size=SIZE, seed=0, mixer=DirichletMixer(3, 1.0))
    most, start = 0.0, time.perf_counter()
    for step in range(steps):
        sampler(step)
        most = max(most, resident()["RssAnon"]) if step % 10 == 0 else most
    spent = (time.perf_counter() - start) / steps * 1e3
    growth = max(most, resident()["RssAnon"]) - before["RssAnon"]
    print(f"{steps} batches at {spent:.2f} ms, growth of RssAnon in all: {growth:.0f} MB; goal <= 300 MB at 4 GB")
    print(f"file-backed memory, which the system takes back when it needs it: {resident()['RssFile']:.0f} MB")


def plain_gaussians(dim: int, components: int, df: int, rng: np.random.Generator) -> np.ndarray:
    """One set of a normal (components = 1) or a mixture, as the definition of the family says."""
    mean = rng.uniform(0, 5, (components, dim))
    vectors = rng.standard_normal((components, df, dim))
    cov = [np.linalg.inv(v.T @ v) for v in vectors]
    component = rng.choice(components, SIZE, p=rng.dirichlet(np.ones(components)))
    x = np.empty((SIZE, dim), np.float32)
    for c in np.unique(component):
        mine = component == c
        x[mine] = rng.multivariate_normal(mean[c], cov[c], mine.sum(), method="cholesky")
    return x


def plain_lowrank(dim: int, rank: int, rng: np.random.Generator) -> np.ndarray:
    """One set through the dense covariance F F', which is singular: numpy takes its singular values."""
    factor = rng.standard_normal((dim, rank))
    return rng.multivariate_normal(rng.uniform(0, 5, dim), factor @ factor.T, SIZE)


# family and its parameters, one set in plain numpy, what the published code took per set (ms), goal for the ratio
FAMILIES: list[tuple[str, dict, Callable[[np.random.Generator], np.ndarray], str, float | None]] = [
    ("mvn", {"dim": 5, "df": 40}, lambda rng: plain_gaussians(5, 1, 40, rng), "", None),
    ("gmm", {"dim": 5, "df": 40}, lambda rng: plain_gaussians(5, 3, 40, rng), "0.39", 20),
    ("mvn_lowrank", {"dim": 100, "rank": 2}, lambda rng: plain_lowrank(100, 2, rng), "3.3 to 61", 20),
    ("poisson", {}, lambda rng: rng.poisson(rng.uniform(1, 10), (SIZE, 1)), "", None),
    ("multinomial", {}, lambda rng: rng.multinomial(20, rng.dirichlet(np.ones(3)), SIZE), "", None),
]


def families(quick: bool) -> None:
    """A batch at a time beside a loop over sets, for each family."""
    for kind, params, plain, published, goal in FAMILIES:
        family = build(kind, **params)
        sampler = FamilySampler(family, n_sets=SETS, set_size=SIZE, seed=0)

        def loop(step: int, plain: Callable = plain) -> torch.Tensor:
            rng = np.random.default_rng(step)
            return torch.from_numpy(np.stack([plain(rng) for _ in range(SETS)]).astype(np.float32))

        ours = milliseconds(sampler, 20 if quick else 500)
        reference = milliseconds(loop, 1 if quick else 5)
        words = f"{ours[0] / SETS * 1e3:.1f} us per set, reference {reference[0] / SETS:.2f} ms"
        if published:
            words += f" (published code: {published} ms)"
        if goal is not None:
            words += f", goal {goal:g} times: {'met' if reference[0] / ours[0] >= goal else 'missed'}"
        report(f"{kind}, d={family.dim}, {SETS} sets x {SIZE}", ours, reference, words)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a 0.5 GB store and fewer repeats")
    parser.add_argument("--only", choices=["batches", "memory", "families"])
    parser.add_argument("--gb", type=float, help="size of the store of the memory test (default 4, quick 0.5)")
    parser.add_argument("--batches", type=int, default=1000, help="batches drawn from it")
    options = parser.parse_args()
    torch.set_num_threads(2)
    with tempfile.TemporaryDirectory() as directory:
        if options.only in (None, "memory"):  # first: its baseline is the memory after the imports
            memory(Path(directory), options.gb or (0.5 if options.quick else 4.0), options.batches)
        if options.only in (None, "batches"):
            batches(Path(directory), options.quick)
        if options.only in (None, "families"):
            families(options.quick)


if __name__ == "__main__":
    main()
