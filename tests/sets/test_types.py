"""Sample types: each says all that stores, models and commands ask, and what it says fits together.

Those of images, which have three axes and a type of their own, are in test_image_type.py, too.
"""

import numpy as np
import pytest
import torch
from tokens import sequences

from gde.errors import GdeError
from gde.nets.registry import named
from gde.sets.store.layout import OFFSETS
from gde.sets.types import REGISTRY, all_types, sample_type, type_of_model, type_of_store

LENGTH = 6
NAMES = list(REGISTRY)
FLAT = [name for name in NAMES if name != "images"]


def made(name):
    return sample_type(name, (1, 2, LENGTH // 2) if name == "images" else (LENGTH,))


def samples(name, n=5) -> np.ndarray:
    if made(name).alphabet is None:
        return np.random.default_rng(0).normal(size=(n, LENGTH)).astype(np.float32)
    return sequences(n, LENGTH)


@pytest.mark.parametrize("name", NAMES)
def test_what_a_type_names_is_there(name):
    kind = made(name)
    assert callable(named(kind.WRITER)) and callable(named(kind.READER))
    assert kind.SUFFIX.startswith(".") and kind.name == name and name in kind.names
    assert kind.PLURAL in kind.described and kind.FILE


def test_no_option_and_no_file_is_of_two_types_with_different_readers():
    for a in all_types():
        for b in all_types():
            if a.READER != b.READER:
                assert not set(a.OPTIONS) & set(b.OPTIONS)
                assert a.SUFFIX != b.SUFFIX


@pytest.mark.parametrize("name", FLAT)
def test_a_model_and_a_store_say_again_what_their_samples_are(name):
    kind = made(name)
    assert type_of_model(kind.section, LENGTH) == kind
    meta = {"sample_shape": [LENGTH], "dim": LENGTH}
    assert type_of_store(meta if kind.alphabet is None else meta | {"alphabet": name}) == kind
    assert kind != sample_type(name, (LENGTH + 1,)) and kind != made("protein" if name == "dna" else "dna")


@pytest.mark.parametrize("name", FLAT)
def test_samples_become_what_a_model_takes_and_come_back(name):
    kind, x = made(name), samples(name)
    rows = kind.tensor(x)
    assert rows.dtype == kind.zeros(2, 3).dtype and kind.zeros(2, 3).shape == (2, 3, LENGTH)
    assert rows.element_size() == kind.itemsize
    assert np.array_equal(rows.numpy(), x)
    mean, scale = torch.linspace(-1, 1, LENGTH), torch.linspace(0.5, 2, LENGTH)
    back = kind.restore(kind.standardise(rows, mean, scale), mean, scale)
    torch.testing.assert_close(back, rows)
    kind.check(rows[None])


@pytest.mark.parametrize("name", FLAT)
def test_what_is_no_sample_is_refused_but_behind_the_mask(name):
    kind, x = made(name), made(name).tensor(samples(name))[None].clone()
    x[0, 2, 1] = float("nan") if kind.alphabet is None else kind.alphabet.size + 1 if name != "text" else 0
    mask = torch.ones(1, 5, dtype=torch.bool)
    if name != "text":  # whose tokens are all bytes
        with pytest.raises(GdeError, match="x: found"):
            kind.check(x, mask)
    mask[0, 2] = False
    kind.check(x, mask)
    with pytest.raises(ValueError, match=rf"x: found shape \(1, 5, 5\), expected \(sets, samples, {LENGTH}\)"):
        kind.check(x[..., :5])


@pytest.mark.parametrize("name", FLAT)
def test_a_store_is_read_in_pieces_and_at_rows_alike(name):
    kind, x = made(name), samples(name, 7)
    fields = {"x": x}
    if kind.alphabet is not None:
        ends = np.cumsum((x > 0).sum(1))
        fields = {"x": x[x > 0], OFFSETS: np.concatenate([[0], ends])}
    assert set(fields) == set(kind.FIELDS) == set(kind.lengths(7))
    assert all(n is None or len(fields[field]) == n for field, n in kind.lengths(7).items())
    assert np.array_equal(kind.read(fields, slice(1, 5)), x[1:5])
    rows = np.array([6, 0, 0, 3])
    taken = kind.take(fields, rows)
    assert np.array_equal(taken, x[rows]) and str(taken.dtype) == kind.DTYPE
