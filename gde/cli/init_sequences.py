"""A commented experiment file for a user's sequences, guessed from fields of headers or columns."""

import csv
from itertools import islice
from pathlib import Path

import yaml

from gde.errors import bad
from gde.prepare.common.sequence_tokens import SEVERAL
from gde.readers.header_fields import KEY_VALUE, NAME, NoFit, key_values
from gde.readers.sequence_files import TABLE, Lines, SequenceFile, ending_of
from gde.sets.types.alphabet import ALPHABETS

LOOKED_AT = 2000  # records whose fields are counted
SEQUENCE = "sequence"  # column of a table
FEWEST = 5  # sequences in a group that is worth a set, on average
WIDE = 10**6  # no line breaks
OTHERS = "-. "  # residues of no kind, which the reader names
TEMPLATE = """\
# Written by `gde init`. Every key has a default: config/README.md lists them all.
description: {description}

dataset:
  kind: sequences
  path: {path}
  alphabet: {alphabet}        # dna or protein
  {fields}
  # One set of sequences per combination of these. In the file: {columns}
  groupby: {groupby}
  # labels: [tissue]      # constant within a group: what embeddings are scored and coloured by
  # weight: count         # how many a sequence stands for
  length: {length}        # residues at most; null = those of the longest
  too_long: refuse        # or cut, drop: longer ones, counted
  min_size: 3             # smaller groups are left out
  split:
    by: {by}              # group: whole groups; sample: sequences of each; sequence: the same, equal ones together
    fractions: [0.7, 0.1, 0.2]   # train, validation, test

# Uncomment to change what the model and its training default to:
# encoder: {{kind: dna_conv, hidden: 64}}
# generator: {{kind: hyenadna, hidden: 64, layers: 2}}
# latent_dim: 32
# training: {{steps: 2000, n_sets: 8, set_size: 64}}
"""


def first_records(path: Path) -> tuple[list[dict[str, str]], str | None]:
    """Fields of the first records, the sequence among them as SEQUENCE, and dataset.fields for them (None for a table,
    and for headers without fields). GdeError for another kind of file, and a table without the column SEQUENCE."""
    if ending_of(path) in TABLE:
        _check_table(path)
        file = SequenceFile(path)
        records = next(file.chunks(LOOKED_AT))
        rows = csv.reader(Lines(path, None), delimiter=file.delimiter)
        header = next(rows)
        return [dict(zip(header, row, strict=True)) for row in islice(rows, len(records))], None
    file = SequenceFile(path, fields="{name}")  # a pattern that takes the whole header
    records, found = next(file.chunks(LOOKED_AT)), []
    for number, header in enumerate(records.names, 1):
        try:
            found.append(key_values(header))
        except NoFit as e:
            remedy = "correct the header, or write the experiment with a pattern as dataset.fields"
            raise bad(file.where(number), f"the header {header[:60]!r}", str(e), remedy) from e
    common = set.intersection(*map(set, found)) - {NAME}
    out = [{k: v for k, v in values.items() if k in common} for values in found]
    fields = KEY_VALUE if common else None
    return [values | {SEQUENCE: text} for values, text in zip(out, records.texts, strict=True)], fields


def _check_table(path: Path) -> None:
    """GdeError for a table without the column SEQUENCE: most are of numbers, for which `init` writes nothing."""
    delimiter = "," if ending_of(path) == ".csv" else "\t"
    header = next(csv.reader(Lines(path, None), delimiter=delimiter), [])
    if SEQUENCE not in header:
        remedy = (
            "for numbers write an experiment of kind table (docs/tables.md), for sequences give the column that name"
        )
        raise bad(path, f"columns {', '.join(header) or 'none'}", f"a column {SEQUENCE!r}", remedy)


def alphabet_of(residues: str) -> str:
    """`protein` for residues of which some are in no DNA, else `dna`."""
    dna = ALPHABETS["dna"].symbols.encode() + SEVERAL["dna"] + b"U"
    return "protein" if set(residues.upper()) - set(dna.decode()) - set(OTHERS) else "dna"


def describe_sequences(path: Path, groupby: list[str] | None) -> str:
    """The text of an experiment file. GdeError where no field groups the sequences, or `groupby` names none."""
    records, fields = first_records(path)
    count, longest = len(records), max(len(r[SEQUENCE]) for r in records)
    others = {name: len({r[name] for r in records}) for name in records[0] if name != SEQUENCE}
    if groupby is None:
        usable = {name: n for name, n in others.items() if 2 <= n <= count / FEWEST}
        if not usable:
            found = f"no field that groups sequences ({', '.join(others) or 'none'})"
            remedy = "give --groupby FIELD; headers of another form than key=value: dataset.fields, config/README.md"
            raise bad(path, found, "one", remedy)
        groupby = [max(usable, key=usable.get)]
    for name in groupby:
        if name not in others:
            raise bad("--groupby", repr(name), f"one of {', '.join(others) or 'none in this file'}", "correct it")
    groups = max(others[name] for name in groupby)
    line = (
        f"fields: {fields}       # headers hold words like donor=D1" if fields else "# sequence: sequence      # column"
    )
    return TEMPLATE.format(
        description=yaml.safe_dump(f"sequences of {path.name}; a set is one {' x '.join(groupby)}", width=WIDE).split(
            "\n"
        )[0],
        path=yaml.safe_dump(str(path), width=WIDE).split("\n")[0],
        alphabet=alphabet_of("".join(r[SEQUENCE] for r in records)),
        fields=line,
        columns=", ".join(f"{name} ({n})" for name, n in others.items()) or "none",
        groupby=yaml.safe_dump(groupby, default_flow_style=True, width=WIDE).strip(),
        length=longest if count < LOOKED_AT else "null",
        by="group" if groups >= 20 else "sample",
    )
