"""The graph-like encoder with medians (arXiv 2505.18150): `gnn` with `pool: median` under the paper's name."""

from dataclasses import asdict

from gde.encoders.base import MomentOptions
from gde.encoders.gnn import Gnn, GnnOptions


class MedianGnn(Gnn):
    """Per-sample MLP, then `layers` times an MLP of [h, median of h]; linear read-out of the last median.

    The median of an even number of samples is the mean of the middle two: duplicates do not change it. For an embedding
    that outliers cannot move at all, switch `moments` and `skip` off: they are means and standard deviations.
    """

    Options = MomentOptions

    def __init__(self, options: MomentOptions, *, dim: int, latent_dim: int):
        super().__init__(GnnOptions(pool="median", **asdict(options)), dim=dim, latent_dim=latent_dim)
