"""Evidence lower bound: what variational autoencoders share: the divergence of their codes, and its weight while
training warms up."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gde.nets.registry import Options


@dataclass(frozen=True, kw_only=True)
class EvidenceOptions(Options):
    """Options of a variational autoencoder.

    beta : weight of the KL divergence of the codes, in nats; 1 = the evidence lower bound (others give no bound of the
        likelihood).
    warmup : training steps over which beta rises from 0, against codes that are never used. The loss counts its
        training calls for it, in a buffer that is saved with the weights; without gradients (validation) beta is whole.
    """

    beta: float = 1.0
    warmup: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, value in (("beta", self.beta), ("warmup", self.warmup)):
            if value < 0:
                raise ValueError(f"{name}: found {value}, expected at least 0")


class WarmedUp(nn.Module):
    """A module whose KL divergence has the weight `beta`, reached over `warmup` training calls.

    The calls are counted in a buffer that is saved with the weights.
    """

    def set_kl_weight(self, options: EvidenceOptions) -> None:
        """To be called once, when the module is made."""
        self.beta, self.warmup = options.beta, options.warmup
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def kl_weight(self) -> float | Tensor:
        """beta, or the part of it that the warm-up has reached; counts this call. Without gradients beta is whole."""
        if not self.warmup or not torch.is_grad_enabled():
            return self.beta
        self.calls += 1
        return self.beta * (self.calls / self.warmup).clamp_max(1.0)


def kl_to_standard(mean: Tensor, log_sd: Tensor) -> Tensor:
    """KL(N(mean, sd²) | N(0, I)) in nats, summed over the last axis: (..., k) -> (...,)."""
    return 0.5 * (mean.square() + (2 * log_sd).exp() - 1 - 2 * log_sd).sum(-1)
