"""Spike proteins become a token store: from GISAID's layout and from Nextstrain's, every record kept or counted."""

import gzip
import lzma
import re

import numpy as np
import pandas as pd
import pytest
from simulators.spike_files import write, write_gisaid, write_nextstrain
from simulators.spikes import simulate_epidemic

from gde.config.datasets.epidemic import Virus
from gde.errors import GdeError
from gde.prepare import virus_records
from gde.prepare.virus import prepare
from gde.prepare.virus_gisaid import standard
from gde.prepare.virus_keys import NO_DAY, Days, month_name, months_of
from gde.readers import fasta
from gde.sets.store.set_store import SetStore

EPIDEMIC = simulate_epidemic(months=4, countries=5, per_key=14, lineages=3)


def cfg(sequences, **options):
    options = {"source": "gisaid", "min_size": 3, **options}
    return Virus.model_validate({"kind": "virus", "sequences": str(sequences), **options}).model_dump()


def made(out, sequences, **options):
    prepare(cfg(sequences, **options), out, name="virus", seed=0)
    return SetStore.open(out)


def content(store):
    """(group, day, protein) of all samples, sorted."""
    rows = []
    for g, name in enumerate(store.groups["group"]):
        part = slice(store.starts[g], store.starts[g] + store.sizes[g])
        rows += zip(
            [name] * int(store.sizes[g]),
            store.field("day")[part].tolist(),
            store.alphabet.decode(store.read(g)),
            strict=True,
        )
    return sorted(rows)


def expected(kept: pd.DataFrame, min_size: int):
    name = kept["country"] + "|" + kept["month"]
    large = name.map(name.value_counts()) >= min_size
    return sorted(zip(name[large], kept["day"][large].astype(float), kept["protein"][large], strict=True))


@pytest.fixture(scope="module")
def gisaid(tmp_path_factory):
    path = tmp_path_factory.mktemp("gisaid") / "spikeprot.fasta"
    return path, write_gisaid(EPIDEMIC, path, defects=0.4)


