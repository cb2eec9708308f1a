"""Optimiser step and peak memory of every encoder x generator beside the published step, written plainly.

python benchmarks/training.py [--quick] [--only resnet flow ddpm losses] [--blocks 2] [--repeats 9] [--no-memory]

Setting of the published code's timings (experiments.md, appendix D): d = 5, latent 32, hidden 128, 256 sets of 64
samples, fp32, 2 threads; forward, backward and Adam on one batch. `reference.py` is the same architecture from its
formulas, without the within-set moments, skips and Gaussian frame that gde's defaults add. The reference's generators
are MLPs of five hidden layers, ours have residual blocks: --blocks 2 (default) make as many products of hidden x hidden
for every sample and have twice the parameters, because the embedding modulates each block; --blocks 1 have as many.

Repetitions alternate; times are medians. "published" is what the published code took on another machine of this kind:
the reference should be near it. Peak memory: resident, of a process that only takes such steps.

Losses alone: forward + backward in the generated points; the distance that our generator of that name trains by, the
reference mapped over sets (vmap), and beside it the reference in a loop over sets. `sinkhorn` and `exact_ot` stand
against debiased Sinkhorn annealed by .9 from step to step, blur .05. That both compute the same is a test's matter.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import reference
import torch
from torch import Tensor, nn

from gde import encoders, generators
from gde.models.base import n_parameters
from gde.nets.registry import build
from gde.optim import build_optimizer
from gde.sets.families import build as build_family
from gde.sets.random import ShardRandom

ROOT = Path(__file__).resolve().parents[1]
DIM, LATENT, HIDDEN, SETS, SIZE, THREADS = 5, 32, 128, 256, 64, 2
DEPTH = 5  # hidden layers of the reference's generators: four products of hidden x hidden
BLOCKS = 2  # residual blocks of ours: two such products each
NOISE, CODE = 16, 8
PLAIN = {"hidden": HIDDEN, "layers": 2, "moments": False, "skip": False}
DIRECT = {"hidden": HIDDEN, "noise_dim": NOISE, "moment_weight": 0.0}
PATH = {"hidden": HIDDEN, "time_features": reference.TIME_FEATURES}


def direct(distance: Callable) -> Callable[[], nn.Module]:
    return lambda: reference.Direct(DIM, LATENT, HIDDEN, DEPTH, NOISE, distance)


# kind: (options of ours, the reference)
ENCODERS: dict[str, tuple[dict, Callable[[], nn.Module]]] = {
    "mean": ({}, lambda: reference.MeanEncoder(nn.Identity(), nn.Linear(DIM, LATENT))),
    "mlp": (
        PLAIN,
        lambda: reference.MeanEncoder(reference.mlp([DIM, HIDDEN, HIDDEN]), reference.mlp([HIDDEN, HIDDEN, LATENT])),
    ),
    "gnn": (PLAIN, lambda: reference.Gnn(DIM, LATENT, HIDDEN, 2)),
    "resnet": (PLAIN, lambda: reference.ResNet(DIM, LATENT, HIDDEN, 2)),
    "median_gnn": (PLAIN, lambda: reference.Gnn(DIM, LATENT, HIDDEN, 2, reference.median)),
    "kernel_mean": (
        {"hidden": HIDDEN},
        lambda: reference.MeanEncoder(reference.Fourier(DIM, HIDDEN), nn.Linear(2 * HIDDEN, LATENT)),
    ),
    "pca_mean": ({}, lambda: reference.MeanEncoder(reference.Rotation(DIM), nn.Linear(DIM, LATENT))),
    "attention": (PLAIN, lambda: reference.Attention(DIM, LATENT, HIDDEN, 2)),
    "resnet_attention": (PLAIN, lambda: reference.ResNet(DIM, LATENT, HIDDEN, 2, attention=True)),
}
GENERATORS: dict[str, tuple[dict, Callable[[], nn.Module]]] = {
    "flow": (PATH, lambda: reference.Flow(DIM, LATENT, HIDDEN, DEPTH)),
    "ddpm": (PATH, lambda: reference.Ddpm(DIM, LATENT, HIDDEN, DEPTH)),
    "ddpm_subset": (PATH | {"features": 3}, lambda: reference.Ddpm(DIM, LATENT, HIDDEN, DEPTH, subset=3)),
    "cvae": (
        {"hidden": HIDDEN, "code_dim": CODE},
        lambda: reference.Cvae(DIM, LATENT, HIDDEN, DEPTH, CODE),
    ),
    "sliced_w2": (DIRECT, direct(reference.batched(reference.sliced))),
    "mmd": (DIRECT, direct(reference.batched(reference.mmd))),
    "sinkhorn": (DIRECT, direct(reference.batched_sinkhorn)),
    "wormhole": (
        {"hidden": HIDDEN, "layers": 2, "points": SIZE},
        lambda: reference.Wormhole(DIM, LATENT, HIDDEN, 2, SIZE, reference.batched_sinkhorn),
    ),
    "exact_ot": (DIRECT, direct(partial(reference.batched_sinkhorn, scaling=0.9))),
}
PUBLISHED = {
    ("resnet", "ddpm"): 0.166,
    ("resnet", "cvae"): 0.240,
    ("resnet", "sliced_w2"): 0.243,
    ("resnet", "mmd"): 0.258,
    ("resnet", "sinkhorn"): 0.481,
    ("resnet", "wormhole"): 0.971,
    ("gnn", "ddpm"): 0.154,
    ("mean", "ddpm"): 0.049,
    ("kernel_mean", "ddpm"): 0.050,
    ("attention", "ddpm"): 0.223,
}
STEP_GOALS = {("resnet", "flow"): 1.15, ("resnet", "ddpm"): 1.15, ("resnet", "wormhole"): 5.0}
LOSS_GOALS = {"mmd": 8.0, "exact_ot": 15.0, "sinkhorn": 5.0}
LOSS_SIZES = [(64, 256, 8), (SETS, SIZE, DIM)]
PUBLISHED_LOSSES = {("mmd", 64): 0.584, ("sinkhorn", 64): 4.6}


def training_batch(sets: int, size: int) -> Tensor:
    """Standardised sets (sets, size, DIM) of the distribution of experiment mvn5."""
    family, rng = build_family("mvn", dim=DIM, df=40), ShardRandom(0, 0, stream="benchmark")
    x = family.sample(family.draw(sets, rng), size, rng)
    return (x - x.mean((0, 1))) / x.std((0, 1))


def build_pair(side: str, encoder: str, generator: str, x: Tensor, blocks: int) -> tuple[nn.Module, nn.Module]:
    """Encoder and generator of one side, `gde` or `reference`; KeyError for a kind that has no reference yet."""
    torch.manual_seed(0)
    (encoder_options, plain_encoder), (generator_options, plain_generator) = ENCODERS[encoder], GENERATORS[generator]
    if side == "reference":
        return plain_encoder(), plain_generator()
    sizes = {"dim": DIM, "latent_dim": LATENT}
    made = build(encoders.REGISTRY, {"kind": encoder} | encoder_options, **sizes)
    if hasattr(made, "fit"):
        made.fit(x.flatten(0, 1))
    return made, build(generators.REGISTRY, {"kind": generator, "layers": blocks} | generator_options, **sizes)


def make_step(side: str, encoder: str, generator: str, x: Tensor, blocks: int) -> tuple[Callable[[], None], nn.Module]:
    """One optimiser step on x (b, n, d), and the modules that it trains."""
    encode, generate = pair = nn.ModuleList(build_pair(side, encoder, generator, x, blocks))
    parameters, step = list(pair.parameters()), 0
    if side == "gde":
        adam = {"kind": "adam", "lr": 2e-4, "weight_decay": 0.0, "betas": [0.9, 0.999]}
        optimizer = build_optimizer(parameters, adam)
    else:
        optimizer = torch.optim.Adam(parameters, lr=2e-4)

    def run() -> None:
        nonlocal step
        step += 1
        options = {"rng": ShardRandom(0, step, stream="loss")} if side == "gde" else {}
        loss = generate.loss(x, encode(x), **options)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return run, pair


def alternate(runs: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each function after one call of each; the repetitions take turns."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in range(repeats):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    return {name: median(t) for name, t in times.items()}


def resident(field: str) -> float:
    """VmRSS (now) or VmHWM (peak) of this process, MB. Unlike ru_maxrss it does not start at the parent's peak."""
    line = next(s for s in Path("/proc/self/status").read_text().splitlines() if s.startswith(field))
    return int(line.split()[1]) / 1e3


