"""Convolutional set encoder of sequences: image_conv of the paper (arXiv 2505.18150) in one dimension."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, silu

from gde.encoders.base import Encoder, EncoderOptions
from gde.nets.letters import one_hot_letters
from gde.nets.places import Places
from gde.nets.sequence_blocks import MaskedGroupNorm

READOUTS = ("mean", "places")


@dataclass(frozen=True, kw_only=True)
class DnaConvOptions(EncoderOptions):
    """Options of `DnaConv`.

    hidden : channels; layers : convolutions after the first; kernel : width of all of them, odd.
    pool : neighbouring places averaged after the first convolution, which divides the cost of the others.
    readout : of the `mean` over places alone, or also of what stands at single `places`: for sequences that lie side
        by side, such as versions of one protein, of which the mean over places hardly tells the one letter that
        differs.
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
    """Convolution of one-hot letters, then `layers` residual ones that also see the set's mean feature map, place by
    place; mean over the places where letters stand, set mean, linear read-out.
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
        self.places = Places(dim, vocabulary, hidden) if options.readout == "places" else None
        self.out = nn.Linear(hidden if self.places is None else 3 * hidden, latent_dim)

    def fit(self, x: Tensor) -> None:
        """Letters that are usual at each place, from training tokens x (n, L); nothing where they are not read."""
        if self.places is not None:
            self.places.fit(x)

    def layer(self, k: int, u: Tensor, h: Tensor | None, pooled: list[Tensor]) -> Tensor:
        """u : (b, n, L) tokens.   returns the feature map (b, n, hidden * places), its mean over places in the end, and
        with it what stands at them where that is read."""
        sizes, x = u.shape[:2], u.flatten(0, 1)
        places = (x != 0).float()[:, None]
        if k == 0:
            h = silu(self.norms[0](self.stem(one_hot_letters(x, self.vocabulary)), places))
            if self.pool > 1:
                h = self._pool(h.float()) / self._pool(places).clamp(min=0.5 / self.pool)  # zeros where nothing is
            return h.flatten(1).unflatten(0, sizes)
        if self.pool > 1:
            places = (self._pool(places) > 0).float()
        h = h.flatten(0, 1).unflatten(-1, (self.hidden, -1))
        mean = self.pooled[k - 1](pooled[-1].squeeze(1).unflatten(-1, (self.hidden, -1)))  # (b, hidden, places)
        new = self.own[k - 1](h).unflatten(0, sizes) + mean[:, None]
        h = h + silu(self.norms[k](new.flatten(0, 1), places))
        if k < self.n_layers - 1:
            return h.flatten(1).unflatten(0, sizes)
        mean = h.float().sum(-1) / places.sum(-1).clamp(min=1.0)
        return (mean if self.places is None else torch.cat([mean, self.places(x)], -1)).unflatten(0, sizes)

    def head(self, pooled: list[Tensor]) -> Tensor:
        return self.out(pooled[-1])

    def _pool(self, h: Tensor) -> Tensor:
        """Mean of every `pool` places; what is missing of the last window counts as zeros."""
        return pad(h, (0, -h.shape[-1] % self.pool)).unflatten(-1, (-1, self.pool)).mean(-1)
