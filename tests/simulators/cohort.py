"""Embeddings of a made-up cohort: donors with a disease, a batch and an age, each a place with errors of known size."""

import anndata as ad
import numpy as np
import pandas as pd


def simulate_cohort(
    groups: int = 40,
    latent: int = 6,
    *,
    disease: float = 0.0,
    batch: float = 0.0,
    age: float = 0.0,
    error: float = 0.3,
    batches: int = 4,
    seed: int = 0,
) -> ad.AnnData:
    """Embeddings whose X = place + error; layers['se'] holds the errors' sizes as 16 folds estimate them, and
    layers['place'] the places themselves.

    disease, age : shift along a coordinate each, in latent units (of age, by its sd); batch : sd of a batch's shift.
    Diseases are crossed with batches. Places have sd 1 in each coordinate.
    """
    rng = np.random.default_rng(seed)
    ill = np.arange(groups) % 2 == 1
    pool = np.arange(groups) // 2 % batches
    years = rng.uniform(20, 80, groups)
    place = rng.normal(size=(groups, latent)) + batch * rng.normal(size=(batches, latent))[pool]
    place[:, 0] += disease * ill
    place[:, 1] += age * (years - years.mean()) / (years.std() or 1.0)
    size = error * rng.uniform(0.5, 1.5, (groups, latent))
    folds = place + 4 * size * rng.normal(size=(16, groups, latent))
    obs = pd.DataFrame(
        {
            "group": [f"donor_{i}" for i in range(groups)],
            "split": np.where(np.arange(groups) % 3 == 0, "test", "train"),
            "disease": np.where(ill, "ill", "well"),
            "batch": [f"batch_{b}" for b in pool],
            "age": years,
            "n_samples": rng.integers(50, 2000, groups),
        }
    )
    obs.index = obs["group"].to_numpy()
    layers = {"se": folds.std(0, ddof=1) / 4, "place": place}
    return ad.AnnData(folds.mean(0), obs=obs, layers=layers, uns={"gde": {"run": "made-12345678"}})


def rotated(embeddings: ad.AnnData, seed: int = 0) -> tuple[ad.AnnData, np.ndarray]:
    """The same groups in a latent space that was rotated, errors of one size in all directions; the rotation (l, l)."""
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(embeddings.n_vars,) * 2))[0]
    out = embeddings.copy()
    out.X = embeddings.X @ turn
    return out, turn
