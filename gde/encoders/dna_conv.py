"""Convolutional set encoder of sequences: image_conv of the paper (arXiv 2505.18150) in one dimension."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, silu

from gde.encoders.base import Encoder, EncoderOptions
from gde.encoders.side_by_side import SideBySide
from gde.nets.positions import Positions
from gde.nets.sequence_blocks import MaskedGroupNorm
from gde.nets.tokens import one_hot

READOUTS = ("mean", "positions")


@dataclass(frozen=True, kw_only=True)
class DnaConvOptions(EncoderOptions):
    """Options of `DnaConv`.

    hidden : channels; layers : convolutions after the first; kernel : width of all of them, odd.
    pool : neighbouring positions averaged after the first convolution, which divides the cost of the others.
    readout : of the `mean` over positions alone, or also of what stands at single `positions`: for sequences that lie
        side by side, such as versions of one protein, of which the mean over positions hardly tells the one token that
        differs. Versions with insertions and deletions are aligned with what is usual; a token that lacks is unknown.
    """

    hidden: int = 64
    layers: int = 3
    kernel: int = 7
    pool: int = 1
    readout: str = "mean"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel: found {self.kernel}, expected an odd number; add 1")
        if self.readout not in READOUTS:
            raise ValueError(f"readout: found {self.readout!r}, expected one of {', '.join(READOUTS)}")


class DnaConv(Encoder):
    """Convolution of one-hot tokens, then `layers` residual ones that also see the set's mean feature map, position by
    position; mean over the positions where tokens stand, set mean, linear read-out.
    """

    Options = DnaConvOptions

    def __init__(self, options: DnaConvOptions, *, dim: int, latent_dim: int, vocabulary: int = 5):
        super().__init__(options, dim=dim, latent_dim=latent_dim)
        hidden, layers, kernel = options.hidden, options.layers, options.kernel
        self.vocabulary, self.hidden, self.pool, self.n_layers = vocabulary, hidden, options.pool, layers + 1
        same = {"kernel_size": kernel, "padding": kernel // 2}
        self.stem = nn.Conv1d(vocabulary, hidden, **same)
        self.own = nn.ModuleList(nn.Conv1d(hidden, hidden, **same) for _ in range(layers))
        self.pooled = nn.ModuleList(nn.Conv1d(hidden, hidden, bias=False, **same) for _ in range(layers))
        self.norms = nn.ModuleList(MaskedGroupNorm(hidden) for _ in range(layers + 1))
        self.positions = Positions(dim, vocabulary, hidden) if options.readout == "positions" else None
        self._beside: tuple[Tensor, int, SideBySide] | None = None  # made from `usual` as it was then
        self.out = nn.Linear(hidden if self.positions is None else 3 * hidden, latent_dim)

    def fit(self, x: Tensor) -> None:
        """Tokens that are usual at each position, from training tokens x (n, L); nothing where they are not read."""
        if self.positions is not None:
            self.positions.fit(x)  # for the usual sequence, onto which those with insertions and deletions are laid
            self.positions.fit(SideBySide(self.positions.usual)(x))
            self._beside = None

    def side_by_side(self, x: Tensor) -> Tensor:
        """Tokens x (r, L) at the sites of the usual training sequence, where single positions are read."""
        if self.positions is None:
            return x
        usual = self.positions.usual
        if self._beside is None or self._beside[0] is not usual or self._beside[1] != usual._version:
            self._beside = usual, usual._version, SideBySide(usual)
        return self._beside[2](x)

    def layer(self, k: int, u: Tensor, h: Tensor | None, pooled: list[Tensor]) -> Tensor:
        """u : (b, n, L) tokens.   returns the feature map (b, n, hidden * positions), its mean over positions in the
        end, and with it what stands at them where that is read."""
        sizes, x = u.shape[:2], self.side_by_side(u.flatten(0, 1))
        positions = (x != 0).float()[:, None]
        if k == 0:
            h = silu(self.norms[0](self.stem(one_hot(x, self.vocabulary)), positions))
            if self.pool > 1:
                h = self._pool(h.float()) / self._pool(positions).clamp(min=0.5 / self.pool)  # zeros where nothing is
            return h.flatten(1).unflatten(0, sizes)
        if self.pool > 1:
            positions = (self._pool(positions) > 0).float()
        h = h.flatten(0, 1).unflatten(-1, (self.hidden, -1))
        mean = self.pooled[k - 1](pooled[-1].squeeze(1).unflatten(-1, (self.hidden, -1)))  # (b, hidden, positions)
        new = self.own[k - 1](h).unflatten(0, sizes) + mean[:, None]
        h = h + silu(self.norms[k](new.flatten(0, 1), positions))
        if k < self.n_layers - 1:
            return h.flatten(1).unflatten(0, sizes)
        mean = h.float().sum(-1) / positions.sum(-1).clamp(min=1.0)
        return (mean if self.positions is None else torch.cat([mean, self.positions(x)], -1)).unflatten(0, sizes)

    def head(self, pooled: list[Tensor]) -> Tensor:
        return self.out(pooled[-1])

    def _pool(self, h: Tensor) -> Tensor:
        """Mean of every `pool` positions; what is missing of the last window counts as zeros."""
        return pad(h, (0, -h.shape[-1] % self.pool)).unflatten(-1, (-1, self.pool)).mean(-1)
