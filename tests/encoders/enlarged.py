"""Networks in which every layer matters, and the part of them that all encoders share, written out for one set."""

import itertools

import torch
from torch import nn
from torch.nn.functional import silu

from gde.encoders.base import CORRELATIONS_UP_TO, LOG_FLOOR, SD_FLOOR


def enlarge(module, seed=0):
    """Weights large enough for every layer to matter: SiLU layers as torch starts them damp their input tenfold."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in module.parameters():
            p += 0.5 * torch.randn(p.shape, generator=generator)
    return module


def linears(net):
    return [m for m in net if isinstance(m, nn.Linear)]


def plain_mlp(layers, h):
    for layer in layers[:-1]:
        h = silu(layer(h))
    return layers[-1](h)


def summary(x):
    """Mean, log sd and correlations of one set (n, d)."""
    mean, variance = x.mean(0), x.var(0, correction=0)
    y = (x - mean) / (variance + SD_FLOOR**2).sqrt()
    pairs = itertools.combinations(range(x.shape[1]), 2) if x.shape[1] <= CORRELATIONS_UP_TO else ()
    return torch.stack(
        [*mean, *(0.5 * (variance + LOG_FLOOR**2).log()), *((y[:, i] * y[:, j]).mean() for i, j in pairs)]
    )


def skipped(encoder, x):
    """What `skip` adds to the embedding of one set (n, d)."""
    m = summary(x)
    return encoder.skip.weight @ m + plain_mlp(linears(encoder.skip_mlp), m)
