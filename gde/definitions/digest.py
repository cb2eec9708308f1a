"""The digest of definitions, see `gde.definitions`."""

import hashlib
from collections import deque
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from gde.definitions.form import Part, parts
from gde.definitions.messages import Messages
from gde.definitions.modules import NOTHING, SAID, SERVICES, Modules, Target


class Code:
    """The code of gde as it is, or with other `sources` (see `Modules`); each definition is read once."""

    def __init__(self, sources: Mapping[str, str | None] | None = None, root: Path | None = None):
        self.modules = Modules(sources, root)
        self.messages = Messages(self.modules)
        self._parts: dict[Target, tuple[Part, ...]] = {}

    def digest(self, roots: Iterable[str]) -> str:
        """As `code_digest`."""
        return hashlib.sha256(b"".join(self._closure(*self._split(roots)).values())).hexdigest()

    def script(self, path: Path) -> str:
        """As `script_digest`."""
        name = f"script {path}"
        self.modules.sources[name] = path.read_text()
        closure = self._closure([Target("effects", name), Target("module", name)], frozenset())
        return hashlib.sha256(b"".join(closure.values())).hexdigest()

    def reached(self, roots: Iterable[str]) -> list[Target]:
        """What counts in a digest, in the order in which it is met."""
        return [target for target, form in self._closure(*self._split(roots)).items() if form]

    def _split(self, roots: Iterable[str]) -> tuple[list[Target], frozenset[str]]:
        """What roots mean, and the services among them."""
        roots = list(roots)
        targets = [self.modules.named(root) for root in roots if root not in SERVICES]
        return [target for target in targets if target not in (NOTHING, SAID)], SERVICES.intersection(roots)

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
            if target not in self._parts:
                self._parts[target] = parts(self.modules, self.messages, target)
            counting = [part for part in self._parts[target] if part.service in asked]
            out[target] = b"".join(part.digest + b"".join(map(met, part.refers_to)) for part in counting)
        return out


@cache
def installed() -> Code:
    """The code that runs, read once per process."""
    return Code()


@cache
def _of_installed(roots: tuple[str, ...]) -> str:
    return installed().digest(roots)


def code_digest(roots: Iterable[str]) -> str:
    """SHA-256 over definitions and all of gde that they refer to, hexadecimal.

    roots : "module:name", "module:TABLE[key]", "module:Class.method", "module" for all that it defines, or one of
    `SERVICES`, in an order that counts. Raises GdeError for what does not exist or cannot be parsed.
    """
    return _of_installed(tuple(roots))


@cache
def script_digest(path: Path) -> str:
    """SHA-256 over a file outside the package and all of gde that it refers to, hexadecimal."""
    return installed().script(path)
