"""The canonical form of a definition: its syntax, without what decides no number.

Left out are comments, docstrings, annotations of types, messages, import statements, and what definitions and modules
are called: in the place of a name stands what it means, something of gde as a number in the order of first mention,
anything else by the whole name that it is imported under.
"""

import ast
from typing import Any

from gde.definitions.messages import Messages, pairs
from gde.definitions.modules import SERVICES, Modules, Target
from gde.definitions.statements import DEFINITIONS, FUNCTIONS, Import, bound, imported, is_text, is_type_checking

# Base classes to which the annotations in a class mean nothing; to a dataclass they only mean `_FIELD_KINDS`.
_TYPES_ONLY = ("torch.", "typing.", "abc.", "enum.", "collections.")
_FIELD_KINDS = {"ClassVar", "InitVar", "KW_ONLY"}


def service_of(cls: str, node: ast.stmt) -> str | None:
    """The service that a statement in the body of a class is; None where it is none."""
    given = isinstance(node, ast.Assign) or (isinstance(node, ast.AnnAssign) and node.value is not None)
    own = [node.name] if isinstance(node, FUNCTIONS) else [n for n in bound([node]) if given and n.isupper()]
    return next((name for one in own for name in (f"{cls}.{one}", f".{one}") if name in SERVICES), None)


