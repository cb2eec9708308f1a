"""The graph-like encoder with medians (arXiv 2505.18150): `gnn` with `pool: median` under the paper's name."""

from gde.encoders.gnn import Gnn


class MedianGnn(Gnn):
    """Per-sample MLP, then `layers` times an MLP of [h, median of h]; linear read-out of the last median.

    The median of an even number of samples is the mean of the middle two: duplicates do not change it. For an embedding
    that outliers cannot move at all, switch `moments` and `skip` off: they are means and standard deviations.
    """

    def __init__(
        self, dim: int, latent_dim: int, *, hidden: int = 128, layers: int = 2, moments: bool = True, skip: bool = True
    ):
        super().__init__(dim, latent_dim, hidden=hidden, layers=layers, pool="median", moments=moments, skip=skip)
