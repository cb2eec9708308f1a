"""The published training step written plainly from its formulas: what `training.py` measures gde against.

Nothing here is imported from gde. Set means are concatenated to every sample's features, the embedding is repeated for
every sample and concatenated to the generator's input (an MLP of `layers` hidden layers), losses are defined for one
set and mapped over the batch.
"""

import math
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.func import vmap

TIME_FEATURES, PROJECTIONS, HEADS = 16, 100, 4


def mlp(sizes: list[int]) -> nn.Sequential:
    parts: list[nn.Module] = []
    for a, b in pairwise(sizes):
        parts += [nn.Linear(a, b), nn.SiLU()]
    return nn.Sequential(*parts[:-1])


def mean(h: Tensor) -> Tensor:
    return h.mean(1, keepdim=True)


def median(h: Tensor) -> Tensor:
    """The mean of the two middle values for an even number of samples; (b, n, f) -> (b, 1, f)."""
    h, n = h.sort(1).values, h.shape[1]
    return 0.5 * (h[:, (n - 1) // 2, None] + h[:, n // 2, None])


def with_pooled(h: Tensor, pool=mean) -> Tensor:
    """[h, pooled h], repeated for every sample: (b, n, f) -> (b, n, 2 f)."""
    return torch.cat([h, pool(h).expand_as(h)], -1)


def with_embedding(x: Tensor, z: Tensor) -> Tensor:
    """[x, z], repeated for every sample: (b, n, d), (b, l) -> (b, n, d + l)."""
    return torch.cat([x, z[:, None].expand(-1, x.shape[1], -1)], -1)


class MeanEncoder(nn.Module):
    """Features of samples, set mean, read-out: `mean`, `pca_mean`, `kernel_mean`, `mlp`."""

    def __init__(self, features: nn.Module, out: nn.Module):
        super().__init__()
        self.features, self.out = features, out

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.features(x).mean(1))


class Fourier(nn.Module):
    """[cos(s x W), sin(s x W)] with W ~ N(0, 1) frozen and s trained."""

    def __init__(self, dim: int, features: int):
        super().__init__()
        self.register_buffer("w", torch.randn(dim, features))
        self.s = nn.Parameter(torch.tensor(1.0))

    def forward(self, x: Tensor) -> Tensor:
        phase = self.s * (x @ self.w)
        return torch.cat([phase.cos(), phase.sin()], -1)


class Rotation(nn.Module):
    """Frozen orthogonal components."""

    def __init__(self, dim: int):
        super().__init__()
        self.register_buffer("components", torch.linalg.qr(torch.randn(dim, dim)).Q)

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.components


class Gnn(nn.Module):
    """MLP, then layers h <- MLP([h, pooled h]); the read-out is of the last pooled h."""

    def __init__(self, dim: int, latent_dim: int, hidden: int, layers: int, pool=mean):
        super().__init__()
        self.pool, self.first = pool, nn.Sequential(mlp([dim, hidden, hidden]), nn.SiLU())
        self.blocks = nn.ModuleList(nn.Sequential(mlp([2 * hidden, hidden, hidden]), nn.SiLU()) for _ in range(layers))
        self.out = nn.Linear(hidden, latent_dim)

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x)
        for block in self.blocks:
            h = block(with_pooled(h, self.pool))
        return self.out(self.pool(h)[:, 0])


class ResNet(nn.Module):
    """h0 = LN(MLP(x) + Lin0(x)); h = LN(MLP([h, mean h]) + h + Lin_k(x)), or with attention(LN(h)) for mean h."""

    def __init__(self, dim: int, latent_dim: int, hidden: int, layers: int, *, attention: bool = False):
        super().__init__()
        seen = (nn.Sequential(nn.LayerNorm(hidden), SelfAttention(hidden)) for _ in range(layers))
        self.seen = nn.ModuleList(seen if attention else ())
        self.first = mlp([dim, hidden, hidden])
        self.blocks = nn.ModuleList(mlp([2 * hidden, hidden, hidden]) for _ in range(layers))
        self.inputs = nn.ModuleList(nn.Linear(dim, hidden) for _ in range(layers + 1))
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in range(layers + 1))
        self.out = nn.Linear(hidden, latent_dim)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norms[0](self.first(x) + self.inputs[0](x))
        for k, block in enumerate(self.blocks, 1):
            pair = torch.cat([h, self.seen[k - 1](h)], -1) if self.seen else with_pooled(h)
            h = self.norms[k](block(pair) + h + self.inputs[k](x))
        return self.out(h.mean(1))


