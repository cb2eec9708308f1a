"""Direct generator trained by the debiased Sinkhorn divergence."""

from dataclasses import dataclass

from torch import Tensor

from gde.distances.sinkhorn import sinkhorn_w2
from gde.generators.direct import DirectGenerator, DirectOptions
from gde.sets.random import ShardRandom


@dataclass(frozen=True, kw_only=True)
class SinkhornOptions(DirectOptions):
    """Options of `Sinkhorn`.

    blur : length, in standardised units, below which points are not told apart.
    """

    blur: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.blur > 0:
            raise ValueError(f"blur: found {self.blur}, expected a length > 0; the default is 0.05")


class Sinkhorn(DirectGenerator):
    """Loss: root of the debiased Sinkhorn divergence (Feydy et al. 2019; Genevay et al. 2018)."""

    Options = SinkhornOptions

    def __init__(self, options: SinkhornOptions, *, dim: int, latent_dim: int):
        super().__init__(options, dim=dim, latent_dim=latent_dim)
        self.blur = options.blur

    def distance(self, y: Tensor, x: Tensor, mask: Tensor | None, weight: Tensor | None, rng: ShardRandom) -> Tensor:
        return sinkhorn_w2(y, x, blur=self.blur, wy=weight, mask_y=mask)
