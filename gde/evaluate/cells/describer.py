"""Views of sets of cells: the embedding, and descriptions that need no training as its baselines."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gde.evaluate.cells.clones import embedded, samples, shares
from gde.evaluate.shared.columns import tested_groups
from gde.evaluate.shared.context import Context
from gde.evaluate.shared.descriptions import Descriptions, principal_axes, training_samples
from gde.sets.store.annotations import codes, has

CELL_TYPE = "cell_type"
Views = dict[str, np.ndarray]  # name -> vectors (s, p) of the sets; `gde` is ours, the others are baselines


@dataclass(frozen=True)
class Describer:
    """`gde` and `Descriptions` of sets of rows. Where cells have types, `composition` is of these, not of clusters.

    axes : principal directions of the moments of the groups that are not tested.   types : codes of all cells, number.
    """

    ctx: Context
    known: Descriptions
    axes: np.ndarray
    types: tuple[np.ndarray, int] | None

    @classmethod
    def of(cls, ctx: Context, groups: Sequence[np.ndarray]) -> "Describer":
        """Fitted on what trains; groups : rows of every group of the store."""
        store = ctx.store
        known = Descriptions(training_samples(store, ctx.random("descriptions")), seed=ctx.seed)
        fit = [samples(store, groups[g]) for g in np.flatnonzero(~tested_groups(store))]
        axes = principal_axes(known.of(fit)["pca_of_moments"], ctx.model.latent_dim)
        types = None
        if has(store, CELL_TYPE) and CELL_TYPE not in store.groups:
            code, names = codes(store, CELL_TYPE)
            types = code, len(names)
        return cls(ctx, known, axes, types)

    def __call__(self, sets: Sequence[np.ndarray]) -> Views:
        """Of sets of rows."""
        found = self.known.of([samples(self.ctx.store, rows) for rows in sets])
        found["pca_of_moments"] = found["pca_of_moments"] @ self.axes
        if self.types is not None:
            found["composition"] = shares(sets, *self.types)
        return {"gde": embedded(self.ctx.model, self.ctx.store, sets), **found}
