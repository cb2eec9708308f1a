"""From chunks of raw rows to a set store: transform, write, and record what standardises the features."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gde.features import FeaturePipeline
from gde.io import sha256_file
from gde.prepare.groups import Assignment
from gde.prepare.moments import Moments
from gde.sets.writer import StoreWriter

# Digests of files that are themselves published, or cuts of published data: their results may be called by that name.
KNOWN = {
    "e71d41e737c941559b7c57c9243bdb3d2c889c2adfdf00e3422ac6b46783676f": "release",  # scanpy 10x_pbmc68k_reduced.h5ad
    "2fab08a3774880d93e1c108b808b42f0435da47222943f14246afaddbadaed2b": "excerpt",  # Norman 2019, K562
    "5f5624ec109758d715721f4969b5103ec15381b71b49ba15e8dcbfdcc178352f": "excerpt",  # McFaline-Figueroa 2023, A172
}


def source_of(path: Path) -> dict:
    """File name, bytes and SHA-256 of a source file, for meta.json."""
    return {"file": path.name, "bytes": path.stat().st_size, "sha256": sha256_file(path)}


def one_thread():
    """A context in which linear algebra uses one thread: the same bits on every machine's number of cores.

    It is faster too on shared machines: the eigenvectors of 765 features take 0.04 s so, and 10 s when OpenBLAS's
    threads wait for busy cores.
    """
    import scipy.linalg  # noqa: F401 (brings its own BLAS, and only a loaded one can be limited)
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, user_api="blas")


def write_features(
    out: Path,
    assignment: Assignment,
    chunks: Callable[[], Iterator[tuple[int, Any]]],
    names: list[str],
    steps: dict,
    meta: dict,
    *,
    seed: int,
    provenance: dict | None = None,
) -> None:
    """Fit a FeaturePipeline on the training samples, then write all assigned samples, transformed, to a store at `out`.

    chunks() starts a pass over the source: (first row, rows (n, features)); rows of dropped groups are skipped.
    """
    row, train = assignment.row, assignment.train

    def training() -> Iterator[Any]:
        for start, x in chunks():
            wanted = train[start : start + x.shape[0]]
            if wanted.any():
                yield x if wanted.all() else x[np.flatnonzero(wanted)]

    with one_thread():
        features = FeaturePipeline.fit(training, names, steps)
    moments = Moments(features.dim)
    with StoreWriter(out, groups=assignment.groups, sample_shape=(features.dim,), seed=seed) as writer:
        for start, x in chunks():
            here = row[start : start + x.shape[0]]
            kept = np.flatnonzero(here >= 0)
            if len(kept) == 0:
                continue
            with one_thread():
                y = features.transform(x if len(kept) == x.shape[0] else x[kept], names)
            moments.add(y[train[start + kept]])
            writer.write(y, here[kept])
        meta = {
            **meta,
            **assignment.meta(),
            "dim": features.dim,
            "sample_shape": [features.dim],
            "feature_names": features.output_names,
            "mean": moments.mean.tolist(),
            "scale": moments.sd().tolist(),
        }
        writer.finish(meta, features=features, provenance=provenance)
