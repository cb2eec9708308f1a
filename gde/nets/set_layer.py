"""A layer on samples that also sees their set's mean."""

from torch import Tensor, nn


class MeanPooledMLP(nn.Module):
    """MLP of the concatenation [h, mean h].

    The first matrix is split, W_h h + W_m mean h, and the second product made once per set: the same function as
    with the concatenation at half the multiplications.
    """

    def __init__(self, in_dim: int, hidden: int, depth: int):
        super().__init__()
        self.own = nn.Linear(in_dim, hidden)
        self.pooled = nn.Linear(in_dim, hidden, bias=False)
        rest: list[nn.Module] = []
        for _ in range(depth - 1):
            rest += [nn.SiLU(), nn.Linear(hidden, hidden)]
        self.rest = nn.Sequential(*rest)

    def forward(self, h: Tensor, mean: Tensor) -> Tensor:
        """h : (b, n, f); mean : (b, 1, f).   returns (b, n, hidden)."""
        return self.rest(self.own(h) + self.pooled(mean))
