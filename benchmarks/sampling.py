"""Flow sampling in 5 to 20 evaluations against diffusion in 400 (ancestral) and 5 to 50 (DDIM): error and time.

python benchmarks/sampling.py [--quick] [--steps 2000] [--sets 64] [--points 1000] [--frame]

Networks, encoder, training steps, batches, seed and held-out sets are the same; everything happens in one process.
`flow` and `ddpm` are the same network, without the Gaussian frame (`affine`); `flow+frame` is gde's default, which
leaves only what is not Gaussian to the network. --frame gives it to `ddpm` too.

W2: closed form between the moments of the generated points and the true ones (mvn), exact transport of 300 points
(gmm). Both have a floor, what a fresh sample of the truth scores. Five evaluations are five Euler steps, an even number
half as many midpoint steps. Goal for flow: W2 within 2 % of DDPM-400's, MMD not worse, at least 20 times faster.
"""

import argparse
import tempfile
import time
from pathlib import Path

import pandas as pd
import torch

from gde.config import resolve
from gde.evaluate.simulated.reconstruction import errors
from gde.evaluate.simulated.sets import load_sets
from gde.model import GDE
from gde.prepare import prepare_of
from gde.sets.families import build as build_family
from gde.sets.store.set_store import SetStore
from gde.training import train

ROOT = Path(__file__).resolve().parents[1]
EXPERIMENTS = {"mvn": "mvn5", "gmm": "gmm5"}
GENERATORS = {
    "flow": {"kind": "flow", "affine": False},
    "flow+frame": {"kind": "flow", "affine": True},
    "ddpm": {"kind": "ddpm", "steps": 400, "affine": False},
}
FLOW_EVALUATIONS = {5: "euler", 10: "midpoint", 16: "midpoint", 20: "midpoint"}
SAMPLERS = {  # name: trained as, settings that only sampling reads
    f"{trained}-{n}": (trained, {"solver": solver, "evaluations": n})
    for trained in ("flow", "flow+frame")
    for n, solver in FLOW_EVALUATIONS.items()
}
SAMPLERS |= {f"ddim-{n}": ("ddpm", {"sampler": "ddim", "evaluations": n}) for n in (5, 10, 20, 50)}
SAMPLERS["ddpm-400"] = ("ddpm", {"sampler": "ancestral"})
TIMED_POINTS = 100_000


def settings(experiment: str, generator: str, options: argparse.Namespace) -> dict:
    """The resolved experiment with the sizes that all samplers share."""
    chosen = GENERATORS[generator] | {"hidden": options.hidden, "layers": 4}
    if generator == "ddpm" and options.frame:
        chosen["affine"] = True
    over = {
        "dataset": {"test_sets": options.sets, "validation_sets": 16, "test_size": options.points},
        "generator": chosen,
        "training": {"steps": options.steps, "tensorboard": False, "checkpoint_every": options.steps},
    }
    config = {"experiments": [experiment], "preset": "laptop", "seed": 0, "accelerator": "cpu", experiment: over}
    return resolve(experiment, config, ROOT)


def with_sampler(model: GDE, changes: dict) -> GDE:
    """The same weights under other sampling settings."""
    config = model.config | {"generator": model.config["generator"] | changes}
    other = GDE(config, mean=model.x_mean, scale=model.x_scale)
    other.encoder = model.encoder
    other.generator.load_state_dict(model.generator.state_dict())
    return other.eval()


