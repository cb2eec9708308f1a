"""Definitions and their digests: what they refer to counts, wherever it stands; what it is called and says does not."""

from pathlib import Path
from textwrap import dedent

import pytest

from gde.definitions.digest import Code
from gde.definitions.kept import Kept
from gde.errors import GdeError

NOWHERE = Path("/nonexistent")
ERRORS = "class GdeError(ValueError): pass\ndef bad(where, found, expected, remedy): return GdeError(where)\n"


def digest(modules: dict[str, str], *roots: str) -> str:
    """Of `roots` (default: gde.a:f) in a package of one's own, module (a package: "b.__init__") -> text."""
    sources = {"gde.__init__": "", "gde.errors": ERRORS} | {f"gde.{k}": dedent(v) for k, v in modules.items()}
    return Code(sources, NOWHERE).digest(roots or ("gde.a:f",))


COUNTS = {
    "value": ("def f(): return 1", "def f(): return 2"),
    "type of a value": ("def f(): return 1", "def f(): return 1.0"),
    "sign": ("def f(): return 1", "def f(): return -1"),
    "order": ("def f(): x = 1; y = 2", "def f(): y = 2; x = 1"),
    "default": ("def f(x=1): return x", "def f(x=2): return x"),
    "keyword only": ("def f(x, y=1): return x", "def f(x, *, y=1): return x"),
    "decorator": ("from functools import cache\n@cache\ndef f(): pass", "def f(): pass"),
    "external": ("from math import sin as g\ndef f(): return g(1)", "from math import cos as g\ndef f(): return g(1)"),
    "external inside": (
        "def f():\n import numpy as n\n return n.sum",
        "def f():\n import torch as n\n return n.sum",
    ),
    "import for its effects": ("def f():\n import scipy.linalg, scipy", "def f():\n import scipy.signal"),
    "module-level constant": ("N = 1\ndef f(): return N", "N = 2\ndef f(): return N"),
    "constant made in two steps": ("N = [1]\nN += [2]\ndef f(): return N", "N = [1]\nN += [3]\ndef f(): return N"),
    "constant changed in place": ("N = {}\nN[1] = 2\ndef f(): return N", "N = {}\nN[1] = 3\ndef f(): return N"),
    "constant changed by a method": (
        "N = []\nN.append(2)\ndef f(): return N",
        "N = []\nN.append(3)\ndef f(): return N",
    ),
    "of two that one statement binds": ("A, B = 1, 2\ndef f(): return A", "A, B = 1, 2\ndef f(): return B"),
    "in a condition": (
        "try:\n from math import sin as g\nexcept ImportError:\n g = None\ndef f(): return g",
        "try:\n from math import cos as g\nexcept ImportError:\n g = None\ndef f(): return g",
    ),
    "effects": ("import os\nos.environ['A'] = '1'\ndef f(): pass", "import os\nos.environ['A'] = '2'\ndef f(): pass"),
    "call at the top": ("def g(): pass\ndef f(): pass\ng()", "def g(): pass\ndef f(): pass"),
    "base class": ("class A: x = 1\nclass f(A): pass", "class A: x = 2\nclass f(A): pass"),
    "method": ("class f:\n def g(self): return 1", "class f:\n def g(self): return 2"),
    "name of a method": ("class f:\n def g(self): return 1", "class f:\n def h(self): return 1"),
    "order of fields": (
        "from dataclasses import dataclass\n@dataclass\nclass f:\n a: int\n b: int",
        "from dataclasses import dataclass\n@dataclass\nclass f:\n b: int\n a: int",
    ),
    "class variable": (
        "from dataclasses import dataclass\n@dataclass\nclass f:\n a: int = 1",
        "from dataclasses import dataclass\n@dataclass\nclass f:\n a: ClassVar[int] = 1",
    ),
    "type of a model's field": (
        "from pydantic import BaseModel\nclass f(BaseModel):\n a: int",
        "from pydantic import BaseModel\nclass f(BaseModel):\n a: str",
    ),
    "function handed on": (
        "def g(): return 1\ndef h(): return 2\ndef f(): return map(g, [])",
        "def g(): return 1\ndef h(): return 2\ndef f(): return map(h, [])",
    ),
    "shadowed in a comprehension only": (
        "g = 1\ndef f(): return [g for g in range(g)]",
        "g = 2\ndef f(): return [g for g in range(g)]",
    ),
    "name of the class in its body": (
        "n = 1\nclass f:\n m = n\n def g(self): return n",
        "n = 2\nclass f:\n m = n\n def g(self): return n",
    ),
    "whether it raises": ("def f(x):\n if x: raise ValueError\n return x", "def f(x):\n return x"),
    "when it raises": ("def f(x):\n if x > 1: raise ValueError", "def f(x):\n if x > 2: raise ValueError"),
    "what it raises": ("def f(x): raise KeyError(x)", "def f(x): raise ValueError(x)"),
    "condition of an assertion": ("def f(x): assert x > 1, 'a'", "def f(x): assert x > 2, 'a'"),
    "text that is no message": ("def f(): return 'a'", "def f(): return 'b'"),
    "text used twice": (
        "from gde.errors import bad\ndef f():\n t = 'a'\n if t: raise bad(1, t, 2, 3)\n",
        "from gde.errors import bad\ndef f():\n t = 'b'\n if t: raise bad(1, t, 2, 3)\n",
    ),
    "what is read for a message": (
        "from gde.errors import bad\ndef f(x):\n t = x.pop()\n raise bad(1, t, 2, 3)\n",
        "from gde.errors import bad\ndef f(x):\n t = x.popleft()\n raise bad(1, t, 2, 3)\n",
    ),
    "global": ("N = 1\ndef f():\n global N\n N = 2", "N = 1\ndef f():\n global N\n N = 3"),
    "other than the log": ("def f(x): x.info('a')", "def f(x): x.info('b')"),
    "module handed on": ("from gde import b\ndef f(): return b", "from gde import c\ndef f(): return c"),
    "string": ("def f(): return 'gde.b:x'", "def f(): return 'gde.c:x'"),
}
NOTHING = {
    "comment": ("def f(): pass", "# why\ndef f():\n\n    pass  # so"),
    "docstring": ("'a'\ndef f():\n 'b'\n return 1", "'b'\ndef f():\n 'c'\n return 1"),
    "docstring of a class": ("class f:\n 'a'\n x = 1", "class f:\n x = 1"),
    "annotations": ("def f(x: int) -> int:\n y: int = x\n return y", "def f(x: str):\n y: str = x\n return y"),
    "annotation of a local": ("def f(x):\n y: int\n y = x", "def f(x):\n y = x"),
    "types of fields": (
        "from dataclasses import dataclass\n@dataclass\nclass f:\n a: int",
        "from dataclasses import dataclass\n@dataclass\nclass f:\n a: str",
    ),
    "own name": ("def g(): return 1\ndef f(): return g()", "def h(): return 1\ndef f(): return h()"),
    "name of a constant": ("N = 1\ndef f(): return N", "M = 1\ndef f(): return M"),
    "name of the package's import": (
        "import numpy as np\ndef f(): return np.sum",
        "from numpy import sum as s\ndef f(): return s",
    ),
    "unused": ("def f(): pass", "import json\nX = 1\nclass C: pass\ndef g(): pass\ndef f(): pass\n"),
    "order of definitions": ("def g(): pass\ndef f(): g()", "def f(): g()\ndef g(): pass"),
    "types for checking": (
        "def f(): pass",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n from gde.nowhere import X\ndef f(): pass",
    ),
    "main": ("def f(): pass", "def f(): pass\nif __name__ == '__main__':\n f()"),
    "message": (
        "from gde.errors import bad\ndef f(): raise bad(1, 'a', 'b', 'c') from ValueError('d')",
        "from gde.errors import bad\ndef f(): raise bad(1, 'e', f'{2}', 'g')",
    ),
    "message of another's error": ("def f(): raise ValueError('a')", "def f(): raise ValueError('b')"),
    "what only a message needs": (
        "from gde.errors import bad\nA = 'a'\ndef g(): return A\ndef f(): raise bad(g(), A, 1, 2)",
        "from gde.errors import bad\nA = 'b'\ndef f(): raise bad(A, 1, 2, 3)",
    ),
    "error that a function makes": (
        "from gde.errors import bad\ndef g(): return bad('a', 1, 2, 3)\ndef f(): raise g()",
        "from gde.errors import bad\ndef g(): return bad('b', 1, 2, 3)\ndef f(): raise g()",
    ),
    "error that is returned": (
        "from gde.errors import bad\ndef f():\n t, u = 'a', 'b'\n return bad(t, u, 2, 3)",
        "from gde.errors import bad\ndef f():\n t, u = 'c', len('d')\n return bad(t, u, 2, 3)",
    ),
    "local of a message": (
        "from gde.errors import bad\ndef f(x):\n if x:\n  t = 'a' if x else ''\n  u = f'{t}s'\n  raise bad(1, u, 2, 3)",
        "from gde.errors import bad\ndef f(x):\n if x:\n  t = ', '.join(x)\n  u = t\n  raise bad(1, u, 2, 3)",
    ),
    "text given for a message": (
        "from gde.b import g\ndef f(): g(1, 'a', remedy='b')",
        "from gde.b import g\ndef f():\n t = 'c'\n g(1, t, remedy='d')",
    ),
    "default of a message": (
        "from gde.errors import bad\ndef f(x, t='a'):\n if x: raise bad(1, t, 2, 3)",
        "from gde.errors import bad\ndef f(x, t='b'):\n if x: raise bad(1, t, 2, 3)",
    ),
    "log": (
        "import logging\nlog = logging.getLogger(__name__)\ndef f(x):\n t = 'a'\n log.info('b %s', t)\n return x",
        "import logging\nlog = logging.getLogger(__name__)\ndef f(x):\n t = 'c'\n log.warning(t)\n return x",
    ),
    "warning": ("import warnings\ndef f(): warnings.warn('a')", "import warnings\ndef f(): warnings.warn('b')"),
    "text of an assertion": ("def f(x): assert x, 'a'", "def f(x): assert x, 'b'"),
    "left out": ("from gde.config import x\ndef f(): return x", "from gde.config.y import z\ndef f(): return z"),
    "table": (
        "REGISTRY = {'x': 'gde.b:x'}\ndef f(k): return REGISTRY[k]",
        "REGISTRY = {'x': 'gde.c:x', 'y': 'gde.c:y'}\ndef f(k): return REGISTRY[k]",
    ),
    "other entries": (
        "ALPHABETS = {'x': 1, 'y': 2}\ndef f(): return ALPHABETS['x']",
        "ALPHABETS = {'x': 1, 'y': 3, 'z': 4}\ndef f(): return ALPHABETS['x']",
    ),
}
B = {
    "b": "from gde.errors import bad\nx = 1\ndef g(y, t, remedy):\n if y: h(y, remedy=remedy, t=t)\n"
    "def h(y, t, *, remedy):\n if y > 1: raise bad(y, t, 2, remedy)\n else: g(y, t, remedy)\n",
    "c": "x = 2\ny = 3\n",
    "config.__init__": "x = 1",
    "config.y": "z = 2",
}


