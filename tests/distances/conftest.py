"""Shared by the distance tests: one torch thread (small tensors, busy machines), random Gaussians."""

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def gaussians():
    """gaussians(b, d, seed, rank=None) -> means (b, d), covariances (b, d, d), float64."""

    def draw(b, d, seed=0, rank=None):
        g = torch.Generator().manual_seed(seed)
        factor = torch.randn(b, d, rank or 2 * d + 2, generator=g, dtype=torch.float64)
        return torch.randn(b, d, generator=g, dtype=torch.float64), factor @ factor.mT / factor.shape[-1]

    return draw
