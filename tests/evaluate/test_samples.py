"""Laws of evaluation on real samples."""

import numpy as np
import pytest
import torch
from fakes import BlindModel, MomentModel, ReplayModel, config, sample_store

from gde.errors import GdeError
from gde.evaluate.cells import samples
from gde.evaluate.cells.cuts import SMALLEST, SubSets, cut, size_of
from gde.evaluate.cells.labels import predict
from gde.evaluate.shared.context import Context
from gde.evaluate.shared.descriptions import DESCRIPTIONS
from gde.evaluate.shared.metrics import check
from gde.evaluate.shared.pairs import held_out_pairs


def blobs(groups: int, n: int, d: int = 5, spread: float = 3.0, seed: int = 0):
    rng = np.random.default_rng(seed)
    centres = spread * rng.normal(size=(groups, d))
    group = np.repeat(np.arange(groups), n)
    return centres[group] + rng.normal(size=(groups * n, d)), group


@pytest.mark.parametrize("by", ["sample", "group"])
def test_context_and_target_never_share_a_sample(tmp_path, by):
    x, group = blobs(9, 30)
    store = sample_store(tmp_path / "store", x, group, by=by)
    held = held_out_pairs(store, 0)
    assert len(held.pairs) == (9 if by == "sample" else 3) and held.seen == (by == "sample")
    test = np.concatenate([store.read(g) for g in store.select(split="test")])
    for pair in held.pairs:
        assert not {r.tobytes() for r in pair.context} & {r.tobytes() for r in pair.target}
        assert {r.tobytes() for r in pair.target} <= {r.tobytes() for r in test}


def test_replaying_the_context_scores_at_the_ceiling(tmp_path):
    x, group = blobs(8, 100)
    store = sample_store(tmp_path / "store", x, group)
    metrics, tables = samples.evaluate(Context(ReplayModel(5), store, config("samples"), 0))
    check(metrics)
    w2 = metrics["reconstruction/w2"]
    assert w2["value"] < 1.15 * w2["ceiling"] and w2["value"] < 0.5 * w2["baselines"]["other_group"]
    for name in ("mmd", "energy"):
        metric = metrics[f"reconstruction/{name}"]
        assert metric["value"] < 0.2 * metric["baselines"]["mean"], name
        assert metric["value"] < 0.2 * metric["baselines"]["other_group"], name
    assert metrics["labels/accuracy"]["value"] > 0.9
    assert metrics["labels/accuracy"]["chance"] == pytest.approx(1 / 8)
    assert metrics["labels/silhouette"]["value"] > 0.3
    assert (tables["groups"]["status"] == "used").all()


def test_a_blind_model_is_worse_than_another_group_and_reads_no_label(tmp_path):
    x, group = blobs(8, 100)
    store = sample_store(tmp_path / "store", x, group)
    metrics, _ = samples.evaluate(Context(BlindModel(5), store, config("samples"), 0))
    for name in ("w2", "energy"):
        metric = metrics[f"reconstruction/{name}"]
        assert metric["value"] > metric["baselines"]["other_group"], name
    mmd = metrics["reconstruction/mmd"]  # bounded: all that is far away is equally far, so only nearer sources compare
    assert mmd["value"] > 5 * mmd["ceiling"] and mmd["value"] > mmd["baselines"]["gaussian_fit"]
    assert metrics["labels/accuracy"]["value"] < 0.4 < metrics["labels/accuracy"]["baselines"]["pseudobulk_mean"]


