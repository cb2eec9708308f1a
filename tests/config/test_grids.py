"""Grids: every combination once, the same held-out sets for all, and refusals that name grid, cell and key."""

import re
from math import prod

import pytest
import yaml
from helpers import ROOT, project

from gde.config import resolve, resolve_all, resolve_grids, run_id
from gde.config.experiment import Experiment
from gde.config.kinds import kind_of
from gde.config.messages import submodels
from gde.errors import GdeError

AXES = {"encoder": ["mean", "gnn", "resnet"], "generator": ["flow", "ddpm"], "seed": [0, 1]}
GRID = {"base": "mvn5", "axes": AXES}


def expand(root=ROOT, grid=None, files=(), **config):
    return resolve_grids({"grids": {"some": grid or GRID}, **config}, root, files)["some"]


def cell(grid, **labels):
    (found,) = [c for c in grid.cells.values() if labels.items() <= c.labels.items()]
    return found


def test_every_combination_once():
    grid = expand()
    assert len(grid.cells) == prod(map(len, AXES.values()))
    assert list(grid.cells)[:2] == [f"grid/some/encoder~mean/generator~flow/seed~{s}" for s in (0, 1)]
    for path, c in grid.cells.items():
        r = c.resolved
        assert c.labels == {
            "encoder": r["encoder"]["kind"],
            "generator": r["generator"]["kind"],
            "seed": str(r["seed"]),
        }
        assert r["name"] == path
    assert run_id(r, "store", "code").startswith("grid+some+encoder~resnet+generator~ddpm+seed~1-")


def test_a_cell_is_the_experiment_but_for_its_axes():
    base = resolve("mvn5", {}, ROOT)
    own = cell(expand(), encoder="resnet", generator="flow", seed="1").resolved
    assert own | {"name": "mvn5", "seed": 0} == base
    other = cell(expand(), encoder="mean", generator="flow", seed="0").resolved
    assert {k for k in base if other[k] != base[k]} == {"name", "encoder"}


@pytest.mark.parametrize("preset", ["smoke", "paper"])
def test_presets_and_overrides_apply_to_cells(preset):
    config = {"preset": preset, "mvn5": {"training": {"n_sets": 8}}}
    grid = expand(grid=GRID | {"overrides": {"training": {"steps": 7}}}, **config)
    base = resolve("mvn5", config, ROOT)
    for c in grid.cells.values():
        assert c.resolved["preset"] == preset
        assert c.resolved["training"] == base["training"] | {"steps": 7}
        assert c.resolved["dataset"] == base["dataset"]


def test_what_another_kind_takes_over(tmp_path):
    """Width from anywhere, what preset and overrides say to all kinds; not what was tuned for the base's own kind."""
    (project(tmp_path) / "config/experiments/mine.yaml").write_text(
        "dataset: {kind: mvn}\nencoder: {kind: resnet, hidden: 40, layers: 5}\n"
        "generator: {kind: flow, hidden: 50, affine: true, layers: 3}\n"
        "presets: {smoke: {encoder: {moments: false}}, paper: {generator: {kind: ddpm, hidden: 60, steps: 300}}}\n"
    )
    both = {"base": "mine", "axes": {"encoder": ["resnet", "gnn", "mean"], "generator": ["flow", "ddpm"]}}

    def sections(preset, **change):
        grid = expand(tmp_path, both | change, preset=preset)
        return {
            "/".join(c.labels.values()): (c.resolved["encoder"], c.resolved["generator"]) for c in grid.cells.values()
        }

    laptop = sections("laptop")
    encoder, generator = laptop["resnet/flow"]
    assert (encoder["hidden"], encoder["layers"], generator["affine"], generator["layers"]) == (40, 5, True, 3)
    encoder, generator = laptop["gnn/ddpm"]
    assert (encoder["hidden"], encoder["layers"], generator["hidden"]) == (40, 2, 50)
    assert (generator["affine"], generator["layers"]) == (False, 4)
    assert laptop["mean/flow"][0] == {"kind": "mean"}

    encoder, generator = sections("smoke")["gnn/ddpm"]
    assert (encoder["moments"], encoder["hidden"]) == (False, 40)
    encoder, generator = sections("paper")["resnet/flow"]  # the preset's generator is another kind: its width alone
    assert (generator["hidden"], generator["affine"], generator["layers"]) == (60, False, 4)
    encoder, generator = sections("laptop", overrides={"generator": {"layers": 6}})["gnn/ddpm"]
    assert (generator["layers"], generator["hidden"]) == (6, 50)
    written = [{"kind": "ddpm", "hidden": 9, "layers": 1}]
    axes = {"generator": written}
    (only,) = expand(tmp_path, {"base": "mine", "axes": axes, "overrides": {"generator": {"layers": 6}}}).cells.values()
    assert (only.resolved["generator"]["hidden"], only.resolved["generator"]["layers"]) == (9, 1)


