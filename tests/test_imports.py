"""Who may import whom, and what never stands in our code."""

import ast
import sys
from pathlib import Path

import pytest

from gde.config.datasets import DATASETS

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted([*(ROOT / "gde").rglob("*.py"), *(ROOT / "workflow").rglob("*.py")])
# The rooms, floor by floor: a module imports from its own floor and from those below, at its top and inside functions.
FLOORS = (
    ("nets", "distances", "errors", "threads", "definitions", "cluster.slurm"),
    ("files",),
    ("cluster", "readers"),
    ("features",),
    ("sets", "pretrained"),
    ("generators", "encoders", "objectives", "models", "model"),
    ("config",),
    ("prepare", "fetch", "runs"),
    (
        "training",
        "checkpoint",
        "training_log",
        "optim",
        "embed",
        "sample",
        "predict",
        "compare",
        "influence",
        "export",
        "figures",
        "evaluate",
        "tl",
        "pl",
    ),
    ("preflight",),
    ("cli", "api"),
)
# GDE is also a facade: what it offers its users stands above it.
FACADE = {"gde.model": {"gde.embed"}, "gde.models.base": {"gde.config.stored"}}
FORBIDDEN = {
    "gde.config": ("torch", "numpy", "pandas", "scipy", "anndata", "scanpy", "sklearn", "matplotlib", "gde.model"),
    "gde.runs.code_digest": ("torch", "numpy", "pandas", "scipy", "anndata", "scanpy", "sklearn", "matplotlib"),
    "gde": ("workflow", "pickle", "dill", "cloudpickle"),
}
MATHS = ("torch", "numpy", "scipy", "ot", "gde.errors")
STANDARD = tuple(sys.stdlib_module_names)
ONLY = {part: (part, *MATHS, *STANDARD) for part in ("gde.distances", "gde.nets")}
CONVERTER = "gde.fetch.pickle_reader"  # reads a publisher's pickle, in a process of its own that nobody imports
LAZY = ("scanpy", "anndata", "sklearn", "matplotlib", "ot", "tensorboard", "wandb")  # never at the top in training
PRINTS = ("gde.cli", "gde.config.schema")


def name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_module(module: str) -> bool:
    path = ROOT.joinpath(*module.split("."))
    return path.with_suffix(".py").is_file() or path.is_dir()


def imports(tree: ast.AST, *, typing: bool = True):
    """Names of imported modules, and of what is imported from them; lazy ones count, those for types where asked."""
    nodes = [tree]
    while nodes:
        node = nodes.pop()
        if not typing and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            nodes += node.orelse
            continue
        nodes += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_modules(file: Path) -> set[str]:
    """The modules of gde that a file imports, whatever for."""
    found = {i for i in imports(ast.parse(file.read_text()), typing=False) if below(i, "gde")}
    return {i if is_module(i) else i.rpartition(".")[0] for i in found}


def below(module: str, parent: str) -> bool:
    return module == parent or module.startswith(parent + ".")


def floor(module: str) -> int:
    """The floor of a module: of the longest room that it is in."""
    places = [(len(room), n) for n, rooms in enumerate(FLOORS) for room in rooms if below(module, f"gde.{room}")]
    assert places, f"{module} stands in no room of FLOORS"
    return max(places)[1]


MODULES = {name(file): imported_modules(file) for file in FILES if file.is_relative_to(ROOT / "gde")}


@pytest.mark.parametrize("module", sorted(m for m in MODULES if m != "gde"))
def test_imports_go_down(module):
    for imported in MODULES[module] - FACADE.get(module, set()) - {"gde"}:
        assert floor(imported) <= floor(module), f"{module} imports {imported}, which stands above it"


def test_the_facade_is_no_larger_than_it_says():
    for module, above in FACADE.items():
        assert above <= MODULES[module]


def test_no_module_imports_itself_by_way_of_others():
    """No circles, lazy imports counted; the facade excepted."""
    edges = {m: i - FACADE.get(m, set()) - {"gde"} for m, i in MODULES.items()}
    done: set[str] = set()

    def visit(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, " -> ".join((*way[way.index(module) :], module))
        if module not in done:
            for imported in sorted(edges.get(module, ())):
                visit(imported, (*way, module))
            done.add(module)

    for module in edges:
        visit(module, ())


SUBJECTS = [
    f"gde.evaluate.{d.name}" for d in sorted((ROOT / "gde/evaluate").iterdir()) if d.is_dir() and d.name[0] != "_"
]
DATA_SETS = sorted({kind.prepare.partition(":")[0] for kind in DATASETS.values()}, key=len)


def data_set(module: str) -> str | None:
    """The module that prepares a data set, of a module that it or that it alone uses; None for what is in common."""
    return next((d for d in DATA_SETS[::-1] if module == d or module.startswith(d + "_")), None)


@pytest.mark.parametrize("module", sorted(m for m in MODULES if m.startswith(("gde.evaluate.", "gde.prepare."))))
def test_neighbours_do_not_borrow(module):
    """What subjects of evaluation, and data sets, have in common stands in `shared` and in `common`."""
    own = [s for s in SUBJECTS if below(module, s)]
    for imported in MODULES[module]:
        for subject in SUBJECTS:
            if below(imported, subject) and subject != "gde.evaluate.shared":
                assert own == [subject], f"{module} imports {imported}"
        if below(module, "gde.prepare"):
            assert data_set(imported) in (None, data_set(module)), f"{module} imports {imported}"


def test_rooms_are_the_rooms_of_the_plan():
    """Loose files stand in the entrance only where they are nouns of the method."""
    loose = {file.stem for file in (ROOT / "gde").glob("*.py")} - {"__init__"}
    nouns = {"model", "training", "checkpoint", "training_log", "optim", "embed", "sample", "predict", "compare"}
    nouns |= {"influence", "errors", "threads", "api"}
    assert loose == nouns


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_dangers(file):
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
                assert any(below(module, room) for room in PRINTS), f"{module}:{node.lineno}: print"


def test_training_starts_without_the_heavy_libraries():
    """What gde.training imports: torch, numpy, pandas, safetensors."""
    import subprocess

    code = f"import sys, gde.cli.train_run, gde.training; print([m for m in {LAZY!r} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("file", sorted((ROOT / "workflow/scripts").glob("*.py")), ids=lambda f: f.name)
def test_scripts_are_thin(file):
    assert len(file.read_text().splitlines()) <= 30
    assert "with job(snakemake)" in file.read_text()


def test_the_snakefile_is_short():
    assert len((ROOT / "workflow/Snakefile").read_text().splitlines()) < 50
