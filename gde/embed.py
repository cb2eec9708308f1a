"""Embeddings of whole groups of any size, exactly, with a standard error for each."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from gde.export.h5ad import to_anndata, write_anndata
from gde.files.io import sha256_path
from gde.models.base import Model
from gde.nets.registry import named
from gde.sets.store.set_store import SetStore

if TYPE_CHECKING:
    import anndata

ROWS_AT_ONCE = 65_536  # larger groups are streamed stage by stage
PIECE = 4096  # rows of a chunk that go through the stages together: few enough to stay in a processor's cache
TOKENS_AT_ONCE = 1 << 19  # of sequences, every token of which becomes a vector, in the place of ROWS_AT_ONCE
TOKENS_PIECE = 1 << 16
FOLDS = 16
OWN_COLUMNS = ("group", "start", "stop", "split")  # of a store's groups; the others are what makes a group
Chunk = tuple[Tensor, Tensor, Tensor | None]
JACKKNIFE_BELOW = 32 * FOLDS  # sub-sets of fewer than 32 samples would be embedded with visible bias


@torch.no_grad()
def embed_store(
    model: Model,
    store: SetStore,
    groups: np.ndarray | None = None,
    *,
    se: bool = True,
    rows_at_once: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Embed groups of a set store, each from all its samples and their weights.

    groups : positions in ``store.groups`` (default: all).   returns embeddings (g, l) and standard errors (g, l),
    float32; the errors are NaN without `se` and for groups of one sample (see `standard_error`). The result does not
    depend on `rows_at_once`, which bounds the memory (default: `default_rows`).
    """
    groups = np.arange(len(store)) if groups is None else np.asarray(groups)
    rows_at_once = rows_at_once or default_rows(model)
    with model.encoder.unchanging():
        model.encoder.remember(store.chunks(groups))
        return _embed_groups(model, store, groups, se, rows_at_once)


def _embed_groups(
    model: Model, store: SetStore, groups: np.ndarray, se: bool, rows_at_once: int
) -> tuple[np.ndarray, np.ndarray]:
    """As `embed_store`, of positions."""
    sizes = store.sizes[groups]
    z = np.full((len(groups), model.latent_dim), np.nan, np.float32)
    errors = np.full_like(z, np.nan)
    order = np.argsort(sizes, kind="stable")
    small = [i for i in order if sizes[i] <= rows_at_once]
    whole = (read_set(store, groups[i]) for i in small)
    z[small] = encode_sets(model, whole, rows_at_once)
    for i in order[len(small) :]:
        z[i] = encode_streamed(model, store, groups[i], 1, rows_at_once)[0]
    if not se:
        return z, errors
    for i in order:
        if 2 <= sizes[i] <= rows_at_once or 2 <= sizes[i] < JACKKNIFE_BELOW:
            errors[i] = standard_error(model, *read_set(store, groups[i]), rows_at_once=rows_at_once)
        elif sizes[i] >= 2:
            errors[i] = _spread(encode_streamed(model, store, groups[i], FOLDS, rows_at_once))
    return z, errors


