"""Spike proteins through the workflow: a user's file, a server's, and what is said where GISAID's is missing."""

import pytest
import yaml
from copies import SMOKE, served
from simulators.spike_files import write_nextstrain
from simulators.spikes import simulate_epidemic

from gde.sets.store.set_store import SetStore

pytestmark = pytest.mark.workflow


def experiment(project, name, **dataset):
    text = yaml.safe_dump({"dataset": {"kind": "virus", **dataset}})
    (project / f"config/experiments/{name}.yaml").write_text(text)


def test_the_excerpt_becomes_a_store(project, snakemake, excerpt):
    path = excerpt("spike") / "spikeprot0430.fasta"
    experiment(project, "spikes", source="gisaid", sequences=str(path), split={"by": "sample"})
    done = snakemake(project, "results/sets/spikes", *SMOKE)
    assert done.returncode == 0, done.stdout + done.stderr
    store = SetStore.open(project / "results/sets/spikes")
    sizes = store.groups.assign(n=store.sizes).groupby("group")["n"].sum()
    assert sorted(sizes) == [43, 52, 130] and store.meta["data"] == "excerpt"
    log = (project / "results/logs/prepare/spikes.log").read_text()
    assert "291 records, 0 left out" in log and "3 groups of 16 or more, 22 smaller left out" in log


def test_open_data_are_fetched_and_translated(project, snakemake, planned, tmp_path):
    few = simulate_epidemic(months=3, countries=4, per_key=10, lineages=3)
    mirror = tmp_path / "mirror"
    written = write_nextstrain(few, mirror / "virus/global/aligned.fasta.xz", mirror / "virus/global/metadata.tsv.xz")
    with served(mirror) as address:
        done = made_of_open_data(project, snakemake, planned, address)
    assert done.returncode == 0, done.stdout + done.stderr
    counted = SetStore.open(project / "results/sets/few").meta["counted"]
    assert (counted["records"], counted["kept"]) == (written.records, len(written.kept))


def made_of_open_data(project, snakemake, planned, mirror):
    """The whole data would be fetched by default; a part of them is."""
    experiment(project, "whole")
    assert planned(project, "results/sets/whole", *SMOKE) == {"fetch": 2, "prepare": 1}
    files = {"sequences": "aligned.fasta.xz", "metadata": "metadata.tsv.xz"}
    experiment(project, "few", min_size=3, **{key: f"resources/virus/global/{file}" for key, file in files.items()})
    return snakemake(project, "results/sets/few", *SMOKE, f"mirror={mirror}")


def test_what_only_gisaid_has_is_asked_for(project, snakemake):
    experiment(project, "spikes", source="gisaid")
    done = snakemake(project, "results/sets/spikes", *SMOKE)
    said = done.stdout + done.stderr
    assert done.returncode == 2 and "resources/gisaid/spikeprot.fasta: found no such file" in said
    assert "gisaid.org" in said and "put it at resources/gisaid/spikeprot.fasta" in said


def test_a_cut_file_leaves_no_store(project, snakemake, excerpt):
    text = (excerpt("spike") / "spikeprot0430.fasta").read_bytes()
    (project / "cut.fasta").write_bytes(text[:-100])
    experiment(project, "spikes", source="gisaid", sequences="cut.fasta")
    done = snakemake(project, "results/sets/spikes", *SMOKE)
    assert done.returncode != 0 and "gde: cut.fasta: found a last line without an end" in done.stdout + done.stderr
    assert not (project / "results/sets/spikes").exists()
