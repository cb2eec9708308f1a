"""What the names in a module of gde mean, read off its syntax tree and those of the modules it imports from."""

import ast
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gde.definitions.statements import Import, bound, changed, has_effects, imported, is_main, is_text, is_type_checking
from gde.errors import GdeError, bad

PACKAGE = Path(__file__).resolve().parents[1]
TOP = PACKAGE.name
# Modules and packages of which nothing counts: they say what is asked for, record where a result came from, keep files
# whole, or start and end jobs, and change no number.
LEFT_OUT = (
    "gde.cli",
    "gde.config",
    "gde.definitions",
    "gde.cluster.launch",
    "gde.fetch.lockfile",
    "gde.files.seals",
    "gde.files.sniffing",
    "gde.files.temporary",
    "gde.runs.canonical",
    "gde.runs.code_digest",
    "gde.runs.provenance",
    "gde.runs.publishing",
)
# Of which the arguments do not count either: they are what a message says.
QUIET = ("gde.errors",)
# Lists of kinds: a new kind changes no other, and which entries a result depends on is said by its roots.
TABLES = frozenset({"REGISTRY", "TOKEN_KINDS", "ALPHABET_OF", "PUBLISHED_FOR", "ALPHABETS"})
# Offered to some callers and nothing to the others: the embedding and loading that a trained model offers, the fitting
# and use of preprocessing, which only travels along with a model, the exact distances of a family, the isometry
# term and the distance of mixtures that it may be to, the heads of objectives, and what reads and writes files of
# samples. ".name" is one of any class.
SERVICES = frozenset(
    {
        "GDE.embed",
        "GDE.embed_store",
        "Model.load",
        "FeaturePipeline.fit",
        "FeaturePipeline.transform_h5ad",
        "load_features",
    }
    | {".w2", ".pair_w2", "isometry_loss", "mixture_w2", "HEADS", ".READER", ".ROWS", ".WRITER"}
)
_NAMED = re.compile(rf"{TOP}((?:\.\w+)*):(\w+)(?:\[(.+)\]|\.(\w+|\*))?")


class Target(NamedTuple):
    """What a name means.

    kind : definition | entry (of a table) | method | table | module | effects (of importing a module) | external |
    nothing (left out) | quiet.   name : of a definition, or the whole name of what is external.   key : of an entry or
    method.
    """

    kind: str
    module: str = ""
    name: str = ""
    key: str = ""


class Module:
    """What the top level of a module binds: the `statements` that make or change each name, the `imports` of each name,
    and the statements with `effects` of their own."""

    def __init__(self, name: str, place: str, text: bytes, *, package: bool):
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError) as e:
            at = f"{place}:{getattr(e, 'lineno', None) or 1}"
            raise bad(at, f"broken Python ({e})", "a module", "correct it") from e
        self.package = name if package else name.rpartition(".")[0]
        self.statements: dict[str, list[ast.stmt]] = {}
        self.imports: dict[str, Import] = {}
        self.effects: list[ast.stmt] = []
        for node in tree.body:
            self._read(node)

    def _read(self, node: ast.stmt) -> None:
        if isinstance(node, ast.Import | ast.ImportFrom):
            self.imports |= imported(node, self.package)
        elif isinstance(node, ast.If) and is_type_checking(node.test):
            for other in node.orelse:
                self._read(other)
        elif not (is_text(node) or (isinstance(node, ast.If) and is_main(node.test))):
            names = [*bound([node])] or [name for name in changed(node) if name in self.statements]
            for name in names:
                self.statements.setdefault(name, []).append(node)
            if not names or has_effects(node):
                self.effects.append(node)


