"""The map of all groups, from the slots of an AnnData of embeddings."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from gde.errors import bad
from gde.pl.canvas import look, shown_figure
from gde.pl.panels import draw_map, draw_panel, key_of_marks, shows_ellipses, size
from gde.tl.columns import panels
from gde.tl.mapping import map_table

if TYPE_CHECKING:
    import anndata


def map(
    embeddings: "anndata.AnnData",
    color: str | Sequence[str] | None = None,
    *,
    basis: str = "pca",
    corrected: bool = False,
    ellipses: bool | None = None,
    ncols: int = 2,
    ax: Axes | None = None,
) -> Axes | np.ndarray:
    """Draw the map that `gde.tl.map` made.

    color : obs column or several, a panel each; default, every one that tells groups apart.   basis : pca or umap.
    corrected : after the removal of batches.   ellipses : 95 % confidence of each group's place, from its standard
    errors; default, of at most 300 groups, and never in a UMAP, where errors have no place.   ax : for one column.
    Filled: held out; open: trained on. Areas go with the logarithm of a group's number of samples. Groups far from all
    others, and, of principal components, those of fewer than 4 samples, do not set the scale: triangles at the edge say
    where they are.

    returns the axes, or an array of them. GdeError without a map, or an unknown column or basis.
    """
    layer = "corrected" if corrected else None
    if (key := f"X_{basis}{'_corrected' if corrected else ''}") not in embeddings.obsm:
        made = "gde.tl.map(embeddings, batch=...)" if corrected else "gde.tl.map(embeddings)"
        raise bad("embeddings", f"no obsm[{key!r}]", "a map", f"call {made} first")
    table = map_table(embeddings, layer=layer)
    columns = panels(embeddings.obs) if color is None else [color] if isinstance(color, str) else list(color)
    for name in columns:
        if name not in embeddings.obs:
            known = ", ".join(embeddings.obs.columns)
            raise bad("color", repr(name), f"an obs column: {known}", "correct the name")
    share = embeddings.uns["pca" if layer is None else f"pca_{layer}"]["variance_ratio"][:2]
    axis_names = [f"PC {i + 1} ({100 * s:.0f} % of variance)" for i, s in enumerate(share)]
    if basis == "umap":
        axis_names = ["UMAP 1", "UMAP 2"]
    given = {"names": axis_names, "basis": basis, "ellipses": ellipses}
    with look():
        if ax is not None:
            if len(columns) != 1:
                raise bad("ax", f"one, and {len(columns)} columns", "one column for it", "name it: color='donor'")
            last = draw_panel(ax, table, columns[0], **given)
            ax.figure.draw_without_rendering()
            last()
            key_of_marks(ax, table, shows_ellipses(table, basis, ellipses))
            return ax
        figure = shown_figure(*size(table, columns, ncols, basis, ellipses))
        axes = draw_map(figure, table, columns, ncols=ncols, **given)
    return axes[0] if len(columns) == 1 else axes
