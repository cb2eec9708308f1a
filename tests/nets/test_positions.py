"""Tokens by position: centred and scaled by training shares, against the formula written out."""

import pytest
import torch
from torch.nn.functional import silu

from gde.nets.positions import Positions

LENGTH, VOCABULARY, FEATURES = 9, 6, 3


def tokens(n: int, seed: int = 0, last: int = VOCABULARY) -> torch.Tensor:
    """Random sequences (n, LENGTH) of one token to all positions, tokens 1..last."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(1, last + 1, (n, LENGTH), generator=generator)
    length = torch.randint(1, LENGTH + 1, (n, 1), generator=generator)
    return torch.where(torch.arange(LENGTH) < length, x, 0).to(torch.uint8)


def fitted(x: torch.Tensor) -> Positions:
    torch.manual_seed(0)
    made = Positions(LENGTH, VOCABULARY, FEATURES)
    made.fit(x)
    return made


@torch.no_grad()
def test_it_is_the_weighted_sum_of_centred_letters():
    training, x = tokens(50), tokens(7, seed=1)
    made = fitted(training)
    usual, u = torch.zeros(LENGTH, VOCABULARY - 1), torch.zeros(7, FEATURES)
    for position in range(LENGTH):
        known = training[training[:, position] != VOCABULARY, position]
        for residue in range(1, VOCABULARY):
            usual[position, residue - 1] = (known == residue).float().mean()
    for i in range(7):
        for position in range(LENGTH):
            if x[i, position] != VOCABULARY:
                own = torch.zeros(VOCABULARY - 1)
                if x[i, position]:
                    own[x[i, position].long() - 1] = 1
                u[i] += (own - usual[position]) @ made.weight[position]
    u = u / (usual * (1 - usual)).sum().sqrt()
    torch.testing.assert_close(made(x), torch.cat([u, silu(made.joint(u))], -1), rtol=1e-4, atol=1e-5)


def test_features_of_training_sequences_are_centred_and_of_variance_one():
    torch.manual_seed(0)
    x = tokens(4000, last=VOCABULARY - 1)
    made = Positions(LENGTH, VOCABULARY, 200)
    made.fit(x)
    u = made(x)[:, :200].detach()
    assert u.mean(0).abs().max() < 1e-4
    assert u.var(0).mean().item() == pytest.approx(1, rel=0.35)  # 1 if tokens of different positions were independent


def test_places_that_do_not_vary_and_unknown_letters_say_nothing():
    x = torch.full((5, LENGTH), 2, dtype=torch.uint8)
    x[::2, 4] = 3
    made = fitted(x)
    other = x.clone()
    other[:, :4] = VOCABULARY
    torch.testing.assert_close(made(other), made(x))
    (grad,) = torch.autograd.grad(made(x).square().sum(), made.weight)
    assert grad[4].abs().max() > 0 and grad[[0, 1, 2, 3, 5, 6, 7, 8]].abs().max() == 0


def test_sequences_that_are_all_alike_give_finite_features():
    x = torch.full((3, LENGTH), 2, dtype=torch.uint8)
    made = fitted(x)
    assert made.scale == 1 and (made(x)[:, :FEATURES] == 0).all()


def test_what_was_fitted_is_saved():
    made, other = fitted(tokens(50)), Positions(LENGTH, VOCABULARY, FEATURES)
    other.load_state_dict(made.state_dict())
    torch.testing.assert_close(other(tokens(4)), made(tokens(4)), rtol=0, atol=0)
