"""What the columns of a file tell before a job: the very error that preparing the data would end with."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tiny
from simulators.families import simulate_families
from simulators.lineage import simulate_lineage
from simulators.perturb import simulate_perturb
from simulators.promoters import simulate_promoters
from simulators.pubmed import simulate_baseline
from simulators.spike_files import write_gisaid
from simulators.spikes import simulate_epidemic

from gde.config.datasets import DATASETS
from gde.config.datasets.base import DataSet
from gde.errors import GdeError
from gde.files.input_files import LINEAGE
from gde.preflight.columns import MOST, examiner, misfits, readable
from gde.prepare import prepare_of

BY_GROUP = {"by": "group"}
TOO_FEW = "expected at least 4: 2 to train on"


def cells_of(folder, *donors: str, **obs):
    """An .h5ad of cells of these donors."""
    cells = tiny.cells()
    cells = cells[cells.obs["donor"].isin(donors)].copy()
    for name, values in obs.items():
        cells.obs[name] = values(cells.obs)
    cells.write_h5ad(folder / "cells.h5ad")
    return str(folder / "cells.h5ad")


def table_of(folder, groups: list[str]):
    frame = pd.DataFrame({"g": np.repeat(groups, 5), "a": np.arange(5.0 * len(groups)), "b": 1.0})
    frame["b"] += np.sin(frame["a"])
    frame.to_csv(folder / "table.csv", index=False)
    return str(folder / "table.csv")


def h5ad(folder):
    return {
        "kind": "h5ad",
        "path": cells_of(folder, "D00", "D01", "D02"),
        "groupby": ["donor"],
        "split": BY_GROUP,
    }, TOO_FEW


def h5ad_missing(folder):
    path = cells_of(
        folder, *(f"D{i:02d}" for i in range(6)), site=lambda obs: obs["donor"].where(obs["donor"] != "D01")
    )
    return {"kind": "h5ad", "path": path, "groupby": ["site"]}, "column site: found a missing value"


def h5ad_column(folder):
    return {"kind": "h5ad", "path": cells_of(folder, "D00", "D01"), "groupby": ["doner"]}, "did you mean 'donor'?"


def donors(folder):
    path = cells_of(folder, "D00", "D01", "D02", sick=lambda obs: obs["donor"] == "D00")
    return {"kind": "donors", "path": path, "donor": "donor", "labels": ["sick"], "min_size": 3}, "1 group to train on"


def donors_label(folder):
    path = cells_of(folder, *(f"D{i:02d}" for i in range(6)))
    told = "column cell_type: found 'B' and 'T' within group"
    return {"kind": "donors", "path": path, "donor": "donor", "labels": ["cell_type"], "min_size": 3}, told


def table(folder):
    return {"kind": "table", "path": table_of(folder, ["x", "y", "z"]), "groupby": ["g"], "split": BY_GROUP}, TOO_FEW


def sequences(folder):
    text = "".join(f">s{i} tissue=Liver\n{'ACGT' * 5}\n" for i in range(30))
    (folder / "s.fasta").write_text(text)
    told = "found only one value ('Liver'), " + TOO_FEW
    data = {"kind": "sequences", "path": str(folder / "s.fasta"), "fields": "key=value", "groupby": ["tissue"]}
    return data | {"split": BY_GROUP}, told


def virus(folder):
    epidemic = simulate_epidemic(months=1, countries=1, per_key=20, lineages=1)
    write_gisaid(epidemic, folder / "spikes.fasta", defects=0.0)
    return {"kind": "virus", "source": "gisaid", "sequences": str(folder / "spikes.fasta"), "min_size": 3}, TOO_FEW


def perturb_seq(folder):
    screen = simulate_perturb(folder / "screen", lines=("K562",), perturbed=12, cells=25, controls=40, seed=1)
    (folder / "vectors.csv").write_text("name,a,b\nnobody,1,2\nnothing,2,1\n")
    files = {line: str(file) for line, file in screen.files.items()}
    vectors = {"kind": "file", "path": str(folder / "vectors.csv")}
    return {"kind": "perturb_seq", "files": files, "vectors": vectors, "min_size": 5}, "vectors.csv"


def methylation(folder):
    for tissue in ("Liver", "Blood", "Colon"):
        (folder / f"{tissue}.bam").write_bytes(b"")
    (folder / "g.fa").write_text(">chr1\nACGT\n")
    told = "found 3 samples of 3 tissues"
    return {"kind": "methylation", "files": [str(folder / "*.bam")], "genome": str(folder / "g.fa")}, told


def barcodes(folder):
    from scipy.io import mmwrite
    from scipy.sparse import csc_matrix

    matrix = folder / "matrix"
    matrix.mkdir()
    cells = [f"c{i}-1" for i in range(30)]
    mmwrite(matrix / "matrix.mtx", csc_matrix(np.random.default_rng(0).poisson(2, (20, 30))))
    (matrix / "barcodes.tsv").write_text("".join(f"{c}\n" for c in cells))
    (matrix / "features.tsv").write_text("".join(f"E{i}\tG{i}\tGene Expression\n" for i in range(20)))
    pd.DataFrame({"barcode": cells, "donor": np.repeat(["x", "y", "z"], 10)}).to_csv(folder / "b.csv", index=False)
    data = {"kind": "tenx", "path": str(matrix), "barcodes": str(folder / "b.csv"), "groupby": ["donor"]}
    return data | {"split": BY_GROUP}, TOO_FEW


def lineage_tracing(folder):
    """Clones of which all but three are below the least size; the counts are never read."""
    simulate_lineage(folder / "larry", seed=1, clones=12)
    return {"kind": "lineage_tracing", "folder": str(folder / "larry"), "min_size": 10**5}, "min_size"


def lineage_clones(folder):
    simulate_lineage(folder / "larry", seed=1, clones=12)
    table = folder / "larry" / LINEAGE["metadata"]
    kept = pd.read_csv(table, sep="\t").iloc[:-3]
    kept.to_csv(table, sep="\t", index=False)
    return {"kind": "lineage_tracing", "folder": str(folder / "larry")}, "cells in rows"


def gpra(folder):
    simulate_promoters(folder / "one.txt", 30)
    return {"kind": "gpra", "files": {"one": str(folder / "one.txt")}, "length": 128}, "lower dataset.quantiles"


def gpra_residues(folder):
    (folder / "one.txt").write_text("ACGT\t1.0\nACGE\t2.0\n")
    return {"kind": "gpra", "files": {"one": str(folder / "one.txt")}}, "'E' at position 4"


def gpra_copies(folder):
    (folder / "one.txt").write_text("".join(f"{'ACGGT' * 20}{letter}\t1.0\n" for letter in "ACGT" * 40))
    return {"kind": "gpra", "files": {"one": str(folder / "one.txt")}, "quantiles": 4, "top": 0}, "split.identity"


def elements(folder, n: int, **more) -> str:
    rng = np.random.default_rng(0)
    rows = ["".join(rng.choice(list("ACGT"), 60)) for _ in range(n)]
    frame = pd.DataFrame({"seq_id": [f"e{i}_F" for i in range(n)], "seq": rows, "mean_value": rng.normal(size=n)})
    frame.assign(**more).to_csv(folder / "e.tsv", sep="\t", index=False)
    return str(folder / "e.tsv")


def mpra_bins(folder):
    return {"kind": "mpra_bins", "path": elements(folder, 12)}, "lower dataset.bins"


def mpra_bins_value(folder):
    path = elements(folder, 60, mean_value=[*np.arange(59), "high"])
    return {"kind": "mpra_bins", "path": path, "bins": 4}, "'high'"


def mpra_barcodes(folder):
    frame = pd.DataFrame({"barcode": [f"b{i}" for i in range(60)], "oligo_name": np.repeat(["x", "y", "z"], 20)})
    frame = frame.assign(**{f"{kind}_count_{i}": 5 for kind in ("dna", "rna") for i in (1, 2, 3)})
    frame.to_csv(folder / "b.csv", index=False)
    return {"kind": "mpra_barcodes", "path": str(folder / "b.csv"), "split": BY_GROUP, "min_size": 3}, TOO_FEW


def pfam(folder):
    simulate_families(folder / "f.fasta.gz", families=4, domains=10)
    return {"kind": "pfam", "path": str(folder / "f.fasta.gz")}, "lower dataset.min_size"


def pfam_copies(folder):
    text = "".join(f">A{i}_X/1-40 A{i}.1 PF{i % 3:05d}.1;N{i % 3};\n{'ACDEFGHIKL' * 4}\n" for i in range(60))
    (folder / "f.fasta").write_text(text)
    return {"kind": "pfam", "path": str(folder / "f.fasta"), "min_size": 2, "split": {"by": "sequence"}}, "no domain in"


def pubmed(folder):
    files = simulate_baseline(files=1, documents=10).write(folder)
    return {"kind": "pubmed", "files": [str(f) for f in files], "min_docs": 5000}, "lower dataset.min_docs"


CASES = [h5ad, h5ad_missing, h5ad_column, donors, donors_label, table, sequences, virus, perturb_seq, barcodes]
CASES += [lineage_tracing, lineage_clones, gpra, gpra_residues, gpra_copies, mpra_bins, mpra_bins_value, mpra_barcodes]
CASES += [pfam, pfam_copies, pubmed]


def settings(data: dict) -> dict:
    return DATASETS[data["kind"]].model_validate(data).model_dump()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_the_check_says_what_the_job_would(tmp_path, case):
    data, told = case(tmp_path)
    cfg = settings(data)
    (problem,) = misfits({"mine": {"dataset": cfg}}, {"mine": tmp_path / "sets"})
    with pytest.raises(GdeError) as e:
        prepare_of(cfg["kind"])(cfg, tmp_path / "out" / "sets", name="mine", seed=0)
    assert str(problem) == f"config/experiments/mine.yaml: {e.value}" and told in str(e.value)


def test_the_names_of_samples_are_enough_for_some(tmp_path):
    data, told = methylation(tmp_path)
    (problem,) = misfits({"mine": {"dataset": settings(data)}}, {"mine": tmp_path / "sets"})
    assert told in str(problem)


def test_what_fits_is_not_in_the_way(tmp_path, cells_h5ad):
    resolved = tiny.cells_experiment(cells_h5ad)
    assert list(misfits({"a": resolved, "b": tiny.experiment()}, dict.fromkeys("ab", tmp_path))) == []


def test_a_store_that_is_there_or_shared_is_not_looked_at_again(tmp_path):
    data, _ = table(tmp_path)
    resolved, store = {"dataset": settings(data)}, tmp_path / "sets"
    assert len(list(misfits(dict.fromkeys("ab", resolved), dict.fromkeys("ab", store)))) == 1
    store.mkdir()
    (store / "SHA256SUMS").write_text("")
    assert list(misfits({"a": resolved}, {"a": store})) == []


def test_large_files_of_text_wait_for_the_job(tmp_path):
    data, _ = table(tmp_path)
    cfg = settings(data)
    assert readable(cfg)
    with Path(cfg["path"]).open("r+b") as f:
        f.truncate(MOST + 1)
    assert not readable(cfg)


def test_a_release_is_looked_at_without_its_counts(tmp_path):
    """The counts of single cells are gigabytes, and say nothing of clones."""
    data, _ = lineage_tracing(tmp_path)
    cfg = settings(data)
    with (tmp_path / "larry" / LINEAGE["counts"]).open("r+b") as f:
        f.truncate(MOST + 1)
    assert readable(cfg)
    (tmp_path / "larry" / LINEAGE["counts"]).unlink()
    assert not readable(cfg)


def test_tables_that_are_read_whole_count_in_any_format(tmp_path):
    path = tmp_path / "e.parquet"
    pd.read_csv(elements(tmp_path, 30), sep="\t").to_parquet(path)
    cfg = settings({"kind": "mpra_bins", "path": str(path), "bins": 3})
    assert readable(cfg)
    with path.open("r+b") as f:
        f.truncate(MOST + 1)
    assert not readable(cfg)


def test_every_kind_of_a_users_own_files_is_looked_at():
    """Kinds without: simulated and bundled data, and published pictures, whose files have one form."""
    own = {kind for kind, model in DATASETS.items() if model.input_files.__func__ is not DataSet.input_files.__func__}
    own |= {kind for kind, model in DATASETS.items() if "path" in model.model_fields}
    assert {kind for kind in DATASETS if examiner({"kind": kind})} == own - {"idx", "cifar10"}
