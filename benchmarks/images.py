"""How long is a training step on sets of images beside the published design written plainly, and how much faster is a
flow than diffusion with the same network? Both ratios in one run, on one thread.

The plain design (arXiv 2505.18150, as described there): convolutions at full size that see each image's map beside the
set's mean map, a U-Net that all images of the set go through, the embedding repeated for each, memory as it is.
Its widths are chosen so that it has as many parameters.

python benchmarks/images.py [--quick]

On an Intel Xeon (AVX-512, AMX), 2026-12: 17 times as fast at 509,000 parameters (plain: 461,000), of which the loss on
some images of each set gives 2.9 and the rest 5.8: pixels in blocks of 2 x 2, the mean map's convolution and the
embedding's projection once for each set, channels last. bfloat16 adds 1.2. Sampling: 20.4 times.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gde import encoders, generators
from gde.config import resolve
from gde.nets.conditional import FourierTime
from gde.nets.registry import build
from gde.nets.unet import norm
from gde.sets.random import ShardRandom

ROOT = Path(__file__).resolve().parents[1]
SHAPE = (1, 28, 28)
GOAL_STEP, GOAL_SAMPLING = 2.0, 20.0


class PlainEncoder(nn.Module):
    """Convolutions of [map, mean map of the set], twice halved; pooled, mean, linear."""

    def __init__(self, latent_dim: int, hidden: int):
        super().__init__()
        widths = (SHAPE[0], hidden // 2, hidden, hidden)
        self.convs = nn.ModuleList(
            nn.Conv2d(2 * a, b, 3, padding=1, stride=1 if i == 0 else 2) for i, (a, b) in enumerate(pairwise(widths))
        )
        self.norms = nn.ModuleList(norm(width) for width in widths[1:])
        self.hidden = nn.Linear(hidden * 16, 4 * hidden)
        self.out = nn.Linear(4 * hidden, latent_dim)

    def forward(self, x: Tensor) -> Tensor:
        b, n = x.shape[:2]
        for conv, norm_of in zip(self.convs, self.norms, strict=True):
            x = torch.cat([x, x.mean(1, keepdim=True).expand_as(x)], 2)
            x = F.silu(norm_of(conv(x.flatten(0, 1)))).unflatten(0, (b, n))
        told = F.silu(self.hidden(F.adaptive_avg_pool2d(x.flatten(0, 1), 4).flatten(1)))
        return self.out(told.unflatten(0, (b, n)).mean(1))


class PlainBlock(nn.Module):
    def __init__(self, channels: int, out: int, condition: int):
        super().__init__()
        self.first, self.second = norm(channels), norm(out)
        self.conv1, self.conv2 = nn.Conv2d(channels, out, 3, padding=1), nn.Conv2d(out, out, 3, padding=1)
        self.film = nn.Linear(condition, 2 * out)
        self.skip = nn.Conv2d(channels, out, 1) if channels != out else nn.Identity()

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.film(condition)[..., None, None].chunk(2, 1)
        h = self.second(self.conv1(F.silu(self.first(x)))) * (1 + scale) + shift
        return self.skip(x) + self.conv2(F.silu(h))


class PlainUNet(nn.Module):
    """28 -> 14 -> 7 at full size, the embedding and the time of every image given to every block."""

    def __init__(self, latent_dim: int, hidden: int):
        super().__init__()
        widths, inner = (hidden, 2 * hidden, 2 * hidden), 4 * hidden
        self.time = nn.Sequential(FourierTime(16), nn.Linear(16, inner))
        self.embed = nn.Linear(latent_dim, inner)
        self.input = nn.Conv2d(SHAPE[0], hidden, 3, padding=1)
        self.down = nn.ModuleList(PlainBlock(width, width, inner) for width in widths)
        self.coarser = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairwise(widths))
        self.finer = nn.ModuleList(nn.Conv2d(b, a, 3, padding=1) for a, b in pairwise(widths))
        self.up = nn.ModuleList(PlainBlock(2 * width, width, inner) for width in widths[:-1])
        self.output = nn.Conv2d(hidden, SHAPE[0], 3, padding=1)

    def forward(self, y: Tensor, t: Tensor, z: Tensor) -> Tensor:
        """y (m, c, h, w), t (m,), z (m, l)."""
        condition, x, kept = F.silu(self.time(t) + self.embed(z)), self.input(y), []
        for i, block in enumerate(self.down):
            if i:
                kept.append(x)
                x = self.coarser[i - 1](x)
            x = block(x, condition)
        for i in reversed(range(len(self.up))):
            x = torch.cat([self.finer[i](F.interpolate(x, scale_factor=2.0)), kept[i]], 1)
            x = self.up[i](x, condition)
        return self.output(F.silu(x))


def plain_loss(encoder: PlainEncoder, unet: PlainUNet, x: Tensor) -> Tensor:
    """Error of the noise on all images of all sets."""
    z = encoder(x).repeat_interleave(x.shape[1], 0)
    y, t = x.flatten(0, 1), torch.rand(x.shape[0] * x.shape[1])
    noise, angle = torch.randn_like(y), (torch.pi / 2 * t)[:, None, None, None]
    return (unet(angle.cos() * noise + angle.sin() * y, t, z) - noise).square().mean()


def own_loss(encoder: nn.Module, generator: nn.Module, x: Tensor) -> Tensor:
    return generator.loss(x, encoder(x), rng=ShardRandom(0, 0))


def seconds(step: Callable[[], object], repeats: int) -> float:
    """The shortest of some, of processor time; one goes before."""
    step()
    found = []
    for _ in range(repeats):
        begin = time.process_time()
        step()
        found.append(time.process_time() - begin)
    return min(found)


def count(*parts: nn.Module) -> int:
    return sum(p.numel() for part in parts for p in part.parameters())


def made(section: dict, registry: dict[str, str], latent_dim: int, **changes: object) -> nn.Module:
    return build(registry, section | changes, dim=784, shape=SHAPE, latent_dim=latent_dim)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = resolve("mnist_multinomial", {"preset": "smoke" if quick else "laptop"}, ROOT)
    n_sets, size, latent = config["training"]["n_sets"], config["training"]["set_size"], config["latent_dim"]
    repeats = 1 if quick else 5
    x = torch.randn(n_sets, size, *SHAPE)
    encoder = made(config["encoder"], encoders.REGISTRY, latent)
    generator = made(config["generator"], generators.REGISTRY, latent)
    wanted = count(encoder, generator)
    plain = min(
        ((PlainEncoder(latent, 4 * h), PlainUNet(latent, 4 * u)) for h in range(2, 25) for u in range(2, 17)),
        key=lambda pair: abs(count(pair[0]) - count(encoder)) + abs(count(pair[1]) - count(generator)),
    )

    def backward(loss: Callable[[], Tensor]) -> None:
        loss().backward()

    theirs = seconds(partial(backward, partial(plain_loss, *plain, x)), repeats)
    print(f"a step on {n_sets} sets of {size} images, {wanted:,} parameters (plain: {count(*plain):,})")
    print(f"{'plain':<40}{theirs:8.3f} s")
    every = made(config["generator"], generators.REGISTRY, latent, subsample=None)
    variants = {"ours, all images generated": every, "ours": generator}
    for name, part in variants.items():
        own = seconds(partial(backward, partial(own_loss, encoder, part, x)), repeats)
        goal = f"   goal {GOAL_STEP}" if part is generator else ""
        print(f"{name:<40}{own:8.3f} s{theirs / own:8.1f} x{goal}")
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = seconds(partial(backward, partial(own_loss, encoder, part, x)), repeats)
        print(f"{name + ', bfloat16':<40}{half:8.3f} s{theirs / half:8.1f} x")

    z = torch.randn(1, latent)
    n = 4 if quick else 64
    steps = 20 if quick else 400
    network = {k: v for k, v in config["generator"].items() if k not in ("solver", "evaluations")}
    diffusion = made(network | {"kind": "ddpm"}, generators.REGISTRY, latent, steps=steps)
    flow = made(config["generator"], generators.REGISTRY, latent, evaluations=4 if quick else 20)
    slow, fast = (seconds(lambda part=part: part.sample(z, n), 1) for part in (diffusion, flow))
    print(f"{n} images: ddpm, {steps} steps {slow:.2f} s; flow, 20 evaluations {fast:.2f} s: {slow / fast:.1f} x   "
          f"goal {GOAL_SAMPLING}")  # fmt: skip


if __name__ == "__main__":
    main()
