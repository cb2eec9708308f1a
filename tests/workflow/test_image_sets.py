"""Pictures of classes in IDX files, and of one's own in TIFF files: from files to metrics, figures and samples, which
can be embedded again."""

import struct

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import tifffile
import yaml
import zarr
from copies import ROOT, SMOKE, copy_project
from drawn import draw_all

from gde.config.evaluations import EVALUATIONS
from gde.files.io import read_json

pytestmark = [pytest.mark.workflow, pytest.mark.slow]
SIDE = 10
TINY = (
    "bars={encoder: {hidden: 8}, generator: {hidden: 8, evaluations: 2}, latent_dim: 4, training: {steps: 10}, "
    "evaluation: {sets: 6, points: 60, generated: 20, bootstrap: 20}}"
)
SCREEN = "image_screen={dataset: {complexes: 4, null_genes: 3, cells: 4, wells: 2}, training: {steps: 10}}"


def write_idx(path, x):
    path.write_bytes(struct.pack(f">BBBB{x.ndim}I", 0, 0, 8, x.ndim, *x.shape) + x.astype(np.uint8).tobytes())


@pytest.fixture(scope="module")
def user(tmp_path_factory):
    """A project with pictures of stripes, whose place is the class, and the shipped experiment on them."""
    root, rng = copy_project(tmp_path_factory.mktemp("images")), np.random.default_rng(0)
    for part, n in (("train", 240), ("test", 90)):
        label = np.arange(n) % 3
        x = rng.integers(0, 60, (n, SIDE, SIDE))
        for i, c in enumerate(label):
            x[i, 3 * c : 3 * c + 3] += 150
        write_idx(root / f"{part}-images-ubyte", x)
        write_idx(root / f"{part}-labels-ubyte", label)
    shipped = yaml.safe_load((ROOT / "config/experiments/mnist_multinomial.yaml").read_text())
    files = {f"{part}_{what}": f"{part}-{what}-ubyte" for part in ("train", "test") for what in ("images", "labels")}
    shipped["dataset"] |= files | {"classes": ["top", "middle", "bottom"]}
    (root / "config/experiments/bars.yaml").write_text(yaml.safe_dump(shipped))
    write_wells(root, rng)
    return root


def write_wells(root, rng):
    """Pictures of four wells, in files of their own, two of them brighter; and five lines about them."""
    (root / "pictures").mkdir()
    rows = [(f"pictures/{i:03d}.tif", f"W{i % 4}") for i in range(120)]
    for i, (file, _) in enumerate(rows):
        x = rng.integers(200, 900 + 4000 * (i % 2), (2, 12, 12)).astype(np.uint16)
        tifffile.imwrite(root / file, x, photometric="minisblack", metadata={"axes": "CYX"})
    pd.DataFrame(rows, columns=["file", "well"]).to_csv(root / "cells.csv", index=False)
    dataset = {"kind": "images", "table": "cells.csv", "image": "file", "groupby": ["well"]}
    (root / "config/experiments/wells.yaml").write_text(yaml.safe_dump({"dataset": dataset}))


@pytest.fixture(scope="module")
def results(user, snakemake):
    targets = ["results/bars/metrics.json", "results/bars/figures/pictures.svg", "results/bars/samples.zarr.zip"]
    targets += ["results/wells/metrics.json", "results/wells/figures/pictures.svg", "results/wells/samples.zarr.zip"]
    targets += ["results/image_screen/metrics.json", "results/image_screen/figures/relations.svg"]
    done = snakemake(user, *targets, "results/bars/MODEL_CARD.md", *SMOKE, TINY, SCREEN, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return user / "results"


def test_every_metric_has_its_baselines(results):
    metrics = read_json(results / "bars/metrics.json")["metrics"]
    assert set(metrics) == set(EVALUATIONS["images"].metrics)
    assert metrics["classifier/accuracy"]["value"] > 0.9 and metrics["classifier/accuracy"]["chance"] == 1 / 3
    for name in ("identity/rank", "composition/class_error", "features/energy", "features/frechet"):
        assert {"unconditional", "training_images"} <= set(metrics[name]["baselines"])
        assert metrics[name]["ceiling"] is not None
    assert set(metrics["geometry/simplex_pearson"]["baselines"]) == {"pixel_mean", "class_probabilities"}


def test_every_figure_is_drawn(results, tmp_path):
    assert {"pictures", "simplex", "strip", "class_shares"} <= set(draw_all(results.parent, "bars", tmp_path))


def test_five_lines_about_pictures_of_ones_own(results, tmp_path):
    metrics = read_json(results / "wells/metrics.json")["metrics"]
    assert set(metrics) == {"identity/rank", "features/energy", "features/frechet", "classifier/accuracy"}
    assert metrics["classifier/accuracy"]["chance"] == 0.25
    left = {one["what"]: one["why"] for one in read_json(results / "wells/metrics.json")["left_out"]}
    assert left["geometry/simplex"] == "no mixer: sets are groups"
    assert {"pictures", "strip", "simplex"} <= set(draw_all(results.parent, "wells", tmp_path))
    group = zarr.open_group(zarr.storage.ZipStore(results / "wells/samples.zarr.zip", mode="r"), mode="r")
    assert group["images"].shape[1:] == (2, 12, 12) and group["images"].dtype == np.uint16


def test_a_screen_has_every_metric_beside_engineered_features(results, tmp_path):
    metrics = read_json(results / "image_screen/metrics.json")["metrics"]
    assert set(metrics) == set(EVALUATIONS["screen"].metrics)
    recall = metrics["relations/recall_5"]
    assert {"engineered", "layout"} <= set(recall["baselines"]) and recall["ceiling"] > 2 * recall["chance"]
    assert "relations" in draw_all(results.parent, "image_screen", tmp_path)


def test_samples_are_pictures_with_their_set_and_are_embedded_again(results, warm, environment):
    path = results / "bars/samples.zarr.zip"
    group = zarr.open_group(zarr.storage.ZipStore(path, mode="r"), mode="r")
    obs = ad.io.read_elem(group["obs"])
    assert group["images"].shape == (len(obs), 1, SIDE, SIDE) and group["images"].dtype == np.uint8
    assert set(obs["label"]) == {"top", "middle", "bottom"}
    arguments = ["embed", "results/bars/model", str(path), "--groupby", "label", "-o", "again.h5ad"]
    done = warm.run(["-m", "gde.cli", *arguments], cwd=results.parent, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ad.read_h5ad(results.parent / "again.h5ad").obs["label"].tolist() == ["bottom", "middle", "top"]
    whole = ["compare-groups", "results/bars/model", "results/sets/bars", "top", "bottom", "--permutations", "99"]
    done = warm.run(["-m", "gde.cli", *whole], cwd=results.parent, env=environment)
    assert done.returncode == 0 and "top" in done.stdout, done.stdout + done.stderr