@pytest.mark.parametrize("case", COUNTS)
def test_what_counts(case):
    one, other = COUNTS[case]
    assert digest(B | {"a": one}) != digest(B | {"a": other})


@pytest.mark.parametrize("case", NOTHING)
def test_what_does_not_count(case):
    one, other = NOTHING[case]
    assert digest(B | {"a": one}) == digest(B | {"a": other})


@pytest.mark.parametrize(
    "way",
    [
        "from gde.b import x\ndef f(): return x",
        "from gde.b import x as y\ndef f(): return y",
        "from .b import x\ndef f(): return x",
        "from . import b\ndef f(): return b.x",
        "from gde import b as c\ndef f(): return c.x",
        "import gde.b\ndef f(): return gde.b.x",
        "import gde.b as b\ndef f(): return b.x",
        "def f():\n from gde.b import x\n return x",
        "def f():\n import gde.b\n return gde.b.x",
        "from gde.d import x\ndef f(): return x",
        "from gde.d.e import x\ndef f(): return x",
        "import gde.d as d\ndef f(): return d.e.x",
        "x = 0\ndef f():\n def g():\n  from gde.b import x\n  return x\n return g",
        "def f(): return 'gde.b:x'",
        "from gde import X\ndef f(): return X",
    ],
)
def test_every_way_to_name_a_definition(way):
    """It is found, and where that is only said in another way it is the same."""
    rest = {"d.__init__": "from gde.b import x", "d.e": "from ..b import x"}
    rest |= {"__init__": "def __getattr__(name):\n from gde.b import x\n return x"}
    assert digest(rest | {"a": way, "b": "x = 1"}) != digest(rest | {"a": way, "b": "x = 2"})
    assert digest(rest | {"a": way, "b": "x = 1"}) == digest(rest | {"a": way, "b": "y = 2\nx = 1"})
    if "g()" not in way and "'" not in way and "X" not in way:
        plain = "from gde.b import x\ndef f(): return x"
        assert digest(rest | {"a": way, "b": "x = 1"}) == digest(rest | {"a": plain, "b": "x = 1"})


