"""The simulated screen: what is planted is in its store, and in its pictures."""

import numpy as np
import pytest

from gde.config.datasets.screens import ImageScreen
from gde.prepare.common.nuclei import TRAITS, draw_cells
from gde.prepare.image_screen import CONTROL, layout, planted, prepare
from gde.sets.store.set_store import SetStore

SMALL = {"complexes": 4, "null_genes": 3, "wells": 2, "cells": 3, "size": 24}


def settings(**more):
    return ImageScreen(kind="image_screen", **(SMALL | more)).model_dump()


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("screen") / "sets"
    prepare(settings(), path, name="screen", seed=0)
    return SetStore.open(path)


def test_every_well_holds_every_guide_and_whole_plates_are_held_out(store):
    groups = store.groups
    assert groups.groupby("well")["guide"].nunique().eq(groups["guide"].nunique()).all()
    assert groups.groupby("plate")["split"].nunique().eq(1).all()
    assert {"train", "validation", "test"} == set(groups["split"])
    assert len(store.x) == ImageScreen.shape(settings())[0] and store.x.dtype == np.uint16
    place = store.samples
    assert len(place) == len(store.x) and place[["row", "column"]].to_numpy().max() < store.meta["tile"]


@pytest.mark.parametrize("key, value", [("members", 2), ("guides", 3)])
def test_genes_of_a_complex_and_guides_of_a_gene_are_as_many_as_asked(key, value):
    groups = layout(settings(**{key: value}))
    members = groups[groups["complex"] != CONTROL].groupby("complex")["gene"].nunique()
    guides = groups.groupby("gene")["guide"].nunique()
    assert (members == (value if key == "members" else 3)).all() and (guides == (value if key == "guides" else 2)).all()


def test_a_confounded_complex_has_one_well_of_each_plate_and_controls_all():
    groups = layout(settings(wells_random=False))
    wells = groups.groupby("gene")["well"].nunique()
    control = groups.drop_duplicates("gene").set_index("gene")["complex"] == CONTROL
    assert (wells[~control] == 4).all() and (wells[control] == 8).all()
    assert groups["size"].sum() == ImageScreen.shape(settings(wells_random=False))[0]


def test_effects_are_of_complexes_and_null_for_controls():
    cfg = settings(complexes=60, spread=0.5, effect=0.4)
    groups = layout(cfg)
    effect, efficacy, batch = planted(cfg, groups, np.random.default_rng(0))
    control = (groups["complex"] == CONTROL).to_numpy()
    assert not effect[control].any()
    genes = groups.drop_duplicates("gene").index[~control[groups.drop_duplicates("gene").index]]
    own = effect[genes].reshape(60, 3, len(TRAITS))
    within, between = own.var(1, ddof=1).mean(), own.mean(1).var()
    assert within == pytest.approx((0.4 * 0.5) ** 2, rel=0.2)
    assert between == pytest.approx(0.4**2 + within / 3, rel=0.2)
    assert cfg["efficacy"] <= efficacy.min() and efficacy.max() <= 1
    assert groups.assign(b=batch[:, 0]).groupby("well")["b"].nunique().eq(1).all()


@pytest.mark.parametrize("trait", range(len(TRAITS)), ids=TRAITS)
def test_each_trait_is_a_picture(trait):
    """What it is named after grows with it: measured on pictures, without the truth."""
    measure = {
        "area": lambda x: (x[:, 0] > 1500).mean((1, 2)),
        "elongation": _elongation,
        "dna": lambda x: x[:, 0].mean((1, 2)),
        "dna_texture": lambda x: x[:, 0, 13:19, 13:19].std((1, 2)),
        "protein": lambda x: x[:, 1].mean((1, 2)),
        "protein_in_nucleus": lambda x: x[:, 1, 14:18, 14:18].mean((1, 2)) / x[:, 1].mean((1, 2)),
        "protein_texture": lambda x: x[:, 1, 13:19, 13:19].std((1, 2)),
    }[TRAITS[trait]]
    value = []
    for shift in (-2.0, 2.0):
        traits = np.zeros((400, len(TRAITS)))
        traits[:, trait] = shift
        value.append(measure(draw_cells(traits, np.zeros((400, 4)), 32, np.random.default_rng(1)).astype(float)))
    low, high = value
    assert high.mean() - low.mean() > 5 * (high.var() / 400 + low.var() / 400) ** 0.5


def _elongation(x):
    """Ratio of the second moments along and across, of bright pixels."""
    out = []
    for picture in x[:, 0] > 1500:
        out.append(np.divide(*np.linalg.eigvalsh(np.cov(np.argwhere(picture).T))[::-1]))
    return np.array(out)


def test_wells_change_gain_and_background():
    dark, bright = (draw_cells(np.zeros((100, 7)), np.full((100, 4), b), 24, np.random.default_rng(0)) for b in (-1, 1))
    for part in (np.s_[:, :, :3, :3], np.s_[:, :, 10:14, 10:14]):
        assert bright[part].mean((0, 2, 3)) / dark[part].mean((0, 2, 3)) == pytest.approx(np.exp(0.4), rel=0.05)


def test_the_same_seed_the_same_store(store, tmp_path):
    for seed, equal in ((0, True), (1, False)):
        prepare(settings(), tmp_path / f"{seed}", name="screen", seed=seed)
        assert np.array_equal(SetStore.open(tmp_path / f"{seed}").x, store.x) == equal


def test_a_plate_trains(tmp_path):
    with pytest.raises(ValueError, match="plates"):
        settings(plates=3, validation_plates=1, test_plates=2)