def default_rows(model: Model, rows: int = ROWS_AT_ONCE, residues: int = TOKENS_AT_ONCE) -> int:
    """Samples that go through a model together: `rows`, of sequences as many as `tokens` make."""
    positions = model.sample_type.positions
    return rows if positions == 1 else max(1, residues // positions)


def read_set(store: SetStore, g: int) -> tuple[np.ndarray, np.ndarray | None]:
    """All samples of a group (n, d) and their weights (n,), None where the store has none."""
    return np.asarray(store.read(g)), store.read_weights(g)


def standard_error(
    model: Model, x: np.ndarray, weight: np.ndarray | None = None, *, rows_at_once: int | None = None
) -> np.ndarray:
    """Standard errors (l,) of the embedding of one set x (n, d), n >= 2, weight (n,) or None.

    From 512 samples on, the set is cut into 16 disjoint sub-sets, se = sd / 4 of their embeddings (CLT, arXiv
    2505.18150 section 3); a smaller one uses the delete-one-fold jackknife (Efron & Stein 1981), which embeds sets of
    nearly full size. Either is an estimate from min(n, 16) folds: an interval needs `t_quantile` of them, not 1.96.
    A sample that stands for several is drawn or left out as one.
    """
    n = len(x)
    folds = min(n, FOLDS)
    fold = np.arange(n) % folds
    rows_at_once = rows_at_once or default_rows(model)

    def part(keep: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        return x[keep], None if weight is None else weight[keep]

    if n >= JACKKNIFE_BELOW:
        return _spread(encode_sets(model, (part(fold == k) for k in range(folds)), rows_at_once))
    parts = encode_sets(model, (part(fold != k) for k in range(folds)), rows_at_once)
    return _spread(parts * (folds - 1))  # pseudo-values up to a constant


@torch.no_grad()
def standard_errors(model: Model, x: Tensor) -> np.ndarray:
    """`standard_error` of each of many sets of one size, x (b, n, d), n >= 2 -> (b, l).

    Their sub-sets are of one size, too: fold by fold, they need neither padding nor a mask.
    """
    folds = min(x.shape[1], FOLDS)
    fold = torch.arange(x.shape[1], device=x.device) % folds
    apart = x.shape[1] >= JACKKNIFE_BELOW
    kept = (fold == k if apart else fold != k for k in range(folds))
    parts = np.stack([encode_pieces(model, x[:, keep]).cpu().numpy() for keep in kept])  # (folds, b, l)
    return _spread(parts if apart else parts * (folds - 1))


@torch.no_grad()
def encode_pieces(model: Model, x: Tensor) -> Tensor:
    """Embeddings (b, l) of sets of one size, x (b, n, d): on a processor a few sets at a time, about PIECE samples that
    stay in its cache through all stages, which takes half the time of all together."""
    sets = len(x) if model.device.type != "cpu" else max(1, default_rows(model, PIECE, TOKENS_PIECE) // x.shape[1])
    return torch.cat([model.encode(part) for part in x.split(max(1, sets))])


def _spread(parts: np.ndarray) -> np.ndarray:
    """Standard error (l,) of the mean of the folds' values (folds, l), or (b, l) of (folds, b, l)."""
    return parts.std(0, ddof=1) / np.sqrt(len(parts))


def t_quantile(n: int | np.ndarray, level: float = 0.95) -> np.ndarray:
    """Half the width of a confidence interval, in standard errors of the embedding of a set of n >= 2 samples.

    Student's t with min(n, 16) - 1 degrees of freedom: 2.13 for 16 samples and more. How often such intervals hold the
    embedding of the distribution is the metric `clt/coverage`.
    """
    from scipy.stats import t

    return t.ppf((1 + level) / 2, np.minimum(n, FOLDS) - 1)


def encode_sets(
    model: Model, sets: Iterator[np.ndarray | tuple[np.ndarray, np.ndarray | None]], rows_at_once: int
) -> np.ndarray:
    """Embeddings (g, l) of arrays (n_i, d), or of pairs of an array and its weights (n_i,) or None, padded and masked
    together; cheapest when sizes ascend."""
    out, waiting, longest, kind = [], [], 0, model.sample_type

    def flush() -> None:
        weighted = any(weight is not None for _, weight in waiting)
        x = kind.zeros(len(waiting), longest)
        mask = torch.zeros(len(waiting), longest, dtype=torch.bool)
        weights = torch.zeros(len(waiting), longest) if weighted else None
        for j, (rows, weight) in enumerate(waiting):
            x[j, : len(rows)], mask[j, : len(rows)] = kind.tensor(rows), True
            if weighted:
                weights[j, : len(rows)] = torch.from_numpy(weight) if weight is not None else 1.0
        given = (None if mask.all() else mask, weights)
        mask, weights = (None if v is None else v.to(model.device) for v in given)
        out.append(model.encode(x.to(model.device), mask=mask, weight=weights).cpu().numpy())
        waiting.clear()

    for given in sets:
        rows, weight = given if isinstance(given, tuple) else (given, None)
        if waiting and max(longest, len(rows)) * (len(waiting) + 1) > rows_at_once:
            flush()
            longest = 0
        waiting.append((rows, weight))
        longest = max(longest, len(rows))
    if waiting:
        flush()
    return np.concatenate(out) if out else np.empty((0, model.latent_dim), np.float32)


def encode_streamed(model: Model, store: SetStore, group: int, folds: int, rows_at_once: int) -> np.ndarray:
    """Embeddings (folds, l) of the interleaved folds of one group, read anew in every pass of `stream`."""
    n = int(store.sizes[group])

    def chunks() -> Iterator[Chunk]:
        for start in range(0, n, rows_at_once):
            part = slice(start, min(start + rows_at_once, n))
            weight = store.read_weights(group, part)
            x = model.sample_type.tensor(store.read(group, part)).to(model.device)
            yield x, torch.arange(start, start + len(x)) % folds, None if weight is None else torch.from_numpy(weight)

    return stream(model, chunks, np.bincount(np.arange(n) % folds).tolist()).cpu().numpy()


@torch.no_grad()
def stream(model: Model, chunks: Callable[[], Iterator[Chunk]], sizes: Sequence[int]) -> Tensor:
    """Embeddings (s, l) of s sets given as repeatable chunks of (samples (c, d), set number of each (c,) and weight of
    each (c,) or None, both on the CPU).

    sizes : the number of samples of each set. Every pass over the chunks computes the encoder's stages so far; the next
    statistic takes one or several of them (`gde.nets.statistic`).
    """
    encoder, piece = model.encoder, default_rows(model, PIECE, TOKENS_PIECE)
    pooled: list[list[Any]] = [[] for _ in sizes]

    def visit(k: int) -> Iterator[tuple[int, Tensor, Tensor | None]]:
        for x, which, weight in chunks():
            for s in which.unique().tolist():
                own = (which == s).nonzero()[:, 0]
                for at in own.split(piece):
                    u, h = encoder.prepare(model.standardise(x[at.to(x.device)])[None]), None  # (1, c, d)
                    for j in range(k + 1):
                        h = encoder.stage(j, u, h, pooled[s][:j])
                    yield s, h, None if weight is None else weight[at][None].to(h.device)

    for k in range(encoder.n_stages):
        statistics = encoder.statistic(k).streamed(partial(visit, k), sizes)
        for known, new in zip(pooled, statistics, strict=True):
            known.append(new)
    return torch.cat([encoder.readout(known) for known in pooled])


def embed_to_h5ad(model_dir: Path, store_dir: Path, out: Path, *, device: torch.device) -> None:
    """Embed every group of a store and write `out` (see `to_anndata`)."""
    model, store = Model.load(model_dir, device=device), SetStore.open(store_dir)
    z, se = embed_store(model, store)
    about = {"run": model.config["run"], "store": store.digest, "data": store.meta["data"]}
    about["provenance"] = origin(model, {"store": store.digest})
    write_anndata(to_anndata(z, se, store.groups, about), out)


def origin(
    model: Model,
    inputs: dict[str, str],
    seed: int | None = None,
    roots: Callable[[dict[str, Any]], list[str]] | None = None,
) -> dict[str, Any]:
    """The record of what a model makes from `inputs`, name -> SHA-256 (`gde.runs.provenance`); seed : of what it
    samples; roots : of the code, where it is other than that of `gde embed` or `gde sample`."""
    from gde.config import training_slice
    from gde.definitions.digest import code_digest
    from gde.runs.code_digest import model_roots, sample_roots
    from gde.runs.provenance import provenance

    roots = roots or (model_roots if seed is None else sample_roots)
    code, inputs = code_digest(roots(model.config)), {"model": model.digest, **inputs}
    seeds = {"experiment": model.config["seed"]} | ({} if seed is None else {"samples": seed})
    return provenance(training_slice(model.config), code=code, seeds=seeds, inputs=inputs, device=model.device)


def open_data(
    model: Model, data: "anndata.AnnData | str | Path", groupby: str | list[str] | None = None, **options: Any
) -> AbstractContextManager[SetStore]:
    """The groups of a user's data after the model's own preprocessing, as a set store that lasts as long as the block.

    All groups are of split test; a name is the values of `groupby` joined with '|'. What can be read, the options and
    the errors are those of the reader of the model's data set, else of its samples (`gde.sets.types`).
    """
    from gde.config.datasets import DATASETS

    dataset = DATASETS.get(model.config.get("dataset", {}).get("kind"))
    reader = (dataset and dataset.READER) or model.sample_type.READER
    return named(reader)(model, data, groupby, **options)


def embed_data(
    model: Model, data: "anndata.AnnData | str | Path", groupby: str | list[str] | None = None, **options: Any
) -> "anndata.AnnData":
    """Embed the groups of a user's data: of cells an AnnData or the path of an .h5ad, of sequences a file of them.

    groupby : columns (of obs, of a table, of headers); None embeds all samples as one set. obs of the result has those
    columns and n_samples, rows are in the order of their values. Options and errors as `open_data`.
    """
    with open_data(model, data, groupby, **options) as store:
        labels = [c for c in store.groups if c not in OWN_COLUMNS] or ["group"]
        order = store.groups[labels].astype(str).sort_values(labels, kind="stable").index.to_numpy()
        z, se = embed_store(model, store, order)
        inputs = {"data": sha256_path(data)} if isinstance(data, str | Path) else {}
        about = {"run": model.config.get("run", ""), "provenance": origin(model, inputs)}
        return to_anndata(z, se, store.groups.iloc[order].drop(columns="split"), about)
