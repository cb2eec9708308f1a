"""W2 between mixtures of groups: closed, a distance, and what batches of mixtures of images tell."""

import numpy as np
import pandas as pd
import torch

from gde.evaluate.shared.simplex_grid import STEPS, simplex_grid
from gde.sets.families.multinomial import Multinomial
from gde.sets.mixer import DirichletMixer
from gde.sets.mixture_w2 import mixture_w2
from gde.sets.sampler import SetSampler
from gde.sets.store.set_store import SetStore
from gde.sets.store.writer import StoreWriter


def test_it_is_the_published_distance_of_multinomial_distributions():
    share = torch.from_numpy(simplex_grid() / STEPS)
    i, j = torch.triu_indices(len(share), len(share), 1)
    expected = Multinomial(categories=3, trials=1).w2({"probability": share})[i, j]
    wider = torch.zeros(len(share), 7, dtype=share.dtype)
    wider[:, [1, 4, 6]] = share  # groups of no mixture change nothing
    for p in (share, wider):
        torch.testing.assert_close(mixture_w2({"probability": p}, i, j), expected, rtol=1e-5, atol=1e-6)


def test_two_groups_alone_are_sqrt_2_apart_and_a_mixture_is_at_no_distance_from_itself():
    p = {"probability": torch.eye(4)}
    i = torch.arange(4)
    torch.testing.assert_close(mixture_w2(p, i, i.roll(1)), torch.full((4,), 2.0, dtype=torch.float64).sqrt())
    assert mixture_w2(p, i, i).abs().max() < 1e-6


def test_a_batch_of_mixtures_tells_it_of_the_shares_that_were_drawn(tmp_path):
    groups = pd.DataFrame({"group": list("abc"), "size": [30] * 3, "split": "train"})
    with StoreWriter(tmp_path / "s", groups=groups, sample_shape=(1, 2, 2), dtype="uint8", seed=0) as writer:
        for g in range(3):
            writer.write(np.full((30, 1, 2, 2), g, np.uint8), g)
        about = {"dtype": "uint8", "channels": [], "pixel_size": None}
        writer.finish({"kind": "images", "images": about, "mean": [1.0], "scale": [1.0]})
    store = SetStore.open(tmp_path / "s")
    batch = SetSampler(store, n_sets=4, set_size=10, seed=0, mixer=DirichletMixer(3), mixture_w2=mixture_w2)(0)
    shares = torch.stack([(batch.x[:, :, 0, 0, 0] == g).float().mean(1) for g in range(3)], 1)
    torch.testing.assert_close(batch.params["probability"], shares)
    pair = torch.tensor([0]), torch.tensor([1])
    torch.testing.assert_close(batch.pair_w2(batch.params, *pair), mixture_w2({"probability": shares}, *pair))
    plain = SetSampler(store, n_sets=4, set_size=10, seed=0, mixer=DirichletMixer(3))(0)
    assert plain.pair_w2 is None and torch.equal(plain.x, batch.x)
