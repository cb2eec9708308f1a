"""YAML with line numbers: every value remembers the file, line and key it was written at, also after merging."""

import re
from copy import deepcopy
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import yaml

from gde.errors import bad
from gde.files.sniffing import read_text

DEEPEST = 50  # a reader in C that follows a deeper nesting ends in a crash
MOST_VALUES = 100_000  # aliases of aliases of aliases make billions of a few lines
Path_ = tuple[str | int, ...]


class Mark(NamedTuple):
    """Where a value was written: `where` is a file (with line) or --config, `key` the dotted key in it."""

    where: str
    key: str


@dataclass(frozen=True, eq=False)
class Tree:
    """Plain data and the mark of each of its keys."""

    data: Any
    marks: dict[Path_, Mark] = field(default_factory=dict)

    def mark(self, path: Path_) -> Mark:
        """The mark of `path`, or its nearest marked parent's with the rest of the path appended to the key."""
        for n in range(len(path), -1, -1):
            if path[:n] in self.marks:
                where, key = self.marks[path[:n]]
                return Mark(where, dotted((key, *path[n:])))
        return Mark("configuration", dotted(path))

    def sub(self, *path: str | int) -> "Tree":
        """The part below `path`; its marks keep the keys of the whole file."""
        data = self.data
        for key in path:
            data = data[key]
        n = len(path)
        return Tree(data, {p[n:]: m for p, m in self.marks.items() if p[:n] == path})


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """YAML 1.2's scalars: 2e-4 is a number; yes, no, on, off and dates are text."""

    yaml_implicit_resolvers: ClassVar[dict] = {}


