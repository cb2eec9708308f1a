"""Protein families: which are kept, what is held out, and headers and files that are refused."""

import gzip
from pathlib import Path

import pytest
from prepare_data import refused
from simulators.families import simulate_families

from gde.config.datasets.proteins import Pfam
from gde.prepare.pfam import prepare
from gde.sets.store.set_store import SetStore


def cfg(path, **changes) -> dict:
    own = {"kind": "pfam", "path": str(path), "length": 64, "min_size": 8}
    return Pfam.model_validate(own | changes).model_dump()


def stored(tmp_path, path, **changes) -> SetStore:
    prepare(cfg(path, **changes), tmp_path / "sets" / "mine", name="pfam", seed=0)
    return SetStore.open(tmp_path / "sets" / "mine")


@pytest.fixture(scope="module")
def pfam(tmp_path_factory) -> tuple[Path, dict[str, list[str]]]:
    path = tmp_path_factory.mktemp("pfam") / "Pfam-A.fasta.gz"
    return path, simulate_families(path, families=20, domains=30, length=60, other_residues=0.1)


def test_whole_families_are_held_out(tmp_path, pfam):
    path, truth = pfam
    store = stored(tmp_path, path)
    assert len(store) == 20 and not store.groups["group"].duplicated().any()
    assert store.groups["split"].value_counts().to_dict() == {"train": 14, "test": 4, "validation": 2}
    assert store.groups.set_index("family").loc["Family_3", "accession"] == "PF00004"
    for g, name in enumerate(store.groups["group"]):
        kept = ["".join("X" if c in "BZJUO" else c for c in s)[:64] for s in truth[name]]
        assert sorted(store.alphabet.decode(store.read(g))) == sorted(kept)
    counted = store.meta["counted"]
    assert counted["records"] == 600 and counted["families"] == 20 and counted["with_other_residues"] > 20
    assert counted["cut"] == sum(len(s) > 64 for own in truth.values() for s in own)


def test_sequences_are_held_out_and_equal_ones_stay_together(tmp_path, pfam):
    store = stored(tmp_path, pfam[0], split={"by": "sequence"})
    assert store.groups["group"].nunique() == 20
    split = {}
    for g in range(len(store)):
        for text in store.alphabet.decode(store.read(g)):
            assert split.setdefault(text, store.groups["split"][g]) == store.groups["split"][g]
    assert store.sizes[store.select(split="train")].sum() == pytest.approx(420, abs=50)


def test_large_families_are_thinned_and_small_ones_left_out(tmp_path, pfam):
    mixed = tmp_path / "mixed.fasta.gz"
    few = simulate_families(tmp_path / "few.fasta.gz", families=5, domains=4, seed=9)
    text = (
        gzip.decompress((tmp_path / "few.fasta.gz").read_bytes()).replace(b"Family_", b"Few_").replace(b"PF0", b"PF9")
    )
    mixed.write_bytes(pfam[0].read_bytes() + gzip.compress(text))
    store = stored(tmp_path, mixed, max_size=10)
    assert len(few) == 5 and store.meta["dropped_groups"] == 5 and store.meta["dropped_samples"] == 20
    assert (store.groups["domains"] == 30).all()
    assert store.n_rows == pytest.approx(200, abs=50) and store.sizes.max() <= 20
    assert not store.groups["group"].str.startswith("Few").any()


def test_as_many_families_as_wanted_whatever_their_order(tmp_path, pfam):
    records = gzip.decompress(pfam[0].read_bytes()).decode().split(">")[1:]
    (tmp_path / "back.fasta").write_text("".join(f">{r}" for r in records[::-1]))
    a = stored(tmp_path / "a", pfam[0], families=6)
    b = stored(tmp_path / "b", tmp_path / "back.fasta", families=6)
    assert len(a) == 6 and dict(zip(a.groups["group"], a.groups["split"], strict=True)) == dict(
        zip(b.groups["group"], b.groups["split"], strict=True)
    )


GOOD = ">A/1-4 A.1 PF00001.2;Seven;\nACDE\n"


@pytest.mark.parametrize(
    "text, parts",
    [
        (GOOD + ">B/1-4 B.1\nACDE\n", ["record 2", "'B/1-4 B.1'"]),
        (GOOD + ">B/1-4 B.1 PF00001.2;Eight;\nACDE\n", ["record 2", "PF00001 called 'Eight'", "'Seven' as before"]),
        (GOOD + ">B/1-4 B.1 PF00002.2;Seven;\nACDE\n", ["record 2", "'Seven' under PF00002", "PF00001 as before"]),
        (
            GOOD * 8 + ">B/1-4 B.1 PF00002.2;B;\nAC4E\n" * 8 + GOOD.replace("PF00001.2;Seven", "PF00003.1;C") * 8,
            ["record 9", "'4' at position 3"],
        ),
        (GOOD + ">B/1-4 B.1 PF00001.2;Seven;\nACD", ["the file was cut"]),
        (GOOD + ">B/1-4 B.1 PF00001.2;Seven;\n", ["record 2", "no residues"]),
        (GOOD, ["0 families of 8 domains or more (largest: 1)", "lower dataset.min_size"]),
        ("<!DOCTYPE html><html></html>\n", ["an HTML page"]),
        ("", ["an empty file"]),
    ],
)
def test_broken_files_are_refused_in_one_line(tmp_path, text, parts):
    path = tmp_path / "in" / "Pfam-A.fasta"
    path.parent.mkdir()
    path.write_text(text)
    with refused(tmp_path / "sets" / "mine", "Pfam-A.fasta", *parts):
        prepare(cfg(path), tmp_path / "sets" / "mine", name="pfam", seed=0)


def test_cut_and_false_gzip_are_refused(tmp_path, pfam):
    path = tmp_path / "in" / "Pfam-A.fasta.gz"
    path.parent.mkdir()
    for content, part in ((pfam[0].read_bytes()[:-40], "a damaged or cut gzip file"), (GOOD.encode(), "text")):
        path.write_bytes(content)
        with refused(tmp_path / "sets" / "mine", "Pfam-A.fasta.gz", part):
            prepare(cfg(path), tmp_path / "sets" / "mine", name="pfam", seed=0)
