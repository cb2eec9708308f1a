"""Generated sequences as FASTA, each with what it was generated for in its header."""

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from gde.errors import bad
from gde.samples import draw
from gde.sealed_gzip import write_gzip

if TYPE_CHECKING:
    import anndata

    from gde.model import GDE

ENDING = ".fasta.gz"
NOT_LABELS = ("split", "n_samples")
PLAIN = "!\"#$&'()*+,-./:<>?@[\\]^_`{|}~"  # stand in headers as they are; blanks, %, ; and = do not


def write_sequences(
    model: "GDE", embeddings: "anndata.AnnData", out: Path, *, n: int | np.ndarray, seed: int, about: dict[str, Any]
) -> int:
    """Write n sequences of every embedded set into the gzipped FASTA file `out`; returns how many those are.

    Header: `>set=<name>;i=<number>;<column>=<value>...;seed=<seed>;run=<run>`, the columns those of obs. In names and
    values blanks, `%`, `;`, `=` and what is not ASCII are percent-encoded, so the header is one word to any reader.
    about : the record that the file carries (`gde.sealed_gzip.read_about`). GdeError for another ending of the name.
    """
    if not out.name.endswith(ENDING):
        raise bad(out, "samples that are sequences", f"a file name that ends in {ENDING}", "rename the output")
    labels = labels_of(embeddings)
    values = embeddings.obs[labels].astype(str).to_numpy()
    end = "".join(f";{key}={value}" for key, value in (("seed", seed), ("run", quoted(about["run"]))))
    written = 0
    with write_gzip(out, about) as f:
        for i, tokens in draw(model, embeddings, n, seed):
            about_set = "".join(f";{quoted(k)}={quoted(v)}" for k, v in zip(labels, values[i], strict=True))
            name = quoted(embeddings.obs_names[i])
            lines = (
                f">set={name};i={k}{about_set}{end}\n{sequence}\n"
                for k, sequence in enumerate(model.alphabet.decode(tokens))
            )
            f.write("".join(lines).encode())
            written += len(tokens)
    return written


def labels_of(embeddings: "anndata.AnnData") -> list[str]:
    """The columns of obs that say what a set is of."""
    labels = [name for name in embeddings.obs if name not in NOT_LABELS]
    if "group" in labels and (embeddings.obs["group"].astype(str) == embeddings.obs_names).all():
        labels.remove("group")  # the set's name says it
    return labels


def quoted(text: str) -> str:
    """A name or value as it stands in a header."""
    return quote(str(text), safe=PLAIN)