_SCALARS = (
    ("null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    ("bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")),
    ("int", re.compile(r"^[-+]?[0-9]+(?:_[0-9]+)*$"), list("-+0123456789")),
    ("float", re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$"), list("-+.0123456789")),
    ("float", re.compile(r"^(?:[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$"), list("-+.")),
)
for _tag, _pattern, _first in _SCALARS:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _pattern, _first)
_PATTERNS = {tag: [p for t, p, _ in _SCALARS if t == tag] for tag, _, _ in _SCALARS}
_CONVERT = {
    "null": lambda text: None,
    "bool": lambda text: text.lower() == "true",
    "int": lambda text: int(text.replace("_", "")),
    "float": lambda text: float(text.lower().replace(".inf", "inf").replace(".nan", "nan")),
    "str": lambda text: text,
}
_TAG = "tag:yaml.org,2002:"


def dotted(path: tuple) -> str:
    """('training', 'betas', 0) -> 'training.betas[0]'."""
    out = ""
    for key in path:
        out += f"[{key}]" if isinstance(key, int) else f".{key}" if out else str(key)
    return out


def read_yaml(path: Path, name: str | None = None) -> Tree:
    """Read a YAML mapping. GdeError names file and line of a syntax error, duplicate key or key that is not text."""
    tree = read_shared(path, name)
    return Tree(deepcopy(tree.data), dict(tree.marks))


def read_shared(path: Path, name: str | None = None) -> Tree:
    """`read_yaml`, which gives the same tree again for the same text; nobody may change it. The workflow, its grids and
    its jobs read each file several times."""
    name = name or str(path)
    return _parse(read_text(path, "a YAML file", "create it or correct the name", name=name), name)


@lru_cache(maxsize=512)
def _parse(text: str, name: str) -> Tree:
    try:
        _check_depth(text, name)
        node = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as e:
        mark = getattr(e, "problem_mark", None)
        where = f"{name}:{mark.line + 1}" if mark else name
        problem = getattr(e, "problem", None) or "a special character"
        raise bad(where, f"broken YAML ({problem})", "YAML", "check quotes, brackets and indentation (no tabs)") from e
    if node is None:
        return Tree({}, {(): Mark(name, "")})
    if not isinstance(node, yaml.MappingNode):
        raise bad(f"{name}:1", "no keys", "a mapping of `key: value` lines", "see config/README.md")
    marks: dict[Path_, Mark] = {(): Mark(name, "")}
    return Tree(_plain(node, (), name, marks), marks)


def _check_depth(text: str, name: str) -> None:
    """GdeError where brackets or indentation nest too deeply; from the parser's events, which are flat."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            where = f"{name}:{event.start_mark.line + 1}"
            raise bad(where, f"more than {DEEPEST} levels", "sections in sections", "check brackets and indentation")


def _plain(node: yaml.Node, path: Path_, name: str, marks: dict[Path_, Mark]) -> Any:
    here = f"{name}:{node.start_mark.line + 1}"
    if len(path) > DEEPEST:
        raise bad(name, "an alias that contains itself", "finite YAML", "remove the alias")
    if len(marks) > MOST_VALUES:
        raise bad(here, f"more than {MOST_VALUES} values", "a configuration", "remove aliases, or lists of data")
    kind = node.tag.removeprefix(_TAG)
    wanted = {yaml.SequenceNode: ("seq",), yaml.MappingNode: ("map",), yaml.ScalarNode: tuple(_CONVERT)}[type(node)]
    if kind not in wanted:
        raise bad(f"{here}: {dotted(path)}", f"the tag {node.tag}", "a plain value", "remove the tag")
    if isinstance(node, yaml.SequenceNode):
        return [_item(child, (*path, i), child, name, marks) for i, child in enumerate(node.value)]
    if isinstance(node, yaml.ScalarNode):
        value = _convert(kind, node.value)
        if value is _NOT:
            raise bad(f"{here}: {dotted(path)}", repr(node.value), f"a value of type {kind}", "correct it, or its tag")
        return value
    out: dict[str, Any] = {}
    for key, value in node.value:
        line = f"{name}:{key.start_mark.line + 1}"
        if not isinstance(key, yaml.ScalarNode) or not key.tag.endswith(":str"):
            found = repr(key.value) if isinstance(key, yaml.ScalarNode) else "a list or mapping"
            raise bad(f"{line}: {dotted(path)}", f"{found} as a key", "a text", "put the key in quotes")
        if key.value in out:
            raise bad(f"{line}: {dotted((*path, key.value))}", "the key a second time", "each key once", "remove one")
        out[key.value] = _item(value, (*path, key.value), key, name, marks)
    return out


def _item(node: yaml.Node, path: Path_, at: yaml.Node, name: str, marks: dict[Path_, Mark]) -> Any:
    marks[path] = Mark(f"{name}:{at.start_mark.line + 1}", dotted(path))
    return _plain(node, path, name, marks)


_NOT = object()


def _convert(kind: str, text: str) -> Any:
    """The value that `text` is as a scalar of a kind; _NOT when it is none."""
    if kind in _PATTERNS and not any(p.match(text) for p in _PATTERNS[kind]):
        return _NOT
    try:
        return _CONVERT[kind](text)
    except ValueError:  # more digits than Python converts, or nothing but underscores
        return _NOT


def merge(base: Tree, over: Tree) -> Tree:
    """`over` laid on `base`, key by key; a section of another `kind` takes the old one's place, and so does a list."""
    data, marks = _merge(base.data, over.data), dict(base.marks)
    if replaced := list(_replaced(base.data, over.data, ())):
        marks = {p: m for p, m in marks.items() if not any(p[: len(r)] == r for r in replaced)}
    return Tree(data, {**marks, **{p: m for p, m in over.marks.items() if p}})


def _lays_on(base: Any, over: Any) -> bool:
    return isinstance(base, dict) and isinstance(over, dict) and over.get("kind", base.get("kind")) == base.get("kind")


def _merge(base: Any, over: Any) -> Any:
    if not _lays_on(base, over):
        return over
    return {**base, **{k: _merge(base[k], v) if k in base else v for k, v in over.items()}}


def _replaced(base: Any, over: Any, path: Path_):
    if not _lays_on(base, over):
        yield path
    else:
        for key in base.keys() & over.keys():
            yield from _replaced(base[key], over[key], (*path, key))


def from_snakemake(config: dict, files: list[Tree]) -> Tree:
    """The config Snakemake merged from its files and --config, with the mark of the file that a value came from.

    Snakemake reads files as YAML 1.1, where 2e-4 is text, and leaves every nested value of --config as text: text that
    is not text in the files either is read again.
    """
    marks: dict[Path_, Mark] = {(): Mark(files[0].marks[()].where if files else "--config", "")}

    def walk(value: Any, path: Path_) -> Any:
        if isinstance(value, dict):
            value = {k: walk(v, (*path, k)) for k, v in value.items()}
        elif isinstance(value, list | tuple):
            value = [walk(v, (*path, i)) for i, v in enumerate(value)]
        elif isinstance(value, str) and not any(_holds(f, path, value) for f in files):
            value = _scalar(value)
        if path:
            marks[path] = next((f.marks[path] for f in files if _holds(f, path, value)), Mark("--config", dotted(path)))
        return value

    for key in config:
        if not isinstance(key, str):
            raise bad("--config", f"{key!r} as a key", "a text", "put the key in quotes")
    return Tree(walk(dict(config), ()), marks)


def _scalar(text: str) -> Any:
    value = next((_convert(tag, text) for tag, pattern, _ in _SCALARS if pattern.match(text)), text)
    return text if value is _NOT else value


def _holds(tree: Tree, path: Path_, value: Any) -> bool:
    """Whether `value` is what stands at `path`; for a mapping, whether one does, since its keys are looked up apart."""
    if path not in tree.marks:
        return False
    found = tree.sub(*path).data
    return isinstance(found, dict) if isinstance(value, dict) else type(found) is type(value) and found == value