class SelfAttention(nn.Module):
    """softmax(Q K' / sqrt(d)) V over the samples of a set, written out."""

    def __init__(self, hidden: int):
        super().__init__()
        self.qkv = nn.Linear(hidden, 3 * hidden)

    def forward(self, h: Tensor) -> Tensor:
        q, k, v = self.qkv(h).unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)  # (b, heads, n, f) each
        attention = (q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1)
        return (attention @ v).transpose(1, 2).flatten(2)


class Block(nn.Module):
    """h + attention(LN(h)), then h + MLP(LN(h)) of twice the width."""

    def __init__(self, hidden: int):
        super().__init__()
        self.attention = nn.Sequential(SelfAttention(hidden), nn.Linear(hidden, hidden))
        self.mlp = mlp([hidden, 2 * hidden, hidden])
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in range(2))

    def forward(self, h: Tensor) -> Tensor:
        h = h + self.attention(self.norms[0](h))
        return h + self.mlp(self.norms[1](h))


class Attention(nn.Module):
    """Linear embedding, self-attention blocks, mean."""

    def __init__(self, dim: int, latent_dim: int, hidden: int, layers: int):
        super().__init__()
        self.first = nn.Linear(dim, hidden)
        self.blocks = nn.Sequential(*(Block(hidden) for _ in range(layers)))
        self.norm, self.out = nn.LayerNorm(hidden), nn.Linear(hidden, latent_dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.norm(self.blocks(self.first(x))).mean(1))


