"""A residual convolution over maps of samples that also sees their set's mean map."""

from torch import Tensor, nn
from torch.nn import functional as F

from gde.nets.unet import norm


class ContextConv(nn.Module):
    """h + conv(SiLU(GroupNorm(conv_h h + conv_m mean h))): the second product is made once per set."""

    def __init__(self, channels: int):
        super().__init__()
        self.own = nn.Conv2d(channels, channels, 3, padding=1)
        self.pooled = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = norm(channels)
        self.out = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, h: Tensor, mean: Tensor) -> Tensor:
        """h : (b n, f, h, w), maps of b sets of n; mean : (b, f, h, w)."""
        b, n = len(mean), len(h) // len(mean)
        pooled = self.pooled(mean)
        mixed = (self.own(h).unflatten(0, (b, n)) + pooled[:, None]).flatten(0, 1)
        return h + self.out(F.silu(self.norm(mixed)))