def test_moved_definitions_are_the_same():
    before = {
        "a": "from gde.b import g\ndef f(): return g(h())\ndef h(): return 2",
        "b": "N = 1\ndef g(x): return x + N",
    }
    after = {"c": "from gde.d.e import h\nimport gde.a as b\ndef f(): return b.g(h())", "d.__init__": ""}
    after |= {"d.e": "def h(): return 2", "a": "from gde.d.e import h\nfrom gde.n import M\ndef g(x): return x + M"}
    assert digest(before) == digest(after | {"n": "M = 1"}, "gde.c:f")
    assert digest(before) != digest(after | {"n": "M = 2"}, "gde.c:f")


def test_which_of_two_equals_is_meant_counts():
    same = "def g(x): return x\ndef h(x): return x\n"
    assert digest({"a": same + "def f(): return g(g(1))"}) != digest({"a": same + "def f(): return g(h(1))"})
    assert digest({"a": same + "def f(): return g(h(1))"}) == digest({"a": same + "def f(): return h(g(1))"})


def test_circles_end():
    modules = {"a": "import gde.b\ndef f(): return gde.b.g()", "b": "import gde.a\ndef g(): return gde.a.f()"}
    assert digest(modules) != digest(modules | {"b": "import gde.a\ndef g(): return gde.a.f"})


