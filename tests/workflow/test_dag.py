"""What would run: targets resolve as typed, and an edit reruns what depends on it and nothing else.

The jobs' scripts are replaced by one that only makes the outputs, so the whole chain takes seconds.
"""

import re
import subprocess
import sys

import pytest
from copies import ROOT, copy_project

from gde.config import resolve
from gde.config.figures import figures_of

pytestmark = pytest.mark.workflow

FAKE = """
from pathlib import Path
for out in map(Path, snakemake.output):
    file = out if out.suffix else out / "content"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(str(out))
"""
TARGET = "results/normal/figures/loss.svg"
GMM = [f"results/gmm/{file}" for file in ("embeddings.h5ad", "samples.h5ad", "MODEL_CARD.md", "figures/loss.svg")]
MODEL = {"train": 1, "evaluate": 1, "figure": 1}


@pytest.fixture(scope="module")
def made(tmp_path_factory, snakemake):
    """A project in which the loss of `normal`, and something of every rule of `gmm`, has been made."""
    root = copy_project(tmp_path_factory.mktemp("made"))
    for script in (root / "workflow/scripts").glob("*.py"):
        script.write_text(FAKE)
    done = snakemake(root, TARGET, *GMM)
    assert done.returncode == 0, done.stdout + done.stderr
    return root


@pytest.fixture
def edited(made):
    """edited(file, old, new): change a file of the made project for one test."""
    saved = {}

    def edit(file: str, old: str, new: str) -> None:
        path = made / file
        text = path.read_text()
        saved.setdefault(path, text)
        assert old in text
        path.write_text(text.replace(old, new, 1))

    yield edit
    for path, text in saved.items():
        path.write_text(text)


def test_all_resolves(project, planned):
    figures = sum(len(figures_of(resolve(name, {}, ROOT))) for name in ("gmm", "pbmc68k"))
    each = ("prepare", "train", "embed", "sample", "evaluate", "card", "page")
    assert planned(project, "all") == dict.fromkeys(each, 2) | {"figure": figures, "overview": 1, "map": 1}


def test_the_slurm_profile_is_read(project, planned):
    assert planned(project, "results/mvn/model", "--profile", "profiles/slurm") == {"prepare": 1, "train": 1}


def test_a_target_as_typed(project, planned):
    """No --cores, no --profile: the environment names the profile."""
    assert planned(project, "results/gmm/metrics.json") == {"prepare": 1, "train": 1, "evaluate": 1}


EXPERIMENT = "config/experiments/normal.yaml"


def test_nothing_is_made_twice(made, planned, edited):
    """Nor after a touch, a comment, a docstring, another description, or an edit of what it does not use."""
    edited(EXPERIMENT, "description: 1-d", "description: One-d")
    edited(EXPERIMENT, "# One-dimensional", "# one-dimensional")
    edited("config/config.yaml", "[gmm, pbmc68k]", "[gmm]")
    edited("config/config.yaml", "accelerator: auto", "accelerator: cpu")
    edited("gde/generators/flow.py", '"""Flow', '"""The flow')
    edited("gde/generators/ddpm.py", "steps: int = 400", "steps: int = 401")
    edited("config/experiments/mvn.yaml", "dim: 2", "dim: 3")
    (made / "gde/training.py").touch()
    for script in (made / "workflow/scripts").glob("*.py"):
        script.write_text("# a comment\n" + script.read_text())
    assert planned(made, TARGET) == {}


def test_another_kind_makes_nothing_again(made, planned, edited):
    """Nor does what nothing uses, wherever it stands, or what an error says."""
    edited("gde/config/datasets/proteins.py", "\nclass Pfam", "\nclass Another:\n    pass\n\n\nclass Pfam")
    edited("gde/config/datasets/__init__.py", "\nDATASETS", "\nANOTHER = 1\nDATASETS")
    edited("gde/sets/types/alphabet.py", "\nEND = 0", "\nANOTHER = 1\nEND = 0")
    edited(
        "gde/sets/types/alphabet.py",
        "ALPHABETS = {",
        'ALPHABETS = {\n    "rna": Alphabet("rna", "ACGUN", unknown="N"),',
    )
    for kinds in ("encoders", "generators", "objectives", "models", "sets/families", "sets/types"):
        edited(f"gde/{kinds}/__init__.py", "REGISTRY = {", 'REGISTRY = {\n    "another": "gde.another:Another",')
    edited("gde/generators/flow.py", "\nimport", "\nX = 1\nimport")
    edited("gde/errors.py", "expected {expected}", "not {expected}")
    edited("gde/training.py", "raise it, or start fewer", "raise it or start fewer")
    assert planned(made, TARGET, *GMM) == {}


def test_one_rule_again(made, planned):
    assert planned(made, "-f", TARGET) == {"figure": 1}


