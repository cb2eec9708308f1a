"""Schedules in closed form, the average of weights, and optimisers that survive a checkpoint."""

import copy
import itertools
import math

import pytest
import torch
from torch import nn

from gde.checkpoint import (
    flatten_optimizer,
    list_checkpoints,
    load_checkpoint,
    prune_checkpoints,
    restore_optimizer,
    save_checkpoint,
)
from gde.optim import build_optimizer, clip_gradients, ema_decay, lr_factor, update_ema

OPTIMIZERS = [
    {"kind": "adamw", "lr": 0.01, "weight_decay": 0.1, "betas": [0.9, 0.99]},
    {"kind": "adam", "lr": 0.01, "weight_decay": 0.0, "betas": [0.9, 0.999]},
    {"kind": "sgd", "lr": 0.01, "weight_decay": 0.0, "momentum": 0.9},
    {"kind": "sgd", "lr": 0.01, "weight_decay": 0.0, "momentum": 0.0},
]


@pytest.mark.parametrize("kind", ["cosine", "constant", "step", "plateau"])
@pytest.mark.parametrize("warmup", [0, 1, 10])
def test_warm_up_is_linear_and_ends_at_the_full_rate(kind, warmup):
    cfg = {"kind": kind, "warmup": warmup, "floor": 0.1, "factor": 0.5, "step_every": 1000, "patience": 1}
    factors = [lr_factor(cfg, step, 100, 0) for step in range(warmup + 1)]
    assert factors == pytest.approx([(step + 1) / warmup for step in range(warmup)] + [1.0])


def test_cosine_goes_from_one_to_its_floor():
    cfg = {"kind": "cosine", "warmup": 10, "floor": 0.2}
    at = [lr_factor(cfg, step, 110, 0) for step in range(10, 111)]
    assert at[0] == 1.0
    assert at[25] == pytest.approx(0.2 + 0.8 * (1 + math.sqrt(0.5)) / 2)
    assert at[50] == pytest.approx(0.6)
    assert at[100] == pytest.approx(0.2)
    assert all(a > b for a, b in itertools.pairwise(at))


def test_cosine_with_a_warm_up_longer_than_the_training():
    cfg = {"kind": "cosine", "warmup": 50, "floor": 0.0}
    assert all(0 < lr_factor(cfg, step, 20, 0) < 1 for step in range(20))


def test_step_schedule_is_a_staircase():
    cfg = {"kind": "step", "warmup": 0, "step_every": 10, "factor": 0.5}
    assert [lr_factor(cfg, s, 40, 0) for s in (0, 9, 10, 19, 20, 39)] == [1, 1, 0.5, 0.5, 0.25, 0.125]


def test_plateau_schedule_follows_the_drops():
    cfg = {"kind": "plateau", "warmup": 0, "factor": 0.5, "patience": 3}
    assert [lr_factor(cfg, 5, 40, drops) for drops in range(3)] == [1, 0.5, 0.25]


def test_average_of_constant_decay_is_the_geometric_sum():
    """After n updates: decay^n first + (1 - decay) sum decay^(n-1-i) w_i."""
    model, average = nn.Linear(3, 2), nn.Linear(3, 2)
    first = average.weight.detach().clone()
    seen, decay = [], 0.7
    for _ in range(5):
        with torch.no_grad():
            model.weight += torch.randn(2, 3)
        seen.append(model.weight.detach().clone())
        update_ema(average, model, decay)
    expected = decay**5 * first + sum((1 - decay) * decay ** (4 - i) * w for i, w in enumerate(seen))
    torch.testing.assert_close(average.weight.detach(), expected)


def test_average_without_decay_is_the_model_itself():
    model, average = nn.Linear(3, 2), nn.Linear(3, 2)
    update_ema(average, model, ema_decay(0.0, 10))
    assert torch.equal(average.weight, model.weight)


def test_decay_is_short_at_first_and_grows_to_its_limit():
    decays = [ema_decay(0.998, step) for step in range(6000)]
    assert decays[0] == pytest.approx(0.1)
    assert all(a <= b for a, b in itertools.pairwise(decays))
    assert max(decays) == 0.998


@pytest.mark.parametrize("limit", [1.0, 1e9, None])
def test_gradients_are_clipped_to_the_limit_and_the_norm_before_is_told(limit):
    layer = nn.Linear(4, 4)
    (layer(torch.randn(8, 4)) * 100).square().sum().backward()
    before = torch.cat([p.grad.flatten() for p in layer.parameters()]).norm()
    norm = clip_gradients(list(layer.parameters()), limit)
    after = torch.cat([p.grad.flatten() for p in layer.parameters()]).norm()
    torch.testing.assert_close(norm, before)
    torch.testing.assert_close(after, before.clamp(max=limit or math.inf), rtol=1e-4, atol=0)


@pytest.mark.parametrize("cfg", OPTIMIZERS, ids=lambda c: f"{c['kind']}-{c.get('momentum', '')}")
def test_restored_optimisers_take_the_same_steps(cfg, tmp_path):
    """Through named tensors and a file: three steps more, bit for bit."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    names = [n for n, _ in model.named_parameters()]

    def step(model, optimizer, i):
        optimizer.zero_grad()
        model(torch.full((5, 3), float(i))).square().sum().backward()
        optimizer.step()

    optimizer = build_optimizer(model.parameters(), cfg)
    for i in range(3):
        step(model, optimizer, i)
    flat = flatten_optimizer(optimizer, names)
    flat, state = load_checkpoint(save_checkpoint(tmp_path, 3, {**flat, "x": torch.zeros(1)}, {}))
    assert state == {"step": 3}
    twin = copy.deepcopy(model)
    other = build_optimizer(twin.parameters(), cfg)
    restore_optimizer(other, names, flat)
    for i in range(3, 6):
        step(model, optimizer, i)
        step(twin, other, i)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), twin.parameters(), strict=True))


@pytest.mark.parametrize(
    ("best", "keep_every", "kept"),
    [(None, 0, [9, 10]), (3, 0, [3, 9, 10]), (10, 0, [9, 10]), (3, 4, [3, 4, 8, 9, 10]), (None, 1, list(range(1, 11)))],
)
def test_pruning_keeps_the_best_the_two_newest_and_every_nth(tmp_path, best, keep_every, kept):
    for step in range(1, 11):
        (tmp_path / f"step-{step:09d}").mkdir()
    (tmp_path / ".step-000000005.1.ab.tmp").mkdir()  # left by a killed process
    prune_checkpoints(tmp_path, best=best, keep_every=keep_every)
    assert [int(p.name[5:]) for p in list_checkpoints(tmp_path)] == kept
    assert len(list(tmp_path.iterdir())) == len(kept)
