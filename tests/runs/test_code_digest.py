"""What the results of every experiment depend on: any edit of it makes them again, and nothing else does."""

import ast
import keyword
import re
from functools import cache
from pathlib import Path

import pytest

from gde.config import resolve, resolve_all
from gde.config.datasets import DATASETS, sample_type_of
from gde.config.evaluations import EVALUATIONS
from gde.config.figures import known_figures
from gde.definitions import modules as lists
from gde.definitions.digest import Code
from gde.definitions.statements import bound
from gde.runs import code_digest as digest

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("prepare", "training", "model", "sample", "evaluation", "card")
PRESETS = ("laptop", "paper")


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts)


SOURCES = {module_of(file): file.read_text() for file in sorted((ROOT / "gde").rglob("*.py"))}
MODULES = {key.removesuffix(".__init__"): key for key in SOURCES}  # module -> its key in SOURCES


@cache
def resolved() -> dict[str, dict]:
    every = {preset: resolve_all({"preset": preset}, ROOT) for preset in PRESETS}
    return {f"{name}/{preset}": settings for preset in PRESETS for name, settings in every[preset].items()}


@cache
def roots() -> dict[str, tuple[str, ...]]:
    """What is computed of every experiment and with every preset -> its roots."""
    out = {}
    for name, settings in resolved().items():
        out |= {f"{name}/{kind}": tuple(getattr(digest, f"{kind}_roots")(settings)) for kind in KINDS}
    out |= {f"figure/{name}": tuple(digest.figure_roots(name)) for name in known_figures()}
    return out | {"grid summary": digest.SUMMARY, "grid figure": digest.GRID_FIGURE}


@cache
def code() -> Code:
    return Code(root=ROOT / "gde")


def digests(of: Code, rename=lambda root: root) -> dict[str, str]:
    known = cache(lambda given: of.digest(map(rename, given)))
    return {what: known(given) for what, given in roots().items()}


@cache
def before() -> dict[str, str]:
    return digests(code())


def other_code(edits: dict[str, str | None]) -> Code:
    """The code with other texts in place of some modules; the others are not parsed again."""
    out = Code(edits, ROOT / "gde")
    touched = {key.removesuffix(".__init__") for key in edits}
    out.modules._modules |= {name: m for name, m in code().modules._modules.items() if name not in touched}
    return out


def changed(edits: dict[str, str | None], rename=lambda root: root) -> set[str]:
    """What would be made again with other texts in place of modules."""
    after = digests(other_code(edits), rename)
    return {what for what in after if after[what] != before()[what]}


@cache
def reached() -> dict[str, set]:
    """What is computed -> the definitions that it depends on."""
    known = cache(lambda given: frozenset(code().reached(given)))
    return {what: known(given) for what, given in roots().items()}


def edit(file: str, old: str, new: str) -> dict[str, str]:
    key = module_of(ROOT / file)
    assert SOURCES[key].count(old) == 1, (file, old)
    return {key: SOURCES[key].replace(old, new)}


def parts(what: set[str], kind: str) -> set[str]:
    return {w.removesuffix(f"/{kind}") for w in what if w.endswith(f"/{kind}")}


CLASS_SERVICES = {"READER", "ROWS", "WRITER"}


class Edit(ast.NodeTransformer):
    """Changes what every function and method does, every value of a module and every class without methods."""

    def function(self, node):
        self.generic_visit(node)
        node.body.insert(0, ast.parse("len('edited')").body[0])
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = function

    def visit_ClassDef(self, node):
        self.generic_visit(node)
        for one in node.body:
            offered = CLASS_SERVICES & set(bound([one]))
            if offered and isinstance(one, ast.Assign | ast.AnnAssign) and one.value is not None:
                one.value = ast.Tuple([one.value], ast.Load())
        if not any(isinstance(one, ast.FunctionDef) for one in node.body):
            node.body.append(ast.parse("edited = 1").body[0])
        return node


def edited_text(text: str) -> str:
    tree = Edit().visit(ast.parse(text))
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            keys = node.value.keys if isinstance(node.value, ast.Dict) else []
            entries = keys and all(isinstance(key, ast.Constant) for key in keys)
            if entries:  # the form of a table is asked for
                node.value.values = [ast.Tuple([v], ast.Load()) for v in node.value.values]
            else:
                node.value = ast.Tuple([node.value], ast.Load())
    return ast.unparse(ast.fix_missing_locations(tree))


