"""The method itself: the generator's own loss on a set, given the set's embedding (arXiv 2505.18150)."""

from typing import TYPE_CHECKING

from torch import Tensor

from gde.sets.random import ShardRandom

if TYPE_CHECKING:
    from gde.model import GDE


def reconstruction(model: "GDE", batch: dict, rng: ShardRandom, *, isometry: float = 0.0) -> dict[str, Tensor]:
    """loss(S, E(S)), mean over the real samples, plus `isometry` times the isometry term.

    returns scalars: loss (what is minimised) and, with isometry, its two parts.
    """
    x, mask, weight = model.standardise(batch["x"]), batch["mask"], batch["weight"]
    z = model.encoder(x, mask=mask, weight=weight)
    loss = model.generator.loss(x, z, mask=mask, weight=weight, rng=rng)
    if not isometry:
        return {"loss": loss}
    from gde.objectives.isometry import isometry_loss  # POT is needed, and imported, only here

    term = isometry_loss(z, batch, unit=float(model.x_scale.mean()), parts=len(rng.only))
    return {"loss": loss + isometry * term, "generator": loss, "isometry": term}
