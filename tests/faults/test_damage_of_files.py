"""Flipped bits and cut files: whatever is damaged, its next reader refuses it, with both digests and a remedy."""

import re
import shutil
from pathlib import Path

import anndata as ad
import pytest
import tiny

from gde import evaluate, figures
from gde.checkpoint import list_checkpoints, load_checkpoint
from gde.cli import main
from gde.cli.train_run import train_run
from gde.embed import embed_to_h5ad
from gde.errors import GdeError
from gde.figures.grid import draw_grid
from gde.files.io import write_file_sum
from gde.runs.card import write_card
from gde.runs.grid import summarise
from gde.runs.publishing import keep_metrics
from gde.sample import sample_test_sets

pytestmark = pytest.mark.usefixtures("no_fsync")
STORE, MODEL, CELLS = "results/sets/cells", "results/cells/model", "results/cells"
BOTH = re.compile(r"found sha256 [0-9a-f]{64}, expected sha256 [0-9a-f]{64}; \S.{10,}")
CHANGES = [f"{what} {where}" for what in ("flip", "cut") for where in ("start", "middle", "end")]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A results directory with every artefact, and its settings; tests damage copies."""
    root = tmp_path_factory.mktemp("made")
    tiny.cells().write_h5ad(root / "cells.h5ad")
    config = tiny.cells_experiment(root / "cells.h5ad", {"training.steps": 8, "dataset.labels": ["cell_type"]})
    here = Here(root, config)
    (root / STORE).parent.mkdir(parents=True)
    tiny.prepare(config, root / STORE)
    for step in (here.train, here.embed, here.sample, here.evaluate, here.summary):
        step()
    keep_metrics(root / CELLS / "metrics.json", root / "results/runs")
    return here


class Here:
    """What reads the artefacts below a directory, and writes the next ones."""

    def __init__(self, root: Path, config: dict):
        self.root, self.config = root, config
        self.sets, self.model, self.cells = root / STORE, root / MODEL, root / CELLS
        self.out = root / "out"

    @property
    def run(self) -> Path:
        (run,) = self.root.glob("results/runs/cells-*")
        return run

    def train(self):
        self.model.parent.mkdir(exist_ok=True)
        train_run(self.config, self.sets, self.root / "results/runs", self.model, accelerator="cpu")

    def embed(self):
        embed_to_h5ad(self.model, self.sets, self.cells / "embeddings.h5ad", device=tiny.CPU)

    def sample(self):
        embeddings, out = self.cells / "embeddings.h5ad", self.cells / "samples.h5ad"
        sample_test_sets(self.model, embeddings, out, device=tiny.CPU, at_most=5)

    def evaluate(self):
        evaluate.run(self.model, self.sets, self.config, self.cells / "metrics.json", self.cells / "tables")

    def figure(self):
        out = (self.out / "f.svg", self.out / "f.png")
        figures.draw("embedding", self.cells / "tables", self.cells / "metrics.json", *out)

    def card(self):
        write_card(self.model, self.cells / "metrics.json", self.out / "CARD.md", description="")

    def summary(self):
        labels = [{"seed": "0"}]
        out = self.cells / "summary.tsv"
        summarise(labels, [self.cells / "metrics.json"], [self.model], out, published={})

    def grid_figure(self):
        metric = "labels/accuracy"
        draw_grid("g", metric, self.cells / "summary.tsv", self.out / "g.svg", self.out / "g.png")

    def checkpoint(self):
        for path in list_checkpoints(self.run / "checkpoints"):
            load_checkpoint(path)

    def publish(self):
        shutil.rmtree(self.model)
        self.train()

    def gde(self, *arguments):
        def command():
            if main([*arguments]) == 2:
                raise GdeError(self.said().err.removeprefix("gde: ").strip())

        return command


def files(made):
    """Every file with a digest, relative to the results, with the names of what reads it next."""
    out = {f"{STORE}/{p.relative_to(made.sets)}": ("train", "embed", "evaluate") for p in below(made.sets)}
    out |= {f"{MODEL}/{p.relative_to(made.model)}": ("embed", "sample", "evaluate") for p in below(made.model)}
    out |= {f"{CELLS}/tables/{p.name}": ("figure",) for p in below(made.cells / "tables")}
    out[f"{CELLS}/embeddings.h5ad"] = ("sample", "gde sample")
    out[f"{CELLS}/metrics.json"] = ("figure", "card", "summary")
    out[f"{CELLS}/summary.tsv"] = ("grid_figure",)
    out[f"{MODEL}/config.json"] += ("card", "summary", "gde show")
    run = made.run.relative_to(made.root)
    out[f"{run}/run.json"] = out[f"{run}/metrics.json"] = ("gde show", "gde list", "gde compare")
    out[f"{run}/model/config.json"] = ("gde show", "publish")
    out[f"{run}/model/model.safetensors"] = ("publish",)
    last = list_checkpoints(made.run / "checkpoints")[-1]
    out |= {f"{run}/checkpoints/{last.name}/{p.name}": ("checkpoint",) for p in below(last)}
    return out


def below(directory):
    return sorted(p for p in directory.rglob("*") if p.is_file() and p.name != "SHA256SUMS")


COMMANDS = {
    "gde sample": ("sample", MODEL, f"{CELLS}/embeddings.h5ad", "-n", "3", "-o", "out/x.h5ad"),
    "gde show": ("show", "cells"),
    "gde list": ("list",),
    "gde compare": ("compare", "cells", "cells"),
}


def damage(path: Path, change: str) -> None:
    """Flip a bit, or cut the file, near its start, in its middle or at its end."""
    data = bytearray(path.read_bytes())
    what, where = change.split()
    place = {"start": 0, "middle": len(data) // 2, "end": len(data) - 1}[where]
    if what == "flip":
        data[place] ^= 1
    else:
        del data[place:]
    path.write_bytes(data)


@pytest.fixture
def refused(made, tmp_path, monkeypatch, capfd):
    """refused(file, change, reader): what a reader says of a damage, in a copy; the file is then whole again."""
    root = tmp_path / "copy"
    shutil.copytree(made.root, root)
    here = Here(root, made.config)
    here.out.mkdir()
    here.said = capfd.readouterr
    monkeypatch.chdir(root)

    def check(file, change, reader):
        path, readable = root / file, here.gde(*COMMANDS[reader]) if reader in COMMANDS else getattr(here, reader)
        whole = path.read_bytes()
        damage(path, change)
        before = {p: p.read_bytes() for p in below(root)}
        capfd.readouterr()
        with pytest.raises(GdeError) as e:
            readable()
        if reader == "publish":
            shutil.copytree(made.model, here.model)
        else:
            new = {p: p.read_bytes() for p in below(root)}
            assert {p: d for p, d in new.items() if p.name != "lock"} == {
                p: d for p, d in before.items() if p.name != "lock"}, reader  # fmt: skip
        path.write_bytes(whole)
        return str(e.value)

    return check


def test_every_file_and_reader(made, refused):
    """Each file, each reader, each of six damages: about 400 in all."""
    count = 0
    for file, readers in files(made).items():
        for reader in readers:
            for change in CHANGES:
                # a reader of many seconds meets each file once, and once each damage
                if reader in ("train", "evaluate", "publish") and change != CHANGES[count % len(CHANGES)]:
                    count += 1
                    continue
                count += 1
                said = refused(file, change, reader)
                name = Path(file).name
                assert name in said, (file, change, reader, said)
                assert "\n" not in said
                alone = name in ("metrics.json", "run.json", "embeddings.h5ad")
                if not (alone and change in ("cut start", "flip start")):
                    whole = BOTH.search(said) or (alone and "no whole content_sha256" in said)
                    assert whole, (file, change, reader, said)
    assert count > 150


def test_sums_themselves(made, refused):
    """A cut list must not make files unknown, nor another name of the run."""
    for directory, reader in ((STORE, "embed"), (MODEL, "embed"), (f"{CELLS}/tables", "figure")):
        for change in CHANGES:
            said = refused(f"{directory}/SHA256SUMS", change, reader)
            assert "expected" in said and ";" in said
    lines = (made.root / MODEL / "SHA256SUMS").read_text().splitlines(keepends=True)
    assert len(lines) > 2


def test_a_list_that_lost_a_line(made, tmp_path):
    shutil.copytree(made.model, tmp_path / "model")
    file = tmp_path / "model/SHA256SUMS"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(line for line in lines if "model.safetensors" not in line))
    with pytest.raises(GdeError, match=r"model\.safetensors: found a file that SHA256SUMS does not list"):
        embed_to_h5ad(tmp_path / "model", made.sets, tmp_path / "z.h5ad", device=tiny.CPU)


def test_samples_are_refused_by_verify(made, tmp_path):
    """No rule reads them; who does can ask for them to be checked."""
    from gde.files.seals import check_seal

    for change in CHANGES:
        shutil.copy(made.cells / "samples.h5ad", tmp_path / "samples.h5ad")
        damage(tmp_path / "samples.h5ad", change)
        with pytest.raises(GdeError, match=r"samples\.h5ad: found sha256"):
            check_seal(tmp_path / "samples.h5ad")
    assert ad.read_h5ad(made.cells / "samples.h5ad").n_obs


def test_edited_on_purpose_and_listed_again(made, tmp_path):
    """The way of somebody who knows what he does."""
    shutil.copytree(made.cells, tmp_path / "cells")
    table = tmp_path / "cells/summary.tsv"
    table.write_text(table.read_text().replace("\tmodel\t", "\tmodel\t", 1) + "\n")
    with pytest.raises(GdeError, match="snakemake"):
        draw_grid("g", "labels/accuracy", table, tmp_path / "g.svg", tmp_path / "g.png")
    write_file_sum(table)
    draw_grid("g", "labels/accuracy", table, tmp_path / "g.svg", tmp_path / "g.png")
    assert (tmp_path / "g.svg").exists()
