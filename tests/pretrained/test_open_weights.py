"""The directory of a published model: read whole, or one line that says what is wrong with it."""

import hashlib
import json
import pickle

import pytest
import torch
from safetensors.torch import save_file

from gde.errors import GdeError
from gde.pretrained.weights import check_config, matched, open_weights, weights_digest

TENSORS = {"a": torch.arange(6.0).view(2, 3), "b": torch.ones(4, dtype=torch.float16)}
FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"


@pytest.fixture
def single(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "toy"}')
    save_file(TENSORS, tmp_path / "model.safetensors")
    return tmp_path


@pytest.fixture
def sharded(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "toy"}')
    index(tmp_path, {"a": FIRST, "b": SECOND})
    save_file({"a": TENSORS["a"]}, tmp_path / FIRST)
    save_file({"b": TENSORS["b"]}, tmp_path / SECOND)
    return tmp_path


def index(path, weight_map):
    (path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


@pytest.mark.parametrize("layout", ["single", "sharded"])
def test_tensors_and_config(request, layout):
    path = request.getfixturevalue(layout)
    config, tensors = open_weights(path, weights_digest(path).upper())
    assert config == {"model_type": "toy"} and tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[k], v) and tensors[k].dtype == v.dtype for k, v in TENSORS.items())


def test_the_digest_is_what_sha256sum_prints(single, sharded):
    """Both layouts lie in one directory here: the single file counts."""
    assert weights_digest(single) == hashlib.sha256((single / "model.safetensors").read_bytes()).hexdigest()
    (single / "model.safetensors").unlink()
    lines = [f"{hashlib.sha256((sharded / n).read_bytes()).hexdigest()}  {n}\n" for n in (FIRST, SECOND)]
    assert weights_digest(sharded) == hashlib.sha256("".join(lines).encode()).hexdigest()
    save_file({"b": TENSORS["b"] + 1}, sharded / SECOND)
    with pytest.raises(GdeError, match=r"found SHA-256 \w+, expected 1{64} \(weights_sha256\)"):
        open_weights(sharded, "1" * 64)


def write(name, data):
    return lambda path: (path / name).write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda p: (p / "config.json").unlink(), "config.json: found no such file"),
        (write("config.json", b"{"), "config.json: found no JSON"),
        (write("config.json", b"[1]"), "config.json: found JSON of a list"),
        (lambda p: (p / "model.safetensors").unlink(), "model.safetensors: found no such file"),
        (write("model.safetensors", b""), "model.safetensors: found an empty file"),
        (
            write("model.safetensors", pickle.dumps({"a": 1})),
            "found a Python pickle, expected model.safetensors; gde never",
        ),
        (write("model.safetensors", b"<!doctype html><html>" + bytes(600)), "found an HTML page"),
        (lambda p: write("model.safetensors", (p / "model.safetensors").read_bytes()[:-3])(p), "damaged file"),
    ],
    ids=["no config", "config cut", "config list", "no tensors", "empty", "pickle", "page", "cut"],
)
def test_what_is_wrong_is_named(single, damage, said):
    damage(single)
    with pytest.raises(GdeError, match=said) as e:
        open_weights(single)
    assert "\n" not in str(e.value)


def test_a_pickle_offered_as_weights(single, tmp_path):
    """Never opened: the message says how its tensors are taken out of it."""
    (single / "model.safetensors").rename(single / "pytorch_model.bin")
    torch.save(TENSORS, single / "pytorch_model.bin")
    for path in (single, single / "pytorch_model.bin"):
        with pytest.raises(
            GdeError, match=r"pytorch_model.bin: found a PyTorch file .* `gde convert-weights .*bin .*` takes"
        ):
            open_weights(path)


@pytest.mark.parametrize(
    ("given", "said"),
    [("nowhere", "found no such directory"), ("model.safetensors", "found a safetensors file, expected the directory")],
)
def test_not_a_directory(single, given, said):
    with pytest.raises(GdeError, match=said):
        open_weights(single / given)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda p: (p / SECOND).unlink(), f"{SECOND}: found no such file"),
        (lambda p: index(p, {"a": FIRST, "b": SECOND, "c": SECOND}), "index.json: c: found no such tensor"),
        (lambda p: index(p, {"a": FIRST, "b": "../other.safetensors"}), r"found '\.\./other\.safetensors'"),
        (lambda p: index(p, {"a": FIRST, "b": "model.bin"}), "found 'model.bin'"),
        (lambda p: index(p, {}), "weight_map: found {}"),
        (lambda p: save_file(TENSORS, p / SECOND), "a: found a tensor that another file has too"),
        (lambda p: index(p, {"a": FIRST, "a2": SECOND}), "index.json: a2: found no such tensor"),
    ],
    ids=["missing", "index", "outside", "pickle", "none", "twice", "name"],
)
def test_files_and_index_must_agree(sharded, change, said):
    change(sharded)
    with pytest.raises(GdeError, match=said):
        open_weights(sharded)


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        ({"a": (2, 3)}, "x:b: found a tensor too many"),
        ({"a": (2, 3), "b": (4,), "c": (1,)}, "x:c: found no such tensor"),
        ({"a": (3, 2), "b": (4,)}, r"x:a: found \(2, 3\), expected \(3, 2\); the remedy"),
    ],
)
def test_tensors_that_do_not_match(shapes, said):
    with pytest.raises(GdeError, match=said):
        matched("x", TENSORS, shapes, remedy="the remedy")
    assert matched("x", TENSORS, {k: tuple(v.shape) for k, v in TENSORS.items()}).keys() == TENSORS.keys()


def test_a_config_of_another_model():
    check_config("x", {"kind": "b"}, {"kind": ("a", "b")}, "")
    with pytest.raises(GdeError, match=r"x/config.json: kind: found 'c', expected 'a' or 'b'; give another"):
        check_config("x", {"kind": "c"}, {"kind": ("a", "b")}, "give another")
    with pytest.raises(GdeError, match="size: found no such key, expected 3"):
        check_config("x", {"kind": "c"}, {"size": 3}, "give another")
