"""No setting without an effect: another value of any key of a data set changes what is stored, or is refused."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from alternatives import alternatives
from prepare_data import make_cells
from pydantic import ValidationError
from simulators.methylation import simulate_methylation
from simulators.sequences import simulate_library
from simulators.spike_files import write_gisaid
from simulators.spikes import simulate_epidemic

from gde.config.datasets import DATASETS
from gde.config.datasets.base import Simulated
from gde.config.datasets.methylation import BamReads
from gde.config.messages import submodels
from gde.errors import GdeError
from gde.files.io import read_json, sha256_file
from gde.prepare import prepare_of

HERE = Path(__file__).parent
SMALL = {"test_sets": 3, "validation_sets": 2, "test_size": 20, "size": 12, "patterns": 5}
# Kinds whose files are costly to simulate, and the tests in which each of their keys is set.
ELSEWHERE = {
    "lineage_tracing": ("test_lineage_tracing.py", "../evaluate/test_lineage.py"),
    "perturb_seq": ("test_perturb_seq.py",),
    "tenx": ("test_tenx.py",),
    "gpra": ("test_gpra.py",),
    "idx": ("test_class_images.py",),
    "cifar10": ("test_class_images.py",),
    "images": ("test_own_pictures.py",),
    "image_screen": ("test_image_screen.py",),
    "mpra_bins": ("test_mpra.py",),
    "pfam": ("test_pfam.py",),
    "pubmed": ("test_pubmed.py",),
    "pbmc68k": ("test_sources.py", "../workflow/test_single_cells.py", "test_prepare_h5ad.py"),
}


def h5ad(folder: Path) -> tuple[dict, dict]:
    cells = make_cells(185, genes=12)
    cells.layers["twice"] = cells.X * 2 + cells.X.power(2)
    cells.obs["plate"] = pd.Categorical(np.array(["p", "q", "r", "s", "t"])[np.arange(185) // 3 % 5])
    cells.obs["site"] = cells.obs["batch"] // 2
    cells.raw = cells[:, :9].copy()
    cells.write_h5ad(folder / "a.h5ad")
    make_cells(180, genes=12, seed=1).write_h5ad(folder / "b.h5ad")
    data = {"kind": "h5ad", "path": str(folder / "a.h5ad"), "groupby": ["donor"], "n_hvg": 8, "n_pcs": 3}
    others = {"path": [str(folder / "b.h5ad")], "groupby": [["plate"]], "layer": ["twice"], "labels": [["batch"]]}
    return data, others | {"split.by": ["sample", "plate"], "min_size": [31], "values": ["lognorm"]}


def donors(folder: Path) -> tuple[dict, dict]:
    _, others = h5ad(folder)
    data = {"kind": "donors", "path": str(folder / "a.h5ad"), "donor": "donor", "labels": ["site"], "n_hvg": 8}
    data |= {"n_pcs": 3, "batch": "batch"}
    own = {"donor": ["plate"], "labels": [["batch"], ["plate"]], "batch": [None], "cell_type": ["kind"]}
    return data, others | own | {"groupby": [["kind"]]}


def table(folder: Path) -> tuple[dict, dict]:
    rng, n = np.random.default_rng(0), 95
    frame = pd.DataFrame({"g": np.arange(n) % 6, "site": np.arange(n) % 6 // 2, "other": np.arange(n) % 5})
    frame = frame.assign(**{f"x{i}": rng.normal(i, 1 + i, n) for i in range(4)})
    frame.to_csv(folder / "a.csv", index=False)
    frame.iloc[::-1].to_csv(folder / "b.csv", index=False)
    data = {"kind": "table", "path": str(folder / "a.csv"), "groupby": ["g"]}
    others = {"path": [str(folder / "b.csv")], "groupby": [["other"]], "features": [["x0", "x1"]], "labels": [["site"]]}
    return data, others | {"split.by": ["sample", "other"], "min_size": [16]}


def library(folder: Path, seed: int = 0) -> pd.DataFrame:
    """Records of six donors, one of whom has fewer; among them a letter for several, and a name that stands twice."""
    made = (
        simulate_library(donors=6, sequences=6, shortest=8, longest=14, seed=seed).table.iloc[1:].reset_index(drop=True)
    )
    made.loc[3, "sequence"] = "ACGTRACGT"
    made.loc[4, "name"] = made.loc[5, "name"]
    return made.assign(residues=made["sequence"].str[::-1])


LIBRARY = {"groupby": ["donor"], "length": 12, "too_long": "cut", "other_residues": "N", "repeated_names": "keep"}
OF_LIBRARY = {
    "groupby": [["copies"]],
    "labels": [["tissue"]],
    "weight": ["copies"],
    "name": ["copies"],
    "min_size": [6],
}
OF_LIBRARY |= {"sequence": ["residues"], "split.by": ["sample", "sequence", "copies"]}


def fasta(folder: Path) -> tuple[dict, dict]:
    for seed, file in enumerate(("a.fasta", "b.fasta")):
        rows = library(folder, seed).itertuples()
        text = (f">{r.name} donor={r.donor};tissue={r.tissue};copies={r.copies}\n{r.sequence}\n" for r in rows)
        (folder / file).write_text("".join(text))
    data = {"kind": "sequences", "path": str(folder / "a.fasta"), "fields": "key=value", **LIBRARY}
    return data, OF_LIBRARY | {"path": [str(folder / "b.fasta")], "fields": [None]}


def csv(folder: Path) -> tuple[dict, dict]:
    for seed, file in enumerate(("a.csv", "b.csv")):
        library(folder, seed).to_csv(folder / file, index=False)
    data = {"kind": "sequences", "path": str(folder / "a.csv"), **LIBRARY}
    return data, OF_LIBRARY | {"path": [str(folder / "b.csv")], "fields": ["key=value"]}


def barcodes(folder: Path) -> tuple[dict, dict]:
    rng, n = np.random.default_rng(0), 104
    frame = pd.DataFrame({"b": [f"B{i}" for i in range(n)], "o": np.arange(n) % 5, "p": np.arange(n) % 4})
    frame = frame.assign(**{f"{kind}{i}": rng.poisson(6, n) for kind in ("d", "r") for i in (1, 2, 3)})
    frame.to_csv(folder / "a.csv", index=False)
    frame.iloc[::-1].to_csv(folder / "b.csv", index=False)
    columns = {"barcode": "b", "oligo": "o", "dna": ["d1", "d2"], "rna": ["r1", "r2"]}
    data = {"kind": "mpra_barcodes", "path": str(folder / "a.csv"), "columns": columns, "min_size": 3}
    others = {"path": [str(folder / "b.csv")], "columns.barcode": ["p"], "columns.oligo": ["p"], "min_size": [41]}
    others |= {"columns.dna": [["d1", "d3"]], "columns.rna": [["r1", "r3"]], "split.by": ["sample"], "min_dna": [7]}
    return data, others


def virus(folder: Path) -> tuple[dict, dict]:
    epidemic = simulate_epidemic(months=4, countries=3, per_key=8, lineages=2)
    write_gisaid(epidemic, folder / "a.fasta", defects=0.4)
    write_gisaid(epidemic, folder / "b.fasta", defects=0.2)
    data = {"kind": "virus", "source": "gisaid", "sequences": str(folder / "a.fasta"), "min_size": 3}
    data |= {"min_characters": 1000}
    others = {"sequences": [str(folder / "b.fasta")], "metadata": ["m.tsv"], "hosts": [["Bat"]], "last_months": [1]}
    others |= {"length": [1272, 1200], "min_characters": [1250, 1272], "max_unknown": [0.01], "min_size": [8]}
    return data, others | {"groupby": [["month"]], "source": ["nextstrain"], "split.by": ["sample"]}


def reads(*, bam: bool):
    def made(folder: Path) -> tuple[dict, dict]:
        truth = simulate_methylation(folder / "reads", {"Blood": 0.2, "Liver": 0.8}, samples=4, fragments=40, bam=bam)
        files = [str(file) for file in truth.files.values()]
        if bam:
            called = [(f.removesuffix(".pat.gz") + ".XM.bam", f.removesuffix(".pat.gz") + ".bam") for f in files]
            files = [shutil.move(*names) for names in called]
        table = pd.DataFrame({"file": [Path(file).name for file in files], "tissue": ["a", "b"] * 4})
        table.to_csv(folder / "samples.csv", index=False)
        data = {"kind": "methylation", "files": files, "genome": str(truth.fasta), "context": 6, "cpgs": 4}
        others = {
            "files": [files[:5]],
            "genome": [str(folder / "none.fa")],
            "ignore_contigs": [list(truth.sequence)[:1]],
            "split.by": ["sample"],
        }
        others |= {"samples": [str(folder / "samples.csv")], "coarse": [{"Liver": "Gut"}], "min_size": [10**6]}
        return data | {"min_size": 3}, others | {"bam.min_base_quality": [40], "bam.min_mapping_quality": [255]}

    return made


def simulated(kind: str):
    def made(folder: Path) -> tuple[dict, dict]:
        model = DATASETS[kind]
        others = {"split.by": ["sample", "group"], "alpha": [[1.0, 2.0, 3.0], 3.0], "mean_low": [-1.0], "unit": [3, 4]}
        return {"kind": kind, **{k: v for k, v in SMALL.items() if k in model.model_fields}}, others

    return made


CASES = {"h5ad": h5ad, "donors": donors, "table": table, "sequences-fasta": fasta, "sequences-csv": csv, "virus": virus}
CASES |= {"mpra_barcodes": barcodes}
CASES |= {kind: simulated(kind) for kind, model in DATASETS.items() if issubclass(model, Simulated)}
CASES |= {"methylation-pat": reads(bam=False), "methylation-bam": reads(bam=True)}
CASES |= {kind: simulated(kind) for kind in ("digits", "dna_multinomial", "synthetic_dna", "protein_motifs")}
# Keys that show with other files than these, and the test that has such.
ALSO = {
    "contigs": "test_genome.py",
    "min_size": "test_methylation.py",
    **dict.fromkeys(BamReads.model_fields, "test_bam_reads.py"),
}
SHARED = {"scale", "min_size", "n_hvg", "n_pcs", "too_long"}  # read by what kinds share: shown where one is walked
# Numbers that a law is published with, which evaluation draws other sets from (evaluate/test_family.py).
BESIDE = {"published_distribution"}


def keys(model: Any, section: dict, before: tuple = ()) -> list[tuple]:
    """The paths of all keys of a section, those of sections in it by themselves."""
    out = []
    for key, field in model.model_fields.items():
        inner = submodels(field.annotation)
        if key == "kind" or key in BESIDE:
            continue
        if len(inner) == 1 and isinstance(section[key], dict):
            out += [(*before, key, *rest) for rest in keys(inner[0], section[key])]
        else:
            out.append((*before, key))
    return out


def changed(section: dict, path: tuple, value: Any) -> dict:
    key, *rest = path
    return {**section, key: changed(section[key], tuple(rest), value) if rest else value}


def field_at(model: Any, path: tuple) -> Any:
    field = model.model_fields[path[0]]
    return field_at(submodels(field.annotation)[0], path[1:]) if len(path) > 1 else field


def value_at(section: dict, path: tuple) -> Any:
    return value_at(section[path[0]], path[1:]) if path else section


def content(folder: Path, data: dict, number: int) -> dict[str, str]:
    """Digests of the files of a store, but for what is told about it."""
    cfg = DATASETS[data["kind"]].model_validate(data).model_dump()
    out = folder / f"sets{number}"
    prepare_of(cfg["kind"])(cfg, out, name="x", seed=0)
    meta, told = read_json(out / "meta.json"), ("meta.json", "SHA256SUMS")
    files = [f for f in out.rglob("*") if f.is_file() and f.name not in told]
    counts = {key: str(meta.get(key)) for key in ("dim", "counted")}
    return counts | {str(f.relative_to(out)): sha256_file(f) for f in files}


@pytest.mark.parametrize("case", CASES)
def test_every_key_of_a_data_set_has_an_effect_or_is_refused(case, tmp_path):
    data, others = CASES[case](tmp_path)
    model = DATASETS[data["kind"]]
    section = model.model_validate(data).model_dump()
    before, idle, number = content(tmp_path, section, 0), [], 0
    for path in keys(model, section):
        field, value = field_at(model, path), value_at(section, path)
        given = [*others.get(".".join(path), []), *alternatives(field, value)]
        if path[-1] == "fractions":
            given = [[0.4, 0.2, 0.4], [0.5, 0.25, 0.25]]
        assert given, f"{path}: no other value is known; name one"
        refused = 0
        for other in given:
            number += 1
            try:
                after = content(tmp_path, changed(section, path, other), number)
            except (ValidationError, GdeError):
                refused += 1
                continue
            if after != before:
                break
        else:
            elsewhere = case.startswith("methylation") and path[-1] in ALSO
            idle += [] if refused == len(given) or elsewhere else [path]
    assert not idle, f"without an effect: {', '.join('.'.join(path) for path in idle)}"


@pytest.mark.parametrize(("key", "file"), ALSO.items())
def test_keys_that_need_other_files_are_set_in_their_tests(key, file):
    assert key in (HERE / file).read_text()


def test_every_kind_is_walked_or_named():
    walked = {case.partition("-")[0] for case in CASES}
    assert walked | set(ELSEWHERE) == set(DATASETS) and not walked & set(ELSEWHERE)


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_keys_of_the_others_are_set_in_their_tests(kind):
    text = "".join((HERE / file).read_text() for file in ELSEWHERE[kind])
    missing = [key for key in DATASETS[kind].model_fields if key not in text and key not in {"kind", *SHARED}]
    assert not missing, missing
