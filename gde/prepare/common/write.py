"""Store of features: from chunks of raw rows to a set store: transform, write, and record what standardises the
features."""

import logging
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from gde.features.moments import Moments
from gde.features.pipeline import AUTO, FeaturePipeline
from gde.files.io import sha256_file
from gde.prepare.common.groups import Assignment
from gde.sets.store.writer import StoreWriter

log = logging.getLogger(__name__)

# Digests of files that are themselves published, or cuts of published data: their results may be called by that name.
KNOWN = {
    "e71d41e737c941559b7c57c9243bdb3d2c889c2adfdf00e3422ac6b46783676f": "release",  # scanpy 10x_pbmc68k_reduced.h5ad
    "2fab08a3774880d93e1c108b808b42f0435da47222943f14246afaddbadaed2b": "excerpt",  # Norman 2019, K562
    "5f5624ec109758d715721f4969b5103ec15381b71b49ba15e8dcbfdcc178352f": "excerpt",  # McFaline-Figueroa 2023, A172
    "bff4ad8381d2ef3e9f795b8fb541eedf9cfa4705de9f7c27269a98b53758a337": "excerpt",  # Weinreb 2020, counts
    "4c954209a4183f37a898bd1185138316285e90a0beb05bb4b71792a35be036a9": "excerpt",  # de Boer 2020, pTpA, glucose
    "14001f79765cd4da2517caf0f280d59bb4b3d5374fda6e2398f1fbc41a2560fb": "excerpt",  # DREAM 2022, pTpA
    "51c38b545e161bed546fe5317d3fb7c7fc8fc4cedc9b4afab9b3762ac0f6115e": "excerpt",  # Vaishnav 2022, SC-Ura, random
    "5e21dfeaec3a4fdeadd3fca09512fc4640c02eaeb918f6064397423fa4a8c861": "excerpt",  # Vaishnav 2022, YPD, native
    "9ae83ea654f247ee849e6085b6c21c64841fb8763df3c2b1bb27ea3a00aa853e": "excerpt",  # Agarwal 2025, K562
    "64df5cb8637ee2370d388844c652111e2afe3cf0ebbf35dbd2a6c230d2729c5f": "excerpt",  # epialleleR, meth000-Z00001
    "d06cce49250764c5ad19e54e5289d96e6308e509ee133839f5bca6786fb4436c": "excerpt",  # epialleleR, meth000-Z00002
    "9c858107505e360916e950d7c0b641995556e84ba5f95860689b31ab14e2cb5a": "excerpt",  # epialleleR, meth010-Z00101
    "46a1592420feadf2fc1bb48675fc2379da84a671a093379177f2b58785c7c772": "excerpt",  # epialleleR, meth010-Z00102
    "36029cc6780d7b2c47ea0d56a669d97ecd0c749066ef8a27ca4bdc04e80139e5": "excerpt",  # epialleleR, meth100-Z01001
    "da4b2de0f3ac3ae74b2dc7b6ecf6efc2946d7cae0a403d6faf3d322b579ecedd": "excerpt",  # epialleleR, meth100-Z01002
    "7b5670066d3c28b6ac76f2544a64c83d0e04cb9eeeb4dffd2c03c0d8866b14fb": "excerpt",  # PubMed sample 2018
    "1dda104074e43e5d80edf0aef3f31445ff59146ed3d99781ea79f308320fb235": "excerpt",  # epialleleR, WBC-Z09001
    "492d9e90828e0d789d720244dd44bc743de5b8e91782e982fb8b26b66772e805": "excerpt",  # epialleleR, WBC-Z09002
    "07878c981c60823bd8c84fc72ed09664b5f4d5bd02006426e536615100cbb21e": "excerpt",  # GenBank spikes, GISAID's layout
}


def source_of(path: Path) -> dict:
    """File name, bytes and SHA-256 of a source file, for meta.json."""
    return {"file": path.name, "bytes": path.stat().st_size, "sha256": sha256_file(path)}


def origin(sources: Sequence[dict]) -> str:
    """What all of these files are: 'release', 'excerpt', or 'user' where one is unknown or they differ."""
    kinds = {KNOWN.get(s["sha256"], "user") for s in sources}
    return kinds.pop() if len(kinds) == 1 else "user"


