"""Direct generator trained by the sliced 2-Wasserstein distance."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import normalize

from gde.distances.sliced import sliced_w2
from gde.generators.base import check_counts
from gde.generators.direct import DirectGenerator, DirectOptions
from gde.sets.random import ShardRandom


@dataclass(frozen=True, kw_only=True)
class SlicedW2Options(DirectOptions):
    """Options of `SlicedW2`.

    projections : directions per set and step. Sets of unequal sizes and weights compare quantiles.
    """

    projections: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(projections=self.projections)


class SlicedW2(DirectGenerator):
    """Loss: sliced W2, the root, over random directions that every set draws anew (Deshpande et al. 2018)."""

    Options = SlicedW2Options

    def __init__(self, options: SlicedW2Options, *, dim: int, latent_dim: int):
        super().__init__(options, dim=dim, latent_dim=latent_dim)
        self.projections = options.projections

    def distance(self, y: Tensor, x: Tensor, mask: Tensor | None, weight: Tensor | None, rng: ShardRandom) -> Tensor:
        directions = normalize(rng.randn(len(x), self.projections if self.dim > 1 else 1, self.dim), dim=-1)
        return sliced_w2(y, x, projections=directions, wy=weight, mask_y=mask)
