"""Conditioning of sequences: how an embedding conditions a network over sequences."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from gde.nets.site_logits import SiteLogits

KINDS = ("prefix", "additive", "adaln")
Film = tuple[Tensor, Tensor]


class Condition(NamedTuple):
    """What an embedding becomes, by rows r of sequences.

    prefix : (r, k, h) vectors that stand before the sequence; the last of them predicts its first token.
    added : (r, 1, h), added to the vector of every token; None unless `additive`.
    films : scale and shift (r, 1, h) of every norm; None unless `adaln`.
    sites : (r, L, c) logits of every position, added to those of the network; None without `SiteLogits`.
    """

    prefix: Tensor
    added: Tensor | None
    films: list[Film] | None
    sites: Tensor | None = None

    def of_rows(self, rows: Tensor) -> "Condition":
        """The same for rows (r',) of it, each as often as it is named."""
        films = None if self.films is None else [(scale[rows], shift[rows]) for scale, shift in self.films]
        added, sites = (None if v is None else v[rows] for v in (self.added, self.sites))
        return Condition(self.prefix[rows], added, films, sites)


class SequenceCondition(nn.Module):
    """An MLP from the embedding to one of three conditionings.

    prefix : `prefix` vectors before the sequence and nothing else.
    additive : one vector before the sequence, and one added to every token's.
    adaln : one vector before the sequence, and scale and shift of each of the `norms` norms.
    In all three nothing but the embedding stands before the first token, whose distribution therefore follows it.
    sites : gives logits of every position beside those of the network; None = none.
    """

    def __init__(
        self, kind: str, latent_dim: int, hidden: int, *, prefix: int, norms: int, sites: SiteLogits | None = None
    ):
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f"conditioning: found {kind!r}, expected one of {', '.join(KINDS)}")
        if prefix < 1:
            raise ValueError(f"prefix: found {prefix}, expected at least 1")
        if prefix > 1 and kind != "prefix":
            raise ValueError(f"prefix: found {prefix} with conditioning {kind!r}, expected 1; set conditioning: prefix")
        self.kind, self.prefix, self.norms, self.hidden, self.sites = kind, prefix, norms, hidden, sites
        vectors = prefix + {"prefix": 0, "additive": 1, "adaln": 2 * norms}[kind]
        self.embed = nn.Sequential(nn.Linear(latent_dim, hidden), nn.SiLU())
        self.out = nn.Linear(hidden, vectors * hidden)

    @torch.no_grad()
    def begin_as(self, start: Tensor) -> None:
        """Make every vector before the sequence `start` (h,) and the rest nothing, whatever z: where a trained network
        goes on from. Only `out` changes, which has a gradient in the first step."""
        self.out.weight.zero_()
        self.out.bias.zero_()
        self.out.bias[: self.prefix * self.hidden] = start.to(self.out.bias).repeat(self.prefix)

    def forward(self, z: Tensor) -> Condition:
        """z : (b, l) -> the condition of b rows."""
        vectors = self.out(self.embed(z)).unflatten(-1, (-1, self.hidden))  # (b, vectors, h)
        prefix, rest = vectors[:, : self.prefix], vectors[:, self.prefix :, None]
        sites = None if self.sites is None else self.sites(z)
        if self.kind == "prefix":
            return Condition(prefix, None, None, sites)
        if self.kind == "additive":
            return Condition(prefix, rest[:, 0], None, sites)
        return Condition(prefix, None, [(1 + rest[:, 2 * i], rest[:, 2 * i + 1]) for i in range(self.norms)], sites)


def modulated(h: Tensor, film: Film | None) -> Tensor:
    """h scaled and shifted: h (r, t, f) with film (r, 1, f) each."""
    return h if film is None else torch.addcmul(film[1], h, film[0])
