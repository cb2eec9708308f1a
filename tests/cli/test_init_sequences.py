"""`gde init` writes an experiment for a user's sequences that is valid and reads the file."""

import pytest
from simulators.sequences import simulate_library

from gde.cli.init import init
from gde.config import resolve
from gde.errors import GdeError
from gde.prepare import prepare_store
from gde.prepare.common.proposal import Given
from gde.sets.store.set_store import SetStore

LIBRARY = simulate_library(donors=24, sequences=12)


@pytest.mark.parametrize(
    ("file", "fields"), [("my lib.fasta.gz", "key=value"), ("lib.csv", None), ("lib.fastq", "key=value")]
)
def test_the_experiment_reads_the_file(tmp_path, file, fields):
    path = LIBRARY.write(tmp_path / file)
    out, name = init(Given([path]), tmp_path, name="lib")
    resolved = resolve(name, {"experiments": [name]}, tmp_path)
    assert out.is_file() and resolved["dataset"]["fields"] == fields
    assert resolved["dataset"]["groupby"] == ["donor"]  # the field with most values that groups
    assert resolved["dataset"]["length"] == LIBRARY.table["sequence"].str.len().max()
    assert resolved["dataset"]["split"]["by"] == "group" and resolved["encoder"]["kind"] == "dna_conv"
    prepare_store(resolved, tmp_path / "sets")
    assert len(SetStore.open(tmp_path / "sets")) == 24
    assert "tissue (2)" in out.read_text()


def test_proteins_are_told_from_dna(tmp_path):
    path = tmp_path / "lib.faa"
    path.write_text("".join(f">p{i} clade=c{i % 30}\nMKVLE{'ACDEF'[i % 5]}*\n" for i in range(300)))
    _, name = init(Given([path]), tmp_path, name="lib")
    resolved = resolve(name, {"experiments": [name]}, tmp_path)
    assert resolved["dataset"]["alphabet"] == "protein"
    prepare_store(resolved, tmp_path / "sets")
    assert SetStore.open(tmp_path / "sets").meta["alphabet"] == "protein"


def test_what_cannot_be_guessed_is_asked_for(tmp_path):
    bare = tmp_path / "bare.fasta"
    bare.write_text(">a one\nACGT\n>b two\nACGA\n")
    with pytest.raises(GdeError, match=r"no field that groups sequences .*none.*--groupby"):
        init(Given([bare]), tmp_path)
    path = LIBRARY.write(tmp_path / "lib.csv")
    with pytest.raises(GdeError, match="--groupby: found 'organ'"):
        init(Given([path], ["organ"]), tmp_path)
    other = tmp_path / "other.csv"
    other.write_text("donor,dna\nD1,ACGT\n")
    with pytest.raises(GdeError, match="neither a column 'sequence' nor one with a number"):
        init(Given([other]), tmp_path)
    assert not (tmp_path / "config").exists()
