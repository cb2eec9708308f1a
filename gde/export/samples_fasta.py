"""Generated sequences as FASTA, each with what it was generated for in its header."""

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from gde.files.sealed_gzip import write_gzip

if TYPE_CHECKING:
    import anndata

    from gde.export.generated import Written

NOT_LABELS = ("split", "n_samples")
PLAIN = "!\"#$&'()*+,-./:<>?@[\\]^_`{|}~"  # stand in headers as they are; blanks, %, ; and = do not


def write_sequences(out: Path, written: "Written") -> None:
    """Write sequences into the gzipped FASTA file `out`.

    Header: `>set=<name>;i=<number>;<column>=<value>...;seed=<seed>;run=<run>`, the columns those of obs. In names and
    values blanks, `%`, `;`, `=` and what is not ASCII are percent-encoded, so the header is one word to any reader.
    The record stands in the header of gzip, or beside it (`gde.files.sealed_gzip.read_about`).
    """
    embeddings, about = written.embeddings, written.about
    labels = labels_of(embeddings)
    values = embeddings.obs[labels].astype(str).to_numpy()
    end = "".join(f";{key}={value}" for key, value in (("seed", written.seed), ("run", quoted(about["run"]))))
    with write_gzip(out, about, blocks=written.blocks) as f:
        for i, tokens in written.parts:
            about_set = "".join(f";{quoted(k)}={quoted(v)}" for k, v in zip(labels, values[i], strict=True))
            name = quoted(embeddings.obs_names[i])
            lines = (
                f">set={name};i={k}{about_set}{end}\n{sequence}\n"
                for k, sequence in enumerate(written.model.alphabet.decode(tokens))
            )
            f.write("".join(lines).encode())


def labels_of(embeddings: "anndata.AnnData") -> list[str]:
    """The columns of obs that say what a set is of."""
    labels = [name for name in embeddings.obs if name not in NOT_LABELS]
    if "group" in labels and (embeddings.obs["group"].astype(str) == embeddings.obs_names).all():
        labels.remove("group")  # the set's name says it
    return labels


def quoted(text: str) -> str:
    """A name or value as it stands in a header."""
    return quote(str(text), safe=PLAIN)
