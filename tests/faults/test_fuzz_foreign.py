"""Foreign files wherever a path can be given: pickles are named and never run, and nothing waits for ever."""

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import tiny
import yaml
from fuzz import INVALID, VALID, Case, Tally

from gde.cli import main
from gde.embed import embed_data
from gde.errors import GdeError
from gde.export.h5ad import write_anndata
from gde.features.pipeline import FeaturePipeline
from gde.files.io import write_sums
from gde.model import GDE
from gde.prepare.h5ad import prepare as prepare_h5ad
from gde.prepare.table import prepare as prepare_table
from gde.sets.store.set_store import SetStore

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.filterwarnings("ignore")


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def foreign(folder: Path, mark: Path) -> dict[str, Path]:
    """One file of every kind that runs code when its own program loads it; `mark` appears when one is."""
    import joblib
    import torch

    folder.mkdir()
    payload = Payload(mark)
    for protocol in (0, 2, 4, 5):
        (folder / f"protocol{protocol}.pkl").write_bytes(pickle.dumps(payload, protocol))
    torch.save({"x": payload}, folder / "new.pt")
    torch.save({"x": payload}, folder / "old.pth", _use_new_zipfile_serialization=False)
    torch.save({"state_dict": {}, "x": payload}, folder / "lightning.ckpt")
    joblib.dump(payload, folder / "plain.joblib")
    joblib.dump(payload, folder / "small.joblib", compress=3)
    np.save(folder / "objects.npy", np.array([payload], object), allow_pickle=True)
    np.savez(folder / "objects.npz", a=np.array([payload], object))
    with h5py.File(folder / "opaque.h5ad", "w") as f:
        f.create_group("obs")
        f.create_group("var")
        f["X"] = np.void(pickle.dumps(payload))
    return {p.name: p for p in sorted(folder.iterdir())}


@pytest.fixture
def here(tmp_path, cells_store, cells_h5ad, no_fsync):
    """A directory with a model, its embeddings, a store and the place of another one."""
    config = tiny.cells_experiment(cells_h5ad) | {"run": "cells-00000000"}
    tiny.model_for(cells_store, config).save(tmp_path / "model")
    write_anndata(embed_data(GDE.load(tmp_path / "model"), cells_h5ad, "donor"), tmp_path / "z.h5ad")
    shutil.copytree(cells_store.path, tmp_path / "store")
    (tmp_path / "sets").mkdir()
    return tmp_path


def command(*arguments) -> None:
    """A command of gde whose error is raised instead of printed."""
    from gde.cli import parser

    args = parser().parse_args([str(a) for a in arguments])
    args.command(args)


def places(here: Path, cells: Path):
    """Every place that takes a path: name -> function of a path."""
    out, model = here / "sets/new", here / "model"
    h5ad, table = (tiny.cells_experiment(cells)["dataset"], {"kind": "table", "groupby": ["donor"]})

    def inside(part: Path):
        """The file in place of one of gde's own, with digests that somebody made fit."""

        def use(path: Path):
            kept = part.with_name("kept")
            part.rename(kept)
            top = here / part.relative_to(here).parts[0]
            try:
                shutil.copy(path, part)
                write_sums(top)
                return GDE.load(top) if top.name == "model" else SetStore.open(top).truth
            finally:
                part.unlink()
                kept.rename(part)
                write_sums(top)

        return use

    return {
        "dataset.path of an h5ad": lambda p: prepare_h5ad(h5ad | {"path": str(p)}, out, name="new", seed=0),
        "dataset.path of a table": lambda p: prepare_table(table | {"path": str(p)}, out, name="new", seed=0),
        "gde embed DATA": lambda p: command("embed", model, p, "-o", here / "out.h5ad"),
        "gde embed MODEL": lambda p: command("embed", p, cells, "-o", here / "out.h5ad"),
        "gde sample EMBEDDINGS": lambda p: command("sample", model, p, "-o", here / "out.h5ad"),
        "gde sample MODEL": lambda p: command("sample", p, here / "z.h5ad", "-o", here / "out.h5ad"),
        "gde compare-groups DATA": lambda p: command("compare-groups", model, p, "a", "b", "--groupby", "donor"),
        "gde compare-groups MODEL": lambda p: command("compare-groups", p, here / "store", "a", "b"),
        "gde init DATA": lambda p: command("init", p),
        "gde train CONFIG": lambda p: command("train", p, "--sets", here / "store", "--model", here / "m"),
        "GDE.load": lambda p: GDE.load(p),
        "SetStore.open": lambda p: SetStore.open(p),
        "FeaturePipeline.load": lambda p: FeaturePipeline.load(p),
        "model.safetensors": inside(here / "model/model.safetensors"),
        "features.safetensors": inside(here / "model/features/features.safetensors"),
        "config.json": inside(here / "model/config.json"),
        "x.npy": inside(here / "store/x.npy"),
        "groups.parquet": inside(here / "store/groups.parquet"),
    }


