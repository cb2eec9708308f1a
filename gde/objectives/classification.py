"""Reconstruction, and the labels of the groups from the embedding."""

from typing import TYPE_CHECKING, Any

from torch import Tensor

from gde.objectives.terms import reconstruct, set_average, total
from gde.sets.random import ShardRandom

if TYPE_CHECKING:
    from gde.model import GDE
    from gde.sets.batch import Batch


def classification(
    model: "GDE", batch: "Batch", rng: ShardRandom, *, weight: float = 1.0, isometry: float = 0.0, **_: Any
) -> dict[str, Tensor]:
    """Reconstruction + `weight` times the cross-entropy (nats) between the set's label and the classifier's guess.

    batch.label (b, c) : share of each class; for a mixture of groups the shares that were realised, whose entropy
    the cross-entropy cannot fall below. What has no label known to training counts as 0.
    returns scalars: loss and its terms. Further options (`label`) say what the batch was drawn with.
    """
    z, terms = reconstruct(model, model.standardise(batch.x), batch, rng, isometry=isometry)
    log_probability = model.heads["classifier"](z).float().log_softmax(-1)
    terms["classification"] = set_average(-(batch.label * log_probability).sum(-1), batch)
    return total(terms, isometry=isometry, classification=weight)
