"""Batches: frozen, counted and moved as a whole."""

from dataclasses import FrozenInstanceError, replace

import pytest
import torch

from gde.sets.batch import Batch, Companion, Sets


@pytest.fixture
def batch():
    mask = torch.tensor([[True, True, False], [True, False, False]])
    after = Companion(torch.ones(2, 3, 4), mask, valid=torch.tensor([True, False]))
    return Batch(torch.zeros(2, 3, 4), mask, group=torch.arange(2), params={"mean": torch.zeros(2, 4)}, next=after)


def test_real_samples_are_counted_whatever_their_type(batch):
    assert len(batch) == 2 and batch.real == 3 and batch.samples().shape == (3, 4)
    assert replace(batch, mask=None).real == 6 and replace(batch, mask=None).samples().shape == (6, 4)
    tokens = Batch(torch.ones(16, 32, 5, dtype=torch.uint8))
    assert tokens.real == 512 and tokens.real.dtype == torch.float32  # not modulo 256
    pictures = Batch(torch.zeros(2, 3, 1, 8, 8))
    assert pictures.real == 6 and pictures.samples().shape == (6, 1, 8, 8)


def test_a_batch_moves_with_all_that_belongs_to_it(batch):
    moved = batch.to("meta")
    found = [moved.x, moved.mask, moved.group, moved.params["mean"], moved.next.x, moved.next.mask, moved.next.valid]
    assert {t.device.type for t in found} == {"meta"}
    assert type(moved.next) is Companion and moved.weight is None
    assert batch.x.device.type == "cpu"


def test_nobody_changes_a_batch(batch):
    with pytest.raises(FrozenInstanceError):
        batch.x = torch.ones(1)


def test_every_field_says_what_it_is():
    for kind in (Sets, Companion, Batch):
        assert all(name in kind.__doc__ for name in kind.__annotations__), kind
