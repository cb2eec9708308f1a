"""Saving and loading: whole or not at all, and nothing but what was saved is ever loaded."""

import errno
import json
import os
import shutil

import numpy as np
import pytest
import tiny
import torch

from gde.errors import GdeError
from gde.files.io import write_sums
from gde.model import GDE
from gde.models.base import n_parameters

DIM = 3


def blank(changes=None, seed=0) -> GDE:
    torch.manual_seed(seed)
    return tiny.perturb(GDE(tiny.experiment(changes), mean=torch.randn(DIM), scale=1 + torch.rand(DIM)), seed)


@pytest.fixture
def saved(tmp_path):
    """A saved model's directory."""
    blank().save(tmp_path / "model")
    return tmp_path / "model"


def test_a_saved_model_is_config_weights_and_sums(saved):
    assert sorted(p.name for p in saved.iterdir()) == ["SHA256SUMS", "config.json", "model.safetensors"]
    assert json.loads((saved / "config.json").read_text()) == tiny.experiment()


def test_preprocessing_travels_along(cells_store, cells_h5ad, tmp_path):
    model = tiny.model_for(cells_store, tiny.cells_experiment(cells_h5ad))
    model.save(tmp_path / "model")
    loaded = GDE.load(tmp_path / "model")
    counts = tiny.cells()
    a, b = (m.features.transform(counts.X, counts.var_names) for m in (model, loaded))
    assert (a == b).all()


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


DAMAGE = {
    "bit flip": flip,
    "truncated": lambda p: p.write_bytes(p.read_bytes()[: p.stat().st_size // 2]),
    "empty": lambda p: p.write_bytes(b""),
    "missing": lambda p: p.unlink(),
    "html": lambda p: p.write_bytes(b"<!DOCTYPE html><html>404</html>"),
}


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "SHA256SUMS"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_named(saved, file, damage):
    DAMAGE[damage](saved / file)
    with pytest.raises(GdeError) as e:
        GDE.load(saved)
    assert str(saved) in str(e.value)
    assert file in str(e.value) or file == "SHA256SUMS"
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("damage", ["truncated", "empty", "html"])
def test_damage_that_the_sums_agree_with_is_named_too(saved, damage):
    DAMAGE[damage](saved / "model.safetensors")
    write_sums(saved)
    with pytest.raises(GdeError, match=r"model\.safetensors.*(damaged|no such tensor)"):
        GDE.load(saved)


def test_an_edited_config_is_refused(saved):
    config = json.loads((saved / "config.json").read_text())
    (saved / "config.json").write_text(json.dumps(config | {"seed": 1}))
    with pytest.raises(GdeError, match=r"config\.json.*damaged or was edited"):
        GDE.load(saved)


@pytest.mark.parametrize(
    "changes", [{"encoder.hidden": 16}, {"latent_dim": 5}, {"encoder.kind": "gnn"}, {"generator.affine": True}]
)
def test_weights_of_another_configuration_are_refused(saved, tmp_path, changes):
    """Even when somebody wrote new sums."""
    blank(changes).save(tmp_path / "other")
    shutil.copy(tmp_path / "other" / "model.safetensors", saved)
    write_sums(saved)
    with pytest.raises(GdeError, match=r"model\.safetensors:(encoder|generator)\..*another configuration"):
        GDE.load(saved)


@pytest.mark.parametrize("key", ["latent_dim", "encoder"])
def test_a_config_without_a_model_is_refused(saved, key):
    config = json.loads((saved / "config.json").read_text())
    del config[key]
    (saved / "config.json").write_text(json.dumps(config))
    write_sums(saved)
    with pytest.raises(GdeError, match=rf"config\.json.*{key}"):
        GDE.load(saved)


def test_no_model_at_all(tmp_path):
    with pytest.raises(GdeError, match=r"no such directory.*results/<experiment>/model"):
        GDE.load(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("name", "change", "found"),
    [
        ("x_scale", lambda t: t * 0, "0 or less"),
        ("x_mean", lambda t: t * float("nan"), "NaN or infinity"),
        ("x_mean", lambda t: t.double(), "torch.float64"),
    ],
)
def test_weights_that_cannot_be_are_refused(saved, name, change, found):
    """Even when somebody wrote new sums."""
    from safetensors.torch import load_file, save_file

    state = load_file(saved / "model.safetensors")
    save_file(state | {name: change(state[name])}, saved / "model.safetensors")
    write_sums(saved)
    with pytest.raises(GdeError, match=rf"model\.safetensors:{name}: found {found}"):
        GDE.load(saved)


@pytest.mark.parametrize("changes", [{"evaluations": 0}, {"solver": "rk4"}, {"hidden": "8"}])
def test_a_config_that_cannot_be_is_refused(saved, changes):
    config = json.loads((saved / "config.json").read_text())
    (saved / "config.json").write_text(json.dumps(config | {"generator": config["generator"] | changes}))
    write_sums(saved)
    with pytest.raises(GdeError, match=rf"config\.json: generator\.{next(iter(changes))}: found"):
        GDE.load(saved)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_samples_that_are_not_finite_are_refused_unless_masked(value):
    model = blank()
    x = torch.randn(2, 5, DIM)
    x[1, 3, 0] = value
    with pytest.raises(GdeError, match="x: found NaN or infinity"):
        model.encode(x)
    mask = torch.ones(2, 5, dtype=torch.bool)
    mask[1, 3] = False
    assert model.encode(x, mask=mask).isfinite().all()


@pytest.mark.parametrize("shape", [(5, DIM), (2, 5, DIM + 1), (2, 5, DIM, 1)])
def test_samples_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=rf"expected \(sets, samples, {DIM}\)"):
        blank().encode(torch.zeros(shape))


@pytest.mark.parametrize("shape", [(4,), (2, 5), (2, 4, 1)])
def test_embeddings_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"expected \(sets, 4\)"):
        blank().sample(torch.zeros(shape), 3)


