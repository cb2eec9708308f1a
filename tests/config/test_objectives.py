"""Objectives and families in experiment files: defaults, presets, and what is impossible."""

import pytest
from helpers import ROOT, data, project, write

from gde.config import resolve, resolve_all
from gde.errors import GdeError

ORDERED = {"kind": "ordered", "order_by": "day"}
PERTURBATION = {"kind": "perturbation", "control": {"gene": "none"}}


def refusal(root) -> str:
    with pytest.raises(GdeError) as e:
        resolve_all({}, root)
    assert "\n" not in str(e.value)
    return str(e.value)


@pytest.mark.parametrize("given", [None, {}, {"isometry": 0.5}, {"kind": "reconstruction"}])
def test_reconstruction_is_the_default(tmp_path, given):
    content = data("pbmc68k") | {"objective": given}
    if given is None:
        del content["objective"]
    write(project(tmp_path), "pbmc68k", content)
    expected = {"kind": "reconstruction", "isometry": 0.0, "context": 0} | (given or {})
    assert resolve("pbmc68k", {}, tmp_path)["objective"] == expected
    over = {"pbmc68k": {"objective": {"isometry": 2.0}}}
    assert resolve("pbmc68k", over, tmp_path)["objective"] == expected | {"isometry": 2.0}


def test_every_kind_resolves_with_its_defaults(tmp_path):
    for objective in ({"kind": "classification", "label": "x"}, ORDERED, PERTURBATION):
        content = data("pbmc68k") | {"mixer": None, "objective": objective}
        write(project(tmp_path / objective["kind"]), "pbmc68k", content)
        resolved = resolve("pbmc68k", {}, tmp_path / objective["kind"])["objective"]
        assert objective.items() <= resolved.items()
        assert resolved["isometry"] == 0.0


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("gmm", {"objective": ORDERED}, "objective.kind: found 'ordered', expected 'reconstruction' for a simulated"),
        ("pbmc68k", {"objective": ORDERED}, "mixer: found 'dirichlet_k', expected null for the objective ordered"),
        ("pbmc68k", {"objective": PERTURBATION}, "mixer: found 'dirichlet_k', expected null for the objective"),
        ("pbmc68k", {"objective": {"kind": "classification"}}, "objective.label: found nothing"),
        ("pbmc68k", {"objective": {"kind": "order"}}, "objective.kind: found 'order', expected one of reconstruction"),
        ("pbmc68k", {"objective": PERTURBATION | {"control": {}}}, "objective.control: found a mapping, expected one"),
        (
            "pbmc68k",
            {"objective": PERTURBATION | {"control": {"a": 1, "b": 2}}},
            "objective.control: found a mapping, expected one `column: value`",
        ),
        ("pbmc68k", {"objective": PERTURBATION | {"control": {"a": None}}}, "objective.control.a: found nothing"),
        ("pbmc68k", {"objective": PERTURBATION | {"within": ["gene"]}}, "objective.within: found ['gene'], expected"),
        ("pbmc68k", {"objective": PERTURBATION | {"rank": 0}}, "objective.rank: found 0, expected a number >= 1"),
        ("pbmc68k", {"objective": ORDERED | {"weight": -1.0}}, "objective.weight: found -1.0, expected a number >= 0"),
        ("poisson", {"dataset": {"rate_low": -1.0}}, "dataset.rate_low: found -1.0, expected a number >= 0"),
        ("poisson", {"dataset": {"rate_low": 11.0}}, "dataset.rate_low: found 11.0, expected at most rate_high = 10.0"),
        (
            "poisson",
            {"dataset": {"rate_high": 2e6}},
            "dataset.rate_high: found 2000000.0, expected a number <= 1000000",
        ),
        ("multinomial", {"dataset": {"alpha": [1.0, 2.0]}}, "expected 1 or categories = 3 numbers; give one for each"),
        ("multinomial", {"dataset": {"alpha": 0.0}}, "dataset.alpha[0]: found 0.0, expected a number > 0"),
        ("multinomial", {"dataset": {"trials": 0}}, "dataset.trials: found 0, expected a number >= 1"),
        ("multinomial", {"dataset": {"categories": 1}}, "dataset.categories: found 1, expected a number >= 2"),
        ("mvn_lowrank", {"dataset": {"rank": 101}}, "dataset.rank: found 101, expected at most dim = 100"),
        ("mvn_lowrank", {"dataset": {"scale": 0.0}}, "dataset.scale: found 0.0, expected a number > 0"),
    ],
)
def test_impossible_values_are_named(tmp_path, name, changes, message):
    content = data(name)
    for section, values in changes.items():
        content[section] = content["dataset"] | values if section == "dataset" else values
    write(project(tmp_path), name, content)
    found = refusal(tmp_path)
    assert found.startswith(f"config/experiments/{name}.yaml")
    assert message in found


