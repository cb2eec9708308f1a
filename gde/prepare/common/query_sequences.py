"""Raw data that are to be embedded by a trained model: files of sequences and texts."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gde.errors import bad
from gde.prepare.common.groups import RESERVED, as_text, name_groups
from gde.prepare.common.query_residues import Found
from gde.prepare.common.sequence_tokens import Encoder, weights
from gde.readers.header_fields import KEY_VALUE
from gde.readers.sequence_files import TABLE, SequenceFile, ending_of
from gde.sets.store.set_store import SetStore
from gde.sets.store.token_writer import TokenStoreWriter

if TYPE_CHECKING:
    from gde.models.base import Model

# How a file of sequences is read, as in the configuration's `sequences`.
DEFAULTS = {
    "fields": KEY_VALUE,
    "weight": None,
    "too_long": "refuse",
    "other_residues": "refuse",
}


@contextmanager
def sequence_store(
    model: "Model", data: str | Path, groupby: str | list[str] | None = None, **options: Any
) -> Iterator[SetStore]:
    """The groups of a FASTA, FASTQ, CSV or TSV file, as `gde.embed.open_data`; read once, in constant memory.

    groupby : columns of a table or fields of headers; None makes all sequences one set.   options : `sequence` and
    those of DEFAULTS, see `sequences` in config/README.md; by default what the model was trained with, headers' fields
    else `key=value`.
    GdeError for columns that are not there, residues and lengths that the model does not know, and what makes a file
    unreadable.
    """
    path, columns = Path(data), [groupby] if isinstance(groupby, str) else list(groupby or [])
    if taken := [c for c in columns if c in RESERVED and columns != ["group"]]:
        raise bad("groupby", f"the column name {taken[0]!r}", f"none of {', '.join(RESERVED)}", "rename the column")
    chosen = settings(model, path, options)
    weight = chosen["weight"]
    wanted = [*columns, *([weight] if weight else [])]
    file = SequenceFile(path, wanted, fields=chosen["fields"], sequence=chosen["sequence"])
    encoder = Encoder(model.alphabet, model.dim, chosen["too_long"], chosen["other_residues"], at_use=True)
    found = Found(model, file)
    known: dict[tuple[str, ...], int] = {}  # values of a group: its number, in the order of the file
    with TemporaryDirectory() as scratch:
        kinds = {"weight": "float32"} if weight else {}
        form = {"alphabet": model.alphabet.name, "length": model.dim, "fields": kinds}
        with TokenStoreWriter(Path(scratch) / "sets", seed=0, **form) as writer:
            for records in file.chunks():
                tokens, kept = encoder.encode(records, file)
                found.add(tokens, records, kept)
                keys = zip(*(records.columns[c] for c in columns), strict=True) if columns else [()] * len(records)
                code = np.array(
                    [known.setdefault(key, len(known)) for key, k in zip(keys, kept, strict=True) if k], int
                )
                numbers = {"weight": weights(records, file, weight)[kept]} if weight else {}
                writer.write(tokens, code, **numbers)
            if not known:
                remedy = "give a model of longer sequences, or cut them (too_long)"
                raise bad(path, f"sequences of more than {model.dim} residues only", "shorter ones", remedy)
            found.finish(encoder.counted, model.dim)
            writer.finish(named(known, columns, str(path)), {"kind": "query", "data": "user"})
        yield SetStore.open(Path(scratch) / "sets", verify=False)  # written a moment ago, by this process


def settings(model: "Model", path: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """`sequence` and the options of DEFAULTS: the given ones, else those of the model's own file of sequences."""
    trained = model.config.get("dataset", {})
    own = trained if trained.get("kind") == "sequences" else {}
    defaults = DEFAULTS | {"sequence": model.sample_type.COLUMN}
    if unknown := options.keys() - defaults.keys():
        raise TypeError(f"files of sequences have no {', '.join(sorted(unknown))}; there are {', '.join(defaults)}")
    chosen = {key: own.get(key) or defaults[key] for key in defaults}
    chosen |= {key: value for key, value in options.items() if value is not None}
    if ending_of(path) in TABLE and options.get("fields") is None:
        chosen["fields"] = None  # a table has columns
    return chosen


def named(known: Mapping[tuple[str, ...], int], columns: list[str], where: str) -> pd.DataFrame:
    """The groups in the order of their numbers: name, the values that make it joined with '|', split, these values."""
    table = pd.DataFrame(list(known), columns=columns) if columns else pd.DataFrame({"all": ["all"]})
    columns = columns or ["all"]
    code, names, _ = name_groups(as_text(table, columns, where), columns, where)
    return table.assign(group=np.array(names, dtype=object)[code], split="test")
