"""How long should OpenMP's threads spin while they wait? Training and evaluation, alone and beside busy processes.

python benchmarks/spinning.py [--quick] [--counts 1000 3000 10000 30000 100000] [--rounds 5] [--busy 4]

Every setting is a process of its own, since OpenMP reads it when it is loaded; they take turns, `--rounds` times over,
alone and beside `--busy` processes that only compute. Printed are milliseconds with what gde sets (gde/threads.py), and
for every other setting the ratio to it in the same round: medians over rounds. `passive` is OMP_WAIT_POLICY=PASSIVE, no
spinning at all; `own` is what OpenMP does when it is told nothing; numbers are GOMP_SPINCOUNT.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

# torch before gde, which sets the spin count where nobody chose it
import torch  # isort: skip

from gde import encoders, generators
from gde.nets.registry import build
from gde.sets.random import ShardRandom
from gde.threads import SPIN_COUNT

ROOT = Path(__file__).resolve().parents[1]
COUNTS = [1_000, 3_000, 10_000, 30_000, 100_000]
DIM, LATENT, THREADS = 2, 32, 2
# hidden width, sets, samples of each: the experiment `gmm`, the published setting, sets of the size of an evaluation
WORK = {"small step": (64, 32, 64), "larger step": (128, 256, 64), "evaluation": (64, 64, 1000)}
SECONDS = 1.0  # a kind of work is repeated for so long


def make(kind: str) -> Callable[[], None]:
    """One optimiser step of a resnet and a flow, or the embedding and drawing of some sets."""
    hidden, sets, size = WORK[kind]
    torch.manual_seed(0)
    encoder, generator = (
        build(registry, {"kind": name, "hidden": hidden, "layers": 2}, dim=DIM, latent_dim=LATENT)
        for registry, name in ((encoders.REGISTRY, "resnet"), (generators.REGISTRY, "flow"))
    )
    x = torch.randn(sets, size, DIM)
    optimizer = torch.optim.AdamW([*encoder.parameters(), *generator.parameters()])

    def step() -> None:
        loss = generator.loss(x, encoder(x), rng=ShardRandom(0, 0, stream="loss"))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    @torch.no_grad()
    def evaluation() -> None:
        generator.sample(encoder(x), size // 10)

    return evaluation if kind == "evaluation" else step


def measure() -> dict[str, float]:
    """Median seconds of each kind of work in this process."""
    torch.set_num_threads(THREADS)
    out = {}
    for kind in WORK:
        run = make(kind)
        run()
        times: list[float] = []
        while sum(times) < SECONDS:
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
        out[kind] = median(times)
    return out


def child(chosen: dict[str, str]) -> dict[str, float]:
    """`measure` in a process with these variables of OpenMP and no others."""
    kept = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    search = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, __file__, "--child"]
    done = subprocess.run(
        command, env=kept | {"PYTHONPATH": search} | chosen, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


@contextmanager
def busy(count: int):
    """So many processes that only compute."""
    with ExitStack() as held:
        for _ in range(count):
            process = held.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            held.callback(process.kill)
        yield


def main() -> None:
    if sys.argv[1:] == ["--child"]:
        print(json.dumps(measure()))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round, one count: does it run?")
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS, help="spin counts to compare")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--busy", type=int, default=4, help="processes beside (default 4)")
    options = parser.parse_args()
    counts, rounds = (options.counts[:1], 1) if options.quick else (options.counts, options.rounds)
    settings = {name: {"GOMP_SPINCOUNT": str(name)} for name in sorted({SPIN_COUNT, *counts})}
    settings |= {"passive": {"OMP_WAIT_POLICY": "PASSIVE"}, "own": {}}
    for beside in (0, options.busy):
        seconds: dict[int | str, list[dict[str, float]]] = {name: [] for name in settings}
        with busy(beside):
            for _ in range(rounds):
                for name, chosen in settings.items():
                    seconds[name].append(child(chosen))
        print(f"{THREADS} threads, {beside} busy processes beside; spin count {SPIN_COUNT:,}, then ratios to it")
        for kind in WORK:
            ours = [found[kind] for found in seconds[SPIN_COUNT]]
            ratios = {
                name: median(found[kind] / o for found, o in zip(seconds[name], ours, strict=True))
                for name in settings
                if name != SPIN_COUNT
            }
            shown = ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items())
            print(f"{kind}: {median(ours) * 1e3:.1f} ms; {shown}", flush=True)


if __name__ == "__main__":
    main()