def test_pickles_are_refused_everywhere_and_never_run(here, cells_h5ad, record_property, monkeypatch):
    monkeypatch.chdir(here)
    mark, tally = here / "ran", Tally()
    files = foreign(here / "foreign", mark)
    pickle.loads((here / "foreign/protocol4.pkl").read_bytes())  # the payload works
    assert mark.exists()
    mark.unlink()
    uses = places(here, cells_h5ad)
    for place, use in uses.items():
        for name, path in files.items():
            tally.add(Case(f"{place}: {name}", INVALID, lambda use=use, path=path: use(path)), here)
    assert not mark.exists()
    tally.check(record_property, len(uses) * len(files))


def test_the_message_says_that_it_is_a_pickle(here, cells_h5ad):
    files, uses = foreign(here / "foreign", here / "ran"), places(here, cells_h5ad)
    said = {}
    for place in ("dataset.path of an h5ad", "gde embed DATA", "gde embed MODEL", "gde sample EMBEDDINGS", "GDE.load"):
        for name in ("protocol0.pkl", "protocol4.pkl", "new.pt", "old.pth", "lightning.ckpt", "objects.npy"):
            with pytest.raises(GdeError) as e:
                uses[place](files[name])
            said[place, name] = str(e.value)
    wrong = {k: v for k, v in said.items() if k[1] not in v or "gde never loads pickles" not in v}
    assert not wrong


def test_special_files_neither_hang_nor_confuse(here, cells_h5ad, record_property, monkeypatch):
    monkeypatch.chdir(here)
    odd = here / "odd"
    odd.mkdir()
    os.mkfifo(odd / "pipe.h5ad")
    (odd / "directory.h5ad").mkdir()
    (odd / "loop.h5ad").symlink_to("loop.h5ad")
    (odd / "nowhere.h5ad").symlink_to("absent.h5ad")
    (odd / "device.h5ad").symlink_to("/dev/zero")
    (odd / "empty.h5ad").touch()
    paths = [*odd.iterdir(), odd / ("x" * 300), odd / "/".join(["d" * 200] * 30), odd / "empty.h5ad/inside",
             Path("a\nb"), odd / "absent.h5ad", Path("/dev/stdin"), Path("/proc/self/mem")]  # fmt: skip
    tally, uses = Tally(), places(here, cells_h5ad)
    uses = {place: use for place, use in uses.items() if "." not in place or "dataset" in place or "load" in place}
    for place, use in uses.items():
        for path in paths:
            tally.add(Case(f"{place}: {str(path)[-60:]}", INVALID, lambda use=use, path=path: use(path)), here)
    tally.check(record_property, len(uses) * len(paths))


ODD_NAMES = ["with space.h5ad", "it's \"quoted\".h5ad", "two\nlines.h5ad", "ünïcödé 漢字.h5ad", "-o.h5ad",
             "a;b&c$(d).h5ad", os.fsdecode(b"caf\xe9.h5ad")]  # fmt: skip