class Form:
    """Writes syntax trees of one module into `text`, and what of gde they refer to into `refers_to`."""

    def __init__(self, modules: Modules, messages: Messages, module: str):
        self.modules, self.messages, self.module = modules, messages, module
        self.package = modules.existing(module).package
        self.text: list[str] = []
        self.refers_to: dict[Target, int] = {}
        self.inner: dict[str, Import | None] = {}  # names of the functions around, as `Modules.meaning`
        self.fields: frozenset[str] = frozenset()  # names of the class whose body this is, outside its functions
        self.annotations = "none"  # what those of this class mean to it: all, kinds (see `_FIELD_KINDS`) or none
        self.silent: frozenset[str] = frozenset()  # names of the function that only reach messages
        self.used: frozenset[str] | None = None  # names that the function makes any use of; None outside functions

    def add(self, node: ast.AST, name: str = "") -> None:
        """Write one statement that binds `name` at the top of the module, which is called so nowhere in the form."""
        names = [] if isinstance(node, DEFINITIONS) else list(bound([node]))
        self.text.append(f"<{names.index(name) if name in names else ''}>")
        if isinstance(node, DEFINITIONS):
            self._definition(node, named=False)
        else:
            self._write(node)

    def _write(self, node: Any) -> None:
        kind = type(node)
        if (special := _SPECIAL.get(kind)) is not None:
            special(self, node)
        elif kind is list:
            self.text.append("[")
            for child in node:
                self._write(child)
            self.text.append("]")
        elif isinstance(node, ast.AST):
            self.text.append(f"{kind.__name__}(")
            for field in node._fields:
                if field not in ("ctx", "type_comment"):
                    self._write(getattr(node, field, None))
            self.text.append(")")
        else:
            self.text.append(f"{node!r};")

    def _mention(self, target: Target) -> None:
        if target.kind == "external":
            self.text.append(f"={target.name};")
        elif target.kind in ("definition", "entry", "method", "module"):
            self.text.append(f"@{self.refers_to.setdefault(target, len(self.refers_to))};")
        else:
            self.text.append("-;")

    def _meaning(self, node: ast.expr) -> Target | None:
        return self.modules.meaning(self.module, node, self.inner)

    def _name(self, node: ast.Name) -> None:
        target = self._meaning(node)
        if target is None or node.id in self.fields:
            self.text.append(f"{node.id};")
        if target is not None:
            self._mention(target)

    def _attribute(self, node: ast.Attribute) -> None:
        if (target := self._meaning(node)) is not None:
            self._mention(target)
            return
        self.text.append(f".{node.attr}(")
        self._write(node.value)
        self.text.append(")")

    def _subscript(self, node: ast.Subscript) -> None:
        table = self._meaning(node.value)
        if table is not None and table.kind == "table" and isinstance(node.slice, ast.Constant):
            self._mention(self.modules.entry(table, node.slice.value))
            return
        self.text.append("Subscript(")
        self._write(node.value)
        self._write(node.slice)
        self.text.append(")")

    def _constant(self, node: ast.Constant) -> None:
        target = self.modules.text(node.value)
        self.text.append(f"{node.value!r};") if target is None else self._mention(target)

    def _call(self, node: ast.Call) -> None:
        target = self._meaning(node.func)
        if target is not None and target.kind == "quiet":
            self.text.append("-();")
            return
        function = self.messages.function(target)
        silent = frozenset() if function is None else self.messages.silent(target.module, function)
        self.text.append("Call(")
        self._write(node.func)
        for value, name in self.messages.arguments(target, node):
            if name is None or name not in silent:
                self._write(value)
        self.text.append(")")

    def _expression(self, node: ast.Expr) -> None:
        if not (is_text(node) or self.messages.is_message(node, self.module, self.inner)):
            self.text.append("Expr ")
            self._write(node.value)

    def _raise(self, node: ast.Raise) -> None:
        """That something is raised, and of which class, where that is said here."""
        made = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        target = None if made is None else self._meaning(made)
        self.text.append("Raise(")
        if target is None and isinstance(made, ast.Name) and made.id not in self.inner:
            self.text.append(made.id)
        elif target is not None and (target.kind == "external" or self._is_class(target)):
            self._mention(target)
        self.text.append(")")

    def _is_class(self, target: Target) -> bool:
        nodes = self.modules.existing(target.module).statements[target.name] if target.kind == "definition" else []
        return any(isinstance(node, ast.ClassDef) for node in nodes)

    def _assert(self, node: ast.Assert) -> None:
        self.text.append("Assert ")
        self._write(node.test)

    def _if(self, node: ast.If) -> None:
        if is_type_checking(node.test):
            self._write(node.orelse)
            return
        self.text.append("If(")
        self._write([node.test, node.body, node.orelse])
        self.text.append(")")

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        """Nothing, since uses tell what is imported; where there is none, the import is there for its effects."""
        for alias in node.names:
            whole = isinstance(node, ast.Import)
            name = alias.asname or (alias.name.partition(".")[0] if whole else alias.name)
            if self.used is None or name not in self.used:
                brings = (alias.name, None) if whole else imported(node, self.package)[name]
                self.text.append(f"Import {name if self.used is None else ''};")
                self._mention(self.modules.brought(*brings))

    def _assign(self, node: ast.Assign) -> None:
        for targets, value in pairs(node) if self.silent else [(node.targets, node.value)]:
            if not all(isinstance(target, ast.Name) and target.id in self.silent for target in targets):
                self.text.append("Assign(")
                self._write(targets)
                self._write(value)
                self.text.append(")")

    def _annotated(self, node: ast.AnnAssign) -> None:
        if node.value is None and not self.fields:
            return
        self.text.append("AnnAssign(")
        self._write(node.target)
        if self.fields and self.annotations == "kinds":
            words = {getattr(one, "id", getattr(one, "attr", None)) for one in ast.walk(node.annotation)}
            self.text.append(f"{sorted(_FIELD_KINDS & words)};")
        elif self.fields and self.annotations == "all":
            self._write(node.annotation)
        self._write(node.value)
        self.text.append(")")

    def _definition(self, node: ast.AST, *, named: bool = True) -> None:
        self.text.append(f"{type(node).__name__} {node.name if named else ''}(")
        self._write(node.decorator_list)
        (self._class if isinstance(node, ast.ClassDef) else self._function)(node, top=not named)
        self.text.append(")")

    def _function(self, node: ast.FunctionDef | ast.Lambda, *, top: bool = False) -> None:
        before = self.inner, self.fields, self.silent, self.used
        outermost = self.used is None and isinstance(node, FUNCTIONS)
        if outermost:
            uses = self.messages.uses(self.module, node)
            self.silent, self.used = self.messages.silent(self.module, node), frozenset(uses)
        args = node.args
        plain = (*args.posonlyargs, *args.args)
        defaults = [*zip(plain[len(plain) - len(args.defaults) :], args.defaults, strict=True)]
        defaults += zip(args.kwonlyargs, args.kw_defaults, strict=True)
        for a, default in defaults:
            if not (outermost and a.arg in self.silent):
                self.text.append(f"{a.arg}=")
                self._write(default)
        for names in (args.posonlyargs, args.args, [args.vararg], args.kwonlyargs, [args.kwarg]):
            self.text.append(",".join(a.arg for a in names if a is not None) + "|")
        self.inner, self.fields = {**self.inner, **self.messages.local_names(self.module, node)}, frozenset()
        self._write(node.body)
        self.inner, self.fields, self.silent, self.used = before

    def _lambda(self, node: ast.Lambda) -> None:
        self.text.append("Lambda(")
        self._function(node)
        self.text.append(")")

    def _class(self, node: ast.ClassDef, *, top: bool) -> None:
        self._write(node.bases)
        self._write(node.keywords)
        before = self.fields, self.annotations
        self.fields, self.annotations = frozenset(bound(node.body)), self._annotations_of(node, self.module, self.inner)
        for child in node.body:
            if not (top and service_of(node.name, child) is not None):
                self._write(child)
        self.fields, self.annotations = before

    def _annotations_of(self, node: ast.ClassDef, module: str, inner: dict[str, Import | None]) -> str:
        """What annotations of fields mean to a class."""
        means = "none"
        for one in node.decorator_list:
            target = self.modules.meaning(module, one.func if isinstance(one, ast.Call) else one, inner)
            if target is None or target.name != "dataclasses.dataclass":
                return "all"
            means = "kinds"
        for base in node.bases:
            target = self.modules.meaning(module, base, inner)
            if target is not None and target.kind == "definition":
                for above in self.modules.existing(target.module).statements[target.name]:
                    of = self._annotations_of(above, target.module, {}) if isinstance(above, ast.ClassDef) else "all"
                    means = of if of != "none" else means
            elif target is not None and not (target.kind == "quiet" or target.name.startswith(_TYPES_ONLY)):
                return "all"
        return means

    def _comprehension(self, node: ast.ListComp) -> None:
        before, (first, *_) = self.inner, node.generators
        self.text.append(f"{type(node).__name__}(")
        self._write(first.iter)
        self.inner = before | bound([one.target for one in node.generators])
        for one in node.generators:
            self._write([one.target, None if one is first else one.iter, one.ifs, one.is_async])
        for field in ("elt", "key", "value"):
            self._write(getattr(node, field, None))
        self.inner = before
        self.text.append(")")


_SPECIAL = {
    ast.Name: Form._name,
    ast.Attribute: Form._attribute,
    ast.Subscript: Form._subscript,
    ast.Constant: Form._constant,
    ast.Call: Form._call,
    ast.Expr: Form._expression,
    ast.Raise: Form._raise,
    ast.Assert: Form._assert,
    ast.If: Form._if,
    ast.Import: Form._import,
    ast.ImportFrom: Form._import,
    ast.Assign: Form._assign,
    ast.AnnAssign: Form._annotated,
    ast.Lambda: Form._lambda,
    ast.Global: lambda form, node: None,
    ast.Pass: lambda form, node: None,
    **dict.fromkeys(DEFINITIONS, Form._definition),
    **dict.fromkeys((ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp), Form._comprehension),
}
