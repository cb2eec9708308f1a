"""Digests of code: what a result depends on, taken from the syntax trees of the modules that make it.

Snakemake sees an edit of a script but not of the modules it imports; these digests stand in the rules' `params`. They
follow imports below `gde`, also those inside functions, and leave out comments, docstrings, formatting, type-checking
imports and the registries: which class a kind names is given by the roots, so that a new kind changes no other.
"""

import ast
import hashlib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from gde.errors import bad

PACKAGE = Path(__file__).resolve().parent
TOP = PACKAGE.name
# Imports inside their functions are services to some callers (embedding, reading raw data, exact distances) and nothing
# to the others: who uses one names it among the roots. Otherwise an edit of `gde.embed` would retrain everything.
SERVICES = ("gde.model", "gde.models", "gde.objectives", "gde.sets.families", "gde.sets.source")
# Lists of kinds, left out: a new kind changes no other, and which class one names is given by the roots.
REGISTRIES = ("REGISTRY",)
# What records where a result came from, or only refuses files, never changes its numbers, and is in no digest.
RECORDS = ("gde.provenance", "gde.canonical", "gde.digest", "gde.integrity", "gde.temporary", "gde.foreign")
SETTINGS = "gde.config."


def code_digest(roots: Iterable[str]) -> str:
    """SHA-256 over the code of `roots` ("module" or "module:name") and all of gde they import, hexadecimal.

    Raises GdeError for a module that does not exist or cannot be parsed.
    """
    roots = sorted(set(roots))
    seen: set[str] = set()
    todo = [root.partition(":")[0] for root in roots]
    while todo:
        module = todo.pop()
        if module in seen or module in RECORDS or f"{module}.".startswith(SETTINGS):
            continue  # what settings are possible changes no result; those of a result are told apart from its code
        seen.add(module)
        code = read_module(module)
        serves = any(module == m or module.startswith(m + ".") for m in SERVICES)
        todo += code.imports if serves else code.imports | code.lazy
        # importing a module runs the packages above it; gde itself only holds the version and a lazy attribute
        parents = module.split(".")
        todo += [".".join(parents[:n]) for n in range(2, len(parents))]
    digests = [f"{module} {read_module(module).digest}" for module in sorted(seen)]
    return hashlib.sha256("\n".join(roots + digests).encode()).hexdigest()


def script_digest(path: Path) -> str:
    """SHA-256 over the code of one file outside the package, hexadecimal."""
    return Module("script", path).digest


