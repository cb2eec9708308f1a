"""Which names of a function only ever reach a message: an error's text, a warning or a line of the log.

Such a name may be a parameter that is handed on to other functions' messages, or a local that a message is put together
in. What is assigned to it, or given for it, decides no number.
"""

import ast
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from gde.definitions.modules import Modules, Target
from gde.definitions.statements import FUNCTIONS, Import, bound

LEVELS = frozenset({"debug", "info", "warning", "error", "exception", "critical", "log", "warn"})
# What the text of a message is put together with: calls of these change nothing else.
PURE = frozenset(
    {"abs", "bool", "dict", "enumerate", "float", "format", "getattr", "hasattr", "int", "isinstance", "len", "list"}
    | {"map", "max", "min", "range", "repr", "round", "set", "sorted", "str", "sum", "tuple", "type", "zip"}
)
PURE_METHODS = frozenset(
    {"all", "any", "argmax", "argmin", "as_posix", "astype", "capitalize", "count", "decode", "encode", "format", "get"}
    | {"isoformat", "item", "items", "join", "keys", "lower", "max", "mean", "min", "nonzero", "removeprefix"}
    | {"removesuffix", "replace", "split", "strip", "sum", "title", "tolist", "unique", "upper", "values"}
)


class Use(NamedTuple):
    """One use of a name. kind : loud (decides something) | quiet (in a message) | local (in the value of `name`) |
    given (for the parameter `name` of `function`)."""

    kind: str
    name: str = ""
    function: Target | None = None


LOUD, QUIET = Use("loud"), Use("quiet")
Uses = Mapping[str, set[Use]]


class Messages:
    """What of the functions of `modules` is only there for messages."""

    def __init__(self, modules: Modules):
        self.modules = modules
        self._uses: dict[ast.AST, Uses] = {}
        self._silent: dict[ast.AST, frozenset[str]] = {}
        self._local_names: dict[ast.AST, Mapping[str, Import | None]] = {}

    def local_names(self, module: str, node: ast.AST) -> Mapping[str, Import | None]:
        """Names of the scope of a function or lambda -> what an import inside it brings, None for the others."""
        if node not in self._local_names:
            args = node.args
            given = (*args.posonlyargs, *args.args, *args.kwonlyargs, *filter(None, (args.vararg, args.kwarg)))
            body = node.body if isinstance(node.body, list) else [node.body]
            names = dict.fromkeys(a.arg for a in given) | bound(body, self.modules.existing(module).package)
            self._local_names[node] = names
        return self._local_names[node]

    def uses(self, module: str, node: ast.AST) -> Uses:
        """How a function, with those inside it, uses each name."""
        if node not in self._uses:
            self._uses[node] = _Reader(self, module, node).uses
        return self._uses[node]

    def silent(self, module: str, node: ast.AST) -> frozenset[str]:
        """Names of a function that only reach messages."""
        if node not in self._silent:
            names = (name for name, uses in self.uses(module, node).items() if LOUD not in uses)
            self._silent[node] = frozenset(name for name in names if self._is_silent(module, node, name))
        return self._silent[node]

    def _is_silent(self, module: str, node: ast.AST, name: str) -> bool:
        seen, todo = set(), [(module, node, name)]
        while todo:
            place = module, node, name = todo.pop()
            uses = self.uses(module, node).get(name)
            if not uses or LOUD in uses:
                return False
            seen.add(place)
            for use in uses - {QUIET}:
                there = (module, node) if use.function is None else (use.function.module, self.function(use.function))
                if (*there, use.name) not in seen:
                    todo.append((*there, use.name))
        return True

    def function(self, target: Target | None) -> ast.FunctionDef | None:
        """The function that a name means, left out or not; None where it is none, or one of several."""
        if target is None or target.kind not in ("definition", "nothing"):
            return None
        nodes = self.modules.existing(target.module).statements.get(target.name, [])
        return nodes[0] if len(nodes) == 1 and isinstance(nodes[0], FUNCTIONS) else None

    def arguments(self, target: Target | None, call: ast.Call) -> Iterator[tuple[Any, str | None]]:
        """Arguments of a call with the names of the parameters that they are for; None where that is not plain."""
        node = self.function(target)
        names = [] if node is None else [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
        keywords = set() if node is None else {*names, *(a.arg for a in node.args.kwonlyargs)}
        for i, value in enumerate(call.args):
            if isinstance(value, ast.Starred):
                names = []
            yield value, names[i] if i < len(names) else None
        for keyword in call.keywords:
            yield keyword, keyword.arg if keyword.arg in keywords else None

    def is_message(self, node: ast.stmt, module: str, inner: Mapping[str, Import | None]) -> bool:
        """Whether a statement only warns, or writes a line of the log."""
        call = node.value if isinstance(node, ast.Expr) else None
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in LEVELS):
            return False
        target = self.modules.meaning(module, call.func, inner)
        if target is not None:
            return target.name == "warnings.warn"
        of = self.modules.meaning(module, call.func.value, inner)
        if of is None or of.kind != "definition":
            return False
        (made, *_) = self.modules.existing(of.module).statements[of.name]
        maker = made.value.func if isinstance(made, ast.Assign) and isinstance(made.value, ast.Call) else None
        return maker is not None and self.modules.meaning(of.module, maker, {}) == LOGGER


