"""Reporter assays: elements in bins of activity, both orientations in one split; barcodes of an element as numbers."""

import gzip

import numpy as np
import pandas as pd
import pytest
from prepare_data import refused

from gde.config.datasets.promoters import MpraBarcodes, MpraBins
from gde.errors import GdeError
from gde.prepare import mpra_barcodes, mpra_bins
from gde.prepare.mpra_bins import element
from gde.sets.store.set_store import SetStore

COMPLEMENT = str.maketrans("ACGT", "TGCA")


def elements(n: int = 150, seed: int = 0) -> pd.DataFrame:
    """n elements of 20 to 30 residues in both orientations, with correlated activities."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        sequence, activity = "".join(rng.choice(list("ACGT"), rng.integers(20, 31))), rng.normal()
        rows.append((f"e{i}_F", sequence, round(activity + 0.1 * rng.normal(), 3)))
        rows.append((f"e{i}_Reversed:", sequence.translate(COMPLEMENT)[::-1], round(activity + 0.1 * rng.normal(), 3)))
    return pd.DataFrame(rows, columns=["seq_id", "seq", "mean_value"]).sample(frac=1, random_state=seed)


def bins_cfg(path, **changes) -> dict:
    return MpraBins.model_validate(
        {"kind": "mpra_bins", "path": str(path), "length": 30, "bins": 6, **changes}
    ).model_dump()


def bins_of(table: pd.DataFrame, here, out, **changes) -> SetStore:
    path = here / "elements.tsv"
    table.to_csv(path, sep="\t", index=False)
    mpra_bins.prepare(bins_cfg(path, **changes), out, name="mpra", seed=0)
    return SetStore.open(out)


def placed(store: SetStore) -> dict[str, tuple[int, str]]:
    return {
        sequence: (row["bin"], row["split"])
        for g, row in store.groups.iterrows()
        for sequence in store.alphabet.decode(store.read(g))
    }


def test_bins_are_equally_large_and_in_the_order_of_activity(tmp_path):
    table = elements()
    store = bins_of(table, tmp_path, tmp_path / "sets")
    found = placed(store)
    assert len(found) == len(table) == store.sizes.sum()
    own = table.assign(bin=[found[s][0] for s in table["seq"]])
    assert own.groupby("bin").size().tolist() == [50] * 6
    ends = own.groupby("bin")["mean_value"].agg(["min", "max"])
    assert (ends["max"].to_numpy()[:-1] <= ends["min"].to_numpy()[1:]).all()
    value = dict(zip(table["seq"], table["mean_value"], strict=True))
    for g, row in store.groups.iterrows():
        stored = store.field("expression")[row["start"] : row["stop"]]
        np.testing.assert_allclose(stored, [value[s] for s in store.alphabet.decode(store.read(g))], rtol=1e-6)
        assert row["activity"] == pytest.approx(stored.mean(), abs=1e-5)


def test_both_orientations_are_in_one_split(tmp_path):
    table = elements()
    found = placed(bins_of(table, tmp_path, tmp_path / "sets"))
    splits = pd.DataFrame(
        {"element": table["seq_id"].str.split("_").str[0], "split": [found[s][1] for s in table["seq"]]}
    )
    assert splits.groupby("element")["split"].nunique().max() == 1
    assert splits["split"].value_counts(normalize=True)["train"] == pytest.approx(0.7, abs=0.02)
    for identity, most in ((0.9, 1), (None, 2)):  # without suffixes copies on the other strand tell, or chance
        out = tmp_path / f"apart-{identity}"
        apart = placed(bins_of(table, tmp_path, out, orientations=[], split={"identity": identity}))
        splits["split"] = [apart[s][1] for s in table["seq"]]
        assert splits.groupby("element")["split"].nunique().max() == most


def test_a_suffix_is_taken_off_once():
    suffixes = ["_F", "_Reversed:"]
    names = ["a_F", "a_Reversed:", "a_shuffled_0", "_F", "a_F_F"]
    assert [element(n, suffixes) for n in names] == ["a", "a", "a_shuffled_0", "_F", "a_F"]


def test_rows_that_come_again_count_once_and_others_of_the_name_are_refused(tmp_path):
    table = elements()
    store = bins_of(pd.concat([table, table.iloc[:7]]), tmp_path, tmp_path / "sets")
    assert store.sizes.sum() == len(table) and store.meta["repeated_rows"] == 7
    other = table.iloc[:1].assign(mean_value=9.0)
    with refused(tmp_path / "b" / "sets", "row 301", "again, with another sequence or activity"):
        bins_of(pd.concat([table, other]), tmp_path, tmp_path / "b" / "sets")


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("seq", "ACGU", "'U' at position 4"),
        ("seq", "A" * 31, "31 residues, expected 1 to 30"),
        ("seq", "", "0 residues, expected 1 to 30"),
        ("mean_value", "high", "column mean_value: found 'high'"),
        ("mean_value", "nan", "column mean_value: found 'nan'"),
    ],
)
def test_bad_cells_are_named(tmp_path, column, value, message):
    table = elements().astype({"mean_value": object})
    table.iloc[4, table.columns.get_loc(column)] = value
    with refused(tmp_path / "b" / "sets", "row 5", message):
        bins_of(table, tmp_path, tmp_path / "b" / "sets")


def test_other_columns_can_be_named_and_missing_ones_are(tmp_path):
    table = elements().rename(columns={"seq": "sequence"})
    store = bins_of(table, tmp_path, tmp_path / "sets", columns={"sequence": "sequence"})
    assert store.sizes.sum() == 300
    with refused(tmp_path / "b" / "sets", "'seq'"):
        bins_of(table, tmp_path, tmp_path / "b" / "sets")


def barcodes(oligos: int = 20, each: int = 30, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Counts of barcodes in two replicates, the second twice as deep; half of the cells are not seen. Activities."""
    rng = np.random.default_rng(seed)
    activity = rng.normal(0, 2, oligos)
    oligo = np.repeat(np.arange(oligos), each)
    table = {"barcode": [f"B{i}" for i in range(len(oligo))], "oligo_name": [f"o{o}" for o in oligo]}
    for r, depth in ((1, 50), (2, 100)):
        dna = rng.poisson(depth, len(oligo)) + 1
        rna = rng.poisson(dna * 2.0 ** activity[oligo]) + 1
        seen = rng.random(len(oligo)) < 0.5
        table[f"dna_count_{r}"] = np.where(seen, dna.astype(object), "")
        table[f"rna_count_{r}"] = np.where(seen, rna.astype(object), "")
    return pd.DataFrame(table), activity