TABLE = {"k.__init__": "REGISTRY = {'x': 'gde.b:X', 'y': 'gde.c:Y', 'z': Z}\nclass Z: v = 1", "b": "class X: v = 1"}
TABLE |= {"c": "class Y: v = 1", "a": "from gde.k import REGISTRY\ndef f(kind): return REGISTRY[kind]"}


def test_roots_name_the_entries_of_tables():
    def both(modules):
        return [digest(modules, "gde.a:f", f"gde.k:REGISTRY[{kind}]") for kind in "xyz"]

    x, y, z = both(TABLE)
    other = "REGISTRY = {'z': Z, 'new': 'gde.c:Y', 'x': 'gde.b:X', 'y': 'gde.c:Y'}\nclass Z: v = 1"
    assert both(TABLE | {"k.__init__": other}) == [x, y, z]
    changed = both(TABLE | {"b": "class X: v = 2"})
    assert changed[0] != x and changed[1:] == [y, z]
    assert both(TABLE | {"k.__init__": TABLE["k.__init__"].replace("v = 1", "v = 2")})[2] != z


def test_services_count_where_they_are_asked_for():
    one = {
        "a": "from gde.b import g\nclass Model:\n def load(self): return g()\n WRITER = g",
        "b": "def g(): return 1",
    }
    other = one | {"b": "def g(): return 2"}
    assert digest(one, "gde.a:Model") == digest(other, "gde.a:Model")
    assert digest(one, "gde.a:Model", ".w2") == digest(other, "gde.a:Model", ".w2")
    for service in ("Model.load", ".WRITER"):
        assert digest(one, "gde.a:Model", service) != digest(other, "gde.a:Model", service)
    inside = {"a": "class A:\n def w2(self): return 1\nclass f(A): pass"}
    changed = {"a": inside["a"].replace("1", "2")}
    assert digest(inside) == digest(changed)
    assert digest(inside, "gde.a:f", ".w2") != digest(changed, "gde.a:f", ".w2")


