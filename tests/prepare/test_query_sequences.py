"""A file of sequences given to a trained model: alphabet, form and length are held against those of training."""

import numpy as np
import pytest
import tiny
import torch
from tokens import sequences, store_of

from gde.embed import embed_data, embed_store
from gde.errors import GdeError
from gde.model import GDE
from gde.sets.source import model_sections, training_lengths
from gde.sets.types.alphabet import ALPHABETS

LENGTH = 12
PARTS = {"encoder": {"kind": "dna_conv", "hidden": 8, "layers": 1, "kernel": 3},
         "generator": {"kind": "gpt", "hidden": 8, "layers": 1, "heads": 2}}  # fmt: skip
OWN = {"kind": "sequences", "path": "mine.fasta", "groupby": ["donor"]}
METHYLATION = {"kind": "methylation", "context": 4, "cpgs": 8}


def model_of(alphabet: str, dataset: dict | None = None, length: int = LENGTH, **config) -> GDE:
    """A model with random weights, as one that was trained on such data."""
    torch.manual_seed(0)
    whole = tiny.experiment(PARTS, name="mine", dataset=OWN, evaluation={"kind": "sequences"})
    whole |= {"tokens": {"alphabet": alphabet, "length": length}, **config}
    whole["dataset"] = whole["dataset"] | (dataset or {})
    return tiny.perturb(GDE(whole, mean=np.zeros(length), scale=np.ones(length)))


def fasta(path, *texts: str):
    path.write_text("".join(f">r{i} donor=d{i % 2}\n{text}\n" for i, text in enumerate(texts)))
    return path


REFUSED = {
    "proteins to a model of DNA": ("dna", {}, ["MKVL"], "found 'M' at position 1.*give a model of proteins"),
    "RNA to a model of DNA": ("dna", {}, ["ACGU"], "write T for U"),
    "DNA to a model of proteins": (
        "protein",
        {},
        ["ACGTACGTNACG"] * 5,
        "residues A, C, G, N, T only, as of DNA",
    ),
    "other residues": ("dna", {}, ["ACRT"], "give --other-residues N"),
    "longer ones": ("dna", {}, ["ACGT", "ACGT" * 4], "found 16 residues.*give --too-long cut or drop"),
    "reads of the genome": ("dna", METHYLATION, ["ACGTCCTN", "ACGTACGTACGT"], r"record 2 \(r1\).*4 residues before a"),
    "reads without a call": ("dna", METHYLATION, ["ACGTC", "ACGT"], r"record 2 \(r1\).*4 residues before a CpG"),
}


@pytest.mark.parametrize(("alphabet", "dataset", "texts", "said"), REFUSED.values(), ids=REFUSED)
def test_what_training_did_not_have_is_refused(tmp_path, alphabet, dataset, texts, said):
    with pytest.raises(GdeError, match=said):
        embed_data(model_of(alphabet, dataset), fasta(tmp_path / "new.fasta", *texts), "donor")


TOLD = {
    "cut": ({"too_long": "cut"}, ["ACGT" * 4, "ACGT"], "of 2 sequences 1 cut at 12"),
    "left out": ({"too_long": "drop"}, ["ACGT" * 4, "ACGT", "AAAA"], "of 3 sequences 1 left out, longer than 12"),
    "other residues": ({"other_residues": "N"}, ["ACRT", "ACGT"], "1 with other residues, read as N"),
    "lengths": (
        {},
        ["AC", "ACGT", "ACGTACGTAC"],
        "1 shorter than any of training (4); 1 longer than",
    ),
}


@pytest.mark.parametrize(("options", "texts", "said"), TOLD.values(), ids=TOLD)
def test_what_is_left_out_or_unlike_training_is_told(tmp_path, caplog, options, texts, said):
    model = model_of("dna", lengths=[4, 8] if not options else [1, 12])
    embed_data(model, fasta(tmp_path / "new.fasta", *texts), **options)
    assert said in caplog.text and len(caplog.records) == 1


@pytest.mark.parametrize("alphabet", ["dna", "protein"])
def test_sequences_like_those_of_training_say_nothing(tmp_path, caplog, alphabet):
    texts = ["ACGTNACG", "TTTT"] * 10 + (["MKVL"] if alphabet == "protein" else [])
    embed_data(model_of(alphabet, lengths=[4, 8]), fasta(tmp_path / "new.fasta", *texts), "donor")
    assert caplog.text == ""


def test_reads_in_the_form_of_training_are_taken(tmp_path):
    found = embed_data(model_of("dna", METHYLATION), fasta(tmp_path / "new.fasta", "ACGTCCTN", "GGGGT"), "donor")
    assert found.n_obs == 2


def test_a_text_is_cut_between_characters(tmp_path):
    """As those of training are; half a character would be another one."""
    (tmp_path / "long.csv").write_text("donor,sequence\nd,aééééééé\n")
    (tmp_path / "short.csv").write_text("donor,sequence\nd,aééééé\n")
    model = model_of("text", length=12)
    long, short = (embed_data(model, tmp_path / f"{n}.csv", "donor", too_long="cut") for n in ("long", "short"))
    assert (long.X == short.X).all()


def test_unknown_options_are_no_option(tmp_path):
    with pytest.raises(TypeError, match="files of sequences have no layer"):
        embed_data(model_of("dna"), fasta(tmp_path / "new.fasta", "ACGT"), layer="counts")


def test_a_model_knows_the_lengths_that_trained(tmp_path):
    x = sequences(40, LENGTH, shortest=3)
    x[:10, 5:] = 0  # the group that tests has the shorter ones
    x[0, 1:] = 0
    code = np.repeat(np.arange(4), 10)
    store = store_of(x, code, tmp_path / "sets", splits=["test", "train", "train", "validation"])
    own = (x[10:30] > 0).sum(1)
    assert training_lengths(store) == [own.min(), own.max()]
    config = tiny.experiment(PARTS, name="mine", dataset=OWN, evaluation={"kind": "sequences"})
    assert model_sections(store, config)["lengths"] == [own.min(), own.max()]
    assert np.isfinite(embed_store(model_of("dna"), store)[0]).all()
    assert ALPHABETS["dna"].size == x.max()
