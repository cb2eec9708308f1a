"""A pickle gives its tensors and nothing else; whatever it would run is not run."""

import io
import json
import pickle
import random
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from pickled import Runs, tensors

from gde.cli import main
from gde.errors import GdeError
from gde.fetch import pickle_reader as convert_child
from gde.fetch.conversion import convert, opened
from gde.prepare.common.vectors import read_vectors
from gde.pretrained.weights import open_weights

CONFIG = {"model_type": "toy"}


def published(folder: Path, value: object = None) -> Path:
    """A directory as publishers fill it, with a pickle."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    torch.save(tensors() if value is None else value, folder / "pytorch_model.bin")
    return folder / "pytorch_model.bin"


def check(folder: Path) -> None:
    config, found = open_weights(folder)
    assert config == CONFIG and found.keys() == tensors().keys()
    assert all(torch.equal(found[k], v) and found[k].dtype == v.dtype for k, v in tensors().items())


def test_beside_the_pickle_from_the_command_line(tmp_path, capsys):
    """As the message says that refuses the pickle."""
    source = published(tmp_path / "m")
    with pytest.raises(GdeError, match=r"convert-weights .*pytorch_model.bin .*m` takes the tensors out of it"):
        open_weights(tmp_path / "m")
    assert main(["convert-weights", str(source), str(tmp_path / "m")]) == 0
    check(tmp_path / "m")
    assert sorted(p.name for p in (tmp_path / "m").iterdir()) == [
        "config.json",
        "model.safetensors",
        "pytorch_model.bin",
    ]


def test_out_of_an_archive(tmp_path):
    """Also where the archive lies in the directory that is filled, and of an old format; no link is followed."""
    buffer = io.BytesIO()
    torch.save(tensors(), buffer, _use_new_zipfile_serialization=False)
    (tmp_path / "m").mkdir()
    with tarfile.open(tmp_path / "m/toy.tar.gz", "w:gz") as archive:
        for name, data in (("./config.json", json.dumps(CONFIG).encode()), ("./pytorch_model.bin", buffer.getvalue())):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        link = tarfile.TarInfo("../vocab.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    convert(tmp_path / "m/toy.tar.gz", tmp_path / "m")
    check(tmp_path / "m")
    assert not list(tmp_path.rglob("vocab.json"))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        pytest.param(lambda made: {"w": torch.ones(2), "e": Runs(made)}, "mkdir", id="program"),
        pytest.param(lambda made: {"w": torch.ones(2), "step": 3}, "'step': a int", id="number"),
        pytest.param(lambda made: [torch.ones(2)], "found a list", id="list"),
        pytest.param(lambda made: {"w": torch.eye(2).to_sparse()}, "'w': a Tensor", id="sparse"),
    ],
)
def test_anything_but_tensors_is_refused(tmp_path, monkeypatch, value, said):
    """In this process: what the child does, without starting one for each."""
    made = tmp_path / "made"
    source = published(tmp_path / "m", value(made))
    with pytest.raises(convert_child.Refused) as refused:
        convert_child.tensors_of(source)
    assert said.removeprefix("found ") in str(refused.value)
    assert not made.exists()


def test_a_refusal_comes_back_from_the_other_process(tmp_path):
    source = published(tmp_path / "m", {"w": torch.ones(2), "e": Runs(tmp_path / "made")})
    with pytest.raises(GdeError, match=r"pytorch_model.bin: found something else than tensors .*mkdir.*publisher") as e:
        convert(source, tmp_path / "out")
    assert "\n" not in str(e.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m"]


def pickled(path: Path, value: object) -> Path:
    path.write_bytes(pickle.dumps(value))
    return path


@pytest.mark.parametrize("kind", [list, np.array], ids=["lists", "arrays"])
def test_vectors_by_name(tmp_path, kind):
    """Out of the archive that GenePT is: the pickle that is meant, by a pattern; then as any file of vectors."""
    values = {"A1BG": kind([1.0, 2.0, 3.0]), "TP53": kind([4.0, 5.0, 6.0])}
    with zipfile.ZipFile(tmp_path / "v2.zip", "w") as archive:
        archive.writestr("v2/wanted_text.pickle.", pickle.dumps(values))
        archive.writestr("v2/other.pickle", b"nothing")
    convert(tmp_path / "v2.zip", tmp_path / "genes.npz", member="*wanted_text.pickle*")
    found = read_vectors(tmp_path / "genes.npz")
    assert found.names == list(values)
    assert np.array_equal(np.load(tmp_path / "genes.npz")["vectors"], [[1, 2, 3], [4, 5, 6]])


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (lambda made: {"A": Runs(made)}, r"(posix|nt)\.mkdir in the pickle"),
        (lambda made: {"A": [1.0, 2.0], "B": [1.0]}, "not as many numbers each"),
        (lambda made: {"A": "text"}, "not as many numbers each"),
        (lambda made: {1: [1.0]}, "not vectors by name"),
        (lambda made: [1.0], "not vectors by name"),
        (lambda made: {"A": {1.0}}, "not as many numbers each"),
        (lambda made: {"A": [[1.0]]}, "values of shape"),
    ],
    ids=["program", "lengths", "text", "numbered", "list", "set", "nested"],
)
def test_vectors_that_are_none_are_refused(tmp_path, value, said):
    made = tmp_path / "made"
    with pytest.raises(convert_child.Refused, match=said):
        convert_child.vectors_of(pickled(tmp_path / "v.pickle", value(made)))
    assert not made.exists()


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"\x80\x04" + b[10:]], ids=["cut", "bytes"])
def test_a_damaged_pickle_is_refused(tmp_path, damage):
    path = pickled(tmp_path / "v.pickle", {"A": [1.0, 2.0]})
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(convert_child.Refused):
        convert_child.vectors_of(path)
    source = published(tmp_path / "m")
    source.write_bytes(damage(source.read_bytes()))
    with pytest.raises(convert_child.Refused):
        convert_child.tensors_of(source)


def test_what_is_no_pickle(tmp_path):
    for name, data, said in (
        ("a.bin", b"", "found a file with the ending .bin|found an empty file"),
        ("page.html", b"<!DOCTYPE html><html></html>", "found an HTML page"),
        ("cut.tar.gz", b"\x1f\x8b\x08" + bytes(20), "damaged archive|0 of"),
    ):
        (tmp_path / name).write_bytes(data)
        (tmp_path / "config.json").write_text("{}")
        with pytest.raises(GdeError, match=said):
            convert(tmp_path / name, tmp_path / "out")
    with pytest.raises(GdeError, match=r"nothing\.bin: found no such file"):
        convert(tmp_path / "nothing.bin", tmp_path / "out")
    with pytest.raises(GdeError, match=r"found no config\.json beside it"):
        (tmp_path / "alone").mkdir()
        torch.save(tensors(), tmp_path / "alone/m.bin")
        convert(tmp_path / "alone/m.bin", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.bin", b"")
        archive.writestr("b.bin", b"")
    with pytest.raises(GdeError, match=r"found 2 of .* \(a.bin, b.bin\), expected one pickle in it; name it"):
        convert(tmp_path / "two.zip", tmp_path / "out")


def test_a_flipped_bit_of_an_archive_is_found(tmp_path):
    """Which tarfile alone would not see: the checksum stands behind what it reads."""
    (tmp_path / "x.bin").write_bytes(random.Random(0).randbytes(1 << 16))
    source = tmp_path / "x.tar.gz"
    with tarfile.open(source, "w:gz") as tar:
        tar.add(tmp_path / "x.bin", "pytorch_model.bin")
    whole = bytearray(source.read_bytes())
    whole[len(whole) // 2] ^= 1
    source.write_bytes(whole)
    with pytest.raises(GdeError, match="a damaged archive"), opened(source, "a gzip file"):
        pass
