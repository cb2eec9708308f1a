"""The probe that reads labels: right where classes are apart, and the same in all linear coordinates."""

import numpy as np
import pytest

from gde.evaluate.shared.discriminant import discriminant


def classes(n: int, p: int, gap: float, seed: int = 0):
    rng = np.random.default_rng(seed)
    names = np.array(["a", "b", "c"])[np.arange(n) % 3]
    centres = gap * rng.normal(size=(3, p))
    return centres[np.arange(n) % 3] + rng.normal(size=(n, p)), names


def test_predictions_are_the_same_under_every_invertible_linear_map():
    x, names = classes(200, 6, 0.7)
    rng = np.random.default_rng(1)
    at = np.arange(200) < 120
    expected = discriminant(x[at], names[at])(x[~at])
    for _ in range(3):
        matrix = rng.normal(size=(6, 6)) * 10.0 ** rng.uniform(-1, 1, size=(6, 1))
        moved = x @ matrix + rng.normal(size=6)
        assert discriminant(moved[at], names[at])(moved[~at]).tolist() == expected.tolist()
    copies = np.concatenate([x, x @ rng.normal(size=(6, 9))], 1)  # features that repeat others tell nothing new
    assert discriminant(copies[at], names[at])(copies[~at]).tolist() == expected.tolist()
    assert 0.6 < (expected == names[~at]).mean() < 1


def test_the_best_linear_rule_is_found_where_variances_differ():
    """A narrow direction that tells the classes apart beside a wide one that does not."""
    rng = np.random.default_rng(0)
    names = np.array(["a", "b"])[np.arange(400) % 2]
    x = np.stack([np.where(names == "a", 0.02, -0.02) + 0.01 * rng.normal(size=400), 50 * rng.normal(size=400)], 1)
    assert (discriminant(x[:200], names[:200])(x[200:]) == names[200:]).mean() > 0.95


def test_a_rare_class_weighs_as_much_as_a_common_one():
    rng = np.random.default_rng(0)
    names = np.repeat(["common", "rare"], [190, 10])
    x = np.where(names == "rare", 2.0, 0.0)[:, None] + rng.normal(size=(200, 1))
    middle = discriminant(x, names)(np.linspace(-3, 5, 401)[:, None])
    border = np.linspace(-3, 5, 401)[(middle == "rare").argmax()]
    assert abs(border - 1) < 0.4


def test_noise_is_at_chance_with_more_features_than_sets():
    rng = np.random.default_rng(0)
    x, names = rng.normal(size=(120, 300)), np.array(["a", "b"])[rng.integers(2, size=120)]
    found = [discriminant(x[:60], names[:60], rank=rank)(x[60:]) == names[60:] for rank in (None, 20, 1)]
    assert all(0.3 < right.mean() < 0.7 for right in found)


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="1 classes, expected two"):
        discriminant(np.zeros((4, 2)), np.array(["a"] * 4))