def test_held_out_sets_do_not_change_with_seed_or_model():
    grid = expand(seed=5)
    assert {c.store for c in grid.cells.values()} == {"mvn5"}
    assert not grid.stores
    own = expand(grid=GRID | {"overrides": {"dataset": {"test_sets": 9}}}, seed=5)
    assert {c.store for c in own.cells.values()} == {"grid/some/base"} == set(own.stores)
    (store,) = own.stores.values()
    assert (store["seed"], store["dataset"]["test_sets"], store["name"]) == (5, 9, "grid/some/base")


def test_one_store_for_each_data_set():
    axes = {"dataset.df": [10, 40], "encoder": ["mean", "gnn"], "seed": [0, 1]}
    grid = expand(grid={"base": "mvn5", "axes": axes})
    for c in grid.cells.values():
        df = c.resolved["dataset"]["df"]
        assert df == int(c.labels["dataset.df"])
        assert c.store == ("mvn5" if df == 40 else "grid/some/dataset.df~10")
    assert {name: s["dataset"]["df"] for name, s in grid.stores.items()} == {"grid/some/dataset.df~10": 10}


def test_any_key_and_its_names(tmp_path):
    named = {"kind": "sgd", "lr": 1e-3, "name": "slow"}
    axes = {
        "training.optimizer": ["adam", named],
        "training.n_sets": [8, 16],
        "training.grad_clip": [None, 0.5, 2e-7],
        "training.optimizer.weight_decay": [0.25],
        "training.optimizer.betas.1": [0.99],
        "generator.affine": [True, False],
    }
    own = {"training.optimizer": ["adam"], **{k: v for k, v in axes.items() if k != "training.optimizer"}}
    (project(tmp_path) / "config/experiments/mine.yaml").write_text(
        "dataset: {kind: mvn}\ntraining: {optimizer: {kind: adamw, betas: [0.9, 0.999]}}\n"
    )
    grid = expand(tmp_path, {"base": "mine", "axes": {"training.optimizer": ["adam", named]}})
    assert cell(grid, **{"training.optimizer": "slow"}).resolved["training"]["optimizer"]["lr"] == 1e-3
    own["training.optimizer"] = [{"kind": "adam", "betas": [0.5, 0.6]}]
    grid = expand(tmp_path, {"base": "mine", "axes": own})
    assert len(grid.cells) == 2 * 3 * 2
    for c in grid.cells.values():
        optimizer = c.resolved["training"]["optimizer"]
        assert optimizer == {"kind": "adam", "lr": 2e-3, "weight_decay": 0.25, "betas": [0.5, 0.99]}
    assert {c.labels["training.grad_clip"] for c in grid.cells.values()} == {"none", "0.5", "2e-07"}
    assert {c.labels["generator.affine"] for c in grid.cells.values()} == {"true", "false"}


def test_values_from_the_command_line_are_text_at_first():
    """Snakemake leaves nested values of --config as text."""
    axes = {"training.n_sets": ["8", "16"], "encoder": [{"kind": "gnn", "layers": "3", "name": "deep"}], "seed": ["4"]}
    grid = expand(grid={"base": "mvn5", "axes": axes})
    assert [c.resolved["training"]["n_sets"] for c in grid.cells.values()] == [8, 16]
    assert cell(grid, **{"training.n_sets": "8"}).resolved["encoder"]["layers"] == 3
    assert {c.resolved["seed"] for c in grid.cells.values()} == {4}


