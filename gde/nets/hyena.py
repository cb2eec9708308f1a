"""The Hyena operator of order 2 (Poli et al. 2023) and the residual block of HyenaDNA (Nguyen et al. 2023)."""

import math
from functools import cache
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, pad

from gde.nets.sequence_condition import Film, modulated

TAPS = 3  # of the short convolution
SHIFT = 0.05  # what the decay window of a filter never falls below
FAST, SLOW, TARGET = 0.3, 1.5, 1e-2  # the windows decay to TARGET after these shares of the filter's length
LOWEST = 1e-4  # frequency of the slowest of a filter's features
BLOCK = 16  # steps between two products with all that came before, when sampling


class HyenaFilter(nn.Module):
    """A filter per channel, given by an MLP of the position: k(t) = MLP(features(t)) (exp(-t |delta|) + 0.05).

    The MLP's activations are sin(frequency x); t runs from 0 to 1 over `length` positions. The features are t and the
    cosines and sines of (features - 1) / 2 frequencies; width : of the MLP, which has `inner` hidden layers.
    """

    def __init__(self, channels: int, length: int, *, width: int, features: int, frequency: float, inner: int = 2):
        super().__init__()
        if features < 3 or features % 2 == 0:
            raise ValueError(f"filter_features: found {features}, expected an odd number, at least 3")
        bands = (features - 1) // 2
        time = torch.linspace(0, 1, length, dtype=torch.float64)[:, None]  # (T, 1)
        angle = 2 * math.pi * torch.arange(length, dtype=torch.float64)[:, None] / length
        angle = angle * torch.linspace(LOWEST, max(bands - 1, LOWEST), bands, dtype=torch.float64)
        self.register_buffer("time", time.float())
        self.register_buffer("features", torch.cat([time, angle.cos(), -angle.sin()], -1).float())
        decay = torch.linspace(math.log(TARGET) / SLOW, math.log(TARGET) / FAST, channels, dtype=torch.float64)
        self.register_buffer("decay", decay.float())
        self.frequency = nn.Parameter(torch.full((width,), float(frequency)))
        sizes = [features] + [width] * (inner + 1)
        self.layers = nn.ModuleList(nn.Linear(i, o) for i, o in pairwise(sizes))
        self.out = nn.Linear(width, channels, bias=False)

    def forward(self, length: int) -> Tensor:
        """The first `length` taps of every channel's filter, (channels, length) float32."""
        if length > len(self.time):
            raise ValueError(f"length: found {length}, expected at most {len(self.time)} positions of the filter")
        h = self.features[:length]
        with torch.autocast(h.device.type, enabled=False):  # a filter in bfloat16 would be of other shape
            for layer in self.layers:
                h = torch.sin(self.frequency * layer(h))
            return (self.out(h) * (torch.exp(-self.time[:length] * self.decay.abs()) + SHIFT)).mT


class CausalConvolution(torch.autograd.Function):
    """y(t) = sum over s <= t of k(t - s) v(s), by FFT of at least twice the length, lest the end reach the start.

    The gradients are correlations, written out: automatic ones transform complex numbers where real ones do.
    """

    @staticmethod
    def forward(ctx, v: Tensor, k: Tensor) -> Tensor:
        n = fast_length(2 * v.shape[1])
        transformed = torch.fft.rfft(v.mT, n), torch.fft.rfft(k, n)
        ctx.save_for_backward(*transformed)
        return torch.fft.irfft(transformed[0] * transformed[1], n)[..., : v.shape[1]].mT

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor]:
        (v, k), t = ctx.saved_tensors, gradient.shape[1]
        n = fast_length(2 * t)
        g = torch.fft.rfft(gradient.mT, n)
        of_v = torch.fft.irfft(g * k.conj(), n)[..., :t].mT
        return of_v, torch.fft.irfft((g * v.conj()).sum(0), n)[..., :t]


def causal_convolution(v: Tensor, k: Tensor) -> Tensor:
    """The causal convolution along positions: v (r, t, c), k (c, t) -> (r, t, c), in float32 at least."""
    with torch.autocast(v.device.type, enabled=False):
        return CausalConvolution.apply(v if v.dtype == torch.float64 else v.float(), k)


@cache
def fast_length(n: int) -> int:
    """The smallest even number >= n without a prime factor above 5, of which transforms are fast."""
    return min(
        2 * 2**a * 3**b * 5**c for a in range(32) for b in range(8) for c in range(6) if 2 * 2**a * 3**b * 5**c >= n
    )


