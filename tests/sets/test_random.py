import pytest
import torch

from gde.sets.random import ShardRandom

DRAWS = {
    "randn": lambda r, b: r.randn(b, 3),
    "rand": lambda r, b: r.rand(b, 3),
    "exponential": lambda r, b: r.exponential(b, 3),
    "gamma": lambda r, b: r.gamma(torch.tensor([0.3, 1.0, 7.5]), b, 3),
    "randint": lambda r, b: r.randint(1000, b, 3),
    "numpy": lambda r, b: torch.cat([torch.from_numpy(g.random((b // len(r.only), 3))) for g in r.numpy()]),
}


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("parts", [[[0], [1], [2], [3]], [[0, 1], [2, 3]], [[0], [1, 2, 3]]])
def test_any_split_of_the_shards_gives_the_same_numbers(draw, parts):
    f = DRAWS[draw]
    whole = f(ShardRandom(5, 7, stream="s", shards=4), 8)
    split = [f(ShardRandom(5, 7, stream="s", shards=4, only=only), 2 * len(only)) for only in parts]
    assert torch.equal(torch.cat(split), whole)


@pytest.mark.parametrize("draw", DRAWS)
def test_seed_step_stream_and_shard_each_change_the_numbers(draw):
    f = DRAWS[draw]
    one = f(ShardRandom(0, 0, shards=2, only=[0]), 4)
    others = [
        ShardRandom(1, 0, shards=2, only=[0]),
        ShardRandom(0, 1, shards=2, only=[0]),
        ShardRandom(0, 0, shards=2, only=[1]),
        ShardRandom(0, 0, stream="x", shards=2, only=[0]),
    ]
    assert all(not torch.equal(f(r, 4), one) for r in others)


def test_successive_draws_differ_and_repeat_as_a_whole():
    a, b = ShardRandom(0, 0, shards=2), ShardRandom(0, 0, shards=2)
    first, second = a.randn(4, 2), a.randn(4, 2)
    assert not torch.equal(first, second)
    assert torch.equal(b.randn(4, 2), first)
    assert torch.equal(b.randn(4, 2), second)


def test_moments_of_each_law():
    r = ShardRandom(0, 0, shards=4)
    n = 200_000
    alpha = torch.tensor([0.5, 4.0])
    for x, mean, var in [
        (r.randn(n), 0.0, 1.0),
        (r.rand(n), 0.5, 1 / 12),
        (r.exponential(n), 1.0, 1.0),
        (r.gamma(alpha, n, 2)[:, 0], 0.5, 0.5),
        (r.gamma(alpha, n, 2)[:, 1], 4.0, 4.0),
        (r.randint(11, n).float(), 5.0, 10.0),
    ]:
        assert abs(float(x.mean()) - mean) < 5 * (var / n) ** 0.5
        assert float(x.var()) == pytest.approx(var, rel=0.03)


def test_a_length_that_the_shards_do_not_divide_is_refused():
    with pytest.raises(ValueError, match="b = 6 cannot be cut into 4"):
        ShardRandom(0, 0, shards=4).randn(6)


@pytest.mark.parametrize("only", [[], [4], [-1], [1, 1]])
def test_shards_that_do_not_exist_are_refused(only):
    with pytest.raises(ValueError, match="only"):
        ShardRandom(0, 0, shards=4, only=only)
