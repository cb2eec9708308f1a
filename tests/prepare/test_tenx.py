"""Cell Ranger's matrices: every layout gives the same store, what is no gene is left out and counted."""

import gzip

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse as sp

from gde.errors import GdeError
from gde.prepare.tenx import prepare
from gde.readers.tenx import read_tenx
from gde.sets.store.set_store import SetStore

CELLS, GENES, TAGS = 90, 30, 4
SYMBOLS = [f"G{i}" for i in range(GENES)]
SYMBOLS[7] = SYMBOLS[3]  # one symbol, two genes, as of TBCE or MATR3
IDS = [f"ENSG{i:08d}" for i in range(GENES)]
TAG_NAMES = ["CD3", "CD4", "G5", "CD19"]  # an antibody may be called as a gene is
BARCODES = [f"{'ACGT'[i % 4]}{i:05d}-1" for i in range(CELLS)]


@pytest.fixture(scope="module")
def counts():
    """Counts (cells, genes + tags), of which every gene is seen."""
    rng = np.random.default_rng(0)
    x = rng.poisson(rng.gamma(1.0, 2.0, GENES + TAGS), (CELLS, GENES + TAGS))
    x[0] += 1
    return x


def table(path, barcodes=BARCODES, **more):
    """The table of barcodes: three donors, each with a sex."""
    donor = [f"D{i % 3}" for i in range(len(barcodes))]
    frame = {"barcode": barcodes, "donor": donor, "sex": ["MF"[int(d[1]) % 2] for d in donor]}
    pd.DataFrame(frame | more).to_csv(path, index=False)
    return path


def h5_v3(path, x, tags=True):
    with h5py.File(path, "w") as f:
        group = f.create_group("matrix")
        y = sp.csr_matrix(x if tags else x[:, :GENES])
        names = [*SYMBOLS, *TAG_NAMES] if tags else SYMBOLS
        ids = [*IDS, *TAG_NAMES] if tags else IDS
        kinds = ["Gene Expression"] * GENES + ["Antibody Capture"] * (len(names) - GENES)
        features = group.create_group("features")
        for key, values in {"id": ids, "name": names, "feature_type": kinds, "genome": ["GRCh38"] * len(ids)}.items():
            features[key] = np.array(values, "S")
        fill(group, y)
    return path


def h5_v2(path, x):
    with h5py.File(path, "w") as f:
        group = f.create_group("GRCh38")
        group["genes"], group["gene_names"] = np.array(IDS, "S"), np.array(SYMBOLS, "S")
        fill(group, sp.csr_matrix(x[:, :GENES]))
    return path


def fill(group, y):
    group["barcodes"] = np.array(BARCODES, "S")
    group["data"], group["indices"] = y.data.astype(np.int32), y.indices.astype(np.int64)
    group["indptr"], group["shape"] = y.indptr.astype(np.int64), np.array(y.shape[::-1], np.int32)


def folder(path, x, version=3):
    path.mkdir()
    columns = [IDS, SYMBOLS] if version == 2 else [[*IDS, *TAG_NAMES], [*SYMBOLS, *TAG_NAMES]]
    if version == 3:
        columns.append(["Gene Expression"] * GENES + ["Antibody Capture"] * TAGS)
    lines = "".join("\t".join(row) + "\n" for row in zip(*columns, strict=True))
    matrix = sp.coo_matrix((x if version == 3 else x[:, :GENES]).T)
    scipy.io.mmwrite(path / "matrix.mtx", matrix, field="integer", symmetry="general")
    files = {("genes.tsv" if version == 2 else "features.tsv"): lines, "barcodes.tsv": "\n".join(BARCODES) + "\n"}
    for name, text in files.items():
        (path / name).write_text(text)
    if version == 3:
        for file in list(path.iterdir()):
            with gzip.open(path / f"{file.name}.gz", "wb") as f:
                f.write(file.read_bytes())
            file.unlink()
    return path


