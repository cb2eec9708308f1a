"""Mutated models and embeddings whose digests fit: refused in one line that names the place."""

import random
import shutil

import anndata as ad
import h5py
import numpy as np
import pytest
import tiny
import torch
from fuzz import INVALID, SEED, UNKNOWN, VALID, Case, Tally, flip, put
from mutations import edited, edited_tensors
from safetensors.torch import load_file

from gde.embed import embed_data
from gde.export.h5ad import write_anndata
from gde.files.io import write_sums
from gde.model import GDE
from gde.readers.sealed_h5ad import read_anndata
from gde.sample import sample_anndata

pytestmark = [
    pytest.mark.usefixtures("no_fsync"),
    pytest.mark.filterwarnings("ignore"),  # libraries warn of what the mutations do
]


CONFIGS = {
    "a list": lambda c: [c],
    "text": lambda c: "model",
    "no encoder": lambda c: {k: v for k, v in c.items() if k != "encoder"},
    "an encoder by name": lambda c: c | {"encoder": "resnet"},
    "an unknown encoder": lambda c: put(c, ("encoder", "kind"), "resnt"),
    "an unknown option": lambda c: c | {"encoder": c["encoder"] | {"width": 4}},
    "a width of text": lambda c: put(c, ("encoder", "hidden"), "8"),
    "a width below zero": lambda c: put(c, ("encoder", "hidden"), -8),
    "a width beyond memory": lambda c: put(c, ("encoder", "hidden"), 900_000_000),
    "another width": lambda c: put(c, ("encoder", "hidden"), 16),
    "no network evaluations": lambda c: put(c, ("generator", "evaluations"), 0),
    "another solver": lambda c: put(c, ("generator", "solver"), "euler2"),
    "no latent space": lambda c: c | {"latent_dim": 0},
    "a latent space of fractions": lambda c: c | {"latent_dim": 4.0},
    "another latent space": lambda c: c | {"latent_dim": 5},
    "heads of a list": lambda c: c | {"heads": ["classifier"]},
    "unknown heads": lambda c: c | {"heads": {"predictor": {}}},
    "heads without classes": lambda c: c | {"heads": {"classifier": {}}},
    "classes of a number": lambda c: c | {"heads": {"classifier": {"classes": 3}}},
    "heads that have no weights": lambda c: c | {"heads": {"mean_predictor": {}}},
}
WEIGHTS = {
    "no mean": lambda t: {k: v for k, v in t.items() if k != "x_mean"},
    "a mean of fewer features": lambda t: t | {"x_mean": t["x_mean"][1:]},
    "a mean of two axes": lambda t: t | {"x_mean": t["x_mean"][None]},
    "a scale of zero": lambda t: t | {"x_scale": t["x_scale"] * 0},
    "not a number": lambda t: t | {"encoder.readout_.weight": t["encoder.readout_.weight"] * float("nan")},
    "float64": lambda t: {k: v.double() for k, v in t.items()},
    "half precision": lambda t: {k: v.half() for k, v in t.items()},
    "whole numbers": lambda t: {k: v.long() for k, v in t.items()},
    "one tensor more": lambda t: t | {"extra": torch.zeros(2)},
    "nothing": lambda t: {"x": torch.zeros(1)},
}
HEADERS = {  # of a safetensors file
    "no length": lambda d: b"",
    "half a length": lambda d: d[:4],
    "a length beyond the file": lambda d: (2**62).to_bytes(8, "little") + d[8:],
    "a length of zero": lambda d: bytes(8) + d[8:],
    "no JSON": lambda d: d[:8] + b"[" * 64 + d[72:],
    "an unknown type": lambda d: d.replace(b'"F32"', b'"Q32"').replace(b'"F64"', b'"Q64"'),
    "places that overlap": lambda d: d.replace(b'"data_offsets":[', b'"data_offsets":[0,1],"a":[', 1),
    "an empty header": lambda d: (2).to_bytes(8, "little") + b"{}",
    "text": lambda d: b"weights",
}
FEATURES = {
    "a list": lambda m: [m],
    "no names": lambda m: {k: v for k, v in m.items() if k != "names"},
    "names twice": lambda m: m | {"names": m["names"][:-1] + m["names"][:1]},
    "fewer names": lambda m: m | {"names": m["names"][:-1]},
    "names of a number": lambda m: m | {"names": 5},
    "other values": lambda m: put(m, ("steps", "values"), "count"),
    "no steps": lambda m: m | {"steps": {}},
    "steps of a list": lambda m: m | {"steps": ["counts"]},
    "fewer components": lambda m: put(m, ("steps", "n_pcs"), 3),
    "no components": lambda m: put(m, ("steps", "n_pcs"), None),
    "a clip of text": lambda m: put(m, ("steps", "clip"), "10"),
    "a clip below zero": lambda m: put(m, ("steps", "clip"), -1),
    "no scaling": lambda m: put(m, ("steps", "scale"), False),
}


