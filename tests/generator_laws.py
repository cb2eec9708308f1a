"""Laws of the losses of generators, of points as of sequences."""

import torch

from gde.sets.random import ShardRandom


def check_parts_of_a_batch(generator, x: torch.Tensor, z: torch.Tensor) -> None:
    """The loss of eight sets is the mean of those of both halves, as two processes compute them."""
    whole = generator.loss(x, z, rng=ShardRandom(0, 4, shards=4))
    parts = [
        generator.loss(x[i : i + 4], z[i : i + 4], rng=ShardRandom(0, 4, shards=4, only=only))
        for i, only in ((0, [0, 1]), (4, [2, 3]))
    ]
    torch.testing.assert_close(sum(parts) / 2, whole)


def check_rounding(generator, x: torch.Tensor, z: torch.Tensor) -> None:
    """Autocast as in training, the embedding included; gradients stay finite and reach the embedding."""
    exact = generator.loss(x, z, rng=ShardRandom(0, 0))
    rounded = z.bfloat16().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = generator.loss(x, rounded, rng=ShardRandom(0, 0))
    loss.backward()
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, exact, rtol=0.03, atol=0)
    assert all(p.grad.isfinite().all() for p in (rounded, *generator.parameters()))
