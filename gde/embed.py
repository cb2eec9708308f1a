"""Embeddings of whole groups of any size, exactly, with a standard error for each."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from gde.anndata_io import read_anndata, to_anndata, write_anndata
from gde.errors import bad
from gde.io import sha256_file
from gde.model import GDE
from gde.sets.store import SetStore

if TYPE_CHECKING:
    import anndata

ROWS_AT_ONCE = 65_536  # larger groups are streamed stage by stage
PIECE = 4096  # rows of a chunk that go through the stages together: few enough to stay in a processor's cache
FOLDS = 16
JACKKNIFE_BELOW = 32 * FOLDS  # sub-sets of fewer than 32 samples would be embedded with visible bias


@torch.no_grad()
def embed_store(
    model: GDE, store: SetStore, groups: np.ndarray | None = None, *, se: bool = True, rows_at_once: int = ROWS_AT_ONCE
) -> tuple[np.ndarray, np.ndarray]:
    """Embed groups of a set store, each from all its samples.

    groups : positions in ``store.groups`` (default: all).   returns embeddings (g, l) and standard errors (g, l),
    float32; the errors are NaN without `se` and for groups of one sample (see `standard_error`). The result does not
    depend on `rows_at_once`, which bounds the memory.
    """
    groups = np.arange(len(store)) if groups is None else np.asarray(groups)
    sizes = store.sizes[groups]
    z = np.full((len(groups), model.latent_dim), np.nan, np.float32)
    errors = np.full_like(z, np.nan)
    order = np.argsort(sizes, kind="stable")
    whole = (np.asarray(store.read(groups[i])) for i in order if sizes[i] <= rows_at_once)
    small = [i for i in order if sizes[i] <= rows_at_once]
    z[small] = encode_sets(model, whole, rows_at_once)
    for i in order[len(small) :]:
        z[i] = encode_streamed(model, store, groups[i], 1, rows_at_once)[0]
    if not se:
        return z, errors
    for i in order:
        if 2 <= sizes[i] <= rows_at_once or 2 <= sizes[i] < JACKKNIFE_BELOW:
            errors[i] = standard_error(model, np.asarray(store.read(groups[i])), rows_at_once)
        elif sizes[i] >= 2:
            errors[i] = _spread(encode_streamed(model, store, groups[i], FOLDS, rows_at_once))
    return z, errors


def standard_error(model: GDE, x: np.ndarray, rows_at_once: int = ROWS_AT_ONCE) -> np.ndarray:
    """Standard errors (l,) of the embedding of one set x (n, d), n >= 2.

    From 512 samples on, the set is cut into 16 disjoint sub-sets, se = sd / 4 of their embeddings (CLT, arXiv
    2505.18150 section 3); a smaller one uses the delete-one-fold jackknife (Efron & Stein 1981), which embeds sets of
    nearly full size. Either is an estimate from min(n, 16) folds: an interval needs `t_quantile` of them, not 1.96.
    """
    n = len(x)
    folds = min(n, FOLDS)
    if n >= JACKKNIFE_BELOW:
        return _spread(encode_sets(model, (x[k::folds] for k in range(folds)), rows_at_once))
    fold = np.arange(n) % folds
    parts = encode_sets(model, (x[fold != k] for k in range(folds)), rows_at_once)
    return _spread(parts * (folds - 1))  # pseudo-values up to a constant


def _spread(parts: np.ndarray) -> np.ndarray:
    """Standard error (l,) of the mean of the folds' values (folds, l)."""
    return parts.std(0, ddof=1) / np.sqrt(len(parts))


def t_quantile(n: int | np.ndarray, level: float = 0.95) -> np.ndarray:
    """Half the width of a confidence interval, in standard errors of the embedding of a set of n >= 2 samples.

    Student's t with min(n, 16) - 1 degrees of freedom: 2.13 for 16 samples and more. How often such intervals hold the
    embedding of the distribution is the metric `clt/coverage`.
    """
    from scipy.stats import t

    return t.ppf((1 + level) / 2, np.minimum(n, FOLDS) - 1)


