"""Sets of methylation reads as vectors: their embedding, and the mean methylation that it is compared with."""

from typing import Any

import numpy as np

from gde.embed import embed_store
from gde.evaluate.methylation.reads import add_profile, chunks
from gde.evaluate.shared.context import Context
from gde.evaluate.shared.held_out_labels import View
from gde.evaluate.shared.pieces import Pieces, embed_pieces

COMPONENTS = 32  # of the mean profile


def views(ctx: Context, groups: np.ndarray, pieces: Pieces, fit: np.ndarray) -> dict[str, View]:
    """Name -> vectors of whole groups (g, p) and of the pieces (s, p).

    gde : the embedding.   mean_methylation : the share of methylated CpGs.   mean_profile : that share by region, in
    principal components; regions that the groups `fit` (g,) bool cover, others' values filled with their mean.
    """
    model, store, regions = ctx.model, ctx.store, ctx.options["regions"]
    whole = embed_store(model, store, groups, se=False)[0].astype(float)
    profiles = np.stack([group_profile(store, g, regions) for g in groups])
    parts = np.stack([piece_profile(store, rows, regions) for rows in pieces.rows])
    rates = [np.divide(p[:, 0].sum(-1), p[:, 1].sum(-1))[:, None] for p in (profiles, parts)]
    return {
        "gde": (whole, embed_pieces(model, store, pieces)),
        "mean_methylation": tuple(rates),
        "mean_profile": region_components(profiles, parts, fit),
    }


def width(store: Any, regions: int) -> int:
    """CpGs of a region, when `regions` of them are to cover the genome."""
    return -(-store.meta["genome"]["cpgs"] // regions)


def group_profile(store: Any, group: int, regions: int) -> np.ndarray:
    """Methylated and known CpGs (2, regions) of a group's reads, by region."""
    profile = np.zeros((2, regions))
    for tokens, weight, number in chunks(store, group):
        add_profile(profile, tokens, weight, number, store.meta["context"], width(store, regions))
    return profile


def piece_profile(store: Any, rows: np.ndarray, regions: int) -> np.ndarray:
    """The same of some rows of the store."""
    profile = np.zeros((2, regions))
    tokens, weight = store.gather(rows[None])[0][0].numpy(), store.weights(rows[None])
    weight = np.ones(len(rows)) if weight is None else weight[0].numpy()
    number = np.asarray(store.field("cpg"))[rows]
    add_profile(profile, tokens, weight, number, store.meta["context"], width(store, regions))
    return profile


def region_components(profiles: np.ndarray, parts: np.ndarray, fit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Principal components, fitted on the groups `fit`, of methylation by region (·, 2, regions)."""
    methylated, known = profiles[fit, 0].sum(0), profiles[fit, 1].sum(0)
    used = known > 0
    mean = methylated[used] / known[used]

    def centred(p: np.ndarray) -> np.ndarray:
        m, k = p[:, 0][:, used], p[:, 1][:, used]
        # one observation of the mean is added: a region that was read once tells little
        return (m + mean) / (k + 1) - mean

    x = centred(profiles[fit])
    _, _, directions = np.linalg.svd(x - x.mean(0), full_matrices=False)
    directions = directions[: min(COMPONENTS, len(directions))].T
    return centred(profiles) @ directions, centred(parts) @ directions