def test_units_are_those_of_the_data():
    """Data and model shifted and scaled alike: the same embeddings, samples in the new units."""
    model, shift, scale = blank(), torch.tensor([10.0, -5, 0]), torch.tensor([3.0, 0.1, 100])
    moved = GDE(model.config, mean=model.x_mean * scale + shift, scale=model.x_scale * scale)
    moved.encoder, moved.generator = model.encoder, model.generator
    x = torch.randn(4, 20, DIM)
    with torch.no_grad():
        z = model.encode(x)
        torch.testing.assert_close(moved.encode(x * scale + shift), z, rtol=1e-3, atol=1e-4)
    a, b = (m.sample(z, 7, generator=torch.Generator().manual_seed(0)) for m in (model, moved))
    torch.testing.assert_close(b, a * scale + shift, rtol=1e-4, atol=1e-4)


def test_parameters_are_counted():
    assert n_parameters(torch.nn.Linear(3, 4)) == 16


# storage


def contents(directory):
    return {p.name: p.read_bytes() for p in directory.rglob("*") if p.is_file()}


@pytest.mark.parametrize("function", ["fsync", "replace", "mkdir"])
@pytest.mark.parametrize(
    ("number", "said"), [(errno.ENOSPC, "no space left"), (errno.EROFS, "read-only"), (errno.EDQUOT, "quota")]
)
@pytest.mark.parametrize("existing", [False, True])
def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch, function, number, said, existing):
    target = tmp_path / "model"
    if existing:
        blank().save(target)
    before = contents(tmp_path)

    def fail(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as m:
        m.setattr(os, function, fail)
        with pytest.raises(GdeError, match=said) as e:
            blank(seed=1).save(target)
    assert str(target) in str(e.value)
    assert contents(tmp_path) == before
    assert len(list(tmp_path.iterdir())) == existing
    blank(seed=1).save(target)
    assert GDE.load(target).config == tiny.experiment()


def test_a_disk_that_is_really_full(tiny_disk):
    """64 kB: the weights do not fit."""
    small = blank()
    small.save(tiny_disk / "small")
    large = blank({"encoder.hidden": 64, "generator.hidden": 64})
    before = contents(tiny_disk)
    with pytest.raises(GdeError, match="no space left"):
        large.save(tiny_disk / "large")
    with pytest.raises(GdeError, match="no space left"):
        large.save(tiny_disk / "small")
    assert contents(tiny_disk) == before
    assert [p.name for p in tiny_disk.iterdir()] == ["small"]
    np.testing.assert_array_equal(GDE.load(tiny_disk / "small").x_mean, small.x_mean)
