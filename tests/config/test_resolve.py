"""From files to one explicit dict: order of overrides, defaults by kind, and what a run's identity depends on."""

import json
import sys

import pytest
from helpers import NAMES, ROOT, project, write

from gde.config import RESERVED, experiment_names, find_all, resolve, resolve_all, run_id, training_slice
from gde.config.experiment import Experiment
from gde.config.kinds import kind_of
from gde.config.messages import submodels
from gde.errors import GdeError


@pytest.mark.parametrize("preset", ["smoke", "laptop", "paper"])
def test_every_key_is_explicit_and_plain(preset):
    for resolved in resolve_all({"preset": preset}, ROOT).values():
        assert json.loads(json.dumps(resolved)) == resolved
        for section in ("dataset", "encoder", "generator", "evaluation", "objective", "training"):
            models = submodels(Experiment.model_fields[section].annotation)
            model = next(m for m in models if kind_of(m) == resolved[section].get("kind"))
            assert set(resolved[section]) == set(model.model_fields)
        assert Experiment.model_validate({k: v for k, v in resolved.items() if k not in ("name", "seed", "preset")})


CELLS = ("lineage_tracing", "essential_genes", "donors")
SEQUENCES = ("dna_multinomial", "synthetic_dna", "methylation", "methylation_class", "mpra_bins")
SEQUENCES += ("gpra_dna", "gpra_dna_ordered", "gpra_dna_vae")
SEQUENCES += ("pfam", "protein_motifs", "synthetic_protein", "pubmed", "virus")
PICTURES = ("mnist_multinomial", "fashion_mnist", "cifar10", "image_screen")


def test_repository_has_its_experiments():
    families = ["normal", "poisson", "multinomial", "mvn", "mvn_lowrank", "gmm", "mvn5", "gmm5"]
    assert experiment_names(ROOT) == sorted([*families, "pbmc68k", "digits", *CELLS, *SEQUENCES, *PICTURES])


@pytest.mark.parametrize("name", NAMES)
def test_smoke_is_small_and_keeps_law_and_split(name):
    smoke, laptop, paper = (resolve(name, {"preset": p}, ROOT) for p in ("smoke", "laptop", "paper"))
    sets = [r["training"]["steps"] * r["training"]["n_sets"] for r in (smoke, laptop, paper)]
    assert smoke["training"]["steps"] <= 60
    assert sets == sorted(sets)
    budget = {"test_sets", "validation_sets", "test_size"}
    distributions = [{k: v for k, v in r["dataset"].items() if k not in budget} for r in (smoke, laptop, paper)]
    assert distributions[0] == distributions[1] == distributions[2]
    assert smoke["objective"] == laptop["objective"]
    assert smoke["description"]


def test_five_lines_of_a_users_own(tmp_path):
    project(tmp_path)
    write(tmp_path, "mine", "dataset:\n  kind: h5ad\n  path: my.h5ad\n  groupby: [donor]\n  values: counts\n")
    mine = resolve("mine", {}, tmp_path)
    assert mine["encoder"]["kind"] == "resnet"
    assert mine["generator"]["kind"] == "flow"
    assert mine["evaluation"]["kind"] == "samples"
    smoke = resolve("mine", {"preset": "smoke"}, tmp_path)
    assert smoke["training"]["steps"] == 60
    assert smoke["encoder"]["hidden"] == smoke["generator"]["hidden"] == 32
    write(tmp_path, "mine", "dataset: {kind: mvn}\nencoder: {kind: mean}\n")
    smoke = resolve("mine", {"preset": "smoke"}, tmp_path)
    assert smoke["dataset"]["test_sets"] == 12
    assert smoke["encoder"] == {"kind": "mean"}


def test_order_of_overrides(tmp_path):
    project(tmp_path)
    text = "dataset: {kind: mvn}\ntraining: {steps: 10}\npresets: {smoke: {training: {steps: 20}}}\n"
    write(tmp_path, "mine", text)
    assert resolve("mine", {}, tmp_path)["training"]["steps"] == 10
    assert resolve("mine", {"preset": "smoke"}, tmp_path)["training"]["steps"] == 20
    over = {"preset": "smoke", "mine": {"training": {"steps": 30}}}
    assert resolve("mine", over, tmp_path)["training"]["steps"] == 30


