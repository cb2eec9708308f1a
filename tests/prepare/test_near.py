"""Near copies share a split wherever sequences are split; where there are none, nothing changes."""

import numpy as np
import pandas as pd
import pytest

from gde.config.datasets.promoters import Gpra, MpraBins
from gde.config.datasets.proteins import FamilySplit, Pfam
from gde.config.datasets.sequences import Sequences, SequencesSplit
from gde.errors import GdeError
from gde.evaluate.sequences.near_copies import near_copies
from gde.evaluate.shared.context import Context
from gde.prepare import gpra, mpra_bins, pfam, sequences
from gde.sets.store.set_store import SetStore

RESIDUES = {"dna": "ACGT", "protein": "ACDEFGHIKLMNPQRSTVWY"}


def variants(families: int, copies: int, length: int, *, alphabet: str = "dna", changed: int = 3) -> list[list[str]]:
    """Sequences with copies of each, in which some residues differ, as native promoters of related genes have."""
    rng, residues, out = np.random.default_rng(0), np.array(list(RESIDUES[alphabet])), []
    for _ in range(families):
        first = rng.integers(len(residues), size=length)
        own = []
        for _ in range(copies):
            row = first.copy()
            row[rng.choice(length, changed, replace=False)] += rng.integers(1, len(residues), changed)
            own.append("".join(residues[row % len(residues)]))
        out.append(own)
    return out


def lines(path, families) -> str:
    value = np.random.default_rng(1)
    path.write_text("".join(f"{s}\t{value.normal():.3f}\n" for own in families for s in own))
    return str(path)


def gpra_store(tmp_path, families, identity):
    half = len(families) // 2
    files = {"a": lines(tmp_path / "a.txt", families), "b": lines(tmp_path / "b.txt", families[:half])}
    cfg = {"kind": "gpra", "files": files, "quantiles": 4, "top": 0, "length": 80, "split": {"identity": identity}}
    return gpra.prepare, Gpra.model_validate(cfg).model_dump()


def mpra_store(tmp_path, families, identity):
    rows = [(f"e{f}.{i}_F", s, 0.01 * f + i) for f, own in enumerate(families) for i, s in enumerate(own)]
    pd.DataFrame(rows, columns=["seq_id", "seq", "mean_value"]).to_csv(tmp_path / "a.tsv", sep="\t", index=False)
    cfg = {"kind": "mpra_bins", "path": str(tmp_path / "a.tsv"), "bins": 4, "split": {"identity": identity}}
    return mpra_bins.prepare, MpraBins.model_validate(cfg).model_dump()


def sequences_store(tmp_path, families, identity):
    rows = [(f"s{f}.{i}", s, "ab"[f % 2]) for f, own in enumerate(families) for i, s in enumerate(own)]
    (tmp_path / "a.fasta").write_text("".join(f">{name} donor={donor}\n{s}\n" for name, s, donor in rows))
    split = {"by": "sequence", "identity": identity}
    cfg = {"kind": "sequences", "path": str(tmp_path / "a.fasta"), "groupby": ["donor"], "fields": "key=value"}
    return sequences.prepare, Sequences.model_validate(cfg | {"split": split}).model_dump()


def pfam_store(tmp_path, families, identity):
    rows = [(f, i, s) for f, own in enumerate(families) for i, s in enumerate(own)]
    text = "".join(f">A{f}_{i}/1-80 A{f}.1 PF{f % 4:05d}.1;Name{f % 4};\n{s}\n" for f, i, s in rows)
    (tmp_path / "a.fasta").write_text(text)
    cfg = {"kind": "pfam", "path": str(tmp_path / "a.fasta"), "length": 80, "min_size": 8}
    split = {"by": "sequence", "identity": identity}
    return pfam.prepare, Pfam.model_validate(cfg | {"split": split}).model_dump()


KINDS = {"gpra": gpra_store, "mpra_bins": mpra_store, "sequences": sequences_store, "pfam": pfam_store}