TEXT = """\
experiments: [gmm]
grids:
  some:
    base: mvn5
    overrides: {training: {steps: 9}}
    axes:
      encoder: [mean, gnn]
      generator:
        - flow
        - {kind: ddpm, layers: 2}
      seed: [0, 1]
    metrics: [reconstruction/w2]
"""


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "end"),
    [
        ("base: mvn5", "base: mvvn5", 4, "grids.some.base", "did you mean 'mvn5'?"),
        ("base:", "bas:", 4, "grids.some.bas", "did you mean 'base'?"),
        ("axes:", "axs:", 6, "grids.some.axs", "did you mean 'axes'?"),
        ("overrides: {training", "overrides: {trainng", 5, "grids.some.overrides.trainng", "did you mean 'training'?"),
        ("steps: 9", "stepz: 9", 5, "grids.some.overrides.training.stepz",
         "did you mean 'steps'? (in cell encoder~mean/generator~flow/seed~0 of grid some)"),
        ("encoder: [", "encodr: [", 7, "grids.some.axes.encodr", "did you mean 'encoder'?"),
        ("seed: [0", "training.set_sizes: [0", 11, "grids.some.axes.training.set_sizes",
         "did you mean 'training.set_size'?"),
        ("seed: [0, 1]", "seed: [0, -1]", 11, "grids.some.axes.seed[1]",
         "expected a whole number >= 0, below 2**63; correct the seed"),
        ("seed: [0, 1]", "seed: []", 11, "grids.some.axes.seed", "expected a list of at least 1; see config/README.md"),
        ("[mean, gnn]", "[mean, gn]", 7, "grids.some.axes.encoder[1]",
         "did you mean 'gnn'? (in cell encoder~gn/generator~flow/seed~0 of grid some)"),
        ("layers: 2", "layer: 2", 10, "grids.some.axes.generator[1].layer",
         "did you mean 'layers'? (in cell encoder~mean/generator~ddpm/seed~0 of grid some)"),
        ("layers: 2", "evaluations: 9", 10, "grids.some.axes.generator[1].evaluations",
         "found 9, expected null with sampler: ancestral; set sampler: ddim "
         "(in cell encoder~mean/generator~ddpm/seed~0 of grid some)"),
        ("layers: 2}", "layers: 2, name: flow}", 10, "grids.some.axes.generator[1]",
         "found 'flow' a second time, expected values of different names; add `name: ...`"),
        ("kind: ddpm, ", "", 10, "grids.some.axes.generator[1]",
         "found no name, expected a text by which to call this value; add `name: ...`"),
        ("seed: [0, 1]", "dataset.published_distribution.0: [1]", 11,
         "grids.some.axes.dataset.published_distribution.0[0]",
         "found a mapping, expected a list of more than 0; give the base experiment a whole list "
         "(in cell dataset.published_distribution.0~1/encoder~mean/generator~flow of grid some)"),
        ("[reconstruction/w2]", "[reconstruction/w3]", 12, "grids.some.metrics[0]",
         "did you mean 'reconstruction/w2'?"),
        ("  some:", "  s+me:", 3, "grids.s+me", "rename the grid"),
        ("{training: {steps: 9}}", "{encoder: mean}", 5, "grids.some.overrides.encoder",
         "found 'mean', expected a mapping of keys; see config/README.md"),
        ("[mean, gnn]", "[mean, {kind: gnn, name: " + "x" * 99 + "}]", 7, "grids.some.axes.encoder[1]",
         "expected at most 80; add `name: ...`, which names directories"),
        ("seed: [0, 1]", f"seed: {list(range(5000))}", 6, "grids.some.axes",
         "found 20000 combinations, expected at most 10000; shorten an axis"),
        ("seed: [0, 1]", "published: [{}]", 11, "grids.some.axes.published", ""),
    ],
    ids=lambda v: v.strip() if isinstance(v, str) and len(v) < 30 else "",
)  # fmt: skip
def test_refusals(tmp_path, old, new, line, key, end):
    assert old in TEXT
    (project(tmp_path) / "config/config.yaml").write_text(TEXT.replace(old, new, 1))
    config = yaml.safe_load(TEXT.replace(old, new, 1))
    with pytest.raises(GdeError) as e:
        resolve_grids(config, tmp_path, ["config/config.yaml"])
    assert str(e.value).startswith(f"config/config.yaml:{line}: {key}: found "), e.value
    assert str(e.value).endswith(end), e.value
    assert "\n" not in str(e.value)