class Module:
    """A module's digest and the modules of gde it imports, at its top level and inside functions."""

    def __init__(self, name: str, path: Path):
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError) as e:
            raise bad(
                f"{path}:{getattr(e, 'lineno', None) or 1}", f"broken Python ({e})", "a module", "correct it"
            ) from e
        self.imports: set[str] = set()
        self.lazy: set[str] = set()
        self._hash = hashlib.sha256()
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        for node in tree.body:
            if not _is_registry(node):
                self._walk(node, package, lazy=False)
        self.digest = self._hash.hexdigest()

    def _walk(self, node: Any, package: str, *, lazy: bool) -> None:
        feed = self._hash.update
        if isinstance(node, list):
            feed(b"[")
            for child in node:
                self._walk(child, package, lazy=lazy)
            feed(b"]")
            return
        if not isinstance(node, ast.AST):
            feed(f"{type(node).__name__}:{node!r};".encode())
            return
        kind = type(node)
        if kind is ast.Expr and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return  # a docstring, or a bare text that does nothing
        if kind is ast.If and _is_type_checking(node.test):
            self._walk(node.orelse, package, lazy=lazy)
            return
        if kind is ast.Import or kind is ast.ImportFrom:
            (self.lazy if lazy else self.imports).update(_imported(node, package))
        lazy = lazy or kind in (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
        feed(f"({kind.__name__} ".encode())
        for field in node._fields:
            self._walk(getattr(node, field, None), package, lazy=lazy)
        feed(b")")


@cache
def read_module(name: str) -> Module:
    """Parse gde.x.y, once per process."""
    return Module(name, module_file(name))


def module_file(name: str) -> Path:
    """The file of gde.x.y. Raises GdeError when there is none."""
    path = PACKAGE.joinpath(*name.split(".")[1:])
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file() and name.split(".")[0] == TOP:
            return file
    raise bad(f"module {name}", "no such file", f"a module below {PACKAGE}", "correct the registry or the import")


def _is_module(name: str) -> bool:
    path = PACKAGE.joinpath(*name.split(".")[1:])
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def _imported(node: ast.Import | ast.ImportFrom, package: str) -> set[str]:
    if isinstance(node, ast.Import):
        return {a.name for a in node.names if a.name.split(".")[0] == TOP and a.name != TOP}
    above = package.split(".")[: len(package.split(".")) - (node.level - 1)] if node.level else []
    base = ".".join([*above, *([node.module] if node.module else [])])
    if base.split(".")[0] != TOP:
        return set()
    out = set()
    for alias in node.names:
        full = f"{base}.{alias.name}"
        if _is_module(full):
            out.add(full)
        elif base != TOP or not alias.name.startswith("__"):  # gde.__version__ is no dependency
            out.add(base)
    return out


def _is_type_checking(test: ast.expr) -> bool:
    return getattr(test, "id", getattr(test, "attr", None)) == "TYPE_CHECKING"


def _is_registry(node: ast.stmt, names: tuple[str, ...] = REGISTRIES) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return any(getattr(t, "id", None) in names for t in targets)


@cache
def registry(package: str) -> dict[str, str]:
    """`package`.REGISTRY, read without importing anything. Raises GdeError when there is none."""
    for node in ast.parse(module_file(package).read_bytes()).body:
        if _is_registry(node, ("REGISTRY",)):
            return ast.literal_eval(node.value)
    raise bad(package, "no REGISTRY", "a dict from kind to 'module:name'", "define it")


def registered(package: str, kind: str) -> str:
    """The "module:name" behind a kind. Raises GdeError for an unknown kind."""
    known = registry(package)
    if kind not in known:
        raise bad(f"{package}.REGISTRY", repr(kind), f"one of {', '.join(known)}", "register the kind")
    return known[kind]


def _family(resolved: Mapping[str, Any]) -> list[str]:
    kind = resolved["dataset"]["kind"]
    return [registry("gde.sets.families")[kind]] if kind in registry("gde.sets.families") else []


def _model(resolved: Mapping[str, Any], *, trains: bool = False) -> list[str]:
    """The class of a kind of model, of its samples and of its parts; with `trains` also what it is trained by."""
    from gde.config.datasets import sample_type_of
    from gde.config.models import KINDS
    from gde.models import kind_of_model

    kind = kind_of_model(resolved)
    sections = KINDS[kind].PARTS | (KINDS[kind].TRAINED_BY if trains else {})
    parts = [registered(package, resolved[section]["kind"]) for section, package in sections.items()]
    samples = registered("gde.sets.types", sample_type_of(resolved["dataset"]).name)
    return [registered("gde.models", kind), samples, *parts]


def _behind(resolved: Mapping[str, Any]) -> list[str]:
    """The set encoder behind a language model, where there is one."""
    then = resolved["encoder"].get("then")
    return [registered("gde.encoders", then["kind"])] if then else []


def _distances(family: list[str]) -> list[str]:
    """The distances that a family imports inside its functions, with those of the families it is made from."""
    out, todo = set(), [root.partition(":")[0] for root in family]
    while todo:
        code = read_module(todo.pop())
        out |= {m for m in code.lazy if m.startswith(f"{TOP}.distances.")}
        todo += [m for m in code.imports if m.startswith(f"{TOP}.sets.families.")]
    return sorted(out)


def training_modules(resolved: Mapping[str, Any]) -> list[str]:
    """What a run's weights depend on."""
    parts = [*_model(resolved, trains=True), *_behind(resolved)]
    distances = []
    if resolved["objective"]["isometry"]:  # the family's closed form is then part of the loss
        distances = ["gde.objectives.isometry", *_distances(_family(resolved))]
    objective = resolved["objective"]["kind"]
    heads = [] if objective == "reconstruction" else ["gde.objectives.heads", "gde.sets.companions"]
    return ["gde.train", *parts, *_family(resolved), *distances, *heads]


def prepare_modules(resolved: Mapping[str, Any]) -> list[str]:
    """What writes the set store."""
    from gde.config.datasets import kind_of_data

    return [kind_of_data(resolved["dataset"]).prepare, *_family(resolved)]


def model_modules(resolved: Mapping[str, Any]) -> list[str]:
    """What embeds with a trained model, and generates with it."""
    return ["gde.embed", *_model(resolved), *_behind(resolved)]


def sample_modules(resolved: Mapping[str, Any]) -> list[str]:
    """What writes samples of embeddings."""
    from gde.config.datasets import sample_type_of

    return ["gde.samples", sample_type_of(resolved["dataset"]).WRITER, *model_modules(resolved)]


def evaluation_modules(resolved: Mapping[str, Any]) -> list[str]:
    """What computes the metrics."""
    from gde.config.evaluations import EVALUATIONS

    metrics = EVALUATIONS[resolved["evaluation"]["kind"]].evaluate
    family = _family(resolved)
    heads = ["gde.objectives.heads"] if resolved["evaluation"]["kind"] == "perturbation" else []
    return ["gde.evaluate", metrics, *heads, *model_modules(resolved), *family, *_distances(family)]


def figure_modules(name: str) -> list[str]:
    """What draws a figure. Raises GdeError for an unknown one."""
    from gde.figures import module_of

    return [f"{module_of(name)}:draw"]


def card_modules(resolved: Mapping[str, Any]) -> list[str]:
    """What writes the model card."""
    return ["gde.card"]