class Observer(Protocol):
    """What else is to be learned from the rows while they pass, twice."""

    def look(self, start: int, x: Any) -> None:
        """Every chunk of the source, as `add`, in a pass before."""

    def add(self, start: int, x: Any) -> None:
        """Every chunk of the source: its first row, rows (n, features) before any transformation."""

    def finish(self) -> tuple[dict[str, np.ndarray], dict[str, pd.DataFrame], dict[str, Any]]:
        """Columns (G,) for the groups, tables for the store, by name, and what meta.json tells."""


def one_thread():
    """A context in which linear algebra uses one thread: the same bits on every machine's number of cores.

    It is faster too on shared machines: the eigenvectors of 765 features take 0.04 s so, and 10 s when OpenBLAS's
    threads wait for busy cores.
    """
    import scipy.linalg  # noqa: F401 (brings its own BLAS, and only a loaded one can be limited)
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, user_api="blas")


def fit_of_components(train: Moments, held: Moments, *, chosen: bool) -> dict[str, Any]:
    """What meta.json tells of principal components: how many, whether the data chose the number, and the sum of their
    variances in training and in held-out samples. Half the variance or less is told in the log."""
    fitted, other = float(train.var(1).sum()), float(held.var(1).sum())
    if held.n > 1 and other < fitted / 2:
        words = "principal components: variance %.3g in %d training samples, %.3g in %d held-out ones"
        log.warning(
            words + ("" if chosen else "; fewer would hold better: set n_pcs: auto"), fitted, train.n, other, held.n
        )
    variance = {"train": fitted, "held_out": other if held.n > 1 else None}
    return {"number": len(train.mean), "chosen": chosen, "variance": variance}


def write_features(
    out: Path,
    assignment: Assignment,
    chunks: Callable[[], Iterator[tuple[int, Any]]],
    names: list[str],
    steps: dict,
    meta: dict,
    *,
    seed: int,
    samples: pd.DataFrame | None = None,
    observer: Observer | None = None,
    provenance: dict | None = None,
) -> None:
    """Fit a FeaturePipeline on the training samples, then write all assigned samples, transformed, to a store at `out`.

    chunks() starts a pass over the source: (first row, rows (n, features)); rows of dropped groups are skipped.
    samples : what is known of each row of the source; the store's rows keep it, as `SetStore.samples`.
    """
    row, train = assignment.row, assignment.train
    passes = count()

    def training() -> Iterator[Any]:
        first = next(passes) == 0
        for start, x in chunks():
            if first and observer is not None:
                observer.look(start, x)
            wanted = train[start : start + x.shape[0]]
            if wanted.any():
                yield x if wanted.all() else x[np.flatnonzero(wanted)]

    with one_thread():
        features = FeaturePipeline.fit(training, names, steps)
    moments, held = Moments(features.dim), Moments(features.dim)
    origin_row = np.empty(int((row >= 0).sum()), np.int64)  # the source's row of every row of the store
    with StoreWriter(out, groups=assignment.groups, sample_shape=(features.dim,), seed=seed) as writer:
        for start, x in chunks():
            if observer is not None:
                with one_thread():
                    observer.add(start, x)
            here = row[start : start + x.shape[0]]
            kept = np.flatnonzero(here >= 0)
            if len(kept) == 0:
                continue
            with one_thread():
                y = features.transform(x if len(kept) == x.shape[0] else x[kept], names)
            moments.add(y[train[start + kept]])
            held.add(y[~train[start + kept]])
            origin_row[writer.write(y, here[kept])] = start + kept
        with one_thread():
            columns, tables, told = observer.finish() if observer is not None else ({}, {}, {})
        writer.groups = writer.groups.assign(**columns)
        if samples is not None:
            tables["samples"] = samples.iloc[origin_row]
        meta = {
            **meta,
            **told,
            **assignment.meta(),
            "dim": features.dim,
            "sample_shape": [features.dim],
            "feature_names": features.output_names,
            "mean": moments.mean.tolist(),
            "scale": moments.sd().tolist(),
        }
        if "components" in features.tensors:
            meta["principal_components"] = fit_of_components(moments, held, chosen=steps.get("n_pcs") == AUTO)
        writer.finish(meta, features=features, tables=tables, provenance=provenance)
