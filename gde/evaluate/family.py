"""Evaluation where the truth is known: reconstruction, geometry, paths and the CLT on held-out distributions."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from gde.distances.gaussian import gaussian_w2_matrix
from gde.errors import bad
from gde.evaluate.clt import evaluate_clt
from gde.evaluate.geometry import distances, evaluate_geometry
from gde.evaluate.interpolation import SHOWN, geodesic_deviation, mixture_path
from gde.evaluate.pca import two_components
from gde.evaluate.reconstruction import CHUNK, METRICS, Sets, errors, moments, summarise
from gde.evaluate.tables import DATA, principal_columns
from gde.sets.families import build
from gde.sets.random import seed_of

SHOWN_SETS = 6
SHOWN_POINTS = 400


def evaluate(
    model: Any, store: Any, config: dict[str, Any], seed: int
) -> tuple[dict[str, dict], dict[str, pd.DataFrame]]:
    """Metrics and figure tables of a model trained on a parametric family, on the store's test sets.

    `paper_metric` follows the published protocol on sets of the published law where the store has some, else on
    strict ones; every other metric is on sets of the training law.
    """
    options = config["evaluation"]
    family = build(store.meta["family"]["kind"], **store.meta["family"]["params"])
    rng = np.random.default_rng(seed_of(seed, "evaluate/bootstrap"))
    repeats = options["bootstrap"]
    strict = load_sets(model, store, "strict")
    paper = load_sets(model, store, "paper") if len(store.select(split="test", law="paper")) else None

    n = options["generated"] or strict.size
    table = errors(model, family, strict, n, seed=seed)
    metrics = {f"reconstruction/{name}": None for name in ("paper_metric", *METRICS)}  # the order in the report
    for name in METRICS:
        metrics[f"reconstruction/{name}"] = summarise(table, name, rng, bootstrap=repeats, protocol="strict")
    own = summarise(table, "paper_metric", rng, bootstrap=repeats, protocol="strict")
    if paper is None:
        metrics["reconstruction/paper_metric"] = own
    else:
        published = errors(model, family, paper, n, seed=seed, paper_only=True)
        metrics["reconstruction/paper_metric"] = summarise(
            published, "paper_metric", rng, bootstrap=repeats, protocol="paper_protocol"
        )
        metrics["reconstruction/paper_metric_strict"] = own
    tables = {"reconstruction_errors": table}

    mean, cov = sample_moments(store, strict)
    geometry, tables["geometry"] = evaluate_geometry(
        {
            "latent_distance": distances(strict.z.double().cpu().numpy()),
            "w2": np.asarray(family.w2({k: v.cpu() for k, v in strict.params.items()})),
            "sample_mean_distance": distances(mean.numpy()),
            "gaussian_w2_of_moments": np.asarray(gaussian_w2_matrix(mean, cov)),
        },
        rng,
        repeats=repeats,
    )
    metrics |= geometry

    if "weight" in strict.params:
        tables["interpolation"], tables["interpolation_points"] = mixture_path(model, strict, seed=seed)
    else:
        pairs, steps = options["geodesic_pairs"], options["geodesic_steps"]
        metric, deviations, tables["interpolation"] = geodesic_deviation(
            model, family, strict, pairs=max(SHOWN, pairs), steps=steps, repeats=repeats, seed=seed
        )  # some pairs are drawn in any case
        if pairs:
            metrics["geometry/geodesic_deviation"], tables["geodesic"] = metric, deviations
    if options["clt"]:
        metrics["clt/slope"], clt = evaluate_clt(model, family, strict.params, seed=seed, repeats=repeats)
        tables |= clt
    tables["embedding"] = embedding_table(family, strict)
    tables["reconstruction"] = points_table(model, store, strict, seed)
    return metrics, tables


def load_sets(model: Any, store: Any, law: str) -> Sets:
    """The test sets of one law with their embeddings; GdeError when there are fewer than three or sizes differ."""
    rows = store.select(split="test", law=law)
    sizes = np.unique(store.sizes[rows])
    if len(rows) < 3 or len(sizes) != 1:
        found = f"{len(rows)} test sets of law {law!r} with sizes {sizes.tolist()}"
        raise bad(store.path, found, "three or more of one size", "raise dataset.test_sets and prepare again")
    size = int(sizes[0])
    step = max(1, CHUNK // size)
    z = [model.encode(read_sets(store, rows[i : i + step]).to(model.device)) for i in range(0, len(rows), step)]
    params = {k: v[torch.as_tensor(rows)].to(model.device) for k, v in store.truth.items()}
    return Sets(rows, torch.cat(z), params, size)


def read_sets(store: Any, rows: np.ndarray) -> Tensor:
    """Samples of groups of one size, (b, n, d) float32."""
    return torch.from_numpy(np.stack([store.read(int(g)) for g in rows]))


def sample_moments(store: Any, sets: Sets) -> tuple[Tensor, Tensor]:
    """Means (s, d) and covariances (s, d, d) of the stored samples, float64."""
    step = max(1, CHUNK // sets.size)
    parts = [moments(read_sets(store, sets.rows[i : i + step])) for i in range(0, len(sets.rows), step)]
    mean, cov = zip(*parts, strict=True)
    return torch.cat(mean), torch.cat(cov)


def embedding_table(family: Any, sets: Sets) -> pd.DataFrame:
    """Two principal components of the embeddings with each distribution's true location and scale."""
    z = sets.z.double().cpu().numpy()
    centre, directions, share = two_components(z)
    mean, cov = (v.double().cpu().numpy() for v in family.moments(sets.params))
    table = pd.DataFrame((z - centre) @ directions, columns=principal_columns("pc", "latent units", share))
    table.insert(0, "set", sets.rows)
    for a in range(min(2, mean.shape[1])):
        table[f"mean_{a + 1} {DATA}"] = mean[:, a]
    table[f"sd {DATA}"] = np.sqrt(np.trace(cov, axis1=1, axis2=2) / mean.shape[1])
    return table


def points_table(model: Any, store: Any, sets: Sets, seed: int) -> pd.DataFrame:
    """Stored and generated samples of the first test sets; two principal components of the stored ones when d > 2."""
    shown = sets.part(slice(0, SHOWN_SETS))
    n = min(SHOWN_POINTS, sets.size)
    draw = torch.Generator(sets.z.device).manual_seed(seed_of(seed, "evaluate/shown") % 2**63)
    clouds = {
        "truth": read_sets(store, shown.rows)[:, :n].double().numpy(),
        "generated": model.sample(shown.z, n, generator=draw).double().cpu().numpy(),
    }
    d = clouds["truth"].shape[-1]
    names = [f"x_{a + 1} {DATA}" for a in range(min(d, 2))]
    if d > 2:
        centre, directions, share = two_components(clouds["truth"].reshape(-1, d))
        names = principal_columns("pc", "data units", share)
        clouds = {k: (v - centre) @ directions for k, v in clouds.items()}
    return pd.concat(
        [
            pd.DataFrame(v[i], columns=names).assign(set=int(row), source=source)
            for i, row in enumerate(shown.rows)
            for source, v in clouds.items()
        ],
        ignore_index=True,
    )
