"""Reconstruction, and the shift of the mean that a condition causes from the control's embedding."""

from typing import TYPE_CHECKING, Any

from torch import Tensor

from gde.nets.pool import set_mean
from gde.objectives.terms import reconstruct, set_average, total
from gde.sets.random import ShardRandom

if TYPE_CHECKING:
    from gde.model import GDE
    from gde.sets.batch import Batch


def perturbation(
    model: "GDE",
    batch: "Batch",
    rng: ShardRandom,
    *,
    mean_weight: float = 1.0,
    shift_weight: float = 0.5,
    isometry: float = 0.0,
    **_: Any,
) -> dict[str, Tensor]:
    """Reconstruction + `mean_weight` |M(z) - m|² + `shift_weight` |M(P(z_c, condition)) - M(z_c) - (m - m_c)|².

    z, m : embedding and mean of a set; z_c, m_c : those of a set of its control; M : the mean predictor, linear;
    P : the perturbation head. Squares are means over features, in standardised units. The shift's target is data, so
    nothing is won by a small embedding and the gradient flows everywhere.
    batch.control : a set of its control; sets without control count as 0 in the shift. batch.condition : (b,).
    returns scalars: loss and its terms. Further options say what the batch was drawn with.
    """
    x = model.standardise(batch.x)
    z, terms = reconstruct(model, x, batch, rng, isometry=isometry)
    control = batch.control
    mask, weight = control.mask, control.weight
    x_control = model.standardise(control.x)
    z_control = model.encoder(x_control, mask=mask, weight=weight)
    moved = model.heads["perturbation"](z_control, batch.condition)
    predicted, before, after = (model.heads["mean_predictor"](e).float() for e in (z, z_control, moved))

    mean = set_mean(x, batch.mask, batch.weight)[:, 0]
    shift = mean - set_mean(x_control, mask, weight)[:, 0]
    terms["mean"] = set_average((predicted - mean).square().mean(-1), batch)
    terms["shift"] = set_average((after - before - shift).square().mean(-1), batch, control.valid)
    return total(terms, isometry=isometry, mean=mean_weight, shift=shift_weight)
