"""The test of two groups: valid p-values, power, and one line for every mistake."""

import json

import numpy as np
import pytest
import tiny
import torch

from gde.cli import main
from gde.compare import compare, compare_groups
from gde.errors import GdeError
from gde.model import GDE
from gde.sets.families import build
from gde.sets.random import ShardRandom


def untrained(dim=2, kind="resnet") -> GDE:
    """A model of random weights: the test is valid for any."""
    torch.manual_seed(0)
    encoder = {"kind": kind} if kind == "mean" else {"kind": kind, "hidden": 16, "layers": 1}
    config = tiny.experiment({"encoder": encoder}) | {"run": "tiny-00000000"}
    return tiny.perturb(GDE(config, mean=torch.zeros(dim), scale=torch.full((dim,), 2.0)))


def same(kind: str, sets: int, n: int, **params) -> np.ndarray:
    """Sets (sets, n, d) of distributions of a family."""
    family = build(kind, **params)
    return family.sample(family.draw(sets, ShardRandom(1, 0)), n, ShardRandom(1, 0, stream="x")).numpy()


@pytest.mark.parametrize(
    ("kind", "dim", "sizes"), [("mvn", 2, (20, 20)), ("gmm", 2, (12, 40)), ("poisson", 1, (30, 10))]
)
def test_equal_distributions_are_told_apart_as_often_as_the_level_says(kind, dim, sizes):
    """200 tests under the null hypothesis, groups of unequal sizes and counts with ties among them."""
    model, x = untrained(dim), same(kind, 200, sum(sizes))
    p = np.array(
        [compare(model, *np.split(own, [sizes[0]]), permutations=39, seed=k).p_value for k, own in enumerate(x)]
    )
    assert 0.02 <= (p <= 0.05).mean() <= 0.09
    assert (p <= 0.5).mean() == pytest.approx(0.5, abs=0.12)
    assert p.min() >= 1 / 40


@pytest.mark.parametrize("change", [lambda x: x + 0.8, lambda x: 2 * x], ids=["location", "scale"])
def test_different_distributions_are_told_apart(change):
    model, rng = untrained(), np.random.default_rng(0)
    found = [
        compare(model, rng.normal(size=(50, 2)), change(rng.normal(size=(50, 2))), permutations=39, seed=k).p_value
        for k in range(20)
    ]
    assert np.mean(np.array(found) <= 0.05) > 0.8


def test_the_same_seed_gives_the_same_test_and_another_one_nearly():
    a, b = same("mvn", 2, 40)
    results = [compare(untrained(), a, b, permutations=199, seed=seed) for seed in (0, 0, 1)]
    assert results[0] == results[1]
    assert results[0].distance == results[2].distance
    assert results[2].p_value == pytest.approx(results[0].p_value, abs=0.1)


def test_the_distance_is_that_of_the_embeddings():
    model, (a, b) = untrained(), same("mvn", 2, 40)
    with torch.no_grad():
        z = [model.encode(torch.from_numpy(x)[None]) for x in (a, b)]
    assert compare(model, a, b, permutations=9).distance == pytest.approx(float((z[0] - z[1]).norm()), rel=1e-4)


def test_samples_that_are_all_equal_show_nothing():
    x = np.ones((10, 2))
    assert compare(untrained(), x[:4], x[4:], permutations=19).p_value == 1


@pytest.mark.parametrize(("a", "b"), [((1, 2), (5, 2)), ((5, 2), (5, 3)), ((5,), (5,))])
def test_shapes_that_cannot_be_compared(a, b):
    with pytest.raises(ValueError, match=r"\(n, d\) and \(m, d\) with n, m >= 2"):
        compare(untrained(), np.zeros(a), np.zeros(b))


@pytest.fixture
def project(tmp_path, no_fsync):
    """A model and a store of three groups: two alike, one apart, one of a single sample, one that trains."""
    import pandas as pd

    from gde.sets.store.writer import StoreWriter

    untrained().save(tmp_path / "model")
    rng = np.random.default_rng(0)
    sizes = {"liver": 60, "lung": 80, "skin": 50, "hair": 1, "bone": 40}
    shift = np.repeat([0.0, 0.0, 1.5, 0.0, 0.0], list(sizes.values()))
    x = (rng.normal(size=(len(shift), 2)) + shift[:, None]).astype(np.float32)
    groups = pd.DataFrame({"group": sizes.keys(), "split": ["test"] * 4 + ["train"], "size": sizes.values()})
    with StoreWriter(tmp_path / "sets", groups=groups, sample_shape=(2,), seed=0) as writer:
        writer.write(x, np.repeat(np.arange(5), list(sizes.values())))
        writer.finish({"kind": "test", "data": "simulated"})
    return tmp_path