def encode_sets(model: GDE, sets: Iterator[np.ndarray], rows_at_once: int) -> np.ndarray:
    """Embeddings (g, l) of arrays (n_i, d), padded and masked together; cheapest when sizes ascend."""
    out, waiting, longest = [], [], 0

    def flush() -> None:
        x = torch.zeros(len(waiting), longest, model.dim)
        mask = torch.zeros(len(waiting), longest, dtype=torch.bool)
        for j, rows in enumerate(waiting):
            x[j, : len(rows)], mask[j, : len(rows)] = torch.from_numpy(rows.astype(np.float32)), True
        full = bool(mask.all())
        out.append(model.encode(x.to(model.device), mask=None if full else mask.to(model.device)).cpu().numpy())
        waiting.clear()

    for rows in sets:
        if waiting and max(longest, len(rows)) * (len(waiting) + 1) > rows_at_once:
            flush()
            longest = 0
        waiting.append(rows)
        longest = max(longest, len(rows))
    if waiting:
        flush()
    return np.concatenate(out) if out else np.empty((0, model.latent_dim), np.float32)


def encode_streamed(model: GDE, store: SetStore, group: int, folds: int, rows_at_once: int) -> np.ndarray:
    """Embeddings (folds, l) of the interleaved folds of one group, read anew in every pass of `stream`."""
    rows = store.read(group)

    def chunks() -> Iterator[tuple[Tensor, Tensor]]:
        for start in range(0, len(rows), rows_at_once):
            x = torch.from_numpy(np.array(rows[start : start + rows_at_once], dtype=np.float32)).to(model.device)
            yield x, torch.arange(start, start + len(x)) % folds

    return stream(model, chunks, np.bincount(np.arange(len(rows)) % folds).tolist()).cpu().numpy()


@torch.no_grad()
def stream(model: GDE, chunks: Callable[[], Iterator[tuple[Tensor, Tensor]]], sizes: Sequence[int]) -> Tensor:
    """Embeddings (s, l) of s sets given as repeatable chunks of (samples (c, d), set number of each (c,), on the CPU).

    sizes : the number of samples of each set. Every pass over the chunks computes the encoder's stages so far; the next
    statistic takes one or several of them (`gde.nets.statistic`).
    """
    encoder = model.encoder
    pooled: list[list[Any]] = [[] for _ in sizes]

    def visit(k: int) -> Iterator[tuple[int, Tensor]]:
        for x, which in chunks():
            for s in which.unique().tolist():
                for rows in x[(which == s).to(x.device)].split(PIECE):
                    u, h = model.standardise(rows)[None], None  # (1, c, d)
                    for j in range(k + 1):
                        h = encoder.stage(j, u, h, pooled[s][:j])
                    yield s, h

    for k in range(encoder.n_stages):
        statistics = encoder.statistic(k).streamed(partial(visit, k), sizes)
        for known, new in zip(pooled, statistics, strict=True):
            known.append(new)
    return torch.cat([encoder.readout(known) for known in pooled])


def embed_to_h5ad(model_dir: Path, store_dir: Path, out: Path, *, device: torch.device) -> None:
    """Embed every group of a store and write `out` (see `to_anndata`)."""
    model, store = GDE.load(model_dir, device=device), SetStore.open(store_dir)
    z, se = embed_store(model, store)
    about = {"run": model.config["run"], "store": store.digest, "data": store.meta["data"]}
    about["provenance"] = origin(model, {"store": store.digest})
    write_anndata(to_anndata(z, se, store.groups, about), out)


def origin(model: GDE, inputs: dict[str, str], seed: int | None = None) -> dict[str, Any]:
    """The record of what a model makes from `inputs`, name -> SHA-256 (`gde.provenance`); seed : of what it samples."""
    from gde.config import training_slice
    from gde.digest import code_digest, model_modules
    from gde.provenance import provenance

    code, inputs = code_digest(model_modules(model.config)), {"model": model.digest, **inputs}
    seeds = {"experiment": model.config["seed"]} | ({} if seed is None else {"samples": seed})
    return provenance(training_slice(model.config), code=code, seeds=seeds, inputs=inputs, device=model.device)


def embed_anndata(
    model: GDE,
    data: "anndata.AnnData | str | Path",
    groupby: str | list[str] | None = None,
    *,
    layer: str | None = None,
    use_raw: bool = False,
) -> "anndata.AnnData":
    """Embed the groups of raw data (an AnnData or the path of an .h5ad) after the model's own preprocessing.

    groupby : obs column or columns; None embeds all cells as one set. obs of the result has those columns and
    n_samples. Errors as `anndata_store`.
    """
    with anndata_store(model, data, groupby, layer=layer, use_raw=use_raw) as store:
        z, se = embed_store(model, store)
        inputs = {"data": sha256_file(data)} if isinstance(data, str | Path) else {}
        about = {"run": model.config.get("run", ""), "provenance": origin(model, inputs)}
        return to_anndata(z, se, store.groups.drop(columns="split"), about)