def test_shuffled_labels_give_chance(tmp_path):
    groups, rng = 120, np.random.default_rng(1)
    labels = np.repeat(["a", "b"], groups // 2)[rng.permutation(groups)]
    x, group = blobs(groups, 24)
    store = sample_store(tmp_path / "store", x, group, labels={"kind": labels})
    metrics, _ = samples.evaluate(Context(ReplayModel(5), store, config("samples"), 0))
    accuracy = metrics["labels/accuracy"]
    assert accuracy["chance"] == 0.5
    assert abs(accuracy["value"] - 0.5) < 0.15


def test_a_label_that_groups_share_is_read_from_unseen_groups(tmp_path):
    x, group = blobs(20, 40)
    labels = np.array(["a", "b"])[np.arange(20) % 2]
    x[:, 0] += np.where(labels[group] == "a", 12, -12)
    store = sample_store(tmp_path / "store", x, group, labels={"kind": labels})
    metrics, tables = samples.evaluate(Context(ReplayModel(5), store, config("samples"), 0))
    assert metrics["labels/accuracy"]["value"] > 0.9
    assert set(tables["labels"]["label"]) == {"a", "b"}


def test_a_group_is_never_trained_and_tested_on_in_cross_validation():
    """Features that identify the group and nothing else: leaking groups would give accuracy 1."""
    rng, groups = np.random.default_rng(0), 40
    labels = np.repeat(["a", "b"], groups // 2)
    group, target = np.repeat(np.arange(groups), 4), np.tile([False, False, True, True], groups)
    features = rng.normal(size=(groups, 60))[group]
    tested, predicted = predict(features, SubSets(list(features[:, None]), group, target), labels)
    assert tested.tolist() == np.flatnonzero(target).tolist()
    assert (labels[group][tested] == predicted).mean() < 0.75


def test_a_cut_has_disjoint_sub_sets_of_three_samples_or_more(tmp_path):
    x, group = blobs(6, 40)
    keep = (group < 4) | (np.arange(len(x)) % 40 < np.where(group == 4, 12, 8))  # held out: 12, 4 and 3 samples
    held = held_out_pairs(sample_store(tmp_path / "store", x[keep], group[keep]), 0)
    size = size_of(held, 64)
    cuts = [cut(held, 0, i, repeats=6, size=size) for i in range(3)]
    for sets in cuts:
        assert sets.sizes.min() >= SMALLEST and sets.sizes.max() <= size
        assert set(sets.group[sets.target]) == set(range(6))
        rows = [row.tobytes() for part in sets.parts for row in part]
        assert len(set(rows)) == len(rows)
        padded, mask = sets.padded()
        assert [x[m].tolist() for x, m in zip(padded, mask, strict=True)] == [part.tolist() for part in sets.parts]
    assert cuts[0].parts[0].tolist() != cuts[1].parts[0].tolist()


def test_a_group_with_two_held_out_samples_is_named_and_not_tested(tmp_path):
    x, group = blobs(5, 40)
    keep = (group < 4) | (np.arange(len(x)) % 40 < 5)  # the last group has five samples, two of them held out
    store = sample_store(tmp_path / "store", x[keep], group[keep])
    ctx = Context(MomentModel(5), store, config("samples"), 0)
    metrics, tables = samples.evaluate(ctx)
    assert ctx.left == [("labels of some groups", "fewer than 3 held-out samples: g4")]
    assert "1 group of 5 not tested" in metrics["labels/accuracy"]["marks"][-1]
    assert set(tables["labels"]["group"]) == {"g0", "g1", "g2", "g3"}
    assert tables["labels"]["n_samples [1]"].min() >= SMALLEST


def test_labels_are_left_out_where_hardly_a_group_can_be_tested(tmp_path):
    x, group = blobs(5, 5)
    ctx = Context(MomentModel(5), sample_store(tmp_path / "store", x, group), config("samples"), 0)
    metrics, tables = samples.evaluate(ctx)
    assert not any(name.startswith("labels/") for name in metrics) and "labels" not in tables
    assert ("labels", "fewer than two labels with a group of 3 held-out samples") in ctx.left


class LinearModel(MomentModel):
    """Embeds by a linear map of the mean, far from a rotation."""

    def encode(self, x, *, mask=None, weight=None):
        mean = super().encode(x, mask=mask)[:, : self.dim]
        return mean @ torch.linspace(-2, 2, self.dim**2).reshape(self.dim, self.dim).pow(3).add(torch.eye(self.dim))

    def sample(self, z, n, *, generator=None):
        return torch.randn(len(z), n, self.dim, generator=generator)


def test_a_linear_map_of_the_mean_is_level_with_pseudobulk(tmp_path):
    x, group = blobs(8, 60, spread=0.6)
    store = sample_store(tmp_path / "store", x, group)
    metrics, _ = samples.evaluate(Context(LinearModel(5), store, config("samples"), 0))
    accuracy = metrics["labels/accuracy"]
    assert accuracy["differences"]["pseudobulk_mean"] == {"value": 0.0, "ci": [0.0, 0.0]}
    assert 0.3 < accuracy["value"] == accuracy["baselines"]["pseudobulk_mean"] < 1
    assert set(accuracy["baselines"]) == set(DESCRIPTIONS) == set(accuracy["differences"])
    for name, difference in accuracy["differences"].items():
        low, high = difference["ci"]
        assert low <= difference["value"] <= high
        assert difference["value"] == pytest.approx(accuracy["value"] - accuracy["baselines"][name])


def test_groups_with_too_few_samples_are_left_out_and_counted(tmp_path):
    x, group = blobs(5, 40)
    keep = (group < 4) | (np.arange(len(x)) >= len(x) - 3)  # the last group keeps three samples
    store = sample_store(tmp_path / "store", x[keep], group[keep])
    metrics, tables = samples.evaluate(Context(ReplayModel(5), store, config("samples"), 0))
    assert metrics["reconstruction/w2"]["n"] == 4
    assert tables["groups"]["status"].str.startswith("left out").sum() == 1


def test_one_group_to_test_is_refused_with_the_remedy(tmp_path):
    x, group = blobs(3, 40)
    store = sample_store(tmp_path / "store", x, group, by="group")
    with pytest.raises(GdeError, match=r"1 test groups.*split: \{by: sample\}"):
        samples.evaluate(Context(MomentModel(5), store, config("samples"), 0))


def test_images_become_a_table_of_pixels(tmp_path):
    x, group = blobs(4, 40, d=6)
    store = sample_store(tmp_path / "store", x, group, image_shape=[2, 3])
    _, tables = samples.evaluate(Context(ReplayModel(6), store, config("samples"), 0))
    assert tables["images"].filter(like="p_").shape[1] == 6
