"""Generated texts as JSON lines, each with what it was generated for: a text may hold any character, line ends too."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from gde.export.samples_fasta import labels_of
from gde.files.sealed_gzip import write_gzip

if TYPE_CHECKING:
    from gde.export.generated import Written


def write_texts(out: Path, written: "Written") -> None:
    """Write texts into the gzipped file `out`.

    A line: `{"set": name, "i": number, "labels": {column of obs: value}, "seed": .., "run": .., "text": ..}`, UTF-8.
    The record stands in the header of gzip, or beside it (`gde.files.sealed_gzip.read_about`).
    """
    embeddings, about = written.embeddings, written.about
    labels = labels_of(embeddings)
    values = embeddings.obs[labels].astype(str).to_numpy()
    with write_gzip(out, about, blocks=written.blocks) as f:
        for i, tokens in written.parts:
            of = {"labels": dict(zip(labels, values[i], strict=True)), "seed": written.seed, "run": about["run"]}
            for k, text in enumerate(written.model.alphabet.decode(tokens)):
                line = {"set": embeddings.obs_names[i], "i": k, **of, "text": text}
                f.write((json.dumps(line, ensure_ascii=False) + "\n").encode())