def time_features(t: Tensor) -> Tensor:
    """cos and sin of multiples of pi t; (b, n) -> (b, n, TIME_FEATURES)."""
    phase = t[..., None] * math.pi * torch.arange(1, TIME_FEATURES // 2 + 1)
    return torch.cat([phase.cos(), phase.sin()], -1)


class Ddpm(nn.Module):
    """Noise predicted at a random one of 400 steps, beta linear; on a random `subset` of the features where given."""

    def __init__(self, dim: int, latent_dim: int, hidden: int, layers: int, subset: int | None = None):
        super().__init__()
        self.net, self.subset = mlp([dim + latent_dim + TIME_FEATURES, *[hidden] * layers, dim]), subset
        self.register_buffer("signal", torch.cumprod(1 - torch.linspace(1e-4, 0.02, 400), 0))

    def loss(self, x: Tensor, z: Tensor) -> Tensor:
        noise, k = torch.randn_like(x), torch.randint(400, x.shape[:2])
        a = self.signal[k][..., None]
        noisy = a.sqrt() * x + (1 - a).sqrt() * noise
        error = self.net(torch.cat([with_embedding(noisy, z), time_features((k + 1) / 400)], -1)) - noise
        if self.subset is not None:
            error = error[..., torch.randperm(x.shape[-1])[: self.subset]]
        return error.square().mean()


class Flow(nn.Module):
    """Velocity x - e predicted on the line between noise e and data x (Lipman et al. 2023)."""

    def __init__(self, dim: int, latent_dim: int, hidden: int, layers: int):
        super().__init__()
        self.net = mlp([dim + latent_dim + TIME_FEATURES, *[hidden] * layers, dim])

    def loss(self, x: Tensor, z: Tensor) -> Tensor:
        noise, t = torch.randn_like(x), torch.rand(x.shape[:2])
        y = (1 - t)[..., None] * noise + t[..., None] * x
        return (self.net(torch.cat([with_embedding(y, z), time_features(t)], -1)) - (x - noise)).square().mean()


class Cvae(nn.Module):
    """Negative evidence lower bound: q(c | x, z), p(x | c, z) = N(mean, sigma²) with sigma learned."""

    def __init__(self, dim: int, latent_dim: int, hidden: int, layers: int, code: int):
        super().__init__()
        self.posterior = mlp([dim + latent_dim, *[hidden] * layers, 2 * code])
        self.decoder = mlp([code + latent_dim, *[hidden] * layers, dim])
        self.log_sigma = nn.Parameter(torch.zeros(dim))

    def loss(self, x: Tensor, z: Tensor) -> Tensor:
        mu, log_var = self.posterior(with_embedding(x, z)).chunk(2, -1)
        code = mu + (0.5 * log_var).exp() * torch.randn_like(mu)
        error = (x - self.decoder(with_embedding(code, z))) / self.log_sigma.exp()
        nll = (0.5 * error.square() + self.log_sigma + 0.5 * math.log(2 * math.pi)).sum(-1)
        kl = 0.5 * (mu.square() + log_var.exp() - 1 - log_var).sum(-1)
        return (nll + kl).mean()


class Direct(nn.Module):
    """MLP([z, noise]); the loss is a distance between the generated and the real samples of each set."""

    def __init__(self, dim: int, latent_dim: int, hidden: int, layers: int, noise: int, distance):
        super().__init__()
        self.net, self.noise = mlp([noise + latent_dim, *[hidden] * layers, dim]), noise
        self.distance = distance

    def loss(self, x: Tensor, z: Tensor) -> Tensor:
        noise = torch.randn(*x.shape[:2], self.noise)
        return self.distance(self.net(with_embedding(noise, z)), x).mean()


class Wormhole(nn.Module):
    """An attention decoder from vectors of its own to a fixed number of points; latent distances are to be W2."""

    def __init__(self, dim: int, latent_dim: int, hidden: int, layers: int, points: int, distance):
        super().__init__()
        self.vectors, self.distance = nn.Parameter(torch.randn(points, hidden)), distance
        self.first = mlp([hidden + latent_dim, hidden, hidden])
        self.blocks = nn.Sequential(*(Block(hidden) for _ in range(layers)))
        self.out = nn.Linear(hidden, dim)

    def loss(self, x: Tensor, z: Tensor) -> Tensor:
        points = self.out(self.blocks(self.first(with_embedding(self.vectors.expand(len(z), -1, -1), z))))
        with torch.no_grad():
            apart = self.distance(x, x.roll(1, 0)).clamp(min=0).sqrt()
        latent = (z - z.roll(1, 0)).norm(dim=-1)
        return self.distance(points, x).mean() + 0.5 * (latent - apart).square().mean()


def sliced(x: Tensor, y: Tensor) -> Tensor:
    """Squared sliced W2 of one set: (n, d), (n, d) -> scalar."""
    directions = torch.randn(x.shape[-1], PROJECTIONS)
    directions = directions / directions.norm(dim=0)
    return ((x @ directions).sort(0).values - (y @ directions).sort(0).values).square().mean()


def mmd(x: Tensor, y: Tensor) -> Tensor:
    """Squared MMD of one set, Gaussian kernel as wide as the median distance of the pooled points."""
    pooled, n = torch.cat([x, y]), len(x)
    norm = pooled.square().sum(-1)
    squared = (norm[:, None] + norm - 2 * pooled @ pooled.T).clamp(min=0)
    i, j = torch.triu_indices(len(pooled), len(pooled), 1)
    kernel = torch.exp(-squared / (2 * squared.detach()[i, j].median()))
    return kernel[:n, :n].mean() + kernel[n:, n:].mean() - 2 * kernel[:n, n:].mean()


def sinkhorn(x: Tensor, y: Tensor, *, schedule: list[float]) -> Tensor:
    """Debiased Sinkhorn divergence of one set for the cost |x - y|² (Feydy et al. 2019), W2² for blur -> 0; gradient
    through the last step only. schedule : epsilons, one symmetric iteration each."""

    def soft_min(eps: float, cost: Tensor, potential: Tensor) -> Tensor:
        return -eps * torch.logsumexp(potential / eps - math.log(cost.shape[1]) - cost / eps, 1)

    def cost(a: Tensor, b: Tensor) -> Tensor:
        return (a[:, None] - b.detach()).square().sum(-1)

    with torch.no_grad():
        costs = cost(x, y), cost(y, x), cost(x, x), cost(y, y)
        f = g = a = b = None
        for eps in schedule:
            old = [torch.zeros(len(s)) if p is None else p for s, p in ((x, f), (y, g), (x, a), (y, b))]
            new = [soft_min(eps, c, p) for c, p in zip(costs, (old[1], old[0], old[2], old[3]), strict=True)]
            f, g, a, b = new if f is None else [(o + m) / 2 for o, m in zip(old, new, strict=True)]
    eps = schedule[-1]
    last = [soft_min(eps, cost(*pair), p) for pair, p in (((x, y), g), ((y, x), f), ((x, x), a), ((y, y), b))]
    return (last[0] - last[2]).mean() + (last[1] - last[3]).mean()


def sinkhorn_schedule(x: Tensor, y: Tensor, *, blur: float = 0.05, scaling: float = 0.5) -> list[float]:
    """Epsilons 2 diameter² of all points, ..., each scaling² times the one before, down to 2 blur²."""
    pooled = torch.cat([x, y], 1).detach().flatten(0, 1)
    diameter = float((pooled.max(0).values - pooled.min(0).values).norm())
    steps = math.ceil(math.log(diameter / blur) / -math.log(scaling))
    return [2 * (diameter * scaling**k) ** 2 for k in range(steps)] + [2 * blur**2]


def batched(distance):
    """A distance of one set, mapped over the sets of a batch: (b, n, d), (b, m, d) -> (b,)."""
    return vmap(distance, randomness="different")


def batched_sinkhorn(x: Tensor, y: Tensor, *, scaling: float = 0.5) -> Tensor:
    """`sinkhorn` of every set, from the diameter of the whole batch."""
    return batched(partial(sinkhorn, schedule=sinkhorn_schedule(x, y, scaling=scaling)))(x, y)