@contextmanager
def anndata_store(
    model: GDE,
    data: "anndata.AnnData | str | Path",
    groupby: str | list[str] | None = None,
    *,
    layer: str | None = None,
    use_raw: bool = False,
) -> Iterator[SetStore]:
    """The groups of raw data after the model's own preprocessing, as a set store that lasts as long as the block.

    All groups are of split test; a name is the values of `groupby` joined with '|'. Raises GdeError for missing
    columns, missing genes and values the preprocessing does not fit.
    """
    from gde.prepare.query import group_cells
    from gde.sets.writer import StoreWriter

    source = {"layer": layer, "use_raw": use_raw}
    table, code, groups, first, _ = group_cells(model, data, groupby, **source)
    groups = table.iloc[first].assign(group=groups, split="test", size=np.bincount(code)).reset_index(drop=True)
    with TemporaryDirectory() as scratch:
        path, start = Path(scratch) / "sets", 0
        with StoreWriter(path, groups=groups, sample_shape=(model.dim,), seed=0) as writer:
            for rows in model.features.transform_h5ad(data, **source):
                writer.write(rows, code[start : start + len(rows)])
                start += len(rows)
            writer.finish({"kind": "query", "data": "user"})
        yield SetStore.open(path, verify=False)  # written a moment ago, by this process


def _run_of(embeddings: "anndata.AnnData") -> str:
    """The run that embeddings were made with; empty where they do not say."""
    about = embeddings.uns.get("gde")
    return str(about.get("run", "")) if isinstance(about, dict) else ""


@torch.no_grad()
def sample_anndata(model: GDE, embeddings: "anndata.AnnData", n: int | np.ndarray, seed: int) -> "anndata.AnnData":
    """New samples of every embedded distribution.

    n : samples per set, one number or one per set. Result: one row per sample; obs = the set's obs columns and `set`
    (its name); X = samples in the units the data had before PCA (log-normalised expression, table units) where the
    model knows its preprocessing, else the sample features; obsm['X_features'] = the features the model generates.
    """
    import anndata

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
    counts = np.broadcast_to(np.asarray(n, dtype=np.int64), embeddings.n_obs)
    z = torch.from_numpy(np.asarray(embeddings.X, dtype=np.float32)).to(model.device)
    if not z.isfinite().all():
        name = embeddings.obs_names[int((~z.isfinite()).any(1).nonzero()[0])]
        raise bad(f"embeddings: {name}", "NaN or infinity", "finite numbers", "embed the data again")
    generator = torch.Generator(model.device).manual_seed(seed)
    parts = [model.sample(z[i : i + 1], int(c), generator=generator)[0].cpu().numpy() for i, c in enumerate(counts)]
    x = np.concatenate(parts)
    obs = embeddings.obs.iloc[np.repeat(np.arange(embeddings.n_obs), counts)].copy()
    obs["set"] = obs.index
    obs.index = [f"{name}-{i}" for name, c in zip(embeddings.obs_names, counts, strict=True) for i in range(c)]
    if model.features is None:
        return anndata.AnnData(x, obs=obs, obsm={"X_features": x})
    result = anndata.AnnData(model.features.inverse(x), obs=obs, obsm={"X_features": x})
    result.var_names = model.features.names
    return result


def sample_to_h5ad(model_dir: Path, embeddings: Path, out: Path, *, device: torch.device, at_most: int = 500) -> None:
    """Generate, for every test set of `embeddings`, as many samples as it has (at most `at_most`), into `out`."""
    model, z = GDE.load(model_dir, device=device), read_anndata(embeddings, sealed=True)
    z = z[z.obs["split"] == "test"].copy()
    result = sample_anndata(model, z, np.minimum(z.obs["n_samples"].to_numpy(), at_most), model.config["seed"])
    write_samples(result, model, embeddings, out, seed=model.config["seed"])


def write_samples(result: "anndata.AnnData", model: GDE, embeddings: Path, out: Path, *, seed: int) -> None:
    """Write what `sample_anndata` made from the file `embeddings`, with the record of where it came from."""
    from gde.canonical import canonical_digest

    record = origin(model, {"embeddings": canonical_digest(embeddings)}, seed)
    result.uns["gde"] = {"run": model.config.get("run", ""), "provenance": record}
    write_anndata(result, out)