@pytest.fixture(scope="module")
def nextstrain(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nextstrain")
    paths = folder / "aligned.fasta.zst", folder / "metadata.tsv.zst"
    few = simulate_epidemic(months=3, countries=4, per_key=12, lineages=3)
    return *paths, write_nextstrain(few, *paths, defects=0.4)


def check_counts(store, written):
    counted = store.meta["counted"]
    assert counted["records"] == written.records
    assert {k: n for k, n in counted["dropped"].items() if n} == dict(written.dropped)
    assert {k: n for k, n in counted["mended"].items() if n} == dict(written.mended)
    assert counted["kept"] == written.records - sum(written.dropped.values()) == len(written.kept)
    assert counted["kept"] == store.n_rows + store.meta["dropped_samples"]


def test_every_record_of_gisaid_is_kept_or_counted(gisaid, tmp_path, caplog):
    path, written = gisaid
    with caplog.at_level("INFO"):
        store = made(tmp_path / "sets", path)
    check_counts(store, written)
    assert content(store) == expected(written.kept, 3)
    assert len(written.dropped) == 11 and len(written.mended) == 4  # each kind of defect was there
    assert f"{written.dropped['date_partial']} left out: with a date without its day or month" in caplog.text


def test_every_record_of_nextstrain_is_kept_or_counted(nextstrain, tmp_path):
    sequences, metadata, written = nextstrain
    store = made(tmp_path / "sets", sequences, source="nextstrain", metadata=str(metadata))
    check_counts(store, written)
    assert content(store) == expected(written.kept, 3)
    assert len(written.dropped) >= 9


@pytest.mark.parametrize("ending", [".gz", ".xz", ".zst"])
def test_packed_files_give_the_same_store(gisaid, tmp_path, ending):
    path, _ = gisaid
    packed = tmp_path / f"spikeprot.fasta{ending}"
    write(packed, path.read_bytes())
    assert content(made(tmp_path / "sets", packed)) == content(made(tmp_path / "plain", path))


@pytest.mark.parametrize("size", [1500, 20_000, 1 << 22])
def test_blocks_do_not_matter(gisaid, tmp_path, monkeypatch, size):
    reference = made(tmp_path / "reference", gisaid[0])
    smaller = {**fasta.fasta_blocks.__kwdefaults__, "size": size}
    monkeypatch.setattr(fasta.fasta_blocks, "__kwdefaults__", smaller)
    monkeypatch.setattr(virus_records, "ROWS", 17)
    monkeypatch.setattr(virus_records, "HELD", 5)
    assert made(tmp_path / "sets", gisaid[0]).digest == reference.digest


def test_groups_tell_when_and_where(gisaid, tmp_path):
    store = made(tmp_path / "sets", gisaid[0], last_months=1)
    groups = store.groups
    assert (groups["group"] == groups["country"] + "|" + groups["month"]).all()
    assert groups["month_index"].tolist() == [float(EPIDEMIC.months.index(m)) for m in groups["month"]]
    assert (groups["n"] == store.sizes).all() and store.sizes.min() >= 3
    future = groups["month"] == EPIDEMIC.months[-1]
    assert (groups["era"] == np.where(future, "future", "past")).all() and future.any()
    assert set(groups.loc[future, "split"]) == {"test"}
    assert set(groups.loc[~future, "split"]) == {"train", "validation", "test"}
    day = store.field("day")
    for g in range(len(groups)):
        own = day[store.starts[g] : store.starts[g] + store.sizes[g]].astype(int)
        assert {month_name(m) for m in months_of(own)} == {groups["month"][g]}


def test_months_alone_and_samples_apart(gisaid, tmp_path):
    path, written = gisaid
    store = made(tmp_path / "sets", path, groupby=["month"], split={"by": "sample"}, last_months=1)
    assert "country" not in store.groups and set(store.groups["group"]) == set(EPIDEMIC.months)
    assert store.n_rows == len(written.kept)
    parts = store.groups.groupby("group")["split"].agg(set)
    assert all(parts[m] == {"train", "validation", "test"} for m in EPIDEMIC.months[:-1])
    assert parts[EPIDEMIC.months[-1]] == {"test"}


def test_hosts_are_chosen(tmp_path):
    write_gisaid(EPIDEMIC, tmp_path / "a.fasta", defects=0.0)
    text = (tmp_path / "a.fasta").read_text()
    for host in ("Mink", "human", "Environment"):
        text = text.replace("|Human|", f"|{host}|", 20)
    (tmp_path / "a.fasta").write_text(text)
    store = made(tmp_path / "sets", tmp_path / "a.fasta", hosts=["Human"])
    assert store.meta["counted"]["dropped"]["host"] == 40
    assert store.meta["counted"]["kept"] == len(EPIDEMIC.records) - 40


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("Spike|h/A/1|2020-03-05|EPI_ISL_1|O|h^^x|Human|l|m|s|USA", ("2020-03-05", "EPI_ISL_1", "Human", "USA")),
        ("Spike|h/A|b/1|2020-03-05|EPI_ISL_1|O|h^^x|Human|l|m|s|USA", ("2020-03-05", "EPI_ISL_1", "Human", "USA")),
        ("Spike|h/A/1|2020|2020-03-05|EPI_ISL_1|O|h^^x|Human|l|m|s|USA", ("2020-03-05", "EPI_ISL_1", "Human", "USA")),
        ("Spike|h/A/1|2020-03-05|EPI_ISL_1|O|h^^x|Human|l|l|m|m|s|USA|", ("2020-03-05", "EPI_ISL_1", "Human", "USA")),
        ("Spike|h/A/1|2020|EPI_ISL_1|USA", ("2020", "EPI_ISL_1", "", "USA")),
    ],
)
def test_headers_are_read_from_both_ends(header, found):
    fields = [f.decode() for f in standard(header.encode().split(b"|"))]
    assert (fields[2], fields[3], fields[6], fields[-1]) == found


@pytest.mark.parametrize(
    "moved",
    ["EPI_ISL_1||O|h^^x", "EPI_ISL_1|O|r|h^^x", "EPI_ISL_1|O|h^^x|y", "EPI_ISL_1|O|h^^x| y|z", "EPI_ISL_1|O|h^^x"],
)
@pytest.mark.parametrize("laboratory", ["l", "l|of|it"])
@pytest.mark.parametrize("host", ["Human", "human", "Mink"])
def test_a_stray_bar_behind_the_id_does_not_move_the_host(moved, laboratory, host):
    header = f"Spike|h/A/1|2020-03-05|{moved}|{host}|{laboratory}|m|s|USA"
    fields = standard(header.encode().split(b"|"), {b"human", b"mink"})
    assert (fields[3], fields[6], fields[-1]) == (b"EPI_ISL_1", host.encode(), b"USA")


