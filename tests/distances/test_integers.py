"""W2 on the whole numbers: the coupling that sorts, against exact transport between the same masses."""

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gde.distances.integers import integer_w2
from gde.distances.matrix import PAIRS, all_pairs


def cdf(weights) -> torch.Tensor:
    masses = torch.tensor(weights, dtype=torch.float64)
    out = (masses / masses.sum()).cumsum(0)
    out[-1] = 1
    return out[None]


masses = st.lists(st.sampled_from([0.0, 0.1, 1.0, 2.5]), min_size=1, max_size=6).filter(any)


@given(a=masses, b=masses, first=st.integers(-3, 4))
@settings(max_examples=40, deadline=None)
def test_it_is_optimal_transport(a, b, first):
    found = float(integer_w2(torch.tensor([0]), cdf(a), torch.tensor([first]), cdf(b)))
    x, y = np.arange(len(a)), first + np.arange(len(b))
    cost = (x[:, None] - y[None]).astype(float) ** 2
    expected = ot.emd2(np.array(a) / sum(a), np.array(b) / sum(b), cost) ** 0.5
    assert found == pytest.approx(expected, abs=1e-7)


def test_a_shift_moves_by_its_length_and_nothing_by_nothing():
    distribution = cdf([1.0, 2.0, 0.0, 3.0])
    for shift in (0, 5, -7):
        assert float(integer_w2(torch.tensor([2]), distribution, torch.tensor([2 + shift]), distribution)) == abs(shift)


@pytest.mark.parametrize("b", [1, 2, 120])
def test_the_matrix_holds_every_pair_once_on_both_sides(b):
    calls = []

    def distance(i, j):
        calls.append(len(i))
        return (j - i).double()

    n = torch.arange(b).double()
    assert torch.equal(all_pairs(distance, b, torch.device("cpu")), (n[:, None] - n).abs())
    assert sum(calls) == b * (b - 1) // 2
    assert max(calls, default=0) <= PAIRS


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cdf2": torch.tensor([[0.5, 0.2, 1.0]])}, "falls or does not end at 1"),
        ({"cdf2": torch.tensor([[0.5, 0.9]])}, "falls or does not end at 1"),
        ({"first1": torch.tensor([0, 1])}, r"first \(2,\)"),
        ({"cdf2": torch.ones(2, 3)}, r"cdf \(2, 3\), expected \(1,\) and \(1, k\)"),
    ],
)
def test_what_is_no_distribution_function_is_refused(change, message):
    distribution = {
        "first1": torch.tensor([0]),
        "cdf1": cdf([1.0, 1.0]),
        "first2": torch.tensor([0]),
        "cdf2": cdf([1.0]),
    }
    with pytest.raises(ValueError, match=message):
        integer_w2(**(distribution | change))