class Hyena(nn.Module):
    """[x0, x1, v] = causal depthwise convolution of W_in u; y = W_out (x0 (k * (v x1) + bias v x1)).

    length : of the longest sequence; filter_options : those of `HyenaFilter`.
    """

    def __init__(self, hidden: int, length: int, **filter_options: float):
        super().__init__()
        self.project = nn.Linear(hidden, 3 * hidden)
        bound = TAPS**-0.5
        self.short_weight = nn.Parameter(torch.empty(3 * hidden, TAPS).uniform_(-bound, bound))
        self.short_bias = nn.Parameter(torch.empty(3 * hidden).uniform_(-bound, bound))
        self.filter = HyenaFilter(hidden, length, **filter_options)
        self.bias = nn.Parameter(torch.randn(hidden))
        self.out = nn.Linear(hidden, hidden)

    def forward(self, u: Tensor) -> Tensor:
        """u : (r, t, h) -> (r, t, h); position t of the result depends on positions up to t."""
        p = pad(self.project(u), (0, 0, TAPS - 1, 0))
        short, t = self.short_bias, u.shape[1]
        for tap in range(TAPS):
            short = torch.addcmul(short, self.short_weight[:, tap], p[:, tap : tap + t])
        x0, x1, v = short.chunk(3, -1)
        v = v * x1
        return self.out(x0 * torch.addcmul(causal_convolution(v, self.filter(t)), self.bias, v))


class HyenaCache:
    """What one `Hyena` keeps while r sequences are drawn, a position after the other.

    The long convolution is a sum over all positions before. It is made in blocks: once per BLOCK positions the part of
    all earlier blocks, as one matrix product, and at every position the few terms of its own block.
    """

    def __init__(self, operator: Hyena, rows: int, length: int):
        hidden = operator.out.in_features
        new = operator.bias.new_zeros
        self.operator, self.at = operator, 0
        self.before = new(TAPS - 1, rows, 3 * hidden)  # the last inputs of the short convolution
        self.seen = new(length, rows, hidden)  # inputs of the long one
        self.kernel = operator.filter(length)  # (h, T)
        self.carried = new(BLOCK, rows, hidden)  # from earlier blocks to each position of this one

    def step(self, u: Tensor) -> Tensor:
        """The next position: u (r, h) -> (r, h)."""
        operator, position = self.operator, self.at % BLOCK
        if position == 0 and self.at:
            self._carry()
        p = operator.project(u)
        short, weight = operator.short_bias, operator.short_weight
        for tap, earlier in enumerate((*self.before, p)):
            short = torch.addcmul(short, weight[:, tap], earlier)
        self.before = torch.cat([self.before[1:], p[None]])
        x0, x1, v = short.chunk(3, -1)
        self.seen[self.at] = v = v * x1
        own = self.seen[self.at - position : self.at + 1]
        taps = self.kernel[:, : position + 1].flip(-1).mT[:, None]  # (position + 1, 1, h)
        self.at += 1
        return operator.out(x0 * ((own * taps).sum(0) + self.carried[position] + operator.bias * v))

    def _carry(self) -> None:
        """carried(j) = sum over earlier positions s of k(at + j - s) seen(s)."""
        ahead = min(BLOCK, len(self.seen) - self.at)
        apart = self.at + torch.arange(ahead)[:, None] - torch.arange(self.at)  # (ahead, at)
        taps = self.kernel[:, apart.to(self.kernel.device)]  # (h, ahead, at)
        self.carried[:ahead] = (taps @ self.seen[: self.at].permute(2, 0, 1)).permute(1, 2, 0)


class HyenaBlock(nn.Module):
    """h + Hyena(norm h), then h + MLP(norm h); the norms are modulated where the conditioning says so."""

    def __init__(self, hidden: int, length: int, **filter_options: float):
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in range(2))
        self.mixer = Hyena(hidden, length, **filter_options)
        self.up, self.down = nn.Linear(hidden, 4 * hidden), nn.Linear(4 * hidden, hidden)

    def forward(self, h: Tensor, films: list[Film] | tuple[None, None], mixer: nn.Module | None = None) -> Tensor:
        """h : (r, t, h) -> (r, t, h). mixer : a function instead of the operator, as of a cache."""
        h = h + (mixer or self.mixer)(modulated(self.norms[0](h), films[0]))
        return h + self.down(gelu(self.up(modulated(self.norms[1](h), films[1])), approximate="tanh"))
