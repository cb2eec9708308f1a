"""Generated texts as JSON lines, each with what it was generated for: a text may hold any character, line ends too."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gde.errors import bad
from gde.sample_fasta import labels_of
from gde.samples import draw
from gde.sealed_gzip import write_gzip

if TYPE_CHECKING:
    import anndata

    from gde.model import GDE

ENDING = ".jsonl.gz"


def write_texts(
    model: "GDE", embeddings: "anndata.AnnData", out: Path, *, n: int | np.ndarray, seed: int, about: dict[str, Any]
) -> int:
    """Write n texts of every embedded set into the gzipped file `out`; returns how many those are.

    A line: `{"set": name, "i": number, "labels": {column of obs: value}, "seed": .., "run": .., "text": ..}`, UTF-8.
    about : the record that the file carries (`gde.sealed_gzip.read_about`). GdeError for another ending of the name.
    """
    if not out.name.endswith(ENDING):
        raise bad(out, "samples that are texts", f"a file name that ends in {ENDING}", "rename the output")
    labels = labels_of(embeddings)
    values = embeddings.obs[labels].astype(str).to_numpy()
    written = 0
    with write_gzip(out, about) as f:
        for i, tokens in draw(model, embeddings, n, seed):
            of = {"labels": dict(zip(labels, values[i], strict=True)), "seed": seed, "run": about["run"]}
            for k, text in enumerate(model.alphabet.decode(tokens)):
                line = {"set": embeddings.obs_names[i], "i": k, **of, "text": text}
                f.write((json.dumps(line, ensure_ascii=False) + "\n").encode())
            written += len(tokens)
    return written
