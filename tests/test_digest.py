"""Code digests: an edit that can change a result changes them, a comment does not, and nobody else's changes."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = """
import json, sys
from gde.config import resolve_all
from gde import digest
out = {}
for preset in ("laptop", "paper"):
    for name, r in resolve_all({"preset": preset}).items():
        for part in ("prepare", "training", "model", "evaluation"):
            out[f"{name}/{preset}/{part}"] = digest.code_digest(getattr(digest, part + "_modules")(r))
print(json.dumps(out))
"""


def digests(root: Path) -> dict[str, str]:
    import json

    run = subprocess.run([sys.executable, "-c", SCRIPT], cwd=root, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.fixture(scope="module")
def before():
    return digests(ROOT)


@pytest.fixture
def copy(tmp_path):
    for part in ("gde", "config"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def edit(root: Path, file: str, old: str, new: str) -> None:
    path = root / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))


def changed(before: dict, after: dict) -> set[str]:
    assert before.keys() == after.keys()
    return {k for k in before if before[k] != after[k]}


def test_comments_docstrings_and_format_do_not_count(copy, before):
    flow = copy / "gde/generators/flow.py"
    text = flow.read_text()
    first = text.index('"""')
    second = text.index('"""', first + 3)
    flow.write_text('"""Another text."""\n# a comment\n\n\n' + text[second + 3 :].replace("\n\n", "\n\n\n"))
    edit(copy, "gde/errors.py", "def bad(", "# why\ndef bad(")
    assert changed(before, digests(copy)) == set()


def test_an_edit_of_a_generator_changes_its_users_only(copy, before):
    with (copy / "gde/generators/flow.py").open("a") as f:
        f.write("\nX = 1\n")
    after = changed(before, digests(copy))
    assert "gmm/laptop/training" in after
    assert "gmm/laptop/evaluation" in after
    assert "gmm/paper/training" not in after  # ddpm
    assert not {k for k in after if k.endswith("prepare")}


@pytest.mark.parametrize(
    ("file", "parts"),
    [
        (
            "gde/encoders/gnn.py",
            {(n, p) for n in ("normal", "poisson", "multinomial") for p in ("laptop", "paper")}
            | {("mvn", "paper"), ("mvn_lowrank", "paper"), ("pubmed", "paper")},  # the last behind a language model
        ),
        ("gde/sets/families/poisson.py", {("poisson", "laptop"), ("poisson", "paper")}),
        ("gde/sets/families/gmm.py", {(n, p) for n in ("gmm", "gmm5") for p in ("laptop", "paper")}),
    ],
)
def test_training_depends_on_chosen_kinds(copy, before, file, parts):
    with (copy / file).open("a") as f:
        f.write("\nX = 1\n")
    after = changed(before, digests(copy))
    assert {tuple(k.split("/")[:2]) for k in after if k.endswith("training")} == parts


HEADS = ("gde/objectives/heads.py", "gde/sets/companions.py")  # of all objectives but `reconstruction`


@pytest.mark.parametrize(
    "file",
    [
        "gde/embed.py",
        "gde/samples.py",
        "gde/features.py",
        "gde/evaluate/clt.py",
        "gde/distances/mmd.py",
        *HEADS,
        "gde/runs.py",
        "gde/__init__.py",
    ],
)
def test_services_never_retrain(copy, before, file):
    """Embedding, raw data, metrics and the version are no part of training; heads only where an objective has them."""
    with (copy / file).open("a") as f:
        f.write("\nX = 1\n")
    from gde.config import resolve_all

    trained = {k.split("/")[0] for k in changed(before, digests(copy)) if k.endswith("training")}
    with_heads = {n for n, e in resolve_all({}, ROOT).items() if e["objective"]["kind"] != "reconstruction"}
    assert trained == (with_heads if file in HEADS else set())
    assert "essential_genes" in with_heads


@pytest.mark.parametrize("file", ["gde/provenance.py", "gde/canonical.py", "gde/digest.py"])
def test_records_make_nothing_again(copy, before, file):
    """What is written down of where a result came from is no part of the result."""
    with (copy / file).open("a") as f:
        f.write("\nX = 1\n")
    assert changed(before, digests(copy)) == set()


