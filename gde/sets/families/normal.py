"""Normal distributions on the line."""

from numbers import Real

from torch import Tensor

from gde.errors import bad
from gde.sets.families.mvn import Mvn, check_mean_range
from gde.sets.random import ShardRandom


class Normal(Mvn):
    """Normal distributions in one dimension: mean ~ U(mean_low, mean_high), standard deviation ~ U(sd_low, sd_high).

    Samples, moments and W2 are those of `Mvn` with d = 1.
    """

    def __init__(self, *, mean_low: float = 0.0, mean_high: float = 5.0, sd_low: float = 0.2, sd_high: float = 2.0):
        check_mean_range(mean_low, mean_high)
        if not (isinstance(sd_low, Real) and isinstance(sd_high, Real) and 0 < sd_low <= sd_high < float("inf")):
            raise bad("dataset.sd_low", f"{sd_low!r} with sd_high {sd_high!r}", "0 < sd_low <= sd_high", "set them so")
        self.dim = 1
        self.mean_low, self.mean_high = float(mean_low), float(mean_high)
        self.sd_low, self.sd_high = float(sd_low), float(sd_high)

    def draw(self, b: int, rng: ShardRandom) -> dict[str, Tensor]:
        """Parameters of b distributions on rng's device: mean (b, 1), cov (b, 1, 1), float32."""
        mean = self.mean_low + (self.mean_high - self.mean_low) * rng.rand(b, 1)
        sd = self.sd_low + (self.sd_high - self.sd_low) * rng.rand(b, 1, 1)
        return {"mean": mean, "cov": sd**2}
