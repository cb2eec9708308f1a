"""Figures of sequences by expression: from tables alone, the same bytes twice, axes named."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from drawing import check_drawn_twice, drawn, write_results

from gde.evaluate.shared.metrics import record

NAMES = ("expression_axis", "expression", "kmers")


def tables(conditions: int, *, motifs: bool) -> dict[str, pd.DataFrame]:
    """As evaluation writes them, of sets whose expression rises with their place."""
    rng = np.random.default_rng(0)
    names = [f"c{i}" for i in range(conditions) for _ in range(8)]
    place = np.tile(np.arange(8.0), conditions)
    part = np.where(place == 7, "held out whole", "held out by sequence")
    noise = rng.normal(0, 0.2, (4, len(place)))
    sets = {"label": names, "part": part, "place [1]": place, "measured [expression]": place + noise[0]}
    axis = pd.DataFrame(
        {
            "pc_1 [latent units, 80 % of variance]": place,
            "pc_2 [latent units, 9 % of variance]": noise[1],
            **sets,
            "component [latent units]": place + noise[2],
            "n_samples [1]": 30,
        }
    )
    sources = [
        pd.DataFrame(
            {
                **sets,
                "source": source,
                "oracle [expression]": slope * place + noise[3],
                "sd [expression]": 1.0,
                "n_samples [1]": 50,
            }
        )
        for source, slope in (("generated", 0.6), ("real", 0.9), ("independent_tokens", 0.2))
    ]
    words = ["".join(word) for word in product("ACGT", repeat=3)]
    share = rng.dirichlet(np.ones(64), 2)
    share[1, 0] = 0.0  # a word that is never generated
    out = {
        "axis": axis,
        "expression": pd.concat(sources, ignore_index=True),
        "oracle": pd.DataFrame({"label": "c0", "measured [expression]": noise[0], "oracle [expression]": noise[1]}),
        "kmers": pd.DataFrame(
            {"label": words, "real [share of k-mers]": share[0], "generated [share of k-mers]": share[1]}
        ),
    }
    if motifs:
        hits = rng.gamma(1.0, 1.0, (2, 9))
        out["motifs"] = pd.DataFrame(
            {
                "label": [f"m{i}" for i in range(9)],
                "real [hits per sequence]": hits[0],
                "generated [hits per sequence]": hits[1],
            }
        )
    return out


@pytest.fixture(scope="module", params=[(1, False), (4, True), (9, False)], ids=["one", "four with motifs", "nine"])
def results(request, tmp_path_factory):
    conditions, motifs = request.param
    common = {"n": 8, "ci": (0.1, 0.9), "ceiling": 1.0, "baselines": {"independent_tokens": 0.4, "kmer_mean": 0.8}}
    named = ("axis/spearman", "oracle/pearson", "expression/spearman", "kmers/distance", "motifs/pearson")
    metrics = {name: record(0.7, higher_is_better=True, **common) for name in named}
    return write_results(tmp_path_factory.mktemp("drawn"), metrics, tables(conditions, motifs=motifs))


@pytest.mark.parametrize("name", NAMES)
def test_the_same_tables_give_the_same_bytes(results, name, tmp_path):
    check_drawn_twice(name, results, tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_axes_are_named_and_hold_something(results, name):
    shown = [ax for ax in drawn(name, results).axes if ax.axison and ax.get_label() != "<colorbar>"]
    assert shown and all(ax.get_xlabel() and ax.get_ylabel() and ax.has_data() for ax in shown)
