"""The digest of definitions, see `gde.definitions`."""

import ast
import gc
import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

from gde.definitions.form import Form, service_of
from gde.definitions.kept import Kept
from gde.definitions.messages import Messages
from gde.definitions.modules import PACKAGE, SERVICES, Modules, Target
from gde.definitions.statements import FUNCTIONS
from gde.errors import bad


class Part(NamedTuple):
    """A definition, or a piece of it that counts only where its service is asked for: the digest of its form, and what
    of gde it refers to in the order of first mention."""

    service: str | None
    digest: bytes
    refers_to: tuple[Target, ...]


def parts_of(modules: Modules, messages: Messages, target: Target) -> tuple[Part, ...]:
    """The parts of what a target means; none of a table. GdeError for a method that a class has not."""
    module = modules.existing(target.module)
    if target.kind == "module":
        all_of_it = [modules.resolve(target.module, name) for name in module.statements]
        return (Part(None, b"", tuple(t for t in all_of_it if t is not None and t.kind == "definition")),)

    def part(nodes: Iterable[ast.AST], service: str | None = None) -> Part:
        form = Form(modules, messages, target.module)
        for node in nodes:
            form.add(node, target.name)
        return Part(service, hashlib.sha256("".join(form.text).encode()).digest(), tuple(form.refers_to))

    if target.kind == "table":
        return ()
    if target.kind == "effects":
        return (part(module.effects),)
    if target.kind == "entry":
        return (part([modules.entries(target)[target.key]]),)
    nodes = module.statements[target.name]
    inside = [(node.name, one) for node in nodes if isinstance(node, ast.ClassDef) for one in node.body]
    if target.kind == "method":
        own = [one for _, one in inside if isinstance(one, FUNCTIONS) and target.key in (one.name, "*")]
        if not own:
            place = f"{target.module}:{target.name}"
            raise bad(place, f"no method {target.key!r}", "a method of this class", "correct the name")
        return (part(own),)
    if target.name in SERVICES:
        return (part(nodes, target.name),)
    offered = [(service, one) for name, one in inside if (service := service_of(name, one)) is not None]
    return part(nodes), *(part([one], service) for service, one in offered)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without the garbage collector, which looks in vain through each new syntax tree: half of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class Code:
    """The code of gde as it is, or with other `sources` (see `Modules`); each definition is read once."""

    def __init__(self, sources: Mapping[str, str | None] | None = None, root: Path | None = None):
        self.modules = Modules(sources, root)
        self.messages = Messages(self.modules)
        self._parts: dict[Target, tuple[Part, ...]] = {}

    def digest(self, roots: Iterable[str]) -> str:
        """As `code_digest`."""
        return hashlib.sha256(b"".join(self._closure(*self._split(roots)).values())).hexdigest()

    def script(self, place: str, text: bytes) -> str:
        """As `script_digest`, of its text."""
        name = f"script {place}"
        self.modules.sources[name] = text.decode()
        closure = self._closure([Target("effects", name), Target("module", name)], frozenset())
        return hashlib.sha256(b"".join(closure.values())).hexdigest()

    def reached(self, roots: Iterable[str]) -> list[Target]:
        """What counts in a digest, in the order in which it is met."""
        return [target for target, form in self._closure(*self._split(roots)).items() if form]

    def parts(self, target: Target) -> tuple[Part, ...]:
        """The parts of what a target means (`parts_of`)."""
        if target not in self._parts:
            self._parts[target] = parts_of(self.modules, self.messages, target)
        return self._parts[target]

    def _split(self, roots: Iterable[str]) -> tuple[list[Target], frozenset[str]]:
        """What roots mean, and the services among them."""
        roots = list(roots)
        targets = [self.modules.named(root) for root in roots if root not in SERVICES]
        return [target for target in targets if target.kind not in ("nothing", "quiet")], SERVICES.intersection(roots)

    @_no_collection()
    def _closure(self, roots: list[Target], services: frozenset[str]) -> dict[Target, bytes]:
        """All that is met from the roots -> its form and the numbers of what it refers to; nothing for a service that
        is not asked for. A number is the place in this order."""
        asked = {None, *services}
        number: dict[Target, bytes] = {}
        out: dict[Target, bytes] = {}
        todo: deque[Target] = deque()

        def met(target: Target) -> bytes:
            if target not in number:
                number[target] = len(number).to_bytes(4, "big")
                todo.append(target)
                if target.kind != "effects" and self.modules.existing(target.module).effects:
                    met(Target("effects", target.module))
            return number[target]

        for root in roots:
            met(root)
        while todo:
            target = todo.popleft()
            counting = [part for part in self.parts(target) if part.service in asked]
            out[target] = b"".join(part.digest + b"".join(map(met, part.refers_to)) for part in counting)
        return out


@cache
def _installed() -> tuple[Code, Kept]:
    """The code that runs, read once per process, and what is known of it."""
    return Code(), Kept(PACKAGE)


def code_digest(roots: Iterable[str]) -> str:
    """SHA-256 over definitions and all of gde that they refer to, hexadecimal.

    roots : "module:name", "module:TABLE[key]", "module:Class.method", "module:Class.*" for all methods of a class,
    "module" for all that it defines, or one of `SERVICES`, in an order that counts. Raises GdeError for what does not
    exist or cannot be parsed.
    """
    roots, (code, kept) = tuple(roots), _installed()
    return kept.get("\n".join(roots), lambda: code.digest(roots))


def script_digest(path: Path) -> str:
    """SHA-256 over a file outside the package and all of gde that it refers to, hexadecimal."""
    text, (code, kept) = path.read_bytes(), _installed()
    return kept.get(f"script {hashlib.sha256(text).hexdigest()}", lambda: code.script(str(path), text))
