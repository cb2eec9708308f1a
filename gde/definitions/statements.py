"""What a statement binds, changes or is."""

import ast
from collections import deque
from collections.abc import Iterable

from gde.errors import bad

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
DEFINITIONS = (*FUNCTIONS, ast.ClassDef)
_BINDS = (*DEFINITIONS, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Import, ast.ImportFrom, ast.Pass)
_BINDS_NOTHING = frozenset({ast.Constant, ast.Load, ast.Store, ast.alias, ast.Pass})
_OWN_SCOPE = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)

Import = tuple[str, str | None]  # module, name in it or None for the module itself


def imported(node: ast.Import | ast.ImportFrom, package: str) -> dict[str, Import]:
    """Name that an import statement in a module of `package` binds -> what it brings. GdeError for a star."""
    if isinstance(node, ast.Import):
        whole = ((a, a.name if a.asname else a.name.partition(".")[0]) for a in node.names)
        return {a.asname or name: (name, None) for a, name in whole}
    if node.names[0].name == "*":
        expected = "the names: what a result depends on is read off them"
        raise bad(f"{package}: from {node.module} import *", "a star", expected, "write them")
    above = package.split(".")[: len(package.split(".")) - (node.level - 1)] if node.level else []
    base = ".".join([*above, *([node.module] if node.module else [])])
    return {a.asname or a.name: (base, a.name) for a in node.names}


def bound(nodes: Iterable[ast.AST], package: str = "") -> dict[str, Import | None]:
    """Names that statements and targets bind in their own scope, in order -> what an import brings, None for the
    others."""
    out: dict[str, Import | None] = {}
    outside: set[str] = set()
    todo = deque(nodes)
    while todo:
        one = todo.popleft()
        kind = type(one)
        if kind is ast.Name:
            if type(one.ctx) is not ast.Load:
                out.setdefault(one.id)
        elif kind in DEFINITIONS:
            out.setdefault(one.name)
        elif kind is ast.Import or kind is ast.ImportFrom:
            out |= imported(one, package)
        elif kind is ast.Global:
            outside.update(one.names)
        elif kind not in _OWN_SCOPE:
            for field in one._fields:
                value = getattr(one, field)
                if isinstance(value, ast.AST):
                    if type(value) not in _BINDS_NOTHING:
                        todo.append(value)
                elif type(value) is list:
                    todo.extend(v for v in value if isinstance(v, ast.AST) and type(v) not in _BINDS_NOTHING)
                elif type(value) is str and field in ("name", "rest"):  # of an exception, or captured by a pattern
                    out.setdefault(value)
    return {name: brings for name, brings in out.items() if name not in outside} if outside else out


def changed(node: ast.stmt) -> list[str]:
    """Names whose value a statement changes in place: TABLE[0] = 1, f.attribute = 2, NAMES.append(3)."""
    targets = getattr(node, "targets", None) or [getattr(node, "target", None) or getattr(node, "value", None)]
    out = []
    for target in targets:
        place = one = target.func if isinstance(target, ast.Call) else target
        while isinstance(one, ast.Subscript | ast.Attribute):
            one = one.value
        out += [one.id] if isinstance(one, ast.Name) and one is not place else []
    return out


def has_effects(node: ast.AST) -> bool:
    """Whether a statement that binds names does more than that."""
    if isinstance(node, _BINDS):
        return False
    inner = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt | ast.excepthandler)]
    return not inner or any(map(has_effects, inner))


def is_type_checking(test: ast.expr) -> bool:
    """Whether a condition is `TYPE_CHECKING`."""
    return getattr(test, "id", getattr(test, "attr", None)) == "TYPE_CHECKING"


def is_text(node: ast.stmt) -> bool:
    """Whether a statement is a docstring, or another constant that does nothing."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def is_main(test: ast.expr) -> bool:
    return isinstance(test, ast.Compare) and getattr(test.left, "id", None) == "__name__"
