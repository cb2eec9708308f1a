"""Who may import whom, and what never stands in our code."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted([*(ROOT / "gde").rglob("*.py"), *(ROOT / "workflow").rglob("*.py")])
FORBIDDEN = {
    "gde.encoders": ("gde.train", "gde.prepare", "gde.evaluate", "workflow"),
    "gde.generators": ("gde.train", "gde.prepare", "gde.evaluate", "workflow"),
    "gde.config": (
        *("torch", "numpy", "pandas", "scipy", "anndata", "scanpy", "sklearn", "matplotlib", "gde.model"),
        *(
            "gde.prepare",
            "gde.evaluate",
            "gde.figures",
            "gde.fetch.files",
            "gde.runs.publishing",
            "gde.fetch.sources",
            "gde.cli",
        ),
    ),
    "gde.runs.code_digest": (
        "torch",
        "numpy",
        "pandas",
        "scipy",
        "anndata",
        "scanpy",
        "sklearn",
        "matplotlib",
        "gde.model",
    ),
    "gde": ("workflow", "pickle", "dill", "cloudpickle"),
}
MATHS = ("torch", "numpy", "scipy", "ot", "gde.errors")
STANDARD = (
    "collections",
    "concurrent",
    "contextlib",
    "dataclasses",
    "functools",
    "importlib",
    "itertools",
    "math",
    "os",
    "typing",
)
ONLY = {part: (part, *MATHS, *STANDARD) for part in ("gde.distances", "gde.nets")}
CONVERTER = "gde.fetch.pickle_reader"  # reads a publisher's pickle, in a process of its own that nobody imports
LAZY = ("scanpy", "anndata", "sklearn", "matplotlib", "ot", "tensorboard", "wandb")  # never at the top in training


def name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(tree: ast.AST):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def below(module: str, parent: str) -> bool:
    return module == parent or module.startswith(parent + ".")


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_directions_and_dangers(file):
    tree, module = ast.parse(file.read_text()), name(file)
    for imported in imports(tree):
        for part, forbidden in FORBIDDEN.items():
            if below(module, part) and not (module == CONVERTER and imported == "pickle"):
                assert not any(below(imported, f) for f in forbidden), f"{module} imports {imported}"
        assert not below(imported, CONVERTER), f"{module} imports {imported}"
        for part, allowed in ONLY.items():
            if below(module, part):
                assert any(below(imported, a) for a in allowed), f"{module} imports {imported}"
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}: relative import"
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if module == CONVERTER and called == "torch.load":
                assert "weights_only=True" in ast.unparse(node)
                continue
            assert called not in ("eval", "exec", "os.system", "pickle.load", "pickle.loads", "torch.load"), (
                f"{module}:{node.lineno}: {called}"
            )
            for keyword in node.keywords:
                assert keyword.arg != "trust_remote_code", f"{module}:{node.lineno}"
                assert not (keyword.arg == "shell" and ast.unparse(keyword.value) == "True"), f"{module}:{node.lineno}"
            if called == "print":
                assert module in ("gde.cli.script", "gde.cli", "gde.cli.commands", "gde.config.schema"), (
                    f"{module}:{node.lineno}: print"
                )


def test_no_data_set_imports_another():
    from gde.prepare import REGISTRY

    sources = {target.partition(":")[0] for target in REGISTRY.values()}
    for module in sources:
        tree = ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text())
        assert not {m for m in imports(tree) for s in sources - {module} if below(m, s)}, module


def test_training_starts_without_the_heavy_libraries():
    """What gde.train imports: torch, numpy, pandas, safetensors."""
    import subprocess
    import sys

    code = f"import sys, gde.runs.publishing, gde.train; print([m for m in {LAZY!r} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("file", sorted((ROOT / "workflow/scripts").glob("*.py")), ids=lambda f: f.name)
def test_scripts_are_thin(file):
    assert len(file.read_text().splitlines()) <= 30
    assert "with job(snakemake)" in file.read_text()


def test_the_snakefile_is_short():
    assert len((ROOT / "workflow/Snakefile").read_text().splitlines()) < 50
