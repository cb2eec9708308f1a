"""A set store from a user's sequences: FASTA, FASTQ, CSV or TSV, with groups and labels in columns or headers."""

from pathlib import Path

import numpy as np
import pandas as pd

from gde.errors import bad
from gde.files.io import storage_errors
from gde.prepare.common.groups import assign, columns_needed
from gde.prepare.common.hashing import sequence_hash
from gde.prepare.common.near import Sample, stacked, together
from gde.prepare.common.sequence_tokens import Encoder, weights
from gde.prepare.common.write import KNOWN, source_of
from gde.readers.sequence_files import SequenceFile
from gde.sets.store.token_writer import TokenStoreWriter
from gde.sets.types.alphabet import ALPHABETS, lengths

SEQUENCE = "sequence"  # split.by: equal sequences and near copies stay together


def prepare(cfg: dict, out: Path, *, name: str, seed: int, provenance: dict | None = None) -> None:
    """Write the store of dataset `name` at `out` from the file cfg['path'] (kind sequences), read twice.

    groups : groupby columns and labels. Memory: some tens of bytes for every sequence, none for its residues.
    GdeError names file, record, and what was found, and leaves nothing behind.
    """
    out, path = Path(out), Path(cfg["path"]).expanduser()
    with storage_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    needed = [c for c in columns_needed(cfg) if c != SEQUENCE]
    file = SequenceFile(
        path,
        [*needed, *([cfg["weight"]] if cfg["weight"] else [])],
        fields=cfg["fields"],
        sequence=cfg["sequence"],
        name=cfg["name"],
    )
    found = Survey(cfg, file, needed)
    near = found.keep_together(cfg, file)
    assignment = assign(found.table, cfg, str(path), found.names)
    options = {"length": found.length, "too_long": cfg["too_long"], "other_residues": cfg["other_residues"]}
    encoder = Encoder(ALPHABETS[cfg["alphabet"]], **options)
    fields = {"weight": "float32"} if cfg["weight"] else {}
    with TokenStoreWriter(out, alphabet=cfg["alphabet"], length=found.length, seed=seed, fields=fields) as writer:
        start = 0
        for records in file.chunks():
            tokens, kept = encoder.encode(records, file)
            code = assignment.row[start : start + len(tokens)]
            if len(code) < len(tokens):
                break
            start += len(tokens)
            stored = code >= 0
            numbers = {"weight": weights(records, file, cfg["weight"])[kept][stored]} if cfg["weight"] else {}
            writer.write(tokens[stored], code[stored], **numbers)
        if start != len(assignment.row):
            remedy = "leave it as it is while it is read"
            raise bad(path, "another number of records than a moment ago", "the same file", remedy)
        meta = {
            "name": name,
            "kind": cfg["kind"],
            "data": KNOWN.get((source := source_of(path))["sha256"], "user"),
            "source": source,
            "units": "tokens",
            "groupby": list(cfg["groupby"]),
            "labels": list(cfg["labels"]),
            "near_copies": near,
            "counted": {"records": found.records, "repeated_names": found.repeated, **encoder.counted},
            **assignment.meta(),
        }
        writer.finish(assignment.groups.drop(columns="size"), meta, provenance=provenance)


def examine(cfg: dict) -> None:
    """GdeError for what a first pass over the sequences tells."""
    path, needed = Path(cfg["path"]).expanduser(), [c for c in columns_needed(cfg) if c != SEQUENCE]
    wanted = [*needed, *([cfg["weight"]] if cfg["weight"] else [])]
    file = SequenceFile(path, wanted, fields=cfg["fields"], sequence=cfg["sequence"], name=cfg["name"])
    found = Survey(cfg, file, needed)
    assign(found.table, cfg, str(path), found.names)


class Survey:
    """What a first pass over the file finds, all of it checked: columns and names of the records that are kept, the
    greatest length, and how many there are."""

    def __init__(self, cfg: dict, file: SequenceFile, needed: list[str]):
        encoder = Encoder(ALPHABETS[cfg["alphabet"]], cfg["length"], cfg["too_long"], cfg["other_residues"])
        by_sequence = cfg["split"]["by"] == SEQUENCE
        columns: dict[str, list] = {column: [] for column in needed}
        names, hashes = [], []
        self._sample = Sample(cfg["split"]["identity"] if by_sequence else None, ALPHABETS[cfg["alphabet"]])
        known: dict[str, str] = {}  # one object for each value, however often it stands in the file
        self.records, longest = 0, 0
        for records in file.chunks():
            tokens, kept = encoder.encode(records, file)
            self.records += len(records)
            if cfg["weight"]:
                weights(records, file, cfg["weight"])
            if not len(tokens):
                continue
            longest = max(longest, int(lengths(tokens).max()))
            for column, values in columns.items():
                values += [known.setdefault(v, v) for v, k in zip(records.columns[column], kept, strict=True) if k]
            names += [n for n, k in zip(records.names, kept, strict=True) if k]
            if by_sequence:
                hashes.append(sequence_hash(tokens, cfg["split"]["seed"]))
                self._sample.add(tokens, hashes[-1])
        if not names:
            found = f"{self.records} sequences of more than {cfg['length']} residues"
            raise bad(file.path, found, "shorter ones", "raise dataset.length, or set dataset.too_long: cut")
        self.length = cfg["length"] or longest
        self.table = pd.DataFrame(columns)
        if by_sequence:
            self.table[SEQUENCE] = np.concatenate(hashes).astype(str)
        self.names = names
        self.repeated = self._check_names(cfg, file)

    def keep_together(self, cfg: dict, file: SequenceFile) -> dict[str, int] | None:
        """Where near copies are to share a split, and a sample has some: read all sequences once more, and change what
        the split goes by. How many there are, else None. Their tokens are in memory meanwhile."""
        if not self._sample.near():
            return None
        identity, seed = cfg["split"]["identity"], cfg["split"]["seed"]
        encoder = Encoder(ALPHABETS[cfg["alphabet"]], self.length, cfg["too_long"], cfg["other_residues"])
        tokens = stacked(encoder.encode(records, file)[0] for records in file.chunks())
        hashes = sequence_hash(tokens, seed)
        near = together(tokens, hashes, identity, ALPHABETS[cfg["alphabet"]], seed)
        near.tell(file.path, identity)
        if len(hashes) == len(self.table):  # else the file has changed, which the next reading tells
            self.table[SEQUENCE] = near(hashes).astype(str)
        return near.meta()

    def _check_names(self, cfg: dict, file: SequenceFile) -> int:
        """How many names were there before. GdeError for the first of them, where they are refused."""
        twice = pd.Series(self.names).duplicated()
        if twice.any() and cfg["repeated_names"] == "refuse":
            name = self.names[int(twice.to_numpy().argmax())]
            remedy = "the file may hold records twice: take them out, or set dataset.repeated_names: keep"
            raise bad(
                file.path, f"the name {name!r} {self.names.count(name)} times", "a name for each sequence", remedy
            )
        return int(twice.sum())