LOGGER = Target("external", name="logging.getLogger")


def pairs(node: ast.Assign) -> list[tuple[list[ast.expr], ast.expr]]:
    """Targets and values of an assignment; `a, b = x, y` is two."""
    value, (target, *more) = node.value, node.targets
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and not more:
        starred = any(isinstance(item, ast.Starred) for item in (*target.elts, *value.elts))
        if len(target.elts) == len(value.elts) and not starred:
            return [([one], item) for one, item in zip(target.elts, value.elts, strict=True)]
    return [(node.targets, value)]


class _Reader:
    """Collects the uses of all names in a function."""

    def __init__(self, messages: Messages, module: str, node: ast.AST):
        self.messages, self.module = messages, module
        self.inner = messages.local_names(module, node)
        self.uses: dict[str, set[Use]] = {}
        for child in (*node.args.defaults, *node.args.kw_defaults, *node.body):
            self._read(child, LOUD)

    def _read(self, node: ast.AST | None, use: Use) -> None:
        kind = type(node)
        if kind is ast.Name:
            if type(node.ctx) is ast.Load:
                self.uses.setdefault(node.id, set()).add(use)
        elif kind is ast.Constant or node is None:
            return
        elif kind is ast.Raise:
            self._read(node.exc, QUIET)
            self._read(node.cause, QUIET)
        elif kind is ast.Assert:
            self._read(node.test, LOUD)
            self._read(node.msg, QUIET)
        elif kind is ast.Expr and self.messages.is_message(node, self.module, self.inner):
            self._read(node.value, QUIET)
        elif kind is ast.Call:
            self._call(node, use)
        elif kind is ast.Assign:
            for targets, value in pairs(node):
                plain = all(type(target) is ast.Name for target in targets) and self.is_pure(value)
                for target in targets:
                    self._read(value, Use("local", target.id) if plain else LOUD)
                    self._read(target, LOUD)
                    for name in () if plain else bound([target]):  # what computes it does more
                        self.uses.setdefault(name, set()).add(LOUD)
        elif kind is ast.AugAssign:
            self._read(node.value, LOUD)
            self.uses.setdefault(getattr(node.target, "id", ""), set()).add(LOUD)
            self._read(node.target, LOUD)
        else:
            for field in node._fields:
                value = getattr(node, field)
                if isinstance(value, ast.AST):
                    if field not in ("annotation", "returns"):
                        self._read(value, use)
                elif isinstance(value, list):
                    for child in value:
                        if isinstance(child, ast.AST):
                            self._read(child, use)

    def _call(self, call: ast.Call, use: Use) -> None:
        target = self.messages.modules.meaning(self.module, call.func, self.inner)
        if target is not None and target.kind == "quiet":
            use = QUIET
        self._read(call.func, use)
        for value, name in self.messages.arguments(target, call):
            self._read(value, Use("given", name, target) if name is not None and use is LOUD else use)

    def is_pure(self, value: ast.expr) -> bool:
        """Whether computing a value changes nothing else."""
        for node in ast.walk(value):
            if isinstance(node, ast.Await | ast.Yield | ast.YieldFrom | ast.NamedExpr):
                return False
            if isinstance(node, ast.Call):
                target = self.messages.modules.meaning(self.module, node.func, self.inner)
                builtin = target is None and isinstance(node.func, ast.Name) and node.func.id in PURE
                method = target is None and isinstance(node.func, ast.Attribute) and node.func.attr in PURE_METHODS
                known = self.messages.function(target) is not None or (target is not None and target.kind == "quiet")
                if not (builtin or method or known):
                    return False
        return True
