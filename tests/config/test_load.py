"""YAML with line numbers: numbers are numbers, no key is lost, and marks survive merging."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gde.config.loading import Tree, from_snakemake, merge, read_yaml
from gde.errors import GdeError


def read(tmp_path, text):
    file = tmp_path / "x.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_yaml(file, "x.yaml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2e-4", 2e-4), ("1E3", 1000.0), ("-.5", -0.5), ("3.", 3.0), ("10_000", 10000),
        ("5_", "5_"), ("1__0", "1__0"), ("+7", 7), ("007", 7),
        ("true", True), ("on", "on"), ("no", "no"), ("~", None), ("", None), ("2020-01-01", "2020-01-01"),
        ("'5'", "5"), (".inf", float("inf")), ("1e", "1e"), ("[1, 2e1]", [1, 20.0]), ("{b: 1}", {"b": 1}),
    ],
)  # fmt: skip
def test_scalars(tmp_path, text, value):
    got = read(tmp_path, f"a: {text}").data["a"]
    assert got == value
    assert type(got) is type(value)


def test_marks(tmp_path):
    tree = read(tmp_path, "# comment\na:\n  b: 1\n\n  c: [x, {d: 2}]\n")
    assert tree.mark(("a", "b")) == ("x.yaml:3", "a.b")
    assert tree.mark(("a", "c", 1, "d")) == ("x.yaml:5", "a.c[1].d")
    assert tree.mark(("a", "missing", "deep")) == ("x.yaml:2", "a.missing.deep")
    assert tree.mark(("z",)) == ("x.yaml", "z")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: {c: 1,\n c: 2}", "x.yaml:3: b.c: found the key a second time"),
        ("a: [1, 2", "found broken YAML"),
        ("a:\n\tb: 1", "x.yaml:2: found broken YAML"),
        ("- a\n- b", "found no keys"),
        ("just text", "found no keys"),
        ("1: x", "x.yaml:1: : found '1' as a key"),
        ("a: !!python/name:os.system x", "found the tag"),
        ("a: &a [*a]", "found an alias that contains itself"),
        (b"a: \xff\xfe", "found bytes that are not UTF-8"),
        ("a: !!int x", "found 'x', expected a value of type int"),
        ("a: !!bool 5", "found '5', expected a value of type bool"),
        ("a: !!null 5", "found '5', expected a value of type null"),
        ("a: " + "1" * 5000, "expected a value of type int"),
        ("a: !mine:int 5", "x.yaml:1: a: found the tag !mine:int"),
        ("a:\n  b: !!python/object/apply:os.system [x]", "x.yaml:2: a.b: found the tag"),
        ("a: !!set {b: 1}", "x.yaml:1: a: found the tag"),
        ("a: &a {b: *a}", "found an alias that contains itself"),
        ("a: " + "[" * 50_000, "found more than 50 levels"),
        (
            "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)),
            "found more than 100000 values",
        ),
    ],
)
def test_refusals(tmp_path, text, message):
    with pytest.raises(GdeError, match=r"x\.yaml") as e:
        read(tmp_path, text)
    assert message in str(e.value)
    assert "\n" not in str(e.value)


def test_missing_file(tmp_path):
    with pytest.raises(GdeError, match="found no such file"):
        read_yaml(tmp_path / "none.yaml")


@pytest.mark.parametrize("make", [lambda p: p.mkdir(), lambda p: os.mkfifo(p), lambda p: p.symlink_to(p)])
def test_what_is_no_file(tmp_path, make):
    make(tmp_path / "x.yaml")
    with pytest.raises(GdeError, match=r"x\.yaml: found a (directory|named pipe|symbolic link)"):
        read_yaml(tmp_path / "x.yaml", "x.yaml")


def test_merge_by_key_and_by_kind(tmp_path):
    base = read(tmp_path, "e: {kind: a, h: 1, o: {x: 1, y: 2}}\nl: [1, 2]")
    over = Tree({"e": {"h": 2, "o": {"y": 3}}, "l": [3]})
    assert merge(base, over).data == {"e": {"kind": "a", "h": 2, "o": {"x": 1, "y": 3}}, "l": [3]}
    assert merge(base, Tree({"e": {"kind": "b", "w": 1}})).data["e"] == {"kind": "b", "w": 1}
    assert ("e", "h") not in merge(base, Tree({"e": {"kind": "b"}})).marks


trees = st.recursive(
    st.integers(0, 3), lambda leaf: st.dictionaries(st.sampled_from("abc"), leaf, max_size=3), max_leaves=8
).filter(lambda v: isinstance(v, dict))


@given(trees, trees, trees)
def test_merge_laws(a, b, c):
    def m(x, y):
        return merge(Tree(x), Tree(y)).data

    assert m(a, {}) == a
    assert m({}, a) == a
    assert m(a, a) == a
    assert m(m(a, b), b) == m(a, b)
    # laying on two, one after the other, is laying on their union where neither turns a section into a value
    if all(isinstance(v, int) for x in (a, b, c) for v in x.values()):
        assert m(m(a, b), c) == m(a, m(b, c))


def test_values_that_came_through_snakemake(tmp_path):
    """YAML 1.1 leaves 2e-4 as text, --config leaves every nested value as text; text in quotes stays text."""
    file = read(tmp_path, "gmm:\n  lr: 2e-4\n  steps: 5\n  quoted: '5'\n")
    given = {"lr": "2e-4", "steps": "6", "quoted": "5", "name": "energy", "none": "null", "list": ["1", "x"]}
    tree = from_snakemake({"gmm": given}, [file])
    expected = {"lr": 2e-4, "steps": 6, "quoted": "5", "name": "energy", "none": None, "list": [1, "x"]}
    assert tree.data == {"gmm": expected}
    assert tree.mark(("gmm", "lr")) == ("x.yaml:2", "gmm.lr")
    assert tree.mark(("gmm", "quoted")) == ("x.yaml:4", "gmm.quoted")
    assert tree.mark(("gmm", "steps")) == ("--config", "gmm.steps")
