"""Nothing in the package or the workflow runs code that came with data: no pickles, eval or shell, and safe YAML."""

import ast
import io
import tokenize
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted([*(ROOT / "gde").rglob("*.py"), *(ROOT / "workflow").rglob("*.py")])
RULES = sorted([ROOT / "workflow/Snakefile", *(ROOT / "workflow").rglob("*.smk")])
MODULES = {"pickle", "_pickle", "cPickle", "pickle5", "dill", "cloudpickle", "joblib", "marshal", "shelve", "code"}
BUILTINS = {"eval", "exec", "compile", "__import__"}
CALLS = {
    "os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "pty.spawn", "runpy.run_path",
    "runpy.run_module", "torch.load", "torch.save", "torch.hub.load", "torch.jit.load", "torch.package.PackageImporter",
    "pd.read_pickle", "pandas.read_pickle", "yaml.unsafe_load", "yaml.unsafe_load_all", "yaml.full_load",
    "yaml.full_load_all",
}  # fmt: skip
# A program of its own that takes tensors out of a publisher's pickle, with readers that call nothing but their makers.
CONVERTER = {"gde/fetch/pickle_reader.py": ["import pickle", "torch.load"]}
METHODS = {"to_pickle", "read_pickle", "unsafe_load", "torch_load"}
YAML = {"load", "load_all", "compose", "compose_all", "parse", "scan"}


def faults(source: str) -> list[str]:
    """'line: what' for every forbidden thing in a module."""
    tree = ast.parse(source)
    safe = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and _is_safe_loader(node)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            names = _forbidden_call(node, safe) if isinstance(node, ast.Call) else []
            found += [f"{node.lineno}: {name}" for name in names]
            continue
        wrong = [n for n in names if n.split(".")[0] in MODULES or n in CALLS]
        found += [f"{node.lineno}: import {n}" for n in wrong]
    return found


def _is_safe_loader(node: ast.ClassDef) -> bool:
    """A loader of ours whose every base is one of yaml's safe ones, also by way of getattr with a default."""
    bases = [ast.unparse(base) for base in node.bases]
    known = {"yaml.SafeLoader", "yaml.CSafeLoader", "getattr(yaml, 'CSafeLoader', yaml.SafeLoader)"}
    return bool(bases) and set(bases) <= known


def _forbidden_call(node: ast.Call, safe: set[str]) -> list[str]:
    called, keywords = ast.unparse(node.func), {k.arg: ast.unparse(k.value) for k in node.keywords}
    last, found = called.rpartition(".")[2], []
    if called in BUILTINS | CALLS or (called != last and last in METHODS):
        found.append(called)
    if called in ("importlib.import_module", "import_module") and isinstance(node.args[0], ast.Constant):
        found += [called] if str(node.args[0].value).split(".")[0] in MODULES else []
    if keywords.get("allow_pickle", "False") != "False":
        found.append("allow_pickle")
    if "trust_remote_code" in keywords or keywords.get("weights_only", "True") != "True":
        found.append("trust_remote_code, weights_only")
    if keywords.get("shell", "False") != "False":
        found.append("shell=True")
    if called.partition(".")[0] == "yaml" and last in YAML:
        loader = keywords.get("Loader") or (ast.unparse(node.args[1]) if len(node.args) > 1 else None)
        found += [] if loader in safe | {"yaml.SafeLoader", "yaml.CSafeLoader"} else [f"{called} without SafeLoader"]
    if called.endswith((".create_dataset", ".require_dataset")) and keywords.get("dtype") == "object":
        found.append("opaque objects in HDF5")
    return found


def words(source: str) -> list[tuple[int, str, str]]:
    """(line, name, what follows) of a rule file, whose tokens are Python's; without strings and comments."""
    kept = (tokenize.NAME, tokenize.OP, tokenize.ENDMARKER)
    tokens = [t for t in tokenize.generate_tokens(io.StringIO(source).readline) if t.type in kept]
    return [(a.start[0], a.string, b.string) for a, b in pairwise(tokens) if a.type == tokenize.NAME]


def faults_of_rules(source: str) -> list[str]:
    """The same for a rule file, by its words."""
    found = []
    for line, word, following in words(source):
        called = following == "("
        if word in MODULES - {"code"} or (called and word in BUILTINS | METHODS | {"system", "popen", "shell"}):
            found.append(f"{line}: {word}")
        if following == "=" and word in ("allow_pickle", "trust_remote_code", "shell"):
            found.append(f"{line}: {word}=")
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_modules(file):
    found = [fault.partition(": ")[2] for fault in faults(file.read_text())]
    assert found == CONVERTER.get(str(file.relative_to(ROOT)), [])


@pytest.mark.parametrize("file", RULES, ids=lambda f: f.name)
def test_rules(file):
    assert faults_of_rules(file.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import torch, dill",
        "from joblib import load",
        "def f():\n    from pickle import loads as innocent",
        "from torch import load",
        "importlib.import_module('pickle')",
        "__import__('pickle')",
        "torch.load(p)",
        "torch.load(p, weights_only=True)",
        "torch.save(x, p)",
        "f(p, weights_only=False)",
        "np.load(p, allow_pickle=True)",
        "np.load(p, allow_pickle=flag)",
        "pd.read_pickle(p)",
        "table.to_pickle(p)",
        "AutoModel.from_pretrained(n, trust_remote_code=True)",
        "subprocess.run(c, shell=True)",
        "os.system(c)",
        "eval(x)",
        "exec(x)",
        "yaml.load(f)",
        "yaml.load(f, Loader=yaml.Loader)",
        "yaml.load(f, yaml.FullLoader)",
        "yaml.unsafe_load(f)",
        "class L(yaml.Loader): pass\nyaml.load(f, Loader=L)",
        "yaml.compose(f)",
    ],
)
def test_it_would_be_found(source):
    assert len(faults(source)) >= 1


@pytest.mark.parametrize(
    "source",
    [
        "np.load(p, allow_pickle=False)",
        "np.load(p)",
        "re.compile('x')",
        "# pickle\nx = 'import pickle'",
        "yaml.safe_load(f)",
        "yaml.load(f, Loader=yaml.SafeLoader)",
        "class L(yaml.SafeLoader): pass\nyaml.compose(f, Loader=L)",
        "model.eval()",
        "subprocess.run([c])",
        "load(p)",
    ],
)
def test_what_is_harmless(source):
    assert faults(source) == []


@pytest.mark.parametrize(
    "source", ["import pickle\n", "rule a:\n    params:\n        x=lambda w: eval(w.x)\n", "shell('ls')\n",
               "np.load(x, allow_pickle=True)\n"]
)  # fmt: skip
def test_it_would_be_found_in_rules(source):
    assert len(faults_of_rules(source)) == 1


def test_every_module_is_looked_at():
    names = {str(f.relative_to(ROOT)) for f in FILES}
    assert {"gde/files/io.py", "gde/sets/store/set_store.py", "workflow/scripts/train.py"} <= names
    assert {f.name for f in RULES} >= {"Snakefile", "common.smk", "train.smk"}