def take_steps(side: str, encoder: str, generator: str, blocks: int, sets: int, size: int) -> None:
    """What a process for one peak does: print MB before the first step and at the peak."""
    run, _ = make_step(side, encoder, generator, training_batch(sets, size), blocks)
    before = resident("VmRSS")
    for _ in range(3):
        run()
    print(json.dumps({"before": before, "peak": resident("VmHWM")}))


def peak_memory(side: str, encoder: str, generator: str, blocks: int, sets: int, size: int) -> dict[str, float]:
    """MB before the first step and at the peak, of a fresh process. Exits with its messages when it failed."""
    command = [sys.executable, __file__, "--child", side, encoder, generator, *map(str, (blocks, sets, size))]
    search = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": search}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{side} {encoder} x {generator} failed:\n{done.stderr}")
    return json.loads(done.stdout)


def verdict(ratio: float, goal: float | None) -> str:
    return "" if goal is None else f"; goal >= {goal:g}: {'met' if ratio >= goal else 'missed'}"


def steps(kinds: tuple[list[str], list[str]], sets: int, size: int, *, blocks: int, repeats: int, memory: bool) -> None:
    """A line per encoder x generator."""
    x = training_batch(sets, size)
    print(f"optimiser step, {sets} sets x {size} x {DIM}, {torch.get_num_threads()} threads; gde / reference / ratio")
    for encoder in kinds[0]:
        for generator in kinds[1]:
            made = {side: make_step(side, encoder, generator, x, blocks) for side in ("gde", "reference")}
            seconds = alternate({side: run for side, (run, _) in made.items()}, repeats)
            ratio, published = seconds["reference"] / seconds["gde"], PUBLISHED.get((encoder, generator))
            text = (
                f"{encoder} x {generator}: {seconds['gde'] * 1e3:.1f} / {seconds['reference'] * 1e3:.1f} ms / "
                f"{ratio:.2f}{verdict(ratio, STEP_GOALS.get((encoder, generator)))}"
                f"; {n_parameters(made['gde'][1]):,} / {n_parameters(made['reference'][1]):,} parameters"
            )
            if published is not None:
                text += f"; published {published * 1e3:.0f} ms"
            if memory:
                used = {side: peak_memory(side, encoder, generator, blocks, sets, size) for side in made}
                text += "; peak " + " / ".join(
                    f"{u['peak']:.0f} MB (steps {u['peak'] - u['before']:.0f})" for u in used.values()
                )
            print(text, flush=True)