@pytest.mark.parametrize("alpha", [2, 0.5, [0.5]])
def test_one_number_may_stand_for_all_categories(tmp_path, alpha):
    content = data("multinomial")
    content["dataset"]["alpha"] = alpha
    write(project(tmp_path), "multinomial", content)
    assert resolve("multinomial", {}, tmp_path)["dataset"]["alpha"] == [
        float(alpha[0] if isinstance(alpha, list) else alpha)
    ]


def test_published_hyperparameters_of_the_families():
    """Appendix B: gnn and DDPM, latent 16, hidden 64, 256 sets, Adam at 2e-4."""
    for name, size in {"poisson": 100, "multinomial": 100, "mvn_lowrank": 500}.items():
        paper = resolve(name, {"preset": "paper"}, ROOT)
        assert (paper["encoder"]["kind"], paper["generator"]["kind"]) == ("gnn", "ddpm")
        assert (paper["latent_dim"], paper["encoder"]["hidden"], paper["generator"]["hidden"]) == (16, 64, 64)
        assert (paper["training"]["n_sets"], paper["training"]["set_size"]) == (256, size)
        assert (paper["training"]["optimizer"]["lr"], paper["objective"]["isometry"]) == (2e-4, 0.0)


def test_a_context_beyond_half_a_set_is_refused():
    over = {"gmm": {"objective": {"context": 33}}}
    with pytest.raises(GdeError, match=r"gmm\.objective\.context: found 33, expected at most half of .* = 64"):
        resolve("gmm", over, ROOT)


SCREEN = {"kind": "perturb_seq", "files": {"K562": "screen.h5ad"}}


def screen(tmp_path, dataset, **more):
    write(project(tmp_path), "screen", {"dataset": SCREEN | dataset, **more})
    return resolve("screen", {}, tmp_path)


def test_a_screen_needs_its_section_alone(tmp_path):
    resolved = screen(tmp_path, {})
    objective = resolved["objective"]
    assert (objective["kind"], objective["control"], objective["within"]) == ("perturbation", None, ["cell_line"])
    assert (objective["conditions"], objective["rank"]) == ("vectors", "auto")
    assert resolved["evaluation"]["kind"] == "perturbation"


def test_a_screen_without_vectors_learns_its_conditions(tmp_path):
    assert screen(tmp_path / "a", {"vectors": None})["objective"]["conditions"] == "learned"
    given = {"kind": "perturbation", "control": {"gene": "NT"}, "within": ["cell_line"], "rank": 5}
    assert given.items() <= screen(tmp_path / "b", {"vectors": None}, objective=given)["objective"].items()
    part = screen(tmp_path / "c", {}, objective={"shift_weight": 2.0})["objective"]
    assert (part["kind"], part["shift_weight"], part["within"]) == ("perturbation", 2.0, ["cell_line"])
    with pytest.raises(GdeError, match=r"objective\.conditions: found 'vectors', expected 'learned' where dataset"):
        screen(tmp_path / "d", {"vectors": None}, objective={"kind": "perturbation", "conditions": "vectors"})


def test_controls_that_nobody_names_are_asked_for(tmp_path):
    content = data("pbmc68k") | {"mixer": None, "objective": {"kind": "perturbation"}}
    write(project(tmp_path), "pbmc68k", content)
    assert "objective.control: found nothing, expected one `column: value`, such as {treatment: DMSO}" in refusal(
        tmp_path
    )
