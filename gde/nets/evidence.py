"""What variational autoencoders share: the divergence of their codes, and its weight while training warms up."""

import torch
from torch import Tensor, nn


class WarmedUp(nn.Module):
    """A module whose KL divergence has the weight `beta`, reached over `warmup` training calls.

    The calls are counted in a buffer that is saved with the weights.
    """

    def set_kl_weight(self, beta: float, warmup: int) -> None:
        """To be called once, when the module is made. ValueError for a negative number."""
        for name, value in (("beta", beta), ("warmup", warmup)):
            if value < 0:
                raise ValueError(f"{name}: found {value}, expected at least 0")
        self.beta, self.warmup = beta, warmup
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