def test_another_kind_replaces_its_section(tmp_path):
    project(tmp_path)
    text = "dataset: {kind: mvn}\nencoder: {kind: resnet, hidden: 7, depth: 3}\n"
    write(tmp_path, "mine", text + "presets: {paper: {encoder: {kind: gnn}}, smoke: {encoder: {layers: 1}}}\n")
    assert resolve("mine", {"preset": "paper"}, tmp_path)["encoder"]["hidden"] == 128
    assert (
        resolve("mine", {"preset": "smoke"}, tmp_path)["encoder"] | {"hidden": 7, "depth": 3, "layers": 1}
        == (resolve("mine", {"preset": "smoke"}, tmp_path)["encoder"])
    )
    # the default kind is merged into like a written one
    write(tmp_path, "mine", "dataset: {kind: mvn}\nencoder: {hidden: 7}\npresets: {smoke: {encoder: {kind: resnet}}}\n")
    assert resolve("mine", {"preset": "smoke"}, tmp_path)["encoder"]["hidden"] == 7


def test_run_identity():
    """Only what the weights depend on makes another run."""
    base = resolve("gmm", {}, ROOT)
    run = run_id(base, "store", "code")
    assert run == run_id(json.loads(json.dumps(base)), "store", "code")
    name, digest = run.rsplit("-", 1)
    assert name == "gmm"
    assert len(digest) == 8
    for same in ({"accelerator": "cpu"}, {"gmm": {"description": "x"}}, {"gmm": {"evaluation": {"clt": False}}}):
        assert run_id(resolve("gmm", same, ROOT), "store", "code") == run
    for other in ({"seed": 1}, {"gmm": {"latent_dim": 3}}, {"gmm": {"dataset": {"df": 11}}}, {"preset": "smoke"}):
        assert run_id(resolve("gmm", other, ROOT), "store", "code") != run
    assert run_id(base, "other", "code") != run != run_id(base, "store", "other")
    assert "evaluation" not in training_slice(base)


@pytest.mark.parametrize(
    ("file", "found"),
    [("sets.yaml", "the reserved name 'sets'"), ("seed.yaml", "the reserved name"), ("mine.yml", "the ending .yml"),
     ("my data.yaml", "the name 'my data'"), ("a.yaml", "the name 'a'"), ("x-1.yaml", "the name 'x-1'")],
)  # fmt: skip
def test_file_names(tmp_path, file, found):
    (project(tmp_path) / "config/experiments" / file).write_text("dataset: {kind: mvn}\n")
    findings = find_all({}, tmp_path)
    assert [str(p).startswith(f"config/experiments/{file}: found {found}") for p in findings.problems] == [True]
    assert findings.general == [] and set(findings.experiments) == set(resolve_all({}, tmp_path))
    assert set(findings.broken) == {file.partition(".")[0]} - {*RESERVED}


def test_a_faulty_file_stops_only_what_uses_it(tmp_path):
    (project(tmp_path) / "config/experiments/faulty.yaml").write_text("dataset: {kind: mvnn}\n")
    config = {"experiments": ["gmm", "faulty"], "grids": {"gg": {"base": "faulty", "axes": {"seed": [0]}}}}
    findings = find_all(config, tmp_path)
    assert set(findings.broken) == {"faulty", "grid/gg"} and findings.general == []
    assert "'mvnn'" in str(findings.broken["faulty"]) and "'mvnn'" in str(findings.broken["grid/gg"])
    assert resolve("gmm", config, tmp_path) == findings.experiments["gmm"]


def test_experiments_of_ones_own_are_added_to_those_of_the_product(tmp_path):
    own = tmp_path / "config/experiments"
    own.mkdir(parents=True)
    assert experiment_names(tmp_path) == experiment_names(ROOT)
    (own / "mine.yaml").write_text("dataset: {kind: mvn}\n")
    (own / "gmm.yaml").write_text("dataset: {kind: mvn, dim: 3}\n")
    assert experiment_names(tmp_path) == sorted([*experiment_names(ROOT), "mine"])
    assert resolve("gmm", {}, tmp_path)["dataset"]["dim"] == 3  # one's own takes the place
    assert resolve("mvn", {}, tmp_path) == resolve("mvn", {}, ROOT)


def test_no_config_directory(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["gde.config.listing"], "PRODUCT", tmp_path)
    with pytest.raises(GdeError, match="no such directory"):
        resolve_all({}, tmp_path)


def test_snakemake_reads_on_as_true():
    assert resolve("gmm", {"gmm": {"training": {"compile": True}}}, ROOT)["training"]["compile"] == "on"


def test_config_never_imports_torch():
    import subprocess
    import sys

    code = "import sys, gde.config, gde.runs.code_digest; "
    code += "print([m for m in ('torch', 'numpy', 'pandas') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
