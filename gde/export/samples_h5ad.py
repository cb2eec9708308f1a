"""Generated vectors as AnnData and .h5ad, a row for each."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gde.errors import bad
from gde.export.h5ad import write_anndata

# A program that judges predictions of perturbed cells takes a file of a perturbation's cells for one.
SAMPLES_ARE = (
    "drawn from the embedding of each set: where that is of the set's own samples, as in embeddings.h5ad, they are a "
    "reconstruction, not a prediction"
)

if TYPE_CHECKING:
    import anndata

    from gde.export.generated import Written
    from gde.models.base import Model


def write_vectors(out: Path, written: "Written") -> None:
    """Write `as_anndata` with its record into the file `out`."""
    result = as_anndata(written.model, written.embeddings, written.parts)
    result.uns["gde"] = {**written.about, "samples": SAMPLES_ARE}
    write_anndata(result, out)


def as_anndata(
    model: "Model", embeddings: "anndata.AnnData", parts: Iterator[tuple[int, np.ndarray]]
) -> "anndata.AnnData":
    """Samples of every set of `embeddings`, given with its row; see `gde.sample.sample_anndata`.

    GdeError for a model whose samples are not vectors.
    """
    import anndata

    if "vectors" not in model.sample_type.names:
        found = f"one of {model.sample_type.described}"
        raise bad("model", found, "one of vectors", f"`gde sample` writes {model.sample_type.SUFFIX}")
    drawn = [x for _, x in parts]
    counts, x = [len(part) for part in drawn], np.concatenate(drawn)
    obs = embeddings.obs.iloc[np.repeat(np.arange(embeddings.n_obs), counts)].copy()
    obs["set"] = obs.index
    obs.index = [f"{name}-{i}" for name, c in zip(embeddings.obs_names, counts, strict=True) for i in range(c)]
    if model.features is None:
        return anndata.AnnData(x, obs=obs, obsm={"X_features": x})
    result = anndata.AnnData(model.features.expression(x), obs=obs, obsm={"X_features": x})
    result.var_names = model.features.names
    return result
