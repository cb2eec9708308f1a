"""How much goes through a language model at once: bounded, and without a trace in the result."""

import numpy as np
import published
import pytest
import torch
from frozen import protein_lm, proteins

from gde.encoders import at_once, language_model
from gde.encoders.at_once import positions_at_once
from gde.encoders.published import Bert, Esm2

pytestmark = pytest.mark.usefixtures("no_cache")


@pytest.mark.parametrize("mode", ["full", "lora"])
def test_pieces_change_neither_vectors_nor_gradients(esm, mode, monkeypatch):
    made = protein_lm(esm[0], mode, rank=2)
    x = proteins()[None]
    whole = made(x)
    expected = torch.autograd.grad(whole.square().sum(), list(made.parameters()))
    monkeypatch.setattr("gde.encoders.at_once.PLACES_AT_ONCE", {"cpu": 25})
    pieces = made(x)
    torch.testing.assert_close(pieces, whole, rtol=1e-4, atol=1e-5)
    for a, b in zip(torch.autograd.grad(pieces.square().sum(), list(made.parameters())), expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("held", [1 << 28, 1200])
def test_what_is_remembered_does_not_depend_on_how_much_is_held(esm, monkeypatch, held):
    """Batches of a bounded size, known sequences counted: the same in every process; each goes through once."""
    monkeypatch.setattr(language_model, "REMEMBERED", held)
    rng = np.random.default_rng(0)
    sequences = ["".join(rng.choice(list("ACDEFG"), rng.integers(1, 9))) for _ in range(40)]
    made, batches, passed = protein_lm(esm[0], "frozen"), [], []
    cache, forward = made.known(), made._forward
    fill = cache.fill
    monkeypatch.setattr(cache, "fill", lambda keys, compute: batches.append(len(keys)) or fill(keys, compute))
    monkeypatch.setattr(made, "_forward", lambda net, rows: passed.append(len(rows)) or forward(net, rows))
    chunks = [proteins(sequences=sequences[i : i + 2] + [""]).numpy() for i in range(0, 40, 2)]
    made.remember(iter(chunks))
    assert sum(passed) == len(set(sequences)) == len(cache)
    assert max(batches) <= 4 if held < 1 << 28 else batches == [len(set(sequences))]
    made.remember(iter(chunks))
    assert sum(passed) == len(set(sequences))
    assert batches[len(batches) // 2 :] == batches[: len(batches) // 2]  # whatever is known
    expected = torch.stack([published.esm_mean(esm[1], s) for s in sequences])
    torch.testing.assert_close(made.vectors(proteins(sequences=sequences)), expected, rtol=1e-5, atol=1e-5)


SIZES = {"8M": (320, 6, 20), "35M": (480, 12, 20), "150M": (640, 30, 20), "650M": (1280, 33, 20)}


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("gradients", [False, True])
def test_the_larger_the_model_the_fewer_places_and_always_within_the_memory(device, gradients):
    def positions(size, length=1024):
        hidden, layers, heads = SIZES[size]
        config = Esm2.scratch(vocabulary=21, length=length, hidden=hidden, layers=layers, heads=heads)
        return positions_at_once(config, device, gradients, length)

    found = [positions(size) for size in SIZES]
    assert found == sorted(found, reverse=True)
    assert found[0] > (5 if gradients else 1) * found[-1]
    assert positions("650M", 4000) <= found[-1]
    kept = 4 * 33 * (12 * 1280 + 4 * 5120) if gradients else 4 * 12 * 1280
    assert 0 < found[-1] * kept <= at_once.BYTES_AT_ONCE[device]
    if not gradients:
        assert found[0] == at_once.PLACES_AT_ONCE[device]  # a small one is not slowed


@pytest.mark.parametrize("kind", [Esm2, Bert])
@pytest.mark.parametrize("inside", [1, 4])
def test_what_a_place_takes_is_at_most_what_is_counted_and_not_much_less(kind, inside, monkeypatch):
    """Against the bytes that autograd keeps of one pass, each storage once, parameters not."""
    hidden, layers, length = 32, 3, 60
    positions = {"positions": length + 2} if kind is Bert else {}
    config = kind.scratch(vocabulary=30, length=length, hidden=hidden, layers=layers, heads=4, **positions)
    network = kind.build(config | {"intermediate_size": inside * hidden}).train()
    own = {p.untyped_storage().data_ptr() for p in network.parameters()}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage
        return tensor

    x, there = torch.randint(4, 20, (5, length)), torch.ones(5, length, dtype=torch.long)
    there[:, -3:] = 0
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        out = network(input_ids=x, attention_mask=there).last_hidden_state
    found = sum(storage.nbytes() for storage in kept.values()) / x.numel()
    assert out.requires_grad
    monkeypatch.setattr(at_once, "PLACES_AT_ONCE", {"cpu": 1 << 40})
    counted = at_once.BYTES_AT_ONCE["cpu"] / positions_at_once(
        config | {"intermediate_size": inside * hidden}, "cpu", True, length
    )
    assert found < counted < 2 * found
