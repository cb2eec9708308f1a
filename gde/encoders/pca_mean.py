"""Principal components of the set mean: a baseline that looks at directions of large variance only."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gde.encoders.base import Encoder, EncoderOptions
from gde.errors import bad


@dataclass(frozen=True, kw_only=True)
class PcaMeanOptions(EncoderOptions):
    """Options of `PcaMean`.

    components : number of axes; None = as many as the embedding has numbers, at most d.
    """

    components: int | None = None


class PcaMean(Encoder):
    """z = Linear(V^T (mean(x) - m)), m and V the mean and leading principal axes of training samples, not trained.

    Without `fit` the axes are those of the first features.
    """

    Options = PcaMeanOptions
    n_layers = 1

    def __init__(self, options: PcaMeanOptions, *, dim: int, latent_dim: int, shape: tuple[int, ...] | None = None):
        super().__init__(options, dim=dim, latent_dim=latent_dim, shape=shape)
        components = min(dim, latent_dim) if options.components is None else options.components
        if not 1 <= components <= dim:
            raise bad("encoder.components", str(components), f"1 to {dim}, the number of features", "change it")
        self.register_buffer("centre", torch.zeros(dim))
        self.register_buffer("axes", torch.eye(dim, components))
        self.out = nn.Linear(components, latent_dim)

    @torch.no_grad()
    def fit(self, x: Tensor) -> None:
        """Set mean and axes from standardised samples (n, d), of images (n, c, h, w); each axis points where its
        largest entry is positive.

        Raises GdeError when there are no more samples than components: some axes would be arbitrary.
        """
        if len(x) <= self.axes.shape[1]:
            found = f"{self.axes.shape[1]} for {len(x)} training samples"
            raise bad("encoder.components", found, "fewer components than samples", "lower it")
        x, n = x.flatten(1).double(), self.axes.shape[1]
        centred = x - x.mean(0)
        if len(x) >= x.shape[1]:
            axes = torch.linalg.eigh(centred.mT @ centred).eigenvectors.flip(-1)[:, :n]
        else:  # more pixels than images: by the products of the samples, whose axes are the same
            axes = torch.nn.functional.normalize(
                centred.mT @ torch.linalg.eigh(centred @ centred.mT).eigenvectors.flip(-1)[:, :n], dim=0
            )
        signs = axes.gather(0, axes.abs().argmax(0, keepdim=True)).sign()
        self.centre.copy_(x.mean(0))
        self.axes.copy_(axes * signs)

    def layer(self, k: int, u: Tensor, h: Tensor | None, pooled: list[Tensor]) -> Tensor:
        return u  # the projection is linear: once for the mean instead of for every sample

    def head(self, pooled: list[Tensor]) -> Tensor:
        return self.out((pooled[-1] - self.centre) @ self.axes)
