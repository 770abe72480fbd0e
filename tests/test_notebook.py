"""The example notebook runs from its first cell to its last, and shows what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.test_docs import ROOT

nbformat = pytest.importorskip("nbformat", reason="needs nbformat, of the extra dev")
nbclient = pytest.importorskip("nbclient", reason="needs nbclient, of the extra dev")
pytest.importorskip("ipykernel", reason="needs ipykernel, of the extra dev")
NOTEBOOK = ROOT / "examples/first_hour.ipynb"


def test_the_notebook_is_stored_without_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
        assert not cell.outputs and cell.execution_count is None, cell.id


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    work = tmp_path / "work"
    work.mkdir()
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(work)}}).execute()
    shown = {
        cell.id: [one.data for one in cell.outputs if "data" in one] for cell in notebook.cells if "outputs" in cell
    }
    kinds = {name: {kind for data in found for kind in data} for name, found in shown.items()}
    assert "image/png" in kinds["audit"] & kinds["figure"]
    assert "text/html" in kinds["build"] & kinds["score"]
    (page,) = (data["text/html"] for data in shown["inspect"])
    assert page.startswith("<iframe") and page.count("data:image/jpeg") == 1 and "class=&quot;heat&quot;" in page
    assert (work / "runs/first/predictions.parquet").is_file()
