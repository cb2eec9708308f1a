"""Terms of the loss: what the objectives share: reconstruction and isometry, the sum of their terms, and the mean over
sets."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gde.objectives.halves import halves
from gde.sets.random import ShardRandom

if TYPE_CHECKING:
    from gde.model import GDE
    from gde.sets.batch import Batch


def reconstruct(
    model: "GDE", x: Tensor, batch: "Batch", rng: ShardRandom, *, isometry: float, context: int = 0
) -> tuple[Tensor, dict[str, Tensor]]:
    """Embeddings (b, l) of the sets x (b, n, d), standardised, and the terms that every objective starts from.

    terms : generator, its loss on each set given the set's embedding; isometry, where its weight is above 0.
    With `context` the set is cut in two (`halves`) and the generator learns the half that the encoder does not see.
    """
    shown = learned = (x, batch.mask, batch.weight)
    if context:
        shown, learned = halves(*shown, rng, context=context)
    z = model.encoder(shown[0], mask=shown[1], weight=shown[2])
    terms = {"generator": model.generator.loss(learned[0], z, mask=learned[1], weight=learned[2], rng=rng)}
    if isometry:
        from gde.objectives.isometry import isometry_loss  # POT is needed, and imported, only here

        unit = 1.0 if batch.mix is not None and batch.pair_w2 is not None else float(model.x_scale.mean())
        terms["isometry"] = isometry_loss(z, batch, unit=unit, parts=len(rng.only))
    return z, terms


def total(terms: dict[str, Tensor], **weights: float) -> dict[str, Tensor]:
    """{loss: the generator's + weight x term, summed; then the terms}, where there is more than the generator's."""
    loss = terms["generator"]
    for name, weight in weights.items():
        if name in terms:
            loss = loss + weight * terms[name]
    return {"loss": loss} | (terms if len(terms) > 1 else {})


def set_average(per_set: Tensor, batch: "Batch", valid: Tensor | None = None) -> Tensor:
    """Mean of per_set (b,) over sets, each weighted by its number of real samples; sets not valid (b,) bool count as 0.

    These weights are those by which several processes average their losses, so that the mean is the same with any
    number of them.
    """
    if valid is not None:
        per_set = torch.where(valid, per_set, 0.0)
    if batch.mask is None:
        return per_set.mean()
    real = batch.mask.sum(1).to(per_set)
    return (per_set * real).sum() / real.sum()