def loss_line(name: str, ours: Callable, plain: Callable, x: Tensor, y: Tensor, repeats: int) -> str:
    """Seconds of forward and backward in x (b, n, d), the generated points; `plain` is the reference of one set."""
    functions = {
        "gde": lambda: ours(x, y).mean(),
        "vmap": lambda: reference.batched(plain)(x, y).mean(),
        "loop": lambda: torch.stack([plain(a, b) for a, b in zip(x, y, strict=True)]).mean(),
    }
    seconds = alternate({k: lambda f=f: f().backward() for k, f in functions.items()}, repeats)
    ratio, published = seconds["vmap"] / seconds["gde"], PUBLISHED_LOSSES.get((name, len(x)))
    return (
        f"{name} {' x '.join(map(str, x.shape))}: {seconds['gde'] * 1e3:.1f} / {seconds['vmap'] * 1e3:.0f} ms / "
        f"{ratio:.1f}{verdict(ratio, LOSS_GOALS.get(name))}; reference in a loop {seconds['loop'] * 1e3:.0f} ms"
        f"{f'; published {published * 1e3:.0f} ms' if published else ''}"
    )


def losses(repeats: int, *, quick: bool) -> None:
    """A line per loss and size."""
    print("losses alone, forward + backward; gde / reference mapped over sets / ratio")
    for sets, size, dim in LOSS_SIZES:
        generator = torch.Generator().manual_seed(0)
        x, y = torch.randn(2, 4 if quick else sets, 16 if quick else size, dim, generator=generator)
        x.requires_grad_()
        slow, fast = (
            partial(reference.sinkhorn, schedule=reference.sinkhorn_schedule(x, y, scaling=s)) for s in (0.9, 0.5)
        )
        plain = {"sliced_w2": reference.sliced, "mmd": reference.mmd, "sinkhorn": slow, "exact_ot": slow}
        lines = [(name, name, function) for name, function in plain.items()]
        for name, kind, function in [*lines, ("sinkhorn, reference at scaling .5", "sinkhorn", fast)]:
            made = build(generators.REGISTRY, {"kind": kind}, dim=dim, latent_dim=LATENT)

            def ours(a: Tensor, b: Tensor, made: nn.Module = made) -> Tensor:
                return made.distance(a, b, None, None, ShardRandom(0, 0))

            print(loss_line(name, ours, function, x, y, repeats), flush=True)


def main() -> None:
    if "--child" in sys.argv:
        side, encoder, generator, *numbers = sys.argv[2:]
        torch.set_num_threads(THREADS)
        take_steps(side, encoder, generator, *map(int, numbers))
        return
    names = [*ENCODERS, *GENERATORS, "losses"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="8 sets x 16, one repetition: does it run?")
    about = "encoders, generators, losses; encoders alone stand for all their pairs, and so do generators"
    parser.add_argument("--only", nargs="+", choices=names, default=names, help=about)
    parser.add_argument("--blocks", type=int, default=BLOCKS, help="residual blocks of our generators (default 2)")
    parser.add_argument("--repeats", type=int, help="repetitions of each (default 9)")
    parser.add_argument("--no-memory", action="store_true", help="no processes for the peaks")
    options = parser.parse_args()
    torch.set_num_threads(THREADS)
    sets, size = (8, 16) if options.quick else (SETS, SIZE)
    repeats = options.repeats or (1 if options.quick else 9)
    named = [[k for k in known if k in options.only] for known in (ENCODERS, GENERATORS)]
    if any(named):
        kinds = (named[0] or list(ENCODERS), named[1] or list(GENERATORS))
        steps(kinds, sets, size, blocks=options.blocks, repeats=repeats, memory=not options.no_memory)
    if "losses" in options.only:
        losses(repeats, quick=options.quick)


if __name__ == "__main__":
    main()
