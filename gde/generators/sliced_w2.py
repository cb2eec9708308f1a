"""Direct generator trained by the sliced 2-Wasserstein distance."""

from torch import Tensor
from torch.nn.functional import normalize

from gde.distances.sliced import sliced_w2
from gde.generators.base import check_counts
from gde.generators.direct import DirectGenerator
from gde.sets.random import ShardRandom


class SlicedW2(DirectGenerator):
    """Loss: sliced W2, the root, over random directions that every set draws anew (Deshpande et al. 2018).

    projections : directions per set and step. Sets of unequal sizes and weights compare quantiles.
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
        projections: int = 100,
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
        check_counts(projections=projections)
        self.projections = projections

    def distance(self, y: Tensor, x: Tensor, mask: Tensor | None, weight: Tensor | None, rng: ShardRandom) -> Tensor:
        directions = normalize(rng.randn(len(x), self.projections if self.dim > 1 else 1, self.dim), dim=-1)
        return sliced_w2(y, x, projections=directions, wy=weight, mask_y=mask)