def made(path, barcodes, out, **more):
    cfg = {
        "kind": "tenx", "path": str(path), "barcodes": str(barcodes), "barcode": "barcode", "genes": "symbol",
        "groupby": ["donor"], "labels": ["sex"], "min_size": 2, "n_hvg": None, "scale": False, "n_pcs": None,
        "split": {"by": "sample", "fractions": [0.6, 0.2, 0.2], "seed": 0},
    }  # fmt: skip
    prepare(cfg | more, out, name="tenx", seed=0)
    return SetStore.open(out)


def rows(store):
    """All samples in the order of their cells."""
    x = np.concatenate([store.read(g, slice(None)) for g in range(len(store))])
    return x[np.argsort(store.samples["cell"].to_numpy())]


def test_every_layout_gives_the_same_store(tmp_path, counts):
    barcodes = table(tmp_path / "cells.csv")
    paths = {
        "h5_v3": h5_v3(tmp_path / "a.h5", counts),
        "h5_v2": h5_v2(tmp_path / "b.h5", counts),
        "folder_v3": folder(tmp_path / "c", counts),
        "folder_v2": folder(tmp_path / "d", counts, version=2),
    }
    stores = {name: made(path, barcodes, tmp_path / f"{name}.sets") for name, path in paths.items()}
    first = stores.pop("h5_v3")
    assert first.meta["feature_names"] == list(dict.fromkeys(SYMBOLS))
    for store in stores.values():
        assert store.groups.equals(first.groups) and store.meta["feature_names"] == first.meta["feature_names"]
        np.testing.assert_array_equal(rows(store), rows(first))


def test_values_are_those_of_the_genes_alone(tmp_path, counts):
    """log1p of counts per 10,000 genes' counts: antibodies are not in the total, genes of one symbol are added up."""
    store = made(h5_v3(tmp_path / "a.h5", counts), table(tmp_path / "cells.csv"), tmp_path / "sets")
    x = counts[:, :GENES].astype(float)
    x[:, 3] += x[:, 7]
    x = np.delete(x, 7, 1)
    expected = np.log1p(x / x.sum(1, keepdims=True) * 1e4)[np.argsort(BARCODES)]
    np.testing.assert_allclose(rows(store), expected, rtol=2e-5, atol=1e-5)
    told = store.meta["tenx"]
    assert told["left_out_features"] == {"Antibody Capture": TAGS} and told["added_up_genes"] == 1
    assert told["genes"] == GENES and told["added_up"] == SYMBOLS[3]


def test_genes_by_id_are_none_twice(tmp_path, counts):
    barcodes = table(tmp_path / "cells.csv")
    store = made(h5_v3(tmp_path / "a.h5", counts), barcodes, tmp_path / "sets", genes="id")
    assert store.meta["feature_names"] == IDS and store.meta["tenx"]["added_up_genes"] == 0


def test_cells_and_rows_without_partner_are_counted(tmp_path, counts):
    some = [*BARCODES[:60], "TTTTT-1", "GGGGG-1"]
    store = made(h5_v3(tmp_path / "a.h5", counts), table(tmp_path / "cells.csv", some), tmp_path / "sets")
    told = store.meta["tenx"]
    assert (told["cells"], told["cells_without_row"], told["rows_without_cell"]) == (CELLS, CELLS - 60, 2)
    assert set(store.samples["cell"]) == set(BARCODES[:60])


def test_the_order_of_the_table_does_not_matter(tmp_path, counts):
    path, turned = h5_v3(tmp_path / "a.h5", counts), tmp_path / "turned.csv"
    frame = pd.read_csv(table(tmp_path / "cells.csv"))
    frame.sample(frac=1, random_state=1).to_csv(turned, index=False)
    a = made(path, tmp_path / "cells.csv", tmp_path / "a.sets")
    b = made(path, turned, tmp_path / "b.sets")
    assert a.groups.equals(b.groups)
    np.testing.assert_array_equal(rows(a), rows(b))