def test_methods_as_roots():
    one = {"a": "class A:\n def g(self): return 1\n def h(self): return 2\n def __init__(self): pass"}
    other = {"a": one["a"].replace("2", "3")}
    assert digest(one, "gde.a:A.g") == digest(other, "gde.a:A.g")
    assert digest(one, "gde.a:A.h") != digest(other, "gde.a:A.h")
    assert digest(one, "gde.a:A.*") != digest(other, "gde.a:A.*")


def test_scripts():
    def script(text, **modules):
        sources = {f"gde.{k}": v for k, v in modules.items()} | {"gde.__init__": ""}
        return Code(sources, NOWHERE).script("s.py", text.encode())

    text = "with open(x):\n  from gde.b import g\n  g(1)\n"
    one, other = "def g(x): return 1", "def g(x): return 2"
    assert script(text, b=one) != script(text, b=other)
    assert script(text, b=one) == script("# a comment\n'''And a text.'''\n" + text, b=one)
    assert script(text, b=one) != script(text.replace("g(1)", "g(2)"), b=one)
    assert script(text, b=one) != script("x = 1\n" + text, b=one)
    moved = text.replace("gde.b import g", "gde.c import h as g")
    assert script(moved, c=one.replace("def g", "def h")) == script(text, b=one)


@pytest.mark.parametrize(
    ("modules", "root", "message"),
    [
        ({"a": "from gde.b import x\ndef f(): return x"}, "gde.a:f", r"module gde\.b: found no such file"),
        ({"a": "from gde.b import x\ndef f(): return x", "b": ""}, "gde.a:f", r"gde\.b:x: found no such definition"),
        ({"a": "def ("}, "gde.a:f", r"gde\.a:1: found broken Python"),
        ({"a": "from gde.b import *"}, "gde.a:f", r"from gde\.b import \*: found a star"),
        ({"a": "x = 1"}, "gde.a:f", r"gde\.a:f: found no such definition"),
        ({"a": "class A: pass"}, "gde.a:A.g", r"gde\.a:A: found no method 'g'"),
        (TABLE, "gde.k:REGISTRY[w]", r"gde\.k\.REGISTRY: found 'w', expected one of x, y, z"),
        ({"a": "REGISTRY = dict(x=1)"}, "gde.a:REGISTRY[x]", r"gde\.a\.REGISTRY: found no plain dictionary"),
    ],
)
def test_what_is_missing_or_broken_is_named(modules, root, message):
    with pytest.raises(GdeError, match=message):
        digest(modules, root)


def test_unreached_modules_may_be_broken():
    assert digest({"a": "from gde.b import x\ndef f(): pass", "b": "def ("}) == digest({"a": "def f(): pass"})


def test_digests_are_kept_for_exactly_this_code(tmp_path):
    """Another process need not compute them again; an edit, and a damaged or another's file, makes it do so."""
    (tmp_path / "a.py").write_text("x = 1")

    def get(value: str) -> str:
        kept = Kept(tmp_path)
        out = kept.get("root", lambda: value)
        kept.save()
        return out

    assert get("one") == get("two") == "one"
    (tmp_path / "a.py").write_text("x = 2")
    assert get("two") == get("three") == "two"
    for damaged in ("", "[]", "{", '{"code": 1}'):
        (tmp_path / "__pycache__/digests.json").write_text(damaged)
        assert get("three") == "three"
    kept = Kept(tmp_path)
    (tmp_path / "a.py").write_text("x = 3")  # while it runs: what it computes may be of either
    kept.get("other", lambda: "of which?")
    kept.save()
    assert Kept(tmp_path).known == {}
    (tmp_path / "a.py").write_text("x = 2")
    assert Kept(tmp_path).known == {"root": "three"}