@pytest.mark.parametrize(
    ("file", "old", "new", "jobs"),
    [
        (EXPERIMENT, "kind: simulated\n", "kind: simulated\n  bootstrap: 99\n", {"evaluate": 1, "figure": 1}),
        (EXPERIMENT, "steps: 1500", "steps: 1501", MODEL),
        (EXPERIMENT, "sd_high: 2.0", "sd_high: 2.5", {"prepare": 1} | MODEL),
        ("config/config.yaml", "seed: 0", "seed: 1", {"prepare": 1} | MODEL),
        ("gde/generators/flow.py", "(midpoint, 2)", "(midpoint, 1)", MODEL),
        ("workflow/scripts/evaluate.py", "\nfrom", "\nX = 1\nfrom", {"evaluate": 1, "figure": 1}),
        ("gde/embed.py", "FOLDS = 16", "FOLDS = 15", {"evaluate": 1, "figure": 1}),
        ("gde/evaluate/shared/metrics.py", "def check(", "@staticmethod\ndef check(", {"evaluate": 1, "figure": 1}),
        ("gde/prepare/simulate.py", "def prepare(", "@staticmethod\ndef prepare(", {"prepare": 1} | MODEL),
    ],
    ids=lambda v: re.sub(r"\W+", " ", v).strip() if isinstance(v, str) else None,
)
def test_an_edit_reruns_what_depends_on_it(made, planned, edited, file, old, new, jobs):
    edited(file, old, new)
    assert planned(made, TARGET) == jobs


def test_command_line_override_reruns_training(made, planned):
    assert planned(made, TARGET, "--config", "normal={training: {steps: 5}}") == MODEL


@pytest.mark.parametrize(
    ("arguments", "start"),
    [
        (
            ("--config", "gmm={training: {stepz: 5}}"),
            "gde: --config: gmm.training.stepz: found 'stepz', expected one of",
        ),
        (("--config", "gmmm={training: {steps: 5}}"), "gde: --config: gmmm: found 'gmmm', expected one of"),
        (("--config", "preset=laptp"), "gde: --config: preset: found 'laptp', expected one of"),
        (("--config", "seed=-1"), "gde: --config: seed: found -1, expected a number >= 0"),
    ],
)
def test_typo_on_the_command_line(project, snakemake, arguments, start):
    done = snakemake(project, "-n", "all", *arguments)
    assert done.returncode == 2
    assert next(line for line in done.stderr.splitlines() if line.startswith("gde: ")).startswith(start)
    assert "Traceback" not in done.stderr
    assert not (project / "results").exists()


def test_typo_in_files(project, snakemake):
    """With file and line, where the experiment is asked for; others run."""
    file = project / "config/experiments/mvn.yaml"
    file.write_text(file.read_text().replace("  hidden: 64", "  hiden: 64", 1))
    line = file.read_text().splitlines().index("  hiden: 64") + 1
    assert snakemake(project, "-n", "results/gmm/metrics.json").returncode == 0
    done = snakemake(project, "-n", "results/mvn/metrics.json")
    assert done.returncode == 2
    assert f"gde: config/experiments/mvn.yaml:{line}: encoder.hiden: found 'hiden', expected one of" in done.stderr
    assert "did you mean 'hidden'?" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_users_missing_file(project, snakemake):
    text = "dataset:\n  kind: h5ad\n  path: my.h5ad\n  groupby: [donor]\n"
    (project / "config/experiments/mine.yaml").write_text(text)
    assert snakemake(project, "-n", "results/gmm/metrics.json").returncode == 0
    done = snakemake(project, "-n", "results/mine/embeddings.h5ad")
    assert done.returncode == 2
    assert "gde: config/experiments/mine.yaml: dataset.path: found no file 'my.h5ad'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_of_the_metrics_is_an_input(project, snakemake, planned):
    data = "dataset:\n  kind: virus\n  source: gisaid\n  sequences: my.fasta\n"
    text = (
        "encoder: {kind: dna_conv}\ngenerator: {kind: gpt}\nevaluation:\n  kind: epidemic\n  reference: first.fasta\n"
    )
    (project / "config/experiments/mine.yaml").write_text(data + text)
    (project / "my.fasta").touch()
    done = snakemake(project, "-n", "results/mine/metrics.json")
    assert done.returncode == 2
    assert "gde: config/experiments/mine.yaml: evaluation.reference: found no file 'first.fasta'" in done.stderr
    (project / "first.fasta").touch()
    assert planned(project, "results/mine/metrics.json") == {"prepare": 1, "train": 1, "evaluate": 1}


def test_a_users_file_is_an_input(project, planned):
    text = "dataset:\n  kind: h5ad\n  path: my.h5ad\n  groupby: [donor]\n"
    (project / "config/experiments/mine.yaml").write_text(text)
    (project / "my.h5ad").touch()
    assert planned(project, "results/mine/embeddings.h5ad") == {"prepare": 1, "train": 1, "embed": 1}


def test_lint_and_format(snakemake):
    done = snakemake(ROOT, "--lint")
    assert done.returncode == 0, done.stdout + done.stderr
    command = [sys.executable, "-m", "snakefmt", "--check", "workflow"]
    assert subprocess.run(command, cwd=ROOT, capture_output=True).returncode == 0


def test_every_rule_is_complete():
    """Every rule that computes has a log, a benchmark, resources and a code digest.

    `fetch` has none of what would load a file again: an edit of our code makes it no other.
    """
    local, computes = ("localrule: True",), ("runtime=", "code=")
    own = {
        "fetch.smk": (*local, "downloads=1", "update("),
        "listing.smk": (*local, "downloads=1"),
        "convert.smk": local,
    }
    for file in set((ROOT / "workflow/rules").glob("*.smk")) - {ROOT / "workflow/rules/targets.smk"}:
        for rule in re.split(r"^rule ", file.read_text(), flags=re.M)[1:]:
            for part in (
                "log:",
                "benchmark:",
                "conda:",
                "threads:",
                "mem_mb=",
                *own.get(file.name, computes),
                "script:",
            ):
                assert part in rule, f"{file.name}: rule {rule.split(':')[0]} has no {part}"
