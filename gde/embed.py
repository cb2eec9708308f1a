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

from gde.anndata_io import to_anndata, write_anndata
from gde.io import sha256_file
from gde.model import GDE
from gde.sets.store import SetStore

if TYPE_CHECKING:
    import anndata

ROWS_AT_ONCE = 65_536  # larger groups are streamed stage by stage
PIECE = 4096  # rows of a chunk that go through the stages together: few enough to stay in a processor's cache
LETTERS_AT_ONCE = 1 << 19  # of sequences, every letter of which becomes a vector, in the place of ROWS_AT_ONCE
LETTERS_PIECE = 1 << 16
FOLDS = 16
Chunk = tuple[Tensor, Tensor, Tensor | None]
JACKKNIFE_BELOW = 32 * FOLDS  # sub-sets of fewer than 32 samples would be embedded with visible bias


@torch.no_grad()
def embed_store(
    model: GDE,
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
    model: GDE, store: SetStore, groups: np.ndarray, se: bool, rows_at_once: int
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


def default_rows(model: GDE, rows: int = ROWS_AT_ONCE, letters: int = LETTERS_AT_ONCE) -> int:
    """Samples that go through a model together: `rows`, of sequences as many as `letters` make."""
    return rows if model.alphabet is None else max(1, letters // model.dim)


def read_set(store: SetStore, g: int) -> tuple[np.ndarray, np.ndarray | None]:
    """All samples of a group (n, d) and their weights (n,), None where the store has none."""
    return np.asarray(store.read(g)), store.read_weights(g)


def standard_error(
    model: GDE, x: np.ndarray, weight: np.ndarray | None = None, *, rows_at_once: int | None = None
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


def encode_sets(
    model: GDE, sets: Iterator[np.ndarray | tuple[np.ndarray, np.ndarray | None]], rows_at_once: int
) -> np.ndarray:
    """Embeddings (g, l) of arrays (n_i, d), or of pairs of an array and its weights (n_i,) or None, padded and masked
    together; cheapest when sizes ascend."""
    out, waiting, longest = [], [], 0

    def flush() -> None:
        weighted = any(weight is not None for _, weight in waiting)
        x = torch.zeros(len(waiting), longest, model.dim, dtype=sample_dtype(model))
        mask = torch.zeros(len(waiting), longest, dtype=torch.bool)
        weights = torch.zeros(len(waiting), longest) if weighted else None
        for j, (rows, weight) in enumerate(waiting):
            x[j, : len(rows)], mask[j, : len(rows)] = as_samples(model, rows), True
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


def sample_dtype(model: GDE) -> torch.dtype:
    """The type of a model's samples: uint8 for tokens, else float32."""
    return torch.float32 if model.alphabet is None else torch.uint8


def as_samples(model: GDE, rows: np.ndarray) -> Tensor:
    """Samples as a model takes them, copied."""
    return torch.from_numpy(np.array(rows, dtype=np.float32 if model.alphabet is None else np.uint8))


def encode_streamed(model: GDE, store: SetStore, group: int, folds: int, rows_at_once: int) -> np.ndarray:
    """Embeddings (folds, l) of the interleaved folds of one group, read anew in every pass of `stream`."""
    n = int(store.sizes[group])

    def chunks() -> Iterator[Chunk]:
        for start in range(0, n, rows_at_once):
            part = slice(start, min(start + rows_at_once, n))
            weight = store.read_weights(group, part)
            x = as_samples(model, store.read(group, part)).to(model.device)
            yield x, torch.arange(start, start + len(x)) % folds, None if weight is None else torch.from_numpy(weight)

    return stream(model, chunks, np.bincount(np.arange(n) % folds).tolist()).cpu().numpy()


@torch.no_grad()
def stream(model: GDE, chunks: Callable[[], Iterator[Chunk]], sizes: Sequence[int]) -> Tensor:
    """Embeddings (s, l) of s sets given as repeatable chunks of (samples (c, d), set number of each (c,) and weight of
    each (c,) or None, both on the CPU).

    sizes : the number of samples of each set. Every pass over the chunks computes the encoder's stages so far; the next
    statistic takes one or several of them (`gde.nets.statistic`).
    """
    encoder, piece = model.encoder, default_rows(model, PIECE, LETTERS_PIECE)
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
    model, store = GDE.load(model_dir, device=device), SetStore.open(store_dir)
    z, se = embed_store(model, store)
    about = {"run": model.config["run"], "store": store.digest, "data": store.meta["data"]}
    about["provenance"] = origin(model, {"store": store.digest})
    write_anndata(to_anndata(z, se, store.groups, about), out)


def origin(model: GDE, inputs: dict[str, str], seed: int | None = None) -> dict[str, Any]:
    """The record of what a model makes from `inputs`, name -> SHA-256 (`gde.provenance`); seed : of what it samples."""
    from gde.config import training_slice
    from gde.definitions.digest import code_digest
    from gde.digest import model_roots, sample_roots
    from gde.provenance import provenance

    roots = model_roots if seed is None else sample_roots
    code, inputs = code_digest(roots(model.config)), {"model": model.digest, **inputs}
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
