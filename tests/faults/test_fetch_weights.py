"""Published models from a local server: whole and of the right digest, or refused and said why; then they are read."""

import io
import json
import tarfile

import pytest
import torch
import yaml
from downloads import IMPATIENT, left, sha256, source
from safetensors.torch import save
from server import PAGE, Answer

from gde.errors import GdeError
from gde.fetch.files import fetch
from gde.fetch.lockfile import check_file
from gde.fetch.sources import PINS, read_sources, weights_of
from gde.pretrained.weights import open_weights

TENSORS = {"w": torch.arange(60_000.0).view(100, 600), "b": torch.ones(7)}
CONFIG = json.dumps({"model_type": "toy"}).encode()
MODEL = save(TENSORS)
FOLDER = "resources/weights/toy"


def model(server, body: bytes | None = MODEL, **changes):
    """The entry of model.safetensors; body None: no digest and no size are published."""
    url = server.url("/model.safetensors")
    return source(url, body=body, dataset="weights/toy", file="model.safetensors", **changes)


def config(server):
    server.answers["/config.json"] = Answer(CONFIG)
    return source(server.url("/config.json"), body=None, dataset="weights/toy", file="config.json")


@pytest.mark.parametrize("body", [MODEL, None], ids=["digest published", "digest unknown"])
def test_a_model_is_fetched_recorded_and_read(tmp_path, server, body):
    """Without a published digest the first one binds: another file later is refused."""
    server.answers["/model.safetensors"] = Answer(MODEL)
    for file in (config(server), model(server, body)):
        fetch(file, tmp_path, limits=IMPATIENT)
    found = open_weights(tmp_path / FOLDER)
    assert found.config == {"model_type": "toy"}
    assert all(torch.equal(found.tensors[k], v) for k, v in TENSORS.items())
    pins = json.loads((tmp_path / PINS).read_text())
    assert pins[f"{FOLDER}/model.safetensors"]["sha256"] == sha256(MODEL)
    other = save(TENSORS | {"b": torch.zeros(7)})
    (tmp_path / FOLDER / "model.safetensors").write_bytes(other)
    with pytest.raises(GdeError, match=f"found sha256 {sha256(other)}, expected sha256 {sha256(MODEL)}"):
        check_file(model(server, body), tmp_path)


@pytest.mark.parametrize(
    ("answer", "body", "said"),
    [
        (Answer(save({"w": torch.ones(3)})), MODEL, "bytes|sha256"),
        (Answer(MODEL[:-4] + b"\1\1\1\1"), MODEL, "sha256"),
        (Answer(PAGE, headers={"Content-Type": "text/html"}), MODEL, "a web page"),
        (Answer(PAGE), None, "a web page|no safetensors"),
        (Answer(MODEL[:100_000]), None, r"100000 bytes where the header of the safetensors says \d+"),
        (Answer(MODEL, stop=100_000), None, "100000|100.0 kB"),
        (Answer(b"\x80\x02}q\x00." + bytes(100)), None, "no safetensors"),
        (Answer(b""), None, "empty"),
    ],
    ids=["other model", "bits", "page", "page without type", "cut, said to be whole", "cut", "pickle", "empty"],
)
def test_anything_else_is_refused(tmp_path, server, answer, body, said):
    server.answers["/model.safetensors"] = answer
    with pytest.raises(GdeError, match=said):
        fetch(model(server, body), tmp_path, limits=IMPATIENT)
    assert not (tmp_path / FOLDER / "model.safetensors").exists()
    assert not [path for path in left(tmp_path) if path.endswith("sources.lock.json")]


def test_a_page_for_a_config_without_a_digest(tmp_path, server):
    file = config(server)
    server.answers["/config.json"] = Answer(b"moved", headers={"Content-Type": "text/plain"})
    with pytest.raises(GdeError, match="no JSON"):
        fetch(file, tmp_path, limits=IMPATIENT)


def test_what_an_experiment_starts_from(tmp_path):
    """Its directory's files in the table, whichever part names it; nothing for a user's own directory."""
    (tmp_path / "resources").mkdir()
    (tmp_path / "resources/sources.yaml").write_text(
        "weights/toy:\n  title: toy\n  access: open\n  origin: here\n  licence: MIT\n  citation: none\n"
        "  files:\n    config.json: {urls: [https://example.org/c]}\n    model.safetensors: {urls: [https://example.org/m]}\n"
    )
    table = read_sources(tmp_path)
    assert set(table) == {f"{FOLDER}/config.json", f"{FOLDER}/model.safetensors"}
    for encoder, generator, expected in (
        ({"weights": f"{FOLDER}/"}, {"kind": "flow"}, 2),
        ({}, {"weights": f"./{FOLDER}"}, 2),
        ({"weights": "mine"}, {"weights": None}, 0),
    ):
        assert len(weights_of({"encoder": encoder, "generator": generator}, tmp_path)) == expected


def test_through_snakemake(project, server, snakemake):
    """A pickle in an archive is fetched and its tensors taken out of it, one with a program in it is not; training asks
    for the files of the model that it starts from."""
    from pickled import Runs, tensors

    def archive(value) -> bytes:
        pickle, out = io.BytesIO(), io.BytesIO()
        torch.save(value, pickle)
        with tarfile.open(fileobj=out, mode="w:gz") as tar:
            for name, data in (("config.json", CONFIG), ("pytorch_model.bin", pickle.getvalue())):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
        return out.getvalue()

    made = project / "made"
    server.answers |= {"/good": Answer(archive(tensors())), "/bad": Answer(archive({"w": Runs(made)}))}
    table = yaml.safe_load((project / "resources/sources.yaml").read_text())
    common = {"title": "toy", "access": "open", "origin": "the shop", "licence": "MIT", "citation": "nobody"}
    for name in ("good", "bad"):
        files = {"toy.tar.gz": {"urls": [server.url(f"/{name}")]}}
        table[f"weights/{name}"] = common | {
            "files": files,
            "converted": {"model.safetensors": {"source": "toy.tar.gz"}},
        }
    files = {name: {"urls": [server.url(f"/{name}")]} for name in ("config.json", "model.safetensors")}
    table["weights/toy"] = common | {"files": files}
    (project / "resources/sources.yaml").write_text(yaml.safe_dump(table))
    targets = [f"resources/weights/{name}/model.safetensors" for name in ("good", "bad")]
    done = snakemake("--keep-going", *targets)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert open_weights(project / "resources/weights/good").tensors.keys() == tensors().keys()
    line = (project / "results/logs/convert/weights/bad/model.safetensors.log").read_text().splitlines()[-1]
    assert (
        line.startswith("gde: resources/weights/bad/toy.tar.gz: found something else than tensors") and "mkdir" in line
    )
    assert not made.exists() and not (project / targets[1]).exists()

    (project / "config/experiments/mine.yaml").write_text(
        "dataset: {kind: protein_motifs}\ngenerator: {kind: progen2, weights: resources/weights/toy}\n"
    )
    done = snakemake("-n", "results/mine/model")
    assert done.returncode == 0, done.stderr
    for name in files:
        assert f"weights/toy/{name}: downloading" in done.stdout + done.stderr
