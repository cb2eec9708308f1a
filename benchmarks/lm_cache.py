"""Training steps behind a frozen language model: its vectors read from the cache, against computed in every step.

python benchmarks/lm_cache.py [--quick] [--length 1273] [--sets 8] [--set 16] [--pool 400] [--repeats 3] [--threads 2]

A model of ESM-2's smallest size (320 wide, 6 layers) with random weights, written as a publisher does. Sequences:
--pool copies of one of --length residues with three mutations each, from which every step draws sets. Step: forward,
backward and Adam of a resnet behind the model. "computed" runs the model over the different sequences of the step,
"cached" reads what one fill has kept. Then a second experiment, as in a new process: how long until its vectors are
there, and how many sequences go through the model. The last lines say what float16 would make of what is kept.
"""

import argparse
import os
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor

from gde.encoders.protein_lm import ProteinLm
from gde.pretrained import vector_cache as lm_cache
from gde.sets.types.alphabet import ALPHABETS

GOAL = 20.0
SIZES = {"hidden_size": 320, "num_hidden_layers": 6, "num_attention_heads": 20, "intermediate_size": 1280}
QUICK = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}


def publish(path: Path, sizes: dict[str, int]) -> None:
    """Save an ESM-2 with random weights."""
    from transformers import EsmConfig, EsmForMaskedLM

    torch.manual_seed(0)
    tokens = {"vocab_size": 33, "pad_token_id": 1, "mask_token_id": 32}
    places = {"position_embedding_type": "rotary", "token_dropout": True, "emb_layer_norm_before": False}
    EsmForMaskedLM(EsmConfig(**sizes, **tokens, **places, layer_norm_eps=1e-5)).save_pretrained(path)


def population(n: int, length: int) -> np.ndarray:
    """Tokens (n, length) of copies of one protein, each with three random mutations."""
    rng = np.random.default_rng(0)
    x = np.tile(rng.integers(1, 21, length).astype(np.uint8), (n, 1))
    for row in x:
        row[rng.choice(length, 3, replace=False)] = rng.integers(1, 21, 3)
    return x


def encoder(path: Path, length: int) -> ProteinLm:
    made = ProteinLm(
        ProteinLm.Options(then={"kind": "resnet"}, mode="frozen", weights=str(path)), dim=length, latent_dim=32
    )
    made.initialise()
    return made


def step(model: ProteinLm, optimizer: torch.optim.Optimizer, x: Tensor) -> float:
    """Seconds of one step on sets x (b, n, L)."""
    started = time.perf_counter()
    optimizer.zero_grad()
    model(x).square().mean().backward()
    optimizer.step()
    return time.perf_counter() - started


def measure(args: argparse.Namespace, folder: Path) -> float:
    path, pool = folder / "esm2", population(args.pool, args.length)
    publish(path, QUICK if args.quick else SIZES)
    os.environ[lm_cache.VARIABLE] = str(folder / "cache")
    model = encoder(path, args.length)
    optimizer = torch.optim.Adam(model.then.parameters())
    rng = np.random.default_rng(1)
    batches = [torch.from_numpy(pool[rng.integers(0, len(pool), (args.sets, args.set))]) for _ in range(args.repeats)]

    computed = []
    for x in batches:
        model._cache = lm_cache.Cache(model.width)  # nothing known
        computed.append(step(model, optimizer, x))
    model._cache = None
    started = time.perf_counter()
    model.remember(iter([pool]))
    fill = time.perf_counter() - started
    cached = [step(model, optimizer, x) for x in batches * 10]
    ratio = median(computed) / median(cached)
    print(f"step, {args.sets} sets of {args.set} x {args.length} residues:")
    print(f"  computed {median(computed):8.3f} s   least {min(computed):.3f} s")
    print(f"  cached   {median(cached):8.4f} s   least {min(cached):.4f} s")
    print(f"  {ratio:.0f} times as fast (goal {GOAL:.0f})")
    print(f"fill: {len(model.known())} sequences in {fill:.1f} s, {len(model.known()) / fill:.3g} sequences/s")

    lm_cache._opened.clear()
    second = encoder(path, args.length)
    started = time.perf_counter()
    second.remember(iter([pool]))
    seconds, cache = time.perf_counter() - started, second.known()
    print(f"second experiment: {seconds:.2f} s, {cache.hits} known, {cache.misses} through the model")

    vectors = second.vectors(torch.from_numpy(pool))
    spread = vectors.std(0, correction=0)
    lost = (vectors.half().float() - vectors).square().mean(0).sqrt()
    print(f"sd over the population / size of a vector's numbers: {spread.mean() / vectors.abs().mean():.2g}")
    print(f"error of float16, in these sd: {(lost / spread).mean():.2g} (kept as float32: 0)")
    return ratio


def main() -> None:
    residues = ALPHABETS["protein"].size
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"a tiny model of {residues} residues, in seconds")
    parser.add_argument("--length", type=int, default=1273)
    parser.add_argument("--sets", type=int, default=8)
    parser.add_argument("--set", type=int, default=16)
    parser.add_argument("--pool", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    if args.quick:
        args.length, args.sets, args.set, args.pool = 100, 4, 8, 60
    torch.set_num_threads(args.threads)
    with TemporaryDirectory() as folder:
        ratio = measure(args, Path(folder))
    if not args.quick and ratio < GOAL:
        raise SystemExit(f"goal missed: {ratio:.1f} < {GOAL:.0f}")


if __name__ == "__main__":
    main()