def test_isometry_depends_on_the_distances():
    from gde.config import resolve
    from gde.digest import training_modules

    def added(name):
        with_term, without = (
            training_modules(resolve(name, {name: {"objective": {"isometry": w}}}, ROOT)) for w in (1.0, 0.0)
        )
        return set(with_term) - set(without)

    assert added("pbmc68k") == {"gde.objectives.isometry"}
    assert added("normal") == {"gde.objectives.isometry", "gde.distances.gaussian"}  # its family's closed form
    assert added("poisson") == {"gde.objectives.isometry", "gde.distances.integers", "gde.distances.matrix"}


def test_heads_and_companions_retrain_only_the_objectives_that_use_them():
    from gde.config import resolve
    from gde.digest import training_modules

    def modules(objective):
        return set(training_modules(resolve("digits", {"digits": {"objective": objective, "mixer": None}}, ROOT)))

    plain = modules({"kind": "reconstruction"})
    for objective in (
        {"kind": "classification", "label": "digit"},
        {"kind": "ordered", "order_by": "digit"},
        {"kind": "perturbation", "control": {"digit": 0}},
    ):
        kind = objective["kind"]
        added = {f"gde.objectives.{kind}:{kind}", "gde.objectives.heads", "gde.sets.companions"}
        assert modules(objective) - plain == added
        assert plain - modules(objective) == {"gde.objectives.reconstruction:reconstruction"}


def test_the_metrics_depend_on_the_closed_form_of_their_family(copy, before):
    with (copy / "gde/distances/integers.py").open("a") as f:
        f.write("\nX = 1\n")
    assert changed(before, digests(copy)) == {f"poisson/{preset}/evaluation" for preset in ("laptop", "paper")}


def test_a_new_kind_changes_nobody(copy, before):
    edit(copy, "gde/encoders/__init__.py", "REGISTRY = {", 'REGISTRY = {\n    "new": "gde.encoders.mean:Mean",')
    assert changed(before, digests(copy)) == set()
    edit(copy, "gde/encoders/__init__.py", '"resnet": "gde.encoders.resnet:ResNet"', '"resnet": "gde.encoders.mlp:Mlp"')
    assert "gmm/laptop/training" in changed(before, digests(copy))


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of one's own below the name gde."""
    from gde import digest

    monkeypatch.setattr(digest, "PACKAGE", tmp_path / "gde")
    (tmp_path / "gde").mkdir()

    def write(**files: str) -> str:
        digest.read_module.cache_clear()
        for name, text in files.items():
            (tmp_path / "gde" / f"{name}.py").write_text(text)
        return digest.code_digest(["gde.a"])

    yield write
    digest.read_module.cache_clear()


def test_imports_are_followed(package):
    one = package(a="def f():\n    from gde.b import x\n", b="from . import c\n", c="x = 1\n")
    assert package(c="x = 2\n") != one  # inside a function, relative, two steps away
    assert package(c="x = 1\n") == one
    checked = package(a="from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from gde.c import x\n")
    assert package(c="x = 3\n") == checked
    assert package(a="import gde.c\n", c="x = 4\n") != package(c="x = 5\n")


def test_circular_imports_end(package):
    assert package(a="import gde.b\n", b="import gde.a\n")


def test_values_names_and_order_count(package):
    texts = [
        "x = 1\n",
        "x = 1.0\n",
        "x = '1'\n",
        "y = 1\n",
        "x = -1\n",
        "x = 1\ny = 2\n",
        "y = 2\nx = 1\n",
        "x: int = 1\n",
    ]
    assert len({package(a=t) for t in texts}) == len(texts)


def test_missing_and_broken_modules_are_named(package):
    from gde.errors import GdeError

    with pytest.raises(GdeError, match=r"module gde\.b: found no such file"):
        package(a="import gde.b\n")
    with pytest.raises(GdeError, match=r"b\.py:1: found broken Python"):
        package(b="def (\n")
