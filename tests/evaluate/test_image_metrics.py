"""Evaluation of images: right numbers where the answer is known, and baselines without skill that show none."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from gde.evaluate.images.cases import grid_shares, groups_apart, mixtures, random_shares
from gde.evaluate.images.classifier import train_classifier
from gde.evaluate.images.distances import energy_matrix, frechet
from gde.evaluate.images.evaluation import evaluate, ranks
from gde.evaluate.shared.context import Context
from gde.evaluate.shared.tables import write_tables
from gde.figures.class_shares import draw as draw_shares
from gde.figures.pictures import draw as draw_pictures
from gde.figures.read import read_table
from gde.figures.simplex import draw as draw_simplex
from gde.figures.strip import draw as draw_strip
from gde.figures.style import style
from gde.sets.store.set_store import SetStore
from gde.sets.store.writer import StoreWriter

SHAPE, CLASSES = (1, 8, 8), 4


def bars(label: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """Pictures of a bright stripe, whose place is the class."""
    x = rng.integers(0, 60, (n, *SHAPE))
    x[:, :, 2 * label : 2 * label + 2] += rng.integers(120, 190, (n, 1, 1, 1))
    return x.astype(np.uint8)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    rng = np.random.default_rng(0)
    parts = [(c, split, n) for c in range(CLASSES) for split, n in (("train", 60), ("validation", 8), ("test", 40))]
    groups = pd.DataFrame([{"group": f"c{c}", "split": split, "size": n, "label": f"c{c}"} for c, split, n in parts])
    path = tmp_path_factory.mktemp("bars") / "sets"
    with StoreWriter(path, groups=groups, sample_shape=SHAPE, dtype="uint8", seed=0) as writer:
        for g, (c, _, n) in enumerate(parts):
            writer.write(bars(c, n, rng), g)
        about = {"dtype": "uint8", "channels": [], "pixel_size": 0.5}
        meta = {"kind": "idx", "data": "user", "labels": ["label"], "split": {}, "images": about}
        writer.finish(meta | {"mean": [127.5], "scale": [127.5]})
    return SetStore.open(path)


class Oracle:
    """Embeds a set by the rows of its stripes, and draws real-looking pictures from such an embedding."""

    def __init__(self, store, *, blind: bool = False):
        self.sample_type, self.device, self.blind = store.sample_type, torch.device("cpu"), blind
        self.x_mean, self.x_scale = torch.tensor([127.5]), torch.tensor([127.5])
        self.latent_dim, self.generator = CLASSES, SimpleNamespace(null=None)

    def standardise(self, x):
        return self.sample_type.standardise(x, self.x_mean, self.x_scale)

    def encode(self, x, *, mask=None, weight=None):
        label = x.float().mean((2, 4)).reshape(*x.shape[:2], CLASSES, 2).mean(-1).argmax(-1)
        return torch.nn.functional.one_hot(label, CLASSES).float().mean(1)

    def sample(self, z, n, *, generator):
        rng = np.random.default_rng(int(torch.randint(2**31, (), generator=generator)))
        out = []
        for row in z.clamp_min(0).double().numpy():
            share = np.full(CLASSES, 1 / CLASSES) if self.blind else row / row.sum()
            out.append(np.concatenate([bars(int(c), 1, rng) for c in rng.choice(CLASSES, n, p=share)]))
        return torch.from_numpy(np.stack(out))


def context(store, model, **options):
    evaluation = {"bootstrap": 20, "points": 200, "sets": 12, "generated": 60, **options}
    config = {"evaluation": evaluation, "mixer": {"kind": "dirichlet_k", "k": 3, "alpha": 1.0}}
    return Context(model, store, config | {"training": {"set_size": 30}, "seed": 0}, 0)


@pytest.fixture(scope="module")
def found(store):
    with torch.no_grad():
        return {name: evaluate(context(store, Oracle(store, blind=name == "blind"))) for name in ("oracle", "blind")}


def test_a_perfect_model_reaches_the_ceilings(found):
    metrics = found["oracle"][0]
    assert metrics["classifier/accuracy"]["value"] > 0.97
    rank, error, energy = (metrics[k] for k in ("identity/rank", "composition/class_error", "features/energy"))
    assert rank["value"] > 0.9 and abs(rank["value"] - rank["ceiling"]) < 0.1
    assert abs(error["value"] - error["ceiling"]) < 0.05 and error["value"] < 0.5 * error["baselines"]["other_set"]
    assert energy["value"] < 0.3 * energy["baselines"]["unconditional"]
    assert metrics["geometry/simplex_pearson"]["value"] > 0.9


def test_a_generator_that_knows_no_set_shows_no_skill(found):
    """What it generates is good, only not of the set: the distance of pooled images is as small."""
    metrics = found["blind"][0]
    assert abs(metrics["identity/rank"]["value"] - 0.5) < 0.25
    assert (
        metrics["composition/class_error"]["value"] > 0.8 * metrics["composition/class_error"]["baselines"]["other_set"]
    )
    energy = metrics["features/energy"]
    assert energy["value"] > 0.7 * energy["baselines"]["unconditional"]
    assert metrics["identity/rank"]["baselines"]["unconditional"] == pytest.approx(0.5)


def test_the_same_seed_gives_the_same_numbers(store, found):
    with torch.no_grad():
        again = evaluate(context(store, Oracle(store)))[0]
    assert {k: v["value"] for k, v in again.items()} == {k: v["value"] for k, v in found["oracle"][0].items()}


def test_sets_are_groups_without_a_mixer(store):
    ctx = context(store, Oracle(store))
    ctx.config["mixer"] = None
    with torch.no_grad():
        metrics, tables = evaluate(ctx)
    assert "geometry/simplex_pearson" not in metrics and "composition/class_error" not in metrics
    assert metrics["identity/rank"]["n"] == CLASSES and metrics["identity/rank"]["value"] == 1.0
    assert dict(ctx.left)["geometry/simplex"] == "no mixer: sets are groups"
    assert "strip" not in tables


def test_figures_are_drawn_of_the_tables(found, tmp_path):
    metrics, tables = found["oracle"]
    write_tables(tmp_path, tables)
    result = {"metrics": metrics, "held_out": 4, "run": "r", "data": "user", "seed": 0}
    with style():
        for draw in (draw_pictures, draw_strip, draw_shares, draw_simplex):
            figure = draw(tmp_path, result)
            figure.draw_without_rendering()
            assert len(figure.axes) >= 1
    pictures, units = read_table(tmp_path, "pictures")
    assert units["p_0"] == "intensity" and set(pictures["source"]) == {"truth", "generated"}


def test_energy_distances_of_all_pairs_are_those_of_single_ones():
    from gde.distances.energy import energy_distance

    rng = np.random.default_rng(0)
    a, b = [rng.normal(size=(n, 3)) for n in (5, 9)], [rng.normal(1, size=(n, 3)) for n in (7, 4, 6)]
    matrix = energy_matrix(a, b)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            one = energy_distance(torch.from_numpy(x)[None], torch.from_numpy(y)[None], unbiased=True)
            assert matrix[i, j] == pytest.approx(float(one))


def test_frechet_distance_of_shifted_points_is_the_shift_squared():
    x = np.random.default_rng(0).normal(size=(50, 3))
    assert frechet(x, x + [3.0, 0, 4.0]) == pytest.approx(25.0)


def test_ranks_go_from_nearest_to_farthest_and_ties_count_half():
    d = np.array([[0.0, 1, 2], [0, 1, 2], [0, 1, 2]])
    assert ranks(d).tolist() == [1.0, 0.5, 0.0]
    assert ranks(np.ones((4, 4))).tolist() == [0.5] * 4


def test_mixtures_have_their_shares_and_other_images_to_compare(store):
    groups = store.select(split="test")
    for case in mixtures(store, random_shares(CLASSES, 5, np.random.default_rng(0)), groups, 4000, 50, seed=0):
        of = np.searchsorted(store.starts, case.context, side="right") - 1
        share = np.array([(of == g).mean() for g in groups])
        first = np.searchsorted(store.starts, case.context[:400], side="right") - 1
        assert abs(np.array([(first == g).mean() for g in groups]) - case.share).max() < 0.1, "the first ones, too"
        assert abs(share - case.share).max() < 0.05 and np.isclose(case.share.sum(), 1)
        assert (case.share > 0).sum() == 3 and len(case.target) == 50
    grid = grid_shares(CLASSES, np.array([0, 2, 3]))
    assert grid.shape == (55, CLASSES) and not grid[:, 1].any() and np.allclose(grid.sum(1), 1)


def test_groups_apart_have_no_image_on_both_sides(store):
    for case in groups_apart(store, 100, 100, 10, np.random.default_rng(0)):
        assert not set(case.context) & set(case.target)


def test_the_classifier_sees_training_images_alone(store):
    ctx = context(store, Oracle(store))
    seen = []
    own = store.x

    class Watched:
        dtype = own.dtype

        def __getitem__(self, rows):
            seen.append(np.atleast_1d(rows))
            return own[rows]

    watched = SimpleNamespace(
        **{k: getattr(store, k) for k in ("groups", "meta", "starts", "sizes", "sample_type", "path")}
    )
    watched.x = Watched()
    train_classifier(Context(ctx.model, watched, ctx.config, 0))
    trained = np.concatenate([r for r in seen if len(r) == 128])
    split = store.groups["split"].to_numpy()[np.searchsorted(store.starts, trained, side="right") - 1]
    assert set(split) == {"train"}