def test_every_definition_that_is_reached_counts():
    """With all modules edited at once every part of a digest is another one; what has no module of its own is none."""
    other, known = Code({key: edited_text(text) for key, text in SOURCES.items()}, ROOT / "gde"), code()
    targets = set().union(*reached().values())
    assert len(targets) > 1500
    for target in targets:
        ours = {part.service: part.digest for part in known.parts(target)}
        theirs = {part.service: part.digest for part in other.parts(target)}
        assert ours.keys() == theirs.keys(), target
        same = {service for service in ours if ours[service] == theirs[service]}
        if same:  # a class whose only methods are services has nothing else that was edited
            assert same == {None} and len(ours) > 1, target


@pytest.mark.parametrize("nth", range(8))
def test_exactly_what_depends_on_a_definition_is_made_again(nth):
    """One definition is edited at a time, of eight modules."""
    targets = sorted(set().union(*reached().values()))
    target = targets[len(targets) * (2 * nth + 1) // 16]
    key = MODULES[target.module]
    tree, edited = ast.parse(SOURCES[key]), ast.parse(edited_text(SOURCES[key]))
    places = [i for i, node in enumerate(tree.body) if node in own_statements(tree, target.name)]
    for i in places:
        tree.body[i] = edited.body[i]
    depends = {what for what, targets in reached().items() if target in targets}
    assert depends
    assert changed({key: ast.unparse(tree)}) == depends


def own_statements(tree: ast.Module, name: str) -> list[ast.stmt]:
    return [node for node in tree.body if name in bound([node]) and not isinstance(node, ast.Import | ast.ImportFrom)]


def test_what_is_given_by_the_caller_counts():
    """Instances that a root's function is handed, as the store of training: of classes among its definitions."""
    for what, targets in reached().items():
        names = {t.name for t in targets}
        for root in roots()[what]:
            target = None if root in lists.SERVICES else code().modules.named(root)
            node = code().messages.function(target)
            for argument in () if node is None else (*node.args.args, *node.args.kwonlyargs):
                words = {n.id for n in ast.walk(argument) if isinstance(n, ast.Name)}
                for word in words:
                    meant = code().modules.resolve(target.module, word)
                    if meant is not None and meant.kind == "definition" and meant.module != target.module:
                        assert meant.name in names, f"{what}: {root} is given a {word}"


def test_what_nothing_uses_makes_nothing_again():
    """A function, class, value and import more in every module, gde.config, alphabets and registries among them."""
    more = "\nimport json as idle_json\nfrom gde.model import GDE as idle_model\nIDLE_VALUE = 1\n"
    more += "class IdleClass: pass\n@staticmethod\ndef idle_function(): return IdleClass(), IDLE_VALUE\n"
    assert not any(re.search("idle_|Idle|IDLE", text) for text in SOURCES.values())
    assert changed({key: text + more for key, text in SOURCES.items()}) == set()


def test_a_new_kind_makes_nothing_again():
    """In any table; the one behind a kind counts."""
    tables = {key: text for key, text in SOURCES.items() if re.search(r"^(REGISTRY|ALPHABETS) = \{", text, re.M)}
    assert len(tables) >= 7
    new = {
        k: re.sub(r"^(REGISTRY|ALPHABETS) = \{", r'\1 = {"new": "gde.encoders.mean:Mean", ', t, flags=re.M)
        for k, t in tables.items()
    }
    assert changed(new) == set()
    other = edit("gde/encoders/__init__.py", '"gde.encoders.resnet:ResNet"', '"gde.encoders.mlp:Mlp"')
    assert "gmm/laptop/training" in changed(other)
    residues = parts(changed(edit("gde/sets/types/alphabet.py", '"ACGTN"', '"ACGTNU"')), "training")
    assert residues == {n for n, e in resolved().items() if sample_type_of(e["dataset"]).name == "dna"} != set()


class Retold(ast.NodeTransformer):
    """Other words in docstrings, errors, logs and assertions, and no types of parameters."""

    def function(self, node):
        self.generic_visit(node)
        node.returns = None
        for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
            argument.annotation = None
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = function

    def visit_Expr(self, node):
        text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        call = node.value.func if isinstance(node.value, ast.Call) else None
        logs = isinstance(call, ast.Attribute) and isinstance(call.value, ast.Name) and call.value.id == "log"
        return self.told(node) if text or logs else self.generic_visit(node)

    def visit_Call(self, node):
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in ("bad", "GdeError"):
            node.args = [self.told(one) for one in node.args]
        return node

    def visit_Raise(self, node):
        return self.told(self.generic_visit(node))

    def visit_Assert(self, node):
        node.msg = ast.Constant("retold")
        return node

    def told(self, node):
        for one in ast.walk(node):
            if isinstance(one, ast.Constant) and isinstance(one.value, str):
                one.value += " retold"
        return node


def test_texts_make_nothing_again():
    """Docstrings, comments and format, the texts of errors and logs, types of parameters: of all modules at once."""
    edits = {key: ast.unparse(ast.fix_missing_locations(Retold().visit(ast.parse(t)))) for key, t in SOURCES.items()}
    assert sum(text.count(" retold") for text in edits.values()) > 2000
    assert changed(edits) == set()


def replaced(edits: dict[str, str], pattern: str, new) -> dict[str, str]:
    return {key: re.sub(pattern, new, text) for key, text in edits.items()}


def test_moved_packages_make_nothing_again():
    rooms = {"gde.nets": "gde.networks", "gde.distances": "gde.measures", "gde.sets": "gde.places.sets"}
    rooms |= {"gde.evaluate": "gde.measured", "gde.prepare": "gde.makers", "gde.figures": "gde.drawings"}
    rooms |= {"gde.embed": "gde.embedding", "gde.training": "gde.loop", "gde.sample": "gde.sampling"}
    pattern = "|".join(rf"\b{re.escape(old)}\b" for old in rooms)

    def moved(text: str) -> str:
        return re.sub(pattern, lambda m: rooms[m[0]], text)

    edits = {moved(key): moved(text) for key, text in SOURCES.items()}
    edits |= {key: None for key in SOURCES if moved(key) != key} | {"gde.places.__init__": ""}
    assert sum(key in edits and edits[key] is None for key in SOURCES) > 200
    assert changed(edits, moved) == set()


def renamable() -> set[str]:
    """Names that mean one thing at the top of modules wherever they are written."""
    trees = {key: ast.parse(text) for key, text in SOURCES.items()}
    names, taken = set(), {*lists.TABLES, *lists.SERVICES, *(s.split(".")[-1] for s in lists.SERVICES)}
    modules = {part for key in SOURCES for part in key.split(".")}
    for tree in trees.values():
        names |= {
            name for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom) for name in bound([node])
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                taken.add(node.attr)
            elif isinstance(node, ast.keyword | ast.arg):
                taken.add(node.arg)
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                taken |= set(bound(node.body))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                taken |= set(re.findall(r"\w+", node.value))
            elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load) and node not in tree.body:
                taken |= {node.id} if node.id.islower() else set()
    return {n for n in names if n not in taken | modules and not keyword.iskeyword(n) and not n.startswith("__")}