def run(project, *arguments: str) -> int:
    return main(["compare-groups", str(project / "model"), str(project / "sets"), *arguments])


def test_the_command_prints_and_writes_the_result(project, capsys):
    out = project / "result.json"
    assert run(project, "liver", "skin", "--permutations", "99", "--at-most", "50", "--json", str(out)) == 0
    shown = capsys.readouterr().out
    result = json.loads(out.read_text())
    assert result["groups"] == {"liver": {"samples": 60, "used": 50}, "skin": {"samples": 50, "used": 50}}
    assert result["p_value"] == 0.01
    assert result["permutations"] == 99
    assert result["run"] == "tiny-00000000"
    assert result["distance"] > 2 * result["null_distance"]
    for word in ("liver", "p_value", "0.01"):
        assert word in shown
    assert run(project, "liver", "lung", "--permutations", "99") == 0
    assert float(capsys.readouterr().out.split()[-2]) > 0.05


def test_samples_that_train_are_compared_on_request(project, capsys):
    assert run(project, "liver", "bone", "--split", "all", "--permutations", "19") == 0
    assert "bone" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["liver", "skim"], ["'skim'", "no such group", "skin"]),
        (["liver", "liver"], ["the same group twice"]),
        (["liver", "hair"], ["'hair'", "1 sample", "two or more"]),
        (["liver", "bone"], ["'bone'", "samples in train only", "--split train"]),
        (["liver", "skin", "--groupby", "donor"], ["a set store", "leave them out"]),
    ],
    ids=["unknown", "twice", "single", "split", "columns"],
)
def test_mistakes_are_one_line(project, capsys, arguments, parts):
    assert run(project, *arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("gde: ")
    assert error.count("\n") == 1
    for part in parts:
        assert part in error


def test_a_store_of_other_features_is_refused(project):
    from gde.sets.store.set_store import SetStore

    with pytest.raises(GdeError, match=r"samples of shape \(2,\).*\(3,\)"):
        compare_groups(untrained(3), SetStore.open(project / "sets"), "liver", "lung")


def test_groups_of_an_h5ad(cells_store, cells_h5ad, tmp_path, capsys):
    """After the model's own preprocessing; the two cell types differ, the groups of one type hardly."""
    model = tiny.model_for(cells_store, tiny.cells_experiment(cells_h5ad))
    model.save(tmp_path / "model")
    command = ["compare-groups", str(tmp_path / "model"), str(cells_h5ad)]
    assert main([*command, "T", "B", "--groupby", "cell_type", "--permutations", "99"]) == 0
    assert float(capsys.readouterr().out.split()[-2]) == 0.01
    assert main([*command, "D00|T", "D00|B", "--groupby", "donor", "cell_type", "--permutations", "19"]) == 0
    capsys.readouterr()
    assert main([*command, "D00|T", "D00|B", "--permutations", "19"]) == 0  # the model's own columns
    assert main([*command, "T", "B"]) == 2
    assert "no such group" in capsys.readouterr().err


def test_a_store_of_another_preprocessing_is_refused(cells_store, cells_h5ad, tmp_path):
    """Components of other cells have the same number and another meaning."""
    from gde.sets.store.set_store import SetStore

    model = tiny.model_for(cells_store, tiny.cells_experiment(cells_h5ad))
    names = cells_store.groups["group"].iloc[:2]
    assert compare_groups(model, cells_store, *names, split=None, permutations=9)["permutations"] == 9
    tiny.cells(seed=1).write_h5ad(tmp_path / "other.h5ad")
    other = tiny.prepare(tiny.cells_experiment(tmp_path / "other.h5ad"), tmp_path / "other")
    with pytest.raises(GdeError, match=r"another preprocessing.*give the file that it was made from"):
        compare_groups(model, other, *names, split=None, permutations=9)
    bare = tiny.store_of([np.ones((9, 5), np.float32)] * 2, tmp_path / "bare")
    with pytest.raises(GdeError, match="another preprocessing"):
        compare_groups(model, SetStore.open(bare.path), "g0", "g1", permutations=9)