def stored(kind: str, tmp_path, identity, *, copies: int = 4):
    families = variants(240 // copies, copies, 80, alphabet="protein" if kind == "pfam" else "dna")
    prepare, cfg = KINDS[kind](tmp_path, families, identity)
    prepare(cfg, tmp_path / "sets", name=kind, seed=0)
    return SetStore.open(tmp_path / "sets"), families


def splits(store) -> dict[str, set[str]]:
    """Sequence -> the splits that it is in."""
    out: dict[str, set[str]] = {}
    for g, split in enumerate(store.groups["split"]):
        for text in store.alphabet.decode(store.read(g)):
            out.setdefault(text, set()).add(split)
    return out


def share_near(store) -> float:
    """What the evaluation says of it."""
    found = near_copies(Context(None, store, {"evaluation": {"bootstrap": 10}}, 0))
    return found["split/near_copies"]["value"]


@pytest.mark.parametrize("kind", KINDS)
def test_near_copies_share_a_split(kind, tmp_path, caplog):
    caplog.set_level("INFO")
    store, families = stored(kind, tmp_path, 0.9)
    found = splits(store)
    for own in families:
        assert len(set().union(*(found[s] for s in own))) == 1
    assert store.meta["near_copies"] == {"sequences": 240, "with_near_copies": 240, "clusters": 60, "largest": 4}
    assert "240 of 240 different sequences agree with another at 90 %" in caplog.text
    assert share_near(store) == 0.0
    rows = {s: int(store.sizes[store.select(split=s)].sum()) for s in ("train", "validation", "test")}
    assert rows["train"] / sum(rows.values()) == pytest.approx(0.7, abs=0.15)  # a cluster's number is as random


@pytest.mark.parametrize("kind", KINDS)
def test_apart_they_are_in_several_and_the_metrics_say_so(kind, tmp_path):
    store, families = stored(kind, tmp_path, None)
    found = splits(store)
    assert sum(len(set().union(*(found[s] for s in own))) > 1 for own in families) > 30
    assert share_near(store) > 0.8


@pytest.mark.parametrize("kind", KINDS)
def test_without_near_copies_every_sequence_is_where_it_was(kind, tmp_path):
    (tmp_path / "on").mkdir()
    (tmp_path / "off").mkdir()
    on, off = (stored(kind, tmp_path / name, x, copies=1)[0] for name, x in (("on", 0.9), ("off", None)))
    assert splits(on) == splits(off)
    assert share_near(on) == 0.0


@pytest.mark.parametrize("kind", ["gpra", "mpra_bins", "sequences"])
def test_the_other_strand_is_a_copy(kind, tmp_path):
    """Every second copy is written backwards, as where elements were cloned either way round."""
    families = variants(60, 4, 80)
    turned = str.maketrans("ACGT", "TGCA")
    families = [[s.translate(turned)[::-1] if i % 2 else s for i, s in enumerate(own)] for own in families]
    prepare, cfg = KINDS[kind](tmp_path, families, 0.9)
    prepare(cfg, tmp_path / "sets", name=kind, seed=0)
    store = SetStore.open(tmp_path / "sets")
    found = splits(store)
    assert all(len(set().union(*(found[s] for s in own))) == 1 for own in families)
    assert share_near(store) == 0.0 and store.meta["near_copies"]["largest"] == 4


def test_orientations_and_near_copies_join():
    """Elements 1 and 2 are near on one strand, 2 and 3 on the other."""
    elements = ["e1", "e2", "e2", "e3", "e4"]
    assert mpra_bins.joined(elements, np.array([0, 0, 1, 1, 2])) == ["e1", "e1", "e1", "e1", "e4"]


@pytest.mark.parametrize("split", [FamilySplit, SequencesSplit])
def test_an_identity_that_does_nothing_is_refused(split):
    with pytest.raises(ValueError, match="no value with by: group"):
        split(by="group", identity=0.8)
    assert split(by="sequence", identity=0.8).identity == 0.8


def test_one_cluster_of_everything_is_refused_with_what_helps(tmp_path):
    families = variants(1, 200, 80)
    prepare, cfg = KINDS["gpra"](tmp_path, families * 2, 0.9)
    with pytest.raises(GdeError, match=r"raise split.identity"):
        prepare(cfg, tmp_path / "sets", name="gpra", seed=0)
    assert not (tmp_path / "sets").exists()