def test_a_host_with_a_moved_field_is_kept(tmp_path):
    write_gisaid(EPIDEMIC, tmp_path / "a.fasta", defects=0.0)
    text = (tmp_path / "a.fasta").read_text()
    text = text.replace("|Original|", "|Ori|ginal|", 30).replace("|Human|", "|Mink|", 10)
    (tmp_path / "a.fasta").write_text(text)
    counted = made(tmp_path / "sets", tmp_path / "a.fasta", hosts=["Human"]).meta["counted"]
    assert counted["dropped"]["host"] == 10 and counted["kept"] == len(EPIDEMIC.records) - 10
    assert counted["mended"]["stray_bars"] == 20


@pytest.mark.parametrize("header", ["Spike", "Spike|a|b", "Spike|a|unknown|EPI_ISL_1|O|USA|b|c|d|e|f|g", "|||"])
def test_headers_that_cannot_be_read_are_told(header):
    assert not any(standard(header.encode().split(b"|")))


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("2019-12-01", 0),
        ("2020-02-29", 90),
        ("2020-3-5", 95),
        ("2021-02-29", "date_wrong"),
        ("2019-11-30", "date_wrong"),
        ("2020", "date_partial"),
        ("2020-03", "date_partial"),
        ("2020-00-00", "date_partial"),
        ("2020-03-00", "date_partial"),
        ("2020-03-XX", "date_partial"),
        ("20200305", "date_wrong"),
        ("05/03/2020", "date_wrong"),
        ("unknown", "date_wrong"),
        ("", "date_wrong"),
    ],
)
def test_dates(written, day):
    found = Days()[written.encode()]
    assert (found if found >= 0 else NO_DAY[-1 - found]) == day


def damaged(path, change):
    path.write_bytes(change(path.read_bytes()))


FASTA = b">Spike|h/A/1|2020-03-05|EPI_ISL_1|O|h^^x|Human|l|m|s|USA\n" + b"ACDEFGHIKL" * 127 + b"*\n"
BROKEN = {
    "cut in the residues": ("a.fasta", FASTA * 3 + FASTA[:-50], "a last line without an end.*the file was cut"),
    "cut behind a header": ("a.fasta", FASTA * 3 + FASTA.split(b"\n")[0] + b"\n", r"record 4 \(Spike.*no residues"),
    "empty": ("a.fasta", b"", "an empty file"),
    "a page": ("a.fasta", b"<!DOCTYPE html><html>log in</html>\n", "an HTML page"),
    "no header": ("a.fasta", b"ACDEF\n" + FASTA, "line 1: found 'ACDEF', expected a header"),
    "gz that is none": ("a.fasta.gz", FASTA, "found text, expected a gzip file"),
    "gz that is cut": ("a.fasta.gz", gzip.compress(FASTA * 99)[:-9], "a damaged or cut gzip file"),
    "xz that is cut": ("a.fasta.xz", lzma.compress(FASTA * 99)[:-9], "a damaged or cut xz file"),
    "zst that is another": ("a.fasta.zst", gzip.compress(FASTA), "found a gzip file, expected a zstd file"),
    "other headers": (
        "a.fasta",
        b">sp|P0DTC2 Spike\n" + b"ACDEFGHIKL\n" * 127,
        r"the fields of a header \(the first: record 1, 'sp\|P0DTC2 Spike'\).*the file that dataset.source says",
    ),
    "all too few": ("a.fasta", FASTA * 2, r"1 of a name that was there before\): found no group of 3 or more spikes"),
}


@pytest.mark.parametrize(("name", "content", "message"), BROKEN.values(), ids=BROKEN)
def test_what_is_wrong_with_a_file_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(GdeError, match=message) as error:
        made(tmp_path / "sets", tmp_path / name)
    assert "\n" not in str(error.value) and name in str(error.value)
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_zst_that_is_cut_is_named(gisaid, tmp_path):
    write(tmp_path / "a.fasta.zst", gisaid[0].read_bytes())
    damaged(tmp_path / "a.fasta.zst", lambda b: b[:-30])
    with pytest.raises(GdeError, match="a damaged or cut zstd file"):
        made(tmp_path / "sets", tmp_path / "a.fasta.zst")