class Modules:
    """The modules of gde, each read when it is first needed.

    sources : module -> its text, in place of its file (None: there is no such file); a package is called
    "gde.x.__init__" here.   root : directory of the package.
    """

    def __init__(self, sources: Mapping[str, str | None] | None = None, root: Path | None = None):
        self.sources, self.root = dict(sources or {}), root or PACKAGE
        self._modules: dict[str, Module | None] = {}
        self._resolved: dict[tuple[str, str], Target | None] = {}

    def module(self, name: str) -> Module | None:
        """A module, None when there is none. GdeError for one that is not Python."""
        if name not in self._modules:
            self._modules[name] = self._open(name)
        return self._modules[name]

    def existing(self, name: str) -> Module:
        """As `module`. GdeError when there is none."""
        if (module := self.module(name)) is None:
            raise bad(f"module {name}", "no such file", f"a module below {self.root}", "correct the name or the import")
        return module

    def _open(self, name: str) -> Module | None:
        path = self.root.joinpath(*name.split(".")[1:])
        for key, file in ((name, path.with_suffix(".py")), (f"{name}.__init__", path / "__init__.py")):
            if key in self.sources:
                text = self.sources[key]
                if text is not None:
                    return Module(name, key, text.encode(), package=key != name)
            elif name.split(".")[0] == TOP and file.is_file():
                return Module(name, str(file), file.read_bytes(), package=key != name)
        return None

    def named(self, root: str) -> Target:
        """What a root means: "module", "module:name", "module:TABLE[key]", "module:Class.method"
        or "module:Class.*" for all methods. GdeError when there
        is no such thing."""
        if ":" not in root:
            self.existing(root)
            return self._whole(root)
        match = _NAMED.fullmatch(root)
        target = self.resolve(TOP + match[1], match[2]) if match else None
        if target is None:
            raise _missing(root)
        if match[3] is not None:
            return self.entry(target, match[3])
        return target._replace(kind="method", key=match[4]) if match[4] else target

    def meaning(self, module: str, node: ast.expr, inner: Mapping[str, Import | None]) -> Target | None:
        """What a name, or an attribute of one, means in a module; None for what only running tells.

        inner : names of the functions around it -> what an import brings, None for other local names.
        """
        if isinstance(node, ast.Name):
            if node.id in inner:
                return None if (local := inner[node.id]) is None else self.brought(*local)
            return self.resolve(module, node.id)
        if isinstance(node, ast.Attribute) and (of := self.meaning(module, node.value, inner)) is not None:
            if of.kind == "module":
                return self.attribute(of.module, node.attr)
            if of.kind == "external":
                return of._replace(name=f"{of.name}.{node.attr}")
            return of if of.kind in ("nothing", "quiet") else None
        return None

    def resolve(self, module: str, name: str) -> Target | None:
        """What `name` means at the top of a module; None for what it does not bind, as built-in names."""
        key = module, name
        if key not in self._resolved:
            self._resolved[key] = None  # of imports in a circle
            self._resolved[key] = self._find(module, name)
        return self._resolved[key]

    def _find(self, module: str, name: str) -> Target | None:
        if (whole := self._whole(module)).kind != "module":
            return whole._replace(name=name)
        code = self.existing(module)
        if name in code.statements:
            return Target("table" if name in TABLES else "definition", module, name)
        return self.brought(*code.imports[name]) if name in code.imports else None

    def brought(self, base: str, name: str | None) -> Target:
        """What `from base import name` brings, or `import base`. GdeError for what gde does not have."""
        if base != TOP and not base.startswith(TOP + "."):
            return Target("external", name=base if name is None else f"{base}.{name}")
        target = self._whole(base) if name is None else self.attribute(base, name)
        if target is None:
            self.existing(base)
            raise _missing(f"{base}:{name}")
        return target

    def attribute(self, module: str, name: str) -> Target | None:
        """What an attribute of a module means; None for what it has not."""
        if (target := self.resolve(module, name)) is not None:
            return target
        if (inside := self._whole(f"{module}.{name}")).kind != "module" or self.module(inside.module) is not None:
            return inside
        return self.resolve(module, "__getattr__")

    @staticmethod
    def _whole(name: str) -> Target:
        kind = "quiet" if _below(name, QUIET) else "nothing" if _below(name, LEFT_OUT) else "module"
        return Target(kind, name)

    def entry(self, table: Target, key: str) -> Target:
        """An entry of a table: the definition that it names, if it does no more. GdeError for a key that it has not."""
        entries = self.entries(table)
        if key not in entries:
            known = ", ".join(entries)
            raise bad(f"{table.module}.{table.name}", repr(key), f"one of {known}", "register the kind")
        value = entries[key]
        named = self.text(value.value) if isinstance(value, ast.Constant) else self.meaning(table.module, value, {})
        return table._replace(kind="entry", key=key) if named is None else named

    def entries(self, table: Target) -> dict[str, ast.expr]:
        """Key -> value of a table. GdeError where it is not written as one dictionary with strings as keys."""
        value = getattr(self.existing(table.module).statements[table.name][-1], "value", None)
        if not isinstance(value, ast.Dict) or not all(isinstance(key, ast.Constant) for key in value.keys):
            raise bad(f"{table.module}.{table.name}", "no plain dictionary", "{kind: ...}", "write it as one")
        return {key.value: item for key, item in zip(value.keys, value.values, strict=True)}

    def text(self, value: Any) -> Target | None:
        """What a string "module:name" means; None for any other value."""
        if isinstance(value, str) and ":" in value and (match := _NAMED.fullmatch(value)) and not match[3]:
            return self.named(value) if self.module(TOP + match[1]) else None
        return None


def _missing(what: str) -> GdeError:
    return bad(what, "no such definition", "a function, class or value of gde", "correct the name or the import")


def _below(module: str, packages: tuple[str, ...]) -> bool:
    return module.startswith(packages) and any(module == p or module.startswith(p + ".") for p in packages)
