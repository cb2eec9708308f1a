"""Downloads as jobs of the workflow: of what an experiment reads, and told in one line where they are refused."""

import shutil

from downloads import CELLS, left, then
from server import PAGE, Answer

from gde.fetch.lockfile import read_pins
from gde.fetch.sources import read_sources


def test_through_snakemake(project, server, snakemake):
    """A data set is fetched because an experiment reads it; a refusal is one line; the user's file is asked for before
    any job starts, and a file that was tampered with is not prepared."""
    server.answers |= {"/cells": then(Answer(CELLS.encode(), stop=1000), Answer(CELLS.encode())), "/bad": Answer(PAGE)}
    done = snakemake("results/sets/mine_cells", "-n")
    assert done.returncode == 2
    assert "gde: resources/mine/cells.csv: found no such file, expected one that you put there" in done.stderr

    done = snakemake("--keep-going", "results/sets/toy_cells", "resources/toy/sub/bad.bin")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert (project / "resources/toy/cells.csv").read_text() == CELLS
    assert (project / "results/sets/toy_cells/SHA256SUMS").is_file()
    line = (project / "results/logs/fetch/toy/sub/bad.bin.log").read_text().splitlines()[-1]
    assert line.startswith("gde: resources/toy/sub/bad.bin: found no right file at http") and "web page" in line
    assert line in done.stderr.splitlines()
    assert left(project / "resources") == {"sources.yaml", "sources.lock.json", "toy/cells.csv"}
    assert set(read_pins(project)) == {"resources/toy/cells.csv"}

    (project / "resources/mine").mkdir()
    shutil.copy(project / "resources/toy/cells.csv", project / "resources/mine/cells.csv")
    with (project / "resources/toy/cells.csv").open("a") as f:
        f.write("s0,x0,1,1\n")
    done = snakemake("--keep-going", "results/sets/toy_cells", "results/sets/mine_cells")
    assert done.returncode == 1
    assert f"expected {len(CELLS)} bytes (resources/sources.yaml); delete it and run again" in done.stderr
    assert set(read_pins(project)) == {"resources/toy/cells.csv", "resources/mine/cells.csv"}
    assert len(read_sources(project)) == 5
