"""Words of metrics: one for each that an evaluation has, and no other; short enough to stand in a figure."""

import pytest

from gde.config.evaluations import EVALUATIONS
from gde.config.figures import known_figures
from gde.config.words import FIGURES, METRICS, baseline_words, metric_words
from gde.errors import GdeError


def test_every_metric_of_every_evaluation_has_words_and_no_other():
    assert set(METRICS) == {metric for kind in EVALUATIONS.values() for metric in kind.metrics}


def test_every_figure_has_a_title_and_no_two_the_same():
    assert set(FIGURES) == set(known_figures()) and len(set(FIGURES.values())) == len(FIGURES)


def test_words_are_words():
    for metric, words in METRICS.items():
        assert "_" not in words.name + words.unit and words.name[0] != " ", metric
        assert len(words.name) <= 80, metric


def test_within_an_evaluation_no_two_metrics_have_the_same_words():
    for kind in EVALUATIONS.values():
        assert len({METRICS[metric] for metric in kind.metrics}) == len(kind.metrics)


def test_an_unknown_metric_is_named():
    with pytest.raises(GdeError, match="'labels/acuracy'"):
        metric_words("labels/acuracy")


def test_baselines_are_words():
    assert baseline_words("lot") == "linearised transport"
    assert baseline_words("other_set") == "other set"