def barcodes_of(table: pd.DataFrame, here, out, **changes) -> SetStore:
    path = here / "barcodes.tsv.gz"
    path.write_bytes(gzip.compress(table.to_csv(sep="\t", index=False).encode()))
    columns = {"dna": ["dna_count_1", "dna_count_2"], "rna": ["rna_count_1", "rna_count_2"]}
    given = {"kind": "mpra_barcodes", "path": str(path), "columns": columns, "min_size": 5, "scale": False, **changes}
    mpra_barcodes.prepare(MpraBarcodes.model_validate(given).model_dump(), out, name="barcodes", seed=0)
    return SetStore.open(out)


def test_every_seen_barcode_is_a_number_of_its_element(tmp_path):
    table, activity = barcodes()
    store = barcodes_of(table, tmp_path, tmp_path / "sets")
    seen = (table[["dna_count_1", "dna_count_2"]] != "").to_numpy()
    assert len(store.x) == seen.sum() and store.meta["dim"] == 1
    assert set(zip(store.samples["barcode"], store.samples["replicate"], strict=True)) == {
        (table["barcode"].iloc[i], r + 1) for i, r in zip(*np.nonzero(seen), strict=True)
    }
    mean = [store.read(g).mean() for g in range(len(store))]
    truth = [activity[int(o[1:])] for o in store.groups["oligo"]]
    assert np.corrcoef(mean, truth)[0, 1] > 0.99
    depth = [store.x[(store.samples["replicate"] == r).to_numpy()].mean() for r in (1, 2)]
    assert depth[0] == pytest.approx(depth[1], abs=0.3)  # counts are shares of their replicate's


@pytest.mark.parametrize("word", ["NA", "nan", "<NA>"])
def test_a_missing_count_that_was_spelled_out_is_an_empty_cell(tmp_path, word):
    table, _ = barcodes()
    assert (table == "").any(axis=None)
    stores = [barcodes_of(t, tmp_path, tmp_path / n) for n, t in (("e", table), ("w", table.replace("", word)))]
    np.testing.assert_array_equal(stores[0].x, stores[1].x)


def test_remedies_are_for_this_kind(tmp_path):
    table, _ = barcodes()
    table.loc[3, "rna_count_2"] = "many"
    with pytest.raises(GdeError, match=r"correct the cell, or take the row out$"):
        barcodes_of(table, tmp_path, tmp_path / "b" / "sets")


def test_replicates_together_need_all_of_them(tmp_path):
    table, _ = barcodes()
    store = barcodes_of(table, tmp_path, tmp_path / "sets", replicates="together", min_size=3)
    both = (table[["dna_count_1", "dna_count_2"]] != "").all(axis=1)
    assert len(store.x) + store.meta["dropped_samples"] == both.sum() and store.meta["dim"] == 2
    a, b = np.asarray(store.x).T
    assert np.corrcoef(a, b)[0, 1] > 0.9


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("-1", "found -1, expected a whole number"),
        ("1.5", "found 1.5"),
        ("72.9999999", "found 72.9999999, expected a whole number"),
        ("many", "found 'many'"),
    ],
)
def test_bad_counts_are_named(tmp_path, value, message):
    table, _ = barcodes()
    table.loc[3, "rna_count_2"] = value
    with refused(tmp_path / "b" / "sets", "row 4, column rna_count_2", message):
        barcodes_of(table, tmp_path, tmp_path / "b" / "sets")


def test_real_assays(excerpt, tmp_path):
    folder = excerpt("mpra")
    cfg = bins_cfg(folder / "K562_clean.tsv", length=230, bins=20)
    mpra_bins.prepare(cfg, tmp_path / "bins", name="mpra", seed=0)
    store = SetStore.open(tmp_path / "bins")
    assert store.sizes.sum() == 1988 and store.meta["repeated_rows"] == 12 and store.meta["data"] == "excerpt"
    path = folder / "reporter_experiment_barcode.input.tsv.gz"
    cfg = MpraBarcodes(kind="mpra_barcodes", path=str(path)).model_dump()
    mpra_barcodes.prepare(cfg, tmp_path / "barcodes", name="barcodes", seed=0)
    store = SetStore.open(tmp_path / "barcodes")
    assert len(store) > 300 and np.isfinite(store.x).all() and store.sizes.min() >= 20
