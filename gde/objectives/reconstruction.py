"""The method itself: the generator's own loss on a set, given the set's embedding (arXiv 2505.18150)."""

from typing import TYPE_CHECKING

from torch import Tensor

from gde.objectives.terms import reconstruct, total
from gde.sets.random import ShardRandom

if TYPE_CHECKING:
    from gde.model import GDE
    from gde.sets.batch import Batch


def reconstruction(
    model: "GDE", batch: "Batch", rng: ShardRandom, *, isometry: float = 0.0, context: int = 0
) -> dict[str, Tensor]:
    """loss(S, E(S)), mean over the real samples, plus `isometry` times the isometry term.

    context : with k > 0 the loss is loss(S', E(S)) of other samples S' of the same distribution, S of k to n / 2
    samples: what is generated from an embedding is then the prediction (posterior mean) given so few samples, instead
    of a copy of them with all their accidents.
    returns scalars: loss (what is minimised) and, with isometry, its two parts.
    """
    _, terms = reconstruct(model, model.standardise(batch.x), batch, rng, isometry=isometry, context=context)
    return total(terms, isometry=isometry)