def test_renamed_definitions_make_nothing_again():
    names = renamable()
    assert len(names) > 500

    def renamed(text: str) -> str:
        return re.sub(r"\w+", lambda m: f"{m[0]}_renamed" if m[0] in names else m[0], text)

    assert changed({key: renamed(text) for key, text in SOURCES.items()}, renamed) == set()


def test_moved_definitions_make_nothing_again():
    """Every function and class at the top of a module moves into another, which imports the rest."""
    edits = {}
    for key, text in SOURCES.items():
        tree, module = ast.parse(text), key.removesuffix(".__init__")
        moving = [n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef) and not n.name.startswith("__")]
        staying = [n for n in tree.body if n not in moving]
        if not moving or text.count("from .") or any(module.startswith(p) for p in lists.LEFT_OUT + lists.QUIET):
            continue
        imports = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
        names = [name for n in staying if n not in imports for name in bound([n])]
        back = ast.parse(f"from {module} import {', '.join(names)}").body if names else []
        there = ast.parse(f"from {module}_moved import {', '.join(n.name for n in moving)}").body
        edits[f"{module}_moved"] = ast.unparse(ast.Module([*imports, *back, *moving], []))
        edits[key] = ast.unparse(ast.Module([*there, *staying], []))
    assert len(edits) > 500
    assert changed(edits) == set()


NEVER = ("gde.config", "gde.cli", "gde.definitions", "gde.errors", "gde.preflight", "gde.fetch.lockfile")
NEVER += tuple(f"gde.runs.{name}" for name in ("canonical", "code_digest", "provenance", "publishing"))
NEVER += tuple(f"gde.files.{name}" for name in ("seals", "sniffing", "temporary"))


