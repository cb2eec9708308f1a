"""Direct generator trained by the maximum mean discrepancy."""

from torch import Tensor

from gde.distances.checks import clear_unweighted, set_weights
from gde.distances.kernel import kernel_mean
from gde.distances.mmd import median_bandwidth
from gde.distances.pairwise import centred
from gde.generators.direct import DirectGenerator
from gde.sets.random import ShardRandom

MEDIAN_SAMPLES = 64  # real samples behind a bandwidth


class Mmd(DirectGenerator):
    """Loss: squared MMD with a Gaussian kernel as wide as the median distance of the set's real samples.

    Without the pairs of a point with itself, and without the mean over pairs of real samples: nothing is trained in
    it, so that the loss is the squared MMD less a constant of the set (and negative). Li, Swersky & Zemel 2015.
    """

    def distance(self, y: Tensor, x: Tensor, mask: Tensor | None, weight: Tensor | None, rng: ShardRandom) -> Tensor:
        weight = set_weights("mmd", x, weight, mask)
        scale = 2**0.5 * median_bandwidth(x, mask_x=None if weight is None else weight > 0, samples=MEDIAN_SAMPLES)
        y, x = centred(y, clear_unweighted(x, weight))
        y, x = y / scale[:, None, None], x / scale[:, None, None]
        n = y.shape[1]
        own = (n * kernel_mean(y, y, None, None) - 1) / max(n - 1, 1)  # 0 for a single point
        return own - 2 * kernel_mean(y, x, None, weight)
