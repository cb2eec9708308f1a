"""A new file through fitted steps: the same cells stay where they were, and what cannot be of training is refused."""

import json
import logging

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from gde.errors import GdeError
from gde.features.pipeline import FeaturePipeline

GENES = [f"g{i}" for i in range(60)]


def counts(n=80, seed=0):
    rng = np.random.default_rng(seed)
    depth = rng.uniform(200, 3000, (n, 1))
    return rng.poisson(rng.dirichlet(np.full(60, 0.5), n) * depth).astype(np.float32)


def lognorm(x, target=1e4, base=np.e):
    return np.log1p(x / x.sum(1, keepdims=True) * target) / np.log(base)


def normalised(x, target=1e4):
    return x / x.sum(1, keepdims=True) * target


def z_scores(x):
    return (x - x.mean(0)) / (x.std(0) + 1e-9)


FORMS = {"counts": lambda x: x, "lognorm": lognorm, "normalised": normalised, "scaled": z_scores}


def fitted(values: str, **steps) -> FeaturePipeline:
    x = FORMS[values](counts())
    n_hvg = None if values == "scaled" else 12
    cfg = {"values": values, "n_hvg": n_hvg, "scale": True, "n_pcs": 4} | steps
    return FeaturePipeline.fit(lambda: iter([sp.csr_matrix(x) if values != "scaled" else x]), GENES, cfg)


def cells(x, genes=GENES):
    return ad.AnnData(sp.csr_matrix(x), var=pd.DataFrame(index=list(genes)))


def vectors(features, data):
    return np.concatenate(list(features.transform_h5ad(data)))


@pytest.mark.parametrize("values", FORMS)
@pytest.mark.parametrize("change", ["same", "other order", "more features"])
def test_the_same_cells_stay_where_they_were(values, change, caplog):
    """Whatever else a file has: totals are of the features of training."""
    features, x = fitted(values), FORMS[values](counts())
    data, whole = cells(x), features.transform(x, GENES)
    if change == "other order":
        data = data[:, np.random.default_rng(1).permutation(60)].copy()
    if change == "more features":
        antibodies = np.full((len(x), 20), 500.0 if values == "counts" else 0.5, np.float32)
        data = cells(np.concatenate([antibodies, x], 1), [*(f"CD{i}" for i in range(20)), *GENES])
    with caplog.at_level(logging.WARNING):
        np.testing.assert_allclose(vectors(features, data), whole, rtol=1e-4, atol=1e-4)
    said = "20 features that training did not have are left out, also of totals (CD0, CD1, CD2, CD3, CD4, …)"
    assert (said in caplog.text) == (values == "counts" and change == "more features")


@pytest.mark.parametrize("values", ["lognorm", "normalised", "scaled"])
def test_where_nothing_is_divided_chosen_features_suffice(values, caplog):
    features, x = fitted(values), FORMS[values](counts())
    part = cells(x)[:, features.names].copy()
    np.testing.assert_allclose(vectors(features, part), features.transform(x, GENES), rtol=1e-4, atol=1e-4)
    assert ("so totals are not checked" in caplog.text) == (values != "scaled")


def test_counts_without_the_features_of_totals_are_refused():
    features = fitted("counts")
    part = cells(counts())[:, features.names].copy()
    expected = r"found 48 of the 60 features missing that totals were of in training \(g\d+, .*…\), .*--totals"
    with pytest.raises(GdeError, match=expected):
        vectors(features, part)
    one_less = cells(counts())[:, [n for n in GENES if n != features.others[0]]].copy()
    with pytest.raises(GdeError, match="found 1 of the 60 features missing"):
        vectors(features, one_less)


def other_unit(values: str, change: str):
    x = counts(seed=1)
    return {
        "log2": lambda: lognorm(x, base=2),
        "per million": lambda: lognorm(x, 1e6) if values == "lognorm" else normalised(x, 1e6),
        "per median": lambda: lognorm(x, 2500) if values == "lognorm" else normalised(x, 2500),
        "counts": lambda: x,
        "lognorm": lambda: lognorm(x),
        "normalised": lambda: normalised(x),
        "z-scores": lambda: z_scores(x),
    }[change]()


@pytest.mark.parametrize(
    ("values", "change", "said"),
    [
        ("counts", "lognorm", "whole numbers"),
        ("counts", "normalised", "whole numbers"),
        ("counts", "z-scores", "no negative number"),
        ("lognorm", "counts", "values: lognorm"),
        ("lognorm", "normalised", "at most 50"),
        ("lognorm", "z-scores", "no negative number"),
        ("lognorm", "log2", "as in training"),
        ("lognorm", "per million", r"sum of expm1 of the values\), expected about 1e.04, as in training"),
        ("lognorm", "per median", "total is 2500 in the middle"),
        ("normalised", "counts", "only whole numbers"),
        ("normalised", "lognorm", "no value above"),
        ("normalised", "z-scores", "no negative number"),
        ("normalised", "per million", "total is 1e.06"),
        ("normalised", "per median", "total is 2500"),
        ("scaled", "counts", "0% of numbers negative, expected .* as in training"),
        ("scaled", "lognorm", "0% of numbers negative, expected .* as in training"),
        ("scaled", "normalised", "0% of numbers negative, expected .* as in training"),
    ],
)
def test_another_unit_is_refused(values, change, said):
    with pytest.raises(GdeError, match=said):
        vectors(fitted(values), cells(other_unit(values, change)))


@pytest.mark.parametrize("values", FORMS)
def test_other_cells_of_the_same_unit_pass(values):
    assert np.isfinite(vectors(fitted(values), cells(FORMS[values](counts(seed=7))))).all()


@pytest.mark.parametrize("values", FORMS)
def test_what_was_seen_does_not_depend_on_chunks_or_order(values, tmp_path):
    x = FORMS[values](counts())
    cfg = {"values": values, "n_hvg": None, "scale": True, "n_pcs": None}
    order = np.random.default_rng(0).permutation(len(x))
    one = FeaturePipeline.fit(lambda: iter([x]), GENES, cfg)
    two = FeaturePipeline.fit(lambda: iter(sp.csr_matrix(x[part]) for part in np.split(order, [3, 40])), GENES, cfg)
    assert one.seen == two.seen and one.others == two.others == []
    one.save(tmp_path)
    again = FeaturePipeline.load(tmp_path)
    assert (again.seen, again.others) == (one.seen, one.others)


def test_a_model_of_an_earlier_gde_is_told(tmp_path, caplog):
    """Without the record the whole file's totals are taken, and said."""
    features, x = fitted("counts"), counts()
    features.save(tmp_path)
    file = tmp_path / "features.json"
    old = {k: v for k, v in json.loads(file.read_text()).items() if k not in ("others", "seen")}
    file.write_text(json.dumps(old))
    found = vectors(FeaturePipeline.load(tmp_path), cells(x))
    np.testing.assert_allclose(found, features.transform(x, GENES), rtol=1e-4, atol=1e-4)
    assert "the model does not say what its totals were of" in caplog.text and "all 60 features" in caplog.text


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("seen", {"totals": "much"}, "seen.totals"),
        ("seen", {"negative": None}, "seen.negative"),
        ("others", GENES, "names of features that were chosen"),
    ],
)
def test_a_damaged_record_is_refused(tmp_path, key, value, said):
    fitted("counts").save(tmp_path)
    file = tmp_path / "features.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {key: value}))
    with pytest.raises(GdeError, match=said):
        FeaturePipeline.load(tmp_path)
