"""Figures of families and documents: from tables alone, the same bytes twice, axes named."""

import numpy as np
import pandas as pd
import pytest
from drawing import check_drawn_twice, drawn, write_results

from gde.evaluate.sequences.retrieval import retrieval
from gde.evaluate.shared.context import Context
from gde.evaluate.shared.metrics import record

NAMES = ("retrieval", "topics", "ngrams")


@pytest.fixture(scope="module", params=[(3, 1), (1200, 40)], ids=["few groups", "many"])
def results(request, tmp_path_factory):
    """As evaluation writes them, of so many groups with two sets each, and so many topics."""
    groups, topics = request.param
    rng = np.random.default_rng(0)
    of = np.repeat(np.arange(groups), 2)
    known = rng.normal(size=(groups, 6))
    views = {
        name: (known[of] + sd * rng.normal(size=(len(of), 6)), known) for name, sd in (("gde", 0.2), ("tf_idf", 1))
    }
    metrics, tables = retrieval(Context(None, None, {"evaluation": {"bootstrap": 10}}, 0), views, of)
    names = [f"Topic {i}, of a name that is longer than others" for i in range(topics)]
    right = rng.random((2, topics))
    tables["topics"] = pd.DataFrame(
        {"label": names, "real [share recognised]": right[0], "generated [share recognised]": right[1]}
    )
    share = rng.dirichlet(np.ones(50), 2)
    share[1, 0] = 0.0  # an n-gram that is never generated
    tables["kmers"] = pd.DataFrame(
        {"label": ["\\x20a"] * 50, "real [share of k-mers]": share[0], "generated [share of k-mers]": share[1]}
    )
    common = {"n": 8, "higher_is_better": True, "ci": (0.1, 0.9), "chance": 0.1, "ceiling": 0.8}
    metrics |= {
        "topics/generated": record(0.5, baselines={"other_set": 0.1}, **common),
        "ngrams/distance": record(0.2, baselines={"training_mean": 0.3}, **common),
        "likelihood/byte": record(-2.0, baselines={"markov": -2.4, "uniform": -5.5}, **common),
    }
    return write_results(tmp_path_factory.mktemp("drawn"), metrics, tables)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_tables_give_the_same_bytes(results, name, tmp_path):
    check_drawn_twice(name, results, tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_axes_are_named_and_hold_something(results, name):
    axes = drawn(name, results).axes
    assert axes and all(ax.get_xlabel() and ax.get_ylabel() and ax.has_data() for ax in axes)
