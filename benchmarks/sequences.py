"""Sequences per second of drawing from cached states against one full forward pass per residue; training steps.

python benchmarks/sequences.py [--quick] [--only hyenadna progen2] [--length 129] [--batch 256] [--threads 2]

Drawing: one embedding per sequence, temperature 1, no sequence ends before its place. "full" runs the network over the
residues so far for each new one, half the work of running it over padded rows. Both draw the same random numbers, and
the share of equal residues is printed: rounding decides where two are nearly as likely, and what follows then differs.
dna_vae writes all residues at once, in one pass.

Step: forward, backward and Adam of dna_conv and the generator, 8 sets of --set sequences, all residues there.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor, nn

from gde import generators
from gde.encoders.dna_conv import DnaConv
from gde.generators.autoregressive import Autoregressive
from gde.models.base import n_parameters
from gde.nets.drawing import draw
from gde.nets.registry import build
from gde.nets.tokens import possible
from gde.sets.random import ShardRandom

LATENT, SETS, GOAL, VOCABULARY = 64, 8, 10.0, 5
MEANT = {"hyenadna": 129, "gpt": 256, "gpt2": 256, "progen2": 256}  # the goal is for sequences of this length or longer
GENERATORS: dict[str, dict] = {
    "hyenadna": {"hidden": 128, "layers": 6},
    "gpt": {"hidden": 128, "layers": 6},
    "gpt2": {"hidden": 128, "layers": 6},
    "progen2": {"hidden": 128, "layers": 6},
    "dna_vae": {"hidden": 64},
}
QUICK = {"hidden": 16, "layers": 2}


def make(kind: str, length: int, *, quick: bool) -> nn.Module:
    """A generator with random weights whose end mark is never drawn."""
    torch.manual_seed(0)
    options = {"kind": kind} | GENERATORS[kind] | (QUICK if quick else {})
    made = build(generators.REGISTRY, options, dim=length, latent_dim=LATENT, vocabulary=VOCABULARY)
    with torch.no_grad():
        if kind == "progen2":
            made.out.bias[0] = -100.0
        elif isinstance(made, Autoregressive):  # the last norm's shift and the end mark's vector point apart
            (made.norm if kind == "hyenadna" else made.network.ln_f).bias.fill_(2.0)
            made.token_embedding.weight[0] = -2.0
        else:
            made.write.bias[0] = -100.0
    return made


@torch.no_grad()
def draw_fully(generator: Autoregressive, z: Tensor, *, seed: int) -> Tensor:
    """As `generator.sample` for one sequence of each z (b, l), by one pass over all residues so far for each
    residue."""
    condition, random = generator.condition(z), torch.Generator().manual_seed(seed)
    vectors = condition.prefix
    out = torch.zeros(len(z), generator.dim, dtype=torch.uint8)
    for t in range(generator.dim):
        logits = generator.scores(generator.hidden_states(vectors, condition.films)[:, -1])
        if t == 0:
            logits = possible(logits[:, None])[:, 0]
        token = draw(logits, temperature=1.0, top_p=1.0, generator=random)
        out[:, t] = token
        residues = generator.token_embedding(token)[:, None]
        vectors = torch.cat([vectors, residues if condition.added is None else residues + condition.added], 1)
    return out


def seconds(run: Callable[[], object], repeats: int) -> float:
    """Median over repetitions."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return median(times)


def drawing(kind: str, options: argparse.Namespace) -> None:
    """A line: sequences per second, cached and full."""
    generator, z = make(kind, options.length, quick=options.quick), torch.randn(options.batch, LATENT)
    drawn: dict[str, Tensor] = {}

    def cached() -> None:
        drawn["cached"] = generator.sample(z, 1, generator=torch.Generator().manual_seed(1))[:, 0]

    def full() -> None:
        drawn["full"] = draw_fully(generator, z, seed=1)

    cached()  # the first call of anything is slower
    fast = seconds(cached, options.repeats)
    text = f"{kind}: {n_parameters(generator):,} parameters; cached {len(z) / fast:.1f} sequences/s"
    if isinstance(generator, Autoregressive):
        slow = seconds(full, 1)
        ratio, same = slow / fast, (drawn["cached"] == drawn["full"]).double().mean()
        goal = f"; goal >= {GOAL:g}: {'met' if ratio >= GOAL else 'missed'}" if MEANT[kind] <= generator.dim else ""
        text += f", full {len(z) / slow:.2f} sequences/s, ratio {ratio:.1f}{goal}; {same:.1%} of residues equal"
    assert (drawn["cached"] != 0).all(), "a sequence ended early: fewer residues were drawn than are counted"
    print(text, flush=True)


def step(kind: str, options: argparse.Namespace) -> None:
    """A line: milliseconds of an optimiser step, and of its parts."""
    torch.manual_seed(0)
    encoder = DnaConv(
        DnaConv.Options(hidden=QUICK["hidden"] if options.quick else 64, pool=options.pool),
        dim=options.length,
        latent_dim=LATENT,
    )
    generator = make(kind, options.length, quick=options.quick)
    both = nn.ModuleList([encoder, generator])
    optimizer = torch.optim.Adam(both.parameters(), lr=1e-4)
    x = torch.randint(1, 5, (SETS, options.set, options.length), dtype=torch.uint8)

    def run() -> None:
        loss = generator.loss(x, encoder(x), rng=ShardRandom(0, 0))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    run()
    whole = seconds(run, options.repeats)
    part = seconds(lambda: encoder(x).sum().backward(), options.repeats)
    print(
        f"{kind}: step {whole * 1e3:.0f} ms, of which dna_conv {part * 1e3:.0f} ms; "
        f"{SETS * options.set / whole:.0f} sequences/s",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small networks and few sequences: does it run?")
    parser.add_argument("--only", nargs="+", choices=list(GENERATORS), default=list(GENERATORS), help="generators")
    parser.add_argument("--length", type=int, help="residues of a sequence (default 129)")
    parser.add_argument("--batch", type=int, help="sequences drawn together (default 256)")
    parser.add_argument("--set", type=int, help="sequences of a set in a training step (default 16)")
    parser.add_argument("--pool", type=int, default=1, help="option of dna_conv (default 1)")
    parser.add_argument("--repeats", type=int, help="repetitions (default 3); of the full pass always one")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    quick = {"length": 20, "batch": 8, "set": 2, "repeats": 1}
    full = {"length": 129, "batch": 256, "set": 16, "repeats": 3}
    for key, value in (quick if options.quick else full).items():
        if getattr(options, key) is None:
            setattr(options, key, value)
    torch.set_num_threads(options.threads)
    print(f"drawing {options.batch} sequences of {options.length} residues, {options.threads} threads")
    for kind in options.only:
        drawing(kind, options)
    print(f"optimiser step, {SETS} sets of {options.set} sequences")
    for kind in options.only:
        step(kind, options)


if __name__ == "__main__":
    main()
