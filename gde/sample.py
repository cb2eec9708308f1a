"""New samples of embedded distributions, in a file of the form that their type has."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from gde.embed import origin
from gde.errors import bad
from gde.export.generated import Written
from gde.export.samples_h5ad import as_anndata
from gde.models.base import Model
from gde.nets.registry import named
from gde.readers.sealed_h5ad import read_anndata

if TYPE_CHECKING:
    import anndata

log = logging.getLogger(__name__)
AT_MOST = 500  # of a set, in the workflow


def _run_of(embeddings: "anndata.AnnData") -> str:
    """The run that embeddings were made with; empty where they do not say."""
    about = embeddings.uns.get("gde")
    return str(about.get("run", "")) if isinstance(about, dict) else ""


@torch.no_grad()
def draw(
    model: Model, embeddings: "anndata.AnnData", n: int | np.ndarray, seed: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Samples (n_i, d) of every embedded distribution, one after the other, as (row of `embeddings`, samples).

    n : samples per set, one number or one per set. GdeError for embeddings that are not this model's.
    """
    remedy = "give embeddings made with this model"
    if embeddings.n_vars != model.latent_dim or not embeddings.n_obs:
        found = f"{embeddings.n_obs} rows and {embeddings.n_vars} columns"
        raise bad("embeddings", found, f"rows, and {model.latent_dim} columns (the model's latent_dim)", remedy)
    if not isinstance(embeddings.X, np.ndarray) or embeddings.X.dtype.kind != "f":
        found = f"X of type {getattr(embeddings.X, 'dtype', type(embeddings.X).__name__)}"
        raise bad("embeddings", found, "a dense array of numbers", remedy)
    if not embeddings.obs_names.is_unique:
        raise bad("embeddings", "a set's name twice", "unique obs_names", "call obs_names_make_unique()")
    run, own = _run_of(embeddings), model.config.get("run")
    if run and own and run != own:
        raise bad("embeddings", f"those of run {run}", f"those of {own}, this model's run", remedy)
    made = embeddings.obsm.get("X_gde")
    if made is not None and not np.array_equal(np.asarray(made), embeddings.X):
        log.warning("embeddings: X is not obsm['X_gde'] any more (scaled?); samples are of X")
    counts = np.broadcast_to(np.asarray(n, dtype=np.int64), embeddings.n_obs)
    z = torch.from_numpy(np.asarray(embeddings.X, dtype=np.float32)).to(model.device)
    if not z.isfinite().all():
        name = embeddings.obs_names[int((~z.isfinite()).any(1).nonzero()[0])]
        raise bad(f"embeddings: {name}", "NaN or infinity", "finite numbers", "embed the data again")
    generator = torch.Generator(model.device).manual_seed(seed)
    for i, count in enumerate(counts):
        yield i, model.sample(z[i : i + 1], int(count), generator=generator)[0].cpu().numpy()


def sample_anndata(model: Model, embeddings: "anndata.AnnData", n: int | np.ndarray, seed: int) -> "anndata.AnnData":
    """New samples of every embedded distribution.

    n : samples per set, one number or one per set. Result: one row per sample; obs = the set's obs columns and `set`
    (its name); X = samples in the units the data had before PCA (log-normalised expression, table units) where the
    model knows its preprocessing, else the sample features; obsm['X_features'] = the features the model generates.
    GdeError for embeddings that are not this model's, and for a model of sequences.
    """
    return as_anndata(model, embeddings, draw(model, embeddings, n, seed))


def sample_test_sets(model_dir: Path, embeddings: Path, out: Path, *, device: torch.device, at_most: int = AT_MOST):
    """Generate, for every test set of `embeddings`, as many samples as it has (at most `at_most`), into `out`."""
    model, z = Model.load(model_dir, device=device), read_anndata(embeddings, sealed=True)
    z = z[z.obs["split"] == "test"].copy()
    n = np.minimum(z.obs["n_samples"].to_numpy(), at_most)
    sample_to_file(model, z, embeddings, out, n=n, seed=model.config["seed"])


def sample_to_file(
    model: Model,
    z: "anndata.AnnData",
    embeddings: Path,
    out: Path,
    *,
    n: int | np.ndarray,
    seed: int,
    blocks: bool = False,
) -> None:
    """Write samples of `z`, read from the file `embeddings`, with the record of where they came from.

    blocks : write BGZF (`gde.files.sealed_gzip`). GdeError for a name `out` that does not end as the files of the
    model's samples do (`SampleType.SUFFIX`), and for blocks where these are no gzip.
    """
    from gde.runs.canonical import canonical_digest

    kind = model.sample_type
    if not out.name.endswith(kind.SUFFIX):
        found, expected = f"samples that are {kind.described}", f"a file name that ends in {kind.SUFFIX}"
        raise bad(out, found, expected, "rename the output")
    if blocks and not kind.SUFFIX.endswith(".gz"):
        raise bad("--bgzip", f"samples that are {kind.described}", "sequences or texts, in .gz files", "leave it out")
    record = origin(model, {"embeddings": canonical_digest(embeddings)}, seed)
    about = {"run": model.config.get("run", ""), "provenance": record}
    named(kind.WRITER)(out, Written(model, z, draw(model, z, n, seed), seed, about, blocks))