def seconds_per_points(model: GDE, z: torch.Tensor, timed: int, *, repeats: int) -> float:
    """Seconds for TIMED_POINTS points, the best of `repeats` draws of `timed` points: sampling is linear in points."""
    n, times = max(1, timed // len(z)), []
    model.sample(z[:1], 8)
    for _ in range(repeats):
        start = time.perf_counter()
        model.sample(z, n)
        times.append(time.perf_counter() - start)
    return min(times) * TIMED_POINTS / (n * len(z))


def compare(name: str, options: argparse.Namespace, directory: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train each generator on one family, sample in every way: a row per sampler, and the MMD of each set."""
    resolved = {g: settings(EXPERIMENTS[name], g, options) for g in GENERATORS}
    store_dir = directory / name
    dataset = resolved["flow"]["dataset"]
    prepare_of(dataset["kind"])(dataset, store_dir, name=name, seed=0)
    store = SetStore.open(store_dir)
    family = build_family(store.meta["family"]["kind"], **store.meta["family"]["params"])
    trained, rows, by_set = {}, [], {}
    for generator, config in resolved.items():
        start = time.perf_counter()
        trained[generator], _ = train(config, store, directory / f"{name}-{generator}", device=torch.device("cpu"))
        size = sum(p.numel() for p in trained[generator].generator.parameters())
        print(f"{name}: {generator} trained {options.steps} steps in {time.perf_counter() - start:.0f} s, "
              f"generator of {size:,} numbers", flush=True)  # fmt: skip
    for sampler, (generator, changes) in SAMPLERS.items():
        model = with_sampler(trained[generator], changes)
        with torch.no_grad():
            sets = load_sets(model, store, "strict")
            table = errors(model, family, sets, options.points, seed=0)
            spent = seconds_per_points(model, sets.z, options.timed, repeats=1 if sampler == "ddpm-400" else 3)
        by_set[sampler] = table.loc[table["source"] == "model", "mmd"].to_numpy()
        means = table.groupby("source")[["w2", "paper_metric", "mmd", "second_moment"]].mean()
        rows.append({"family": name, "sampler": sampler, **means.loc["model"], "seconds per 1e5 points": spent})
    floor = {"family": name, "sampler": "the truth itself", **means.loc["resample_truth"]}
    return pd.DataFrame([*rows, floor]), pd.DataFrame(by_set)


def judge(table: pd.DataFrame, mmd: pd.DataFrame) -> None:
    """Print what flow, and DDIM, reach of the goal against DDPM-400. MMD is worse where it is so by two standard
    errors."""
    rows = table.set_index("sampler")
    reference = rows.loc["ddpm-400"]
    for sampler in (s for s in SAMPLERS if s != "ddpm-400"):
        row, difference = rows.loc[sampler], mmd[sampler] - mmd["ddpm-400"]
        w2 = row["w2"] / reference["w2"]
        faster = reference["seconds per 1e5 points"] / row["seconds per 1e5 points"]
        goals = (w2 <= 1.02, difference.mean() <= 2 * difference.sem(), faster >= 20)
        words = ["met" if goal else "missed" for goal in goals]
        print(
            f"{row['family']}, {sampler} against ddpm-400: W2 x {w2:.3f} ({words[0]}), MMD {difference.mean():+.2g} "
            f"± {difference.sem():.2g} ({words[1]}), {faster:.1f} x faster ({words[2]})"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="60 steps, few points: does it run?")
    parser.add_argument("--only", choices=list(EXPERIMENTS), help="one family")
    parser.add_argument("--steps", type=int, help="training steps (default 2000, quick 60)")
    parser.add_argument("--hidden", type=int, help="width of the networks (default 128)")
    parser.add_argument("--sets", type=int, help="held-out sets (default 64)")
    parser.add_argument("--points", type=int, help="points encoded and generated per set (default 1000)")
    parser.add_argument("--timed", type=int, help="points of a timing, for every sampler (default 50,000)")
    parser.add_argument("--frame", action="store_true", help="give ddpm the Gaussian frame too")
    options = parser.parse_args()
    quick = {"steps": 60, "hidden": 32, "sets": 8, "points": 100, "timed": 1_000}
    full = {"steps": 2000, "hidden": 128, "sets": 64, "points": 1000, "timed": 50_000}
    for key, value in (quick if options.quick else full).items():
        if getattr(options, key) is None:
            setattr(options, key, value)
    with tempfile.TemporaryDirectory() as directory:
        for name in EXPERIMENTS if options.only is None else [options.only]:
            table, mmd = compare(name, options, Path(directory))
            print(table.to_string(index=False, float_format=lambda v: f"{v:.4g}", na_rep=""))
            judge(table, mmd)


if __name__ == "__main__":
    main()
