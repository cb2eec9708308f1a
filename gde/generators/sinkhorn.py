"""Direct generator trained by the debiased Sinkhorn divergence."""

from torch import Tensor

from gde.distances.sinkhorn import sinkhorn_w2
from gde.generators.direct import DirectGenerator
from gde.sets.random import ShardRandom


class Sinkhorn(DirectGenerator):
    """Loss: root of the debiased Sinkhorn divergence (Feydy et al. 2019; Genevay et al. 2018).

    blur : length, in standardised units, below which points are not told apart.
    """

    def __init__(
        self,
        dim: int,
        latent_dim: int,
        *,
        hidden: int = 128,
        layers: int = 4,
        noise_dim: int = 16,
        affine: bool = False,
        moment_weight: float = 1.0,
        balanced: bool = True,
        blur: float = 0.05,
    ):
        super().__init__(
            dim,
            latent_dim,
            hidden=hidden,
            layers=layers,
            noise_dim=noise_dim,
            affine=affine,
            moment_weight=moment_weight,
            balanced=balanced,
        )
        if not blur > 0:
            raise ValueError(f"blur: found {blur}, expected a length > 0; the default is 0.05")
        self.blur = blur

    def distance(self, y: Tensor, x: Tensor, mask: Tensor | None, weight: Tensor | None, rng: ShardRandom) -> Tensor:
        return sinkhorn_w2(y, x, blur=self.blur, wy=weight, mask_y=mask)