def test_odd_names_are_as_good_as_others(here, cells_h5ad, record_property):
    tally, config = Tally(), tiny.cells_experiment(cells_h5ad)["dataset"]
    for name in ODD_NAMES:
        path, out = here / name, here / "sets/odd"
        shutil.copy(cells_h5ad, path)

        def prepared(path=path, out=out):
            prepare_h5ad(config | {"path": str(path)}, out, name="odd", seed=0)
            assert (out / "x.npy").read_bytes() == (here / "store/x.npy").read_bytes()
            shutil.rmtree(out)

        tally.add(Case(f"name: {name!r}", VALID, prepared), here)
        path.write_bytes(path.read_bytes()[:3000])
        tally.add(Case(f"cut: {name!r}", INVALID, prepared), here)
    tally.check(record_property, 2 * len(ODD_NAMES))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(here, cells_h5ad):
    path = shutil.copy(cells_h5ad, here / "secret.h5ad")
    Path(path).chmod(0)
    with pytest.raises(GdeError, match=r"secret\.h5ad: found a file that may not be read.*permissions"):
        places(here, cells_h5ad)["dataset.path of an h5ad"](path)


def test_a_table_that_changes_while_it_is_read(tmp_path):
    from gde.readers.table import Table

    path = tmp_path / "t.csv"
    path.write_text("donor,a\n" + "d,1\n" * 20)
    table = Table(path, ["donor"], None)
    path.write_text("donor,a\n" + "d,1\n" * 19)
    with pytest.raises(GdeError, match=r"t\.csv: found 19 rows, expected 20"):
        table.frame()


# the commands themselves


def run(*arguments, cwd: Path) -> subprocess.CompletedProcess:
    environment = {k: v for k, v in os.environ.items() if k != "SNAKEMAKE_PROFILE"} | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_gde_in_a_process_of_its_own(here, cells_h5ad, capsys):
    """One line on stderr, status 2, and what was there before; the payload does not run."""
    files, before = foreign(here / "foreign", here / "ran"), set(here.iterdir())
    done = run("gde.cli", "embed", files["new.pt"], cells_h5ad, "-o", "out.h5ad", cwd=here)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("gde: ") and done.stderr.count("\n") == 1, done.stderr
    assert "a PyTorch file" in done.stderr
    for arguments in (
        ("sample", "model", files["protocol4.pkl"], "-o", "out.h5ad"),
        ("embed", "model", files["opaque.h5ad"], "-o", "out.h5ad"),
        ("embed", "model", cells_h5ad, "--groupby", "donor\n", "-o", "out.h5ad"),
        ("compare-groups", "model", "store", "D00|T", "D\x1b[31m"),
    ):  # fmt: skip
        arguments = [str(here / a) if a in ("model", "store", "out.h5ad") else str(a) for a in arguments]
        capsys.readouterr()
        assert main(arguments) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("gde: ") and err.count("\n") == 1 and err[:-1].isprintable(), err
    assert set(here.iterdir()) == before | {here / "foreign"}


@pytest.mark.workflow
def test_snakemake_before_any_job(tmp_path):
    """Bad configurations through Snakemake: the line, no stack trace, nothing begun."""
    for part in ("gde", "workflow", "config", "resources"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    file = tmp_path / "config/experiments/gmm.yaml"
    os.mkfifo(tmp_path / "pipe.h5ad")
    (tmp_path / "config/config.yaml").write_text("experiments: [gmm]\n")
    bad = {
        "config/experiments/gmm.yaml:": file.read_text() + "extra: !!python/object/apply:os.system ['touch ran']\n",
        "dataset.path": yaml.safe_dump({"dataset": {"kind": "h5ad", "path": "pipe.h5ad", "groupby": ["donor"]}}),
    }
    for place, text in bad.items():
        file.write_text(text)
        done = run("snakemake", "-n", "--cores", "1", cwd=tmp_path)
        lines = [line for line in done.stderr.splitlines() if line.startswith("gde: ")]
        assert done.returncode != 0
        assert len(lines) == 1 and place in lines[0], done.stderr
        assert "Traceback" not in done.stderr + done.stdout
    assert not (tmp_path / "results").exists()
    assert not (tmp_path / "ran").exists()
