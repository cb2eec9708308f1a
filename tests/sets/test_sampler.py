import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from gde.errors import GdeError
from gde.sets.batch import Batch
from gde.sets.families import build
from gde.sets.mixer import DirichletMixer
from gde.sets.sampler import FamilySampler, SetSampler

ROOT = Path(__file__).parents[2]
PROPERTY = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def same(a, b):
    if isinstance(a, Batch):
        a, b = vars(a), vars(b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return a == b if a is None or callable(a) else torch.equal(a, b)


def join(parts):
    first = parts[0]
    if isinstance(first, Batch):
        return Batch(**join([vars(p) for p in parts]))
    if isinstance(first, dict):
        return {k: join([p[k] for p in parts]) for k in first}
    return first if first is None or callable(first) else torch.cat(parts)


@pytest.mark.parametrize("kind", ["plain", "mixed", "family"])
def test_a_batch_is_a_function_of_seed_step_and_shard(make_store, kind):
    store, family = make_store([40, 50, 60, 70]), build("gmm")

    def make(seed=3, only=None):
        if kind == "family":
            return FamilySampler(family, n_sets=16, set_size=9, seed=seed, only=only)
        mixer = DirichletMixer(2) if kind == "mixed" else None
        return SetSampler(store, n_sets=16, set_size=9, seed=seed, mixer=mixer, only=only)

    whole = make()(11)
    assert len(whole.x) == 16
    sampler = make()
    sampler(0)
    assert same(sampler(11), whole)  # whatever was drawn before
    for parts in ([[0], [1], [2], [3]], [[0, 1], [2, 3]]):
        assert same(join([make(only=only)(11) for only in parts]), whole)
    assert not torch.equal(make()(12).x, whole.x)
    assert not torch.equal(make(seed=4)(11).x, whole.x)


def test_splits_are_kept_apart(make_store):
    store = make_store([20, 30, 40], splits=["train", "test", "validation"])
    for g, split in enumerate(["train", "test", "validation"]):
        batch = SetSampler(store, split=split, n_sets=8, set_size=5, seed=0)(0)
        assert (batch.group == g).all()
        assert (batch.x[..., 0] == g).all()
        assert batch.mask is None
        assert batch.weight is None
        assert batch.mix is None


@given(
    sizes=st.lists(st.integers(1, 50), min_size=4, max_size=7),
    n=st.integers(1, 60),
    k=st.integers(1, 4),
    seed=st.integers(0, 999),
)
@PROPERTY
def test_realised_weights_are_the_shares_of_the_real_samples(make_store, sizes, n, k, seed):
    store = make_store(sizes)
    sampler = SetSampler(store, n_sets=8, set_size=n, seed=seed, mixer=DirichletMixer(k))
    batch = sampler(0)
    mask = torch.ones(8, n, dtype=torch.bool) if batch.mask is None else batch.mask
    assert torch.allclose(batch.mix.sum(1), torch.ones(8), atol=1e-5)
    assert ((batch.mix > 0).sum(1) <= k).all()
    assert (batch.group == -1).all()
    for x, real, mix in zip(batch.x, mask, batch.mix, strict=True):
        counts = torch.bincount(x[real][:, 0].long(), minlength=len(sizes))
        assert torch.allclose(mix, counts / real.sum())
        assert (counts <= torch.tensor(sizes)).all()
        assert len(x[real][:, 1].unique()) == int(real.sum())  # no sample twice in a set
        assert (x[~real] == 0).all()
        missing = n - int(real.sum())
        full = (counts == torch.tensor(sizes)).any()
        assert missing == 0 or full  # masked only where a group has no more to give


def test_the_columns_of_mix_are_the_groups_of_the_split(make_store):
    store = make_store([30, 30, 30, 30], splits=["test", "train", "test", "train"])
    sampler = SetSampler(store, n_sets=4, set_size=6, seed=0, mixer=DirichletMixer(2))
    assert sampler.groups.tolist() == [1, 3]
    batch = sampler(0)
    for x, mix in zip(batch.x, batch.mix, strict=True):
        assert float(mix[0]) == pytest.approx(float((x[:, 0] == 1).float().mean()))


def test_every_row_of_every_group_is_drawn_equally_often(make_store):
    sizes = [20, 33, 47]
    store = make_store(sizes)
    sampler = SetSampler(store, n_sets=256, set_size=10, seed=0)
    count = np.zeros(100)
    for step in range(40):
        np.add.at(count, sampler(step).x[..., 1].long().ravel().numpy(), 1)
    assert count.min() > 0
    for mine in np.split(count, np.cumsum(sizes)[:-1]):
        assert chisquare(mine).pvalue > 1e-3
        assert mine.sum() / 10 == pytest.approx(256 * 40 / 3, rel=0.05)  # groups uniform, whatever their size


def test_small_groups_are_left_out_or_masked(make_store):
    store = make_store([2, 5, 50])
    batch = SetSampler(store, n_sets=64, set_size=8, seed=0)(0)
    expected = torch.tensor([2, 5, 8])[batch.group]
    assert torch.equal(batch.mask.sum(1), expected)
    batch = SetSampler(store, n_sets=64, set_size=8, seed=0, min_size=5)(0)
    assert set(batch.group.tolist()) == {1, 2}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_sets": 6}, r"training\.n_sets: found 6, expected a positive multiple of training\.shards = 4"),
        ({"n_sets": 0}, r"training\.n_sets: found 0"),
        ({"set_size": 0}, r"training\.set_size: found 0"),
        ({"min_size": 9}, r"found 0 groups of 9 or more samples in split 'train', expected 1"),
        ({"split": "test"}, r"found 0 groups of 1 or more samples in split 'test'"),
        ({"mixer": DirichletMixer(3)}, r"found 2 groups .* expected 3 or more"),
    ],
)
def test_impossible_samplers_are_refused(make_store, change, message):
    with pytest.raises(GdeError, match=message):
        SetSampler(make_store([4, 5]), **({"n_sets": 8, "set_size": 4, "seed": 0} | change))


def test_family_batches_carry_the_truth_they_were_drawn_from():
    batch = FamilySampler(build("mvn", dim=3, df=9), n_sets=8, set_size=50_000, seed=0)(2)
    mean, _ = build("mvn", dim=3, df=9).moments(batch.params)
    assert torch.allclose(batch.x.mean(1), mean, atol=0.05)
    assert (batch.group == -1).all()
    assert batch.mask is None
    assert batch.mix is None


def test_anonymous_memory_does_not_grow_with_the_store(tmp_path):
    """A 200 MB store read through 120 batches of 16,384 rows (the law of the 4 GB benchmark)."""
    command = [sys.executable, "benchmarks/supply.py", "--only", "memory", "--gb", "0.2", "--batches", "120"]
    env = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=True)
    growth = float(done.stdout.split("growth of RssAnon in all:")[1].split("MB")[0])
    assert growth < 100, done.stdout