def test_what_is_written_here_is_what_scanpy_reads(tmp_path, counts):
    """The layouts above are Cell Ranger's, and rows, columns and left-out features are those of another reader."""
    scanpy = pytest.importorskip("scanpy")
    theirs = scanpy.read_10x_h5(h5_v3(tmp_path / "a.h5", counts))  # genes only, as here
    listed = scanpy.read_10x_mtx(folder(tmp_path / "c", counts))
    with read_tenx(tmp_path / "a.h5", tmp_path) as ours:
        kept = [i for i, kind in enumerate(ours.features.types) if kind == "Gene Expression"]
        for other in (theirs, listed):
            assert list(other.obs_names) == ours.barcodes and list(other.var["gene_ids"]) == IDS
            np.testing.assert_array_equal(other.X.toarray(), ours.matrix[0:CELLS].toarray()[:, kept])


def break_h5(path, counts):
    h5_v3(path, counts)
    with h5py.File(path, "a") as f:
        del f["matrix/features/feature_type"]


def two_genomes(path, counts):
    h5_v2(path, counts)
    with h5py.File(path, "a") as f:
        f.copy("GRCh38", "mm10")


def only_tags(path, counts):
    h5_v3(path, counts)
    with h5py.File(path, "a") as f:
        f["matrix/features/feature_type"][:] = np.array(["Antibody Capture"] * (GENES + TAGS), "S")


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (break_h5, "no features/feature_type"),
        (two_genomes, "the genomes GRCh38, mm10"),
        (only_tags, "no gene among its features"),
    ],
)
def test_h5_files_that_are_refused(tmp_path, counts, write, words):
    write(tmp_path / "a.h5", counts)
    with pytest.raises(GdeError, match=words):
        made(tmp_path / "a.h5", table(tmp_path / "cells.csv"), tmp_path / "sets")
    assert not (tmp_path / "sets").exists()


def test_an_h5ad_file_is_told_its_kind(tmp_path, cells_h5ad):
    with pytest.raises(GdeError, match=r"dataset\.kind: h5ad"), read_tenx(cells_h5ad, tmp_path):
        pass


@pytest.mark.parametrize("missing", ["matrix.mtx.gz", "features.tsv.gz", "barcodes.tsv.gz"])
def test_folders_that_lack_a_file_name_it(tmp_path, counts, missing):
    path = folder(tmp_path / "c", counts)
    (path / missing).unlink()
    with pytest.raises(GdeError, match=f"{missing}: found no such file"):
        made(path, table(tmp_path / "cells.csv"), tmp_path / "sets")


def test_a_list_of_another_folder_is_seen(tmp_path, counts):
    path = folder(tmp_path / "d", counts, version=2)
    (path / "barcodes.tsv").write_text("\n".join(BARCODES[:-1]) + "\n")
    with pytest.raises(GdeError, match="as the lists beside it say"):
        made(path, table(tmp_path / "cells.csv"), tmp_path / "sets")


def test_a_cut_list_is_seen(tmp_path, counts):
    path = folder(tmp_path / "c", counts)
    file = path / "features.tsv.gz"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(GdeError, match="truncated or damaged"):
        made(path, table(tmp_path / "cells.csv"), tmp_path / "sets")


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252"])
def test_a_list_in_another_encoding_is_no_damaged_file(tmp_path, counts, encoding):
    path = folder(tmp_path / "c", counts)
    file = path / "features.tsv.gz"
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes()).decode().replace("G", "Gé").encode(encoding)))
    with pytest.raises(GdeError, match=r"found text .* UTF-.*save it as UTF-8"):
        made(path, table(tmp_path / "cells.csv"), tmp_path / "sets")


def test_barcodes_of_another_kind_are_shown_beside(tmp_path, counts):
    bare = [b.removesuffix("-1") for b in BARCODES]
    with pytest.raises(GdeError, match=r"barcodes like 'A00000', where the matrix has 'A00000-1'"):
        made(h5_v3(tmp_path / "a.h5", counts), table(tmp_path / "cells.csv", bare), tmp_path / "sets")


def test_a_barcode_twice_in_the_table_is_refused(tmp_path, counts):
    with pytest.raises(GdeError, match="rows 1 and 91, column barcode"):
        twice = table(tmp_path / "cells.csv", [*BARCODES, BARCODES[0]])
        made(h5_v3(tmp_path / "a.h5", counts), twice, tmp_path / "sets")