def test_no_settings_no_records_and_no_errors():
    assert all(key in MODULES for key in NEVER)
    for what, targets in reached().items():
        assert not [t for t in targets if f"{t.module}.".startswith(tuple(f"{name}." for name in NEVER))], what


def test_no_other_subject():
    """The function of another kind's evaluation is in no digest, nor the module that prepares a kind of data but in its
    own."""
    evaluate = {kind: code().modules.named(options.evaluate) for kind, options in EVALUATIONS.items()}
    prepare = {kind: code().modules.named(options.prepare) for kind, options in DATASETS.items()}
    preparing = {target.module for target in prepare.values()}
    for what, settings in resolved().items():
        mine = evaluate[settings["evaluation"]["kind"]]
        assert set(evaluate.values()) & reached()[f"{what}/evaluation"] == {mine}
        assert prepare[settings["dataset"]["kind"]] in reached()[f"{what}/prepare"]
        for kind in ("training", "model", "sample", "evaluation"):
            assert not {t.module for t in reached()[f"{what}/{kind}"]} & preparing, (what, kind)
        assert not [t for t in reached()[f"{what}/training"] if t.module.startswith(("gde.evaluate", "gde.embed"))]
    assert not [t for t in reached()["pfam/laptop/evaluation"] if t.module == "gde.evaluate.cells.fate"]


def test_training_depends_on_chosen_kinds():
    """Also on an encoder behind a language model."""
    gnn = parts(changed(edit("gde/encoders/gnn.py", "class Gnn(", "@staticmethod\nclass Gnn(")), "training")
    assert gnn == {
        n for n, e in resolved().items() if "gnn" in (e["encoder"]["kind"], e["encoder"].get("then", {}).get("kind"))
    }
    assert "pubmed/paper" in gnn and "normal/laptop" in gnn and "gmm/laptop" not in gnn
    poisson = changed(edit("gde/sets/families/poisson.py", "class Poisson", "@staticmethod\nclass Poisson"))
    assert parts(poisson, "training") == parts(poisson, "prepare") == {"poisson/laptop", "poisson/paper"}


def test_heads_and_companions_retrain_only_the_objectives_that_use_them():
    with_heads = {n for n, e in resolved().items() if e["objective"]["kind"] != "reconstruction"}
    assert "essential_genes/laptop" in with_heads
    heads = changed(edit("gde/objectives/heads.py", "class Classifier(", "@staticmethod\nclass Classifier("))
    assert parts(heads, "training") == parts(heads, "model") == parts(heads, "evaluation") == with_heads
    labels = changed(edit("gde/sets/companions.py", "class Labels", "@staticmethod\nclass Labels"))
    assert parts(labels, "training") == {
        n for n in with_heads if resolved()[n]["objective"]["kind"] == "classification"
    }


def test_isometry_depends_on_the_distances():
    def modules(name, weight):
        settings = resolve(name, {name: {"objective": {"isometry": weight}}}, ROOT)
        return {t.module for t in code().reached(digest.training_roots(settings))}

    def added(name):
        return {m for m in modules(name, 1.0) - modules(name, 0.0) if m.startswith(("gde.objectives", "gde.distances"))}

    assert "gde.objectives.isometry" in added("pbmc68k") and "gde.distances.integers" not in added("pbmc68k")
    assert {"gde.objectives.isometry", "gde.distances.gaussian"} <= added("normal")  # its family's closed form
    assert {"gde.objectives.isometry", "gde.distances.integers"} <= added("poisson")


def test_the_metrics_depend_on_the_closed_form_of_their_family():
    after = changed(edit("gde/distances/integers.py", "def integer_w2(", "@staticmethod\ndef integer_w2("))
    assert after == {f"poisson/{preset}/evaluation" for preset in PRESETS}


def test_services_never_retrain():
    """Embedding, sampling, preprocessing, metrics and the version are no part of training."""
    modules = (
        "gde.embed",
        "gde.sample",
        "gde.features.pipeline",
        "gde.evaluate.simulated.clt",
        "gde.evaluate.shared.metrics",
        "gde.__init__",
    )
    after = changed({key: edited_text(SOURCES[key]) for key in modules})
    assert parts(after, "training") == set()
    assert parts(after, "evaluation") == set(resolved())
