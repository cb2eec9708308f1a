"""What makes a number mean less than it seems to stands beside it; what is sound carries no mark."""

import pytest

from gde.evaluate.shared.marks import FEWEST, marks
from gde.evaluate.shared.metrics import record

SOUND = {"value": 0.7, "n": 20, "higher_is_better": True, "ci": (0.6, 0.8), "baselines": {"mean": 0.5},
         "chance": 0.0, "ceiling": 0.9}  # fmt: skip
ERROR = {"value": 0.3, "n": 20, "higher_is_better": False, "ci": (0.2, 0.4), "baselines": {"mean": 0.5}, "ceiling": 0.1}
AIMED = {"value": 0.3, "n": 20, "target": 0.4, "ci": (0.2, 0.4), "baselines": {"mean": 0.5}, "ceiling": 0.4}


def marked(base: dict, **changes) -> list[str]:
    metric = record(**base | changes)
    return metric["marks"] + marks(metric)


@pytest.mark.parametrize("base", [SOUND, ERROR, AIMED], ids=["score", "error", "target"])
def test_a_sound_metric_has_no_mark(base):
    assert marked(base) == []
    assert marked(base, n=FEWEST, units=FEWEST) == []


@pytest.mark.parametrize(
    ("base", "changes", "words"),
    [
        (SOUND, {"n": 4}, "rests on 4 independent units only"),
        (SOUND, {"units": 2}, "rests on 2 independent units only"),
        (SOUND, {"n": 1, "ci": None}, "rests on 1 independent unit only"),
        (SOUND, {"baselines": {"shuffled_conditions": 0.7 + 1e-15, "mean": 0.5}}, "the same as shuffled conditions"),
        (SOUND, {"value": 0.0, "ci": (-0.1, 0.1)}, "the same as chance"),
        (AIMED, {"baselines": {"mean": 0.3}}, "the same as mean"),
        (SOUND, {"value": 0.95, "ci": (0.91, 0.99)}, "beyond its ceiling with its whole interval"),
        (ERROR, {"value": 0.05, "ci": (0.02, 0.09)}, "beyond its ceiling with its whole interval"),
        (SOUND, {"baselines": {"kmer_mean": 1.01}}, "kmer mean beyond the ceiling"),
        (ERROR, {"baselines": {"kmer_mean": -0.01}}, "kmer mean beyond the ceiling"),
        (SOUND, {"ceiling": -0.2, "value": -0.5, "ci": (-0.6, -0.4)}, "mean, chance beyond the ceiling"),
        (SOUND, {"value": 0.9, "ci": (0.9, 0.9)}, "without width"),
    ],
)
def test_what_is_amiss_is_said(base, changes, words):
    (found,) = marked(base, **changes)
    assert words in found


@pytest.mark.parametrize(
    ("base", "changes"),
    [
        (SOUND, {"value": 0.95, "ci": (0.85, 0.99)}),  # the interval holds the ceiling: noise
        (SOUND, {"baselines": {"mean": 0.95}}),  # by less than half of the interval's width
        (ERROR, {"baselines": {"point_mass": -1.0}}),  # a control that knows the true mean
        (SOUND, {"baselines": {"mean": 0.7 + 1e-9}}),  # alike, but not the same
    ],
)
def test_noise_is_not_marked(base, changes):
    assert marked(base, **changes) == []