@pytest.fixture
def published(here, cells_store, cells_h5ad):
    """A model with its preprocessing at `here / good`, and embeddings made with it."""
    config = tiny.cells_experiment(cells_h5ad) | {"run": "cells-00000000"}
    model = tiny.model_for(cells_store, config)
    model.save(here / "good")
    write_anndata(embed_data(GDE.load(here / "good"), cells_h5ad, "donor"), here / "z.h5ad")
    return here / "good"


def test_models(here, published, cells_h5ad, record_property):
    path, tally, rng = here / "model", Tally(), random.Random(f"{SEED} models")

    def embedded():
        return embed_data(GDE.load(path), cells_h5ad, "donor").X.tobytes()

    def fresh():
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(published, path)

    fresh()
    original = embedded()
    weights = "model.safetensors"
    name = next(k for k in load_file(path / weights) if k.startswith("encoder.") and k.endswith("weight"))
    nan = {"not a number": lambda t: t | {name: t[name] * float("nan")}}
    bytes_of = lambda file, edit: file.write_bytes(edit(file.read_bytes()))  # noqa: E731
    parts = [("config.json", edited, CONFIGS), (weights, edited_tensors, WEIGHTS | nan), (weights, bytes_of, HEADERS),
             ("features/features.json", edited, FEATURES),
             ("features/features.safetensors", bytes_of, HEADERS)]  # fmt: skip
    for file, edit_file, edits in parts:
        for what, edit in edits.items():
            fresh()
            edit_file(path / file, edit)
            write_sums(path)
            tally.add(Case(f"model: {file}: {what}", INVALID, embedded, "model/"), here)
    files = [str(p.relative_to(published)) for p in sorted(published.rglob("*")) if p.is_file()]
    for _ in range(24):
        fresh()
        file = path / rng.choice(files)
        data = file.read_bytes()
        bit = rng.randrange(8 * len(data))
        file.write_bytes(flip(data, bit))
        tally.add(Case(f"model: {file.name}, bit {bit}", UNKNOWN, embedded, "model", original), here)
    tally.check(record_property, sum(len(edits) for *_, edits in parts) + 24)


EMBEDDINGS = {
    "as it is": (VALID, lambda z: z),
    "fewer columns": (INVALID, lambda z: z[:, :3].copy()),
    "no rows": (INVALID, lambda z: z[:0].copy()),
    "not a number": (INVALID, lambda z: _with_x(z, np.full(z.shape, np.nan, "f4"))),
    "text": (INVALID, lambda z: _with_x(z, np.full(z.shape, "a", object))),
    "whole numbers": (INVALID, lambda z: _with_x(z, np.ones(z.shape, int))),
    "sparse": (INVALID, lambda z: _with_x(z, __import__("scipy.sparse").sparse.csr_matrix(z.X))),
    "no X": (INVALID, lambda z: ad.AnnData(obs=z.obs, var=z.var, layers={"se": z.X})),
    "another run": (INVALID, lambda z: _with_run(z, "cells-11111111")),
    "a set twice": (INVALID, lambda z: _with_names(z, [z.obs_names[0]] * z.n_obs)),
    "counts instead": (INVALID, lambda z: tiny.cells()),
    "without a run": (VALID, lambda z: _with_run(z, None)),
}


def _with_x(z, x):
    return ad.AnnData(x, obs=z.obs, var=z.var, uns=z.uns)


def _with_run(z, run):
    z = z.copy()
    z.uns = {} if run is None else {"gde": {"run": run}}
    return z


def _with_names(z, names):
    z = z.copy()
    z.obs_names = names
    return z


def test_embeddings(here, published, record_property):
    model, tally, rng = GDE.load(published), Tally(), random.Random(f"{SEED} embeddings")
    file, good = here / "other.h5ad", (here / "z.h5ad").read_bytes()

    def sampled():
        return sample_anndata(model, read_anndata(file), 3, 0).X.tobytes()

    file.write_bytes(good)
    original, z = sampled(), read_anndata(file)
    for name, (effect, edit) in EMBEDDINGS.items():
        edit(z).write_h5ad(file)
        tally.add(Case(f"embeddings: {name}", effect, sampled, "", original if effect == VALID else None), here)
    for _ in range(20):
        bit = rng.randrange(8 * len(good))
        file.write_bytes(flip(good, bit))
        tally.add(Case(f"embeddings, bit {bit}", UNKNOWN, sampled, file.name, original), here)
    for name, edit in {
        "no obs": lambda f: f.pop("obs"),
        "no encoding": lambda f: f.attrs.pop("encoding-type"),
        "unknown encoding": lambda f: f["X"].attrs.__setitem__("encoding-type", "tensor"),
        "pickle aside": lambda f: f.create_dataset("uns/thing", data=np.void(b"\x80\x04.")),
        "references aside": lambda f: f.create_dataset("uns/ref", data=f["X"].ref, dtype=h5py.ref_dtype),
    }.items():
        z.write_h5ad(file)
        with h5py.File(file, "a") as f:
            edit(f)
        effect = UNKNOWN if name in ("no encoding", "references aside") else INVALID
        tally.add(Case(f"embeddings: {name}", effect, sampled, file.name), here)
    tally.check(record_property, len(EMBEDDINGS) + 25)
