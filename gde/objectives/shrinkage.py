"""Shrinkage: how much of a predicted shift is to be believed for a condition that never trained."""

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from gde.nets.pool import set_mean
from gde.sets.source import make_companions
from gde.sets.store.set_store import SetStore

if TYPE_CHECKING:
    from gde.model import GDE

log = logging.getLogger(__name__)
AT_MOST = 2000  # samples of a group
TINY = 1e-9


@torch.no_grad()
def shrink_new_conditions(model: "GDE", store: SetStore, config: dict[str, Any]) -> None:
    """Set the two factors of a trained model's perturbation head by least squares over its validation conditions.

    The shift predicted for a condition is linear in its vector: a part common to all conditions that train, and its
    own. True shifts of the mean (features in standardised units) of the validation groups whose condition never trained
    are fitted by common * p + own * q with factors within [0, 1], each group's error relative to the square of its
    shift, as in R2, so that strong and weak ones count alike: where vectors tell nothing about new conditions, the
    prediction becomes the mean shift, or none. Vectors that stand for unknown ones are left out. Without such a group
    the factors stay 1, and the log says so. Models whose conditions have no vectors predict no new ones.
    """
    from scipy.optimize import lsq_linear

    controls = make_companions(store, config, "validation")
    if getattr(controls, "vectors", None) is None:
        return
    head, predictor = model.heads["perturbation"], model.heads["mean_predictor"]
    code, matches = controls.conditions.code, controls.matches
    trained = np.isin(np.arange(len(head.conditions.names)), code[matches.has("train")])
    known = code >= 0
    lost = np.isin(head.conditions.names, controls.vectors.lost)
    new = matches.has("validation") & known & ~trained[code] & ~lost[code]
    head.shrink(torch.from_numpy(trained), torch.ones(2))
    if not new.any():
        log.info("no validation condition is new: predictions of new conditions are not shrunk")
        return
    parts, shifts, before = [], [], {}
    for g in np.flatnonzero(new):
        key = tuple(matches.of(g))
        if key not in before:
            before[key] = _set(model, store, key)
        x, weight = before[key]
        z, mean = model.encoder(x, weight=weight), set_mean(x, None, weight)[0, 0]
        condition = torch.tensor([code[g]], device=z.device)
        moved = torch.cat([head.moved(z, part) for part in head.parts(condition)])
        own, weight = _set(model, store, (g,))
        shift = (set_mean(own, None, weight)[0, 0] - mean).double().cpu().numpy()
        size = max(np.linalg.norm(shift), TINY)
        parts.append((predictor(moved) - predictor(z)).T.double().cpu().numpy() / size)  # (d, 2)
        shifts.append(shift / size)
    factors = lsq_linear(np.concatenate(parts), np.concatenate(shifts), bounds=(0, 1)).x
    head.shrink(torch.from_numpy(trained), torch.from_numpy(factors))
    told = "new conditions: %.2f of the shift that all share, %.2f of their own (fitted on %d validation groups)"
    log.info(told, *factors, int(new.sum()))


def _set(model: "GDE", store: SetStore, groups: tuple[int, ...]) -> tuple[Tensor, Tensor | None]:
    """The samples of some groups as one set (1, n, d), standardised, and their weights (1, n) where there are any; of
    more than AT_MOST, evenly spaced ones."""
    x = np.concatenate([np.asarray(store.read(g), np.float32) for g in groups])
    keep = np.linspace(0, len(x) - 1, min(len(x), AT_MOST)).astype(int)
    weight = np.concatenate([store.read_weights(g) for g in groups])[keep] if store.weighted else None
    tensors = (None if v is None else torch.from_numpy(v).to(model.device)[None] for v in (x[keep], weight))
    x, weight = tensors
    return model.standardise(x), weight