def test_a_broken_combination_names_the_key_of_the_base_file(tmp_path):
    """Each alone is possible; together they are not."""
    file = project(tmp_path) / "config/experiments/mine.yaml"
    file.write_text("dataset: {kind: mvn}\ntraining:\n  shards: 4\n")
    grid = {"base": "mine", "axes": {"training.n_sets": [8, 10], "seed": [0]}}
    with pytest.raises(GdeError) as e:
        expand(tmp_path, grid)
    assert str(e.value) == (
        "config/experiments/mine.yaml:3: training.shards: found 4, expected a divisor of n_sets = 10; "
        "change shards or n_sets (in cell training.n_sets~10/seed~0 of grid some)"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"values": [1.0]}, "grids.some.published: found [1.0], expected 2 numbers of geometry/w2_pearson"),
        (
            {"axes": {"encoder": ["mean"], "generator": ["flow"]}},
            "found 'encoder, generator', expected one axis beside",
        ),
        ({"metrics": ["geometry/w2_spearman"]}, "did you mean 'geometry/w2_spearman'?"),
        ({"axes": {}}, "grids.some.axes: found nothing, expected at least one axis; add one, e.g. seed: [0, 1, 2]"),
    ],
    ids=["length", "two axes", "not drawn", "no axis"],
)
def test_curves(change, message):
    values = change.pop("values", [0.8, 0.9])
    grid = {
        "base": "mvn5",
        "axes": {"dataset.df": [10, 40], "seed": [0, 1]},
        "metrics": ["geometry/w2_pearson"],
        "published": {"geometry/w2_pearson": {"values": values, "source": "x"}},
    }
    if values == [0.8, 0.9] and "axes" not in change:
        assert expand(grid=grid).published == {"geometry/w2_pearson": {"10": 0.8, "40": 0.9}}
    with pytest.raises(GdeError) as e:
        expand(grid=grid | change)
    assert message in str(e.value)


def test_grids_of_the_repository():
    """They expand at every preset, and an experiment's name is no grid's business."""
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    for preset in ("smoke", "laptop", "paper"):
        for name, grid in resolve_grids(config | {"preset": preset}, ROOT, ["config/config.yaml"]).items():
            shape = [len(values) for values in config["grids"][name]["axes"].values()]
            assert len(grid.cells) == prod(shape)
            assert set(grid.published) <= set(grid.metrics)
            for c in grid.cells.values():
                for section in ("encoder", "generator"):
                    models = submodels(Experiment.model_fields[section].annotation)
                    (model,) = [m for m in models if kind_of(m) == c.resolved[section]["kind"]]
                    assert set(c.resolved[section]) == set(model.model_fields)
    assert set(resolve_all(config, ROOT)) == {p.stem for p in (ROOT / "config/experiments").glob("*.yaml")}


def test_the_grid_of_the_manual(tmp_path):
    """docs/grids.md shows one: every cell of it is possible."""
    text = (ROOT / "docs/grids.md").read_text()
    (block,) = re.findall(r"^```yaml\n# config/config.yaml, in grids\n(grids:\n.*?)^```$", text, re.M | re.S)
    (grid,) = resolve_grids(yaml.safe_load(block), ROOT).values()
    assert len(grid.cells) == 3 * 2 * 3
    (path,) = re.findall(r"`results/(grid/\S+)/metrics.json`", text)
    assert grid.cells[path].resolved["encoder"]["layers"] == 4


def test_the_order_of_axes_does_not_matter():
    """Snakemake changes it where --config repeats a key; a section's keys must not go with its old kind."""
    axes = {"seed": [3], "generator.layers": [1], "generator": ["ddpm"], "dataset.df": [20], "encoder": ["mean"]}
    for keys in (list(axes), list(axes)[::-1]):
        ((path, only),) = expand(grid={"base": "mvn5", "axes": {k: axes[k] for k in keys}}).cells.items()
        assert only.resolved["generator"]["kind"] == "ddpm"
        assert only.resolved["generator"]["layers"] == 1
        assert path == "grid/some/dataset.df~20/encoder~mean/generator~ddpm/generator.layers~1/seed~3"
