"""The tutorials run from their first cell to their last, and what they show is what is kept in them."""

from pathlib import Path

import pytest

nbclient = pytest.importorskip("nbclient", reason="the tools of the documentation are not installed: make docs-env")
nbformat = pytest.importorskip("nbformat")
pytest.importorskip("ipykernel", reason="the tools of the documentation are not installed: make docs-env")

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "docs/tutorials").glob("*.ipynb"))


def outputs(notebook) -> list[list[str]]:
    """The kinds of what each cell of code shows."""
    return [[o["output_type"] for o in cell["outputs"]] for cell in notebook.cells if cell["cell_type"] == "code"]


@pytest.mark.slow
@pytest.mark.workflow
@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_it_runs(file, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    notebook = nbformat.read(file, as_version=4)
    kept = outputs(notebook)
    place = {"metadata": {"path": tmp_path}}
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3", resources=place).execute()
    shown = outputs(notebook)
    assert [cell[-1:] for cell in shown] == [cell[-1:] for cell in kept], "keep new outputs"
    assert "error" not in str(shown)


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_its_outputs_are_kept_and_name_no_machine(file):
    notebook, text = nbformat.read(file, as_version=4), file.read_text()
    assert sum(map(len, outputs(notebook))) >= 6
    assert len(text) < 1_000_000
    for word in ("/tmp/", "/root/", "/home/", "Warning"):
        assert word not in text, word