TABLES = {
    "no column": (lambda t: t.replace(b"country", b"land"), r"columns: found no 'country'"),
    "twice": (lambda t: t.replace(b"region", b"date"), "the column 'date' twice"),
    "a short row": (lambda t: t + b"a\tb\n", r"row [0-9]+: found 2 fields, expected 7"),
    "a carriage return": (
        lambda t: t.replace(b"ncov", b"nc\rov", 3),
        "found a carriage return within a row",
    ),
    "cut": (lambda t: t[:-4], "a last line without an end"),
    "no rows": (lambda t: t.split(b"\n")[0] + b"\n", "no row below the header"),
}


@pytest.mark.parametrize(("change", "message"), TABLES.values(), ids=TABLES)
def test_what_is_wrong_with_metadata_is_named(nextstrain, tmp_path, change, message):
    import pyarrow as pa

    table = pa.CompressedInputStream(str(nextstrain[1]), "zstd").read()
    (tmp_path / "metadata.tsv").write_bytes(change(table))
    with pytest.raises(GdeError, match=message):
        made(tmp_path / "sets", nextstrain[0], source="nextstrain", metadata=str(tmp_path / "metadata.tsv"))


def test_genomes_that_are_not_aligned_are_refused(nextstrain, tmp_path):
    (tmp_path / "sequences.fasta").write_bytes(b">A/1\n" + b"ACGT" * 7000 + b"\n")
    with pytest.raises(GdeError, match=r"record 1 \(A/1\): found a genome of 28000 residues, expected 29903"):
        made(tmp_path / "sets", tmp_path / "sequences.fasta", source="nextstrain", metadata=str(nextstrain[1]))


def test_the_excerpt_has_its_keys_and_its_sweep(excerpt, tmp_path):
    path = excerpt("spike") / "spikeprot0430.fasta"
    store = made(tmp_path / "sets", path, min_size=16, split={"by": "sample"})  # three groups are too few to split
    sizes = store.groups["group"].to_frame().assign(n=store.sizes).groupby("group")["n"].sum().to_dict()
    assert sizes == {"USA|2020-03": 130, "Australia|2020-03": 52, "USA|2020-04": 43}
    assert store.meta["data"] == "excerpt" and store.meta["counted"]["kept"] == 291
    months = made(tmp_path / "months", path, groupby=["month"], min_size=3, split={"by": "sample"})
    share = {}
    for month in sorted(set(months.groups["month"])):
        own = [
            t for g in np.flatnonzero(months.groups["month"] == month) for t in months.alphabet.decode(months.read(g))
        ]
        site = [t[613] for t in own if t[613] != "X"]
        share[month] = np.mean([residue == "G" for residue in site])
    told = [0, 0.18, 0.25, 0.62, 0.76]  # by the excerpt's README, for December 2019 to April 2020
    np.testing.assert_allclose(list(share.values())[:5], told, atol=0.05)


def test_the_simulated_epidemic_sweeps():
    """Lineages replace each other in every country, later ones have the mutations of those before, shares are true."""
    epidemic = simulate_epidemic(months=12, countries=6, per_key=40)
    frequency = epidemic.frequency("D614G")
    assert frequency.iloc[0] == 0 and frequency.iloc[-1] > 0.97 and epidemic.share.shape == (6, 12, 6)
    own = epidemic.lineages.set_index("name")
    for name, parent in own["parent"].dropna().items():
        assert set(own["mutations"][parent]) < set(own["mutations"][name])
    late = epidemic.records[epidemic.records["month"] == epidemic.months[-1]]
    large = late[late["country"] != epidemic.countries[3]]  # a small one
    found = [(large["lineage"] == name).mean() for name in own.index]
    told = epidemic.share[[0, 1, 2, 4, 5], -1].mean(0)
    np.testing.assert_allclose(found, told, atol=4 * 0.5 / len(large) ** 0.5 + 0.05)


def test_names_of_reasons_are_told_apart():
    from gde.prepare import virus_gisaid, virus_keys, virus_nextstrain
    from gde.prepare import virus_spikes as spikes

    for layout in (virus_gisaid, virus_nextstrain):
        parts = (virus_keys.DROPPED, layout.DROPPED, spikes.DROPPED, virus_records.DROPPED)
        names = [name for part in parts for name in part]
        assert len(names) == len(set(names)) and all(re.fullmatch("[a-z_]+", name) for name in names)
