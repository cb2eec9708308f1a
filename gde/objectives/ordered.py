"""Reconstruction, and the way to the next group's embedding from the embedding."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gde.objectives.terms import reconstruct, set_average, total
from gde.sets.random import ShardRandom

if TYPE_CHECKING:
    from gde.model import GDE
    from gde.sets.batch import Batch


def ordered(
    model: "GDE", batch: "Batch", rng: ShardRandom, *, weight: float = 0.1, isometry: float = 0.0, **_: Any
) -> dict[str, Tensor]:
    """Reconstruction + `weight` times |predicted step - (E(next) - E(current))|², mean over latent dimensions.

    No gradient flows through the target, E(next) - E(current): through it the easiest way to a small error is a small
    or constant embedding, which the generator, being free to rescale z, would not resist. The encoder learns from the
    term through E(current), which the step is predicted from: to hold what the future depends on.
    batch.next : the set that follows; sets that nothing follows count as 0. batch.condition (b,) is optional.
    returns scalars: loss and its terms. Further options say what the batch was drawn with.
    """
    z, terms = reconstruct(model, model.standardise(batch.x), batch, rng, isometry=isometry)
    following = batch.next
    with torch.no_grad():
        there = {"mask": following.mask, "weight": following.weight}
        step = model.encoder(model.standardise(following.x), **there).float() - z.float()
    predicted = model.heads["ordered_next"](z, batch.condition).float()
    terms["ordered"] = set_average((predicted - step).square().mean(-1), batch, following.valid)
    return total(terms, isometry=isometry, ordered=weight)
