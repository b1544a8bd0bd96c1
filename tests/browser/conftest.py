"""Real JupyterLab in real Chromium: one server a session, one notebook a test."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def _chromium() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        path = shutil.which(name)
        if path:
            return path
    raise RuntimeError("the browser tests need Chromium: apt-get install chromium")


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@dataclass
class Lab:
    """A running JupyterLab whose files are in ``folder``."""

    url: str
    folder: Path


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("lab")
    port = _free_port()
    environment = os.environ | {
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "DAGBOOK_KEY_FILE": str(folder / "key"),
    }
    environment.pop("DAGBOOK_DIR", None)
    root = folder / "files"
    root.mkdir()
    options = [
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        "--IdentityProvider.token=",
        "--ServerApp.password=",
        "--ServerApp.open_browser=False",
        "--ServerApp.allow_root=True",
        f"--ServerApp.root_dir={root}",
        "--LabApp.expose_app_in_browser=True",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    log = (folder / "server.log").open("w")
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *options], cwd=root, env=environment, stdout=log, stderr=log
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{url}/api", server, folder / "server.log")
        yield Lab(url, root)
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
        log.close()


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise RuntimeError(f"JupyterLab ended: {log.read_text()[-2000:]}")
        try:
            urllib.request.urlopen(url, timeout=2)
            return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not answer: {log.read_text()[-2000:]}")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_chromium(), args=FLAGS)
        yield browser
        browser.close()


@dataclass
class Notebook:
    """A notebook that is open in JupyterLab."""

    page: Page
    name: str
    folder: str
    errors: list[str] = field(default_factory=list)

    def command(self, name: str, **args: Any) -> None:
        """Execute a command of JupyterLab; :meth:`busy` until it has ended."""
        self.page.evaluate(
            """([name, args]) => {
                 window.testBusy = (window.testBusy || 0) + 1;
                 const end = () => { window.testBusy -= 1; };
                 window.jupyterapp.commands.execute(name, args).then(end, end); }""",
            [name, args],
        )

    def kernel_ready(self) -> None:
        """Wait until the notebook is open and its kernel idle."""
        self.page.wait_for_function(
            """() => { const w = window.jupyterapp.shell.currentWidget;
                       const k = w && w.sessionContext && w.sessionContext.session && w.sessionContext.session.kernel;
                       return k && k.status === 'idle' && w.content.model.cells.length > 0; }""",
            timeout=60_000,
        )

    def busy(self) -> bool:
        """Whether a cell that was asked for has not ended. (A kernel says idle after each message of a widget.)"""
        return bool(self.page.evaluate("() => (window.testBusy || 0) > 0"))

    def ready(self, seconds: float = 60) -> None:
        """Wait until all cells that were asked for have ended."""
        self.page.wait_for_function("() => !window.testBusy", timeout=seconds * 1000)

    def run_all(self) -> None:
        self.command("notebook:run-all-cells")

    def run_cell(self, index: int) -> None:
        """Run one cell, counted from 0, as its Run button does."""
        self.page.evaluate("(i) => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = i; }", index)
        self.command("notebook:run-cell")

    def restart_kernel(self) -> None:
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
        self.page.wait_for_timeout(500)
        self.kernel_ready()

    def edit(self, index: int, source: str) -> None:
        self.page.evaluate(
            "([i, s]) => window.jupyterapp.shell.currentWidget.content.model.cells.get(i).sharedModel.setSource(s)",
            [index, source],
        )

    def source(self, index: int) -> str:
        found = self.page.evaluate(
            "(i) => window.jupyterapp.shell.currentWidget.content.model.cells.get(i).sharedModel.getSource()", index
        )
        return str(found)

    def outputs(self, index: int) -> list[dict[str, Any]]:
        found = self.page.evaluate(
            "(i) => window.jupyterapp.shell.currentWidget.content.model.cells.get(i).outputs.toJSON()", index
        )
        return list(found)

    def find(self, beginning: str) -> int:
        """The index of the first cell whose text begins so."""
        count = self.page.evaluate("() => window.jupyterapp.shell.currentWidget.content.model.cells.length")
        return next(i for i in range(int(count)) if self.source(i).startswith(beginning))

    def states(self) -> list[dict[str, Any]]:
        """What each graph widget of the page knows of itself."""
        found = self.page.evaluate(
            "() => [...document.querySelectorAll('.dagbook')].filter(e => e.__dagbook)"
            ".map(e => JSON.parse(JSON.stringify(e.__dagbook.state())))"
        )
        return list(found)

    def save(self) -> dict[str, Any]:
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        return dict(json.loads((Path(self.folder, self.name)).read_text()))


class Opener:
    """Opens notebooks, each on a page of its own."""

    def __init__(self, lab: Lab, browser: Browser) -> None:
        self._lab = lab
        self._browser = browser
        self._pages: list[Page] = []

    def __call__(
        self, source: Path | str, *, theme: str = "light", width: int = 1400, height: int = 1000, scale: float = 1
    ) -> Notebook:
        """Open a file of notebooks/, or a notebook given as JSON text, in a folder of its own."""
        place = self._lab.folder / f"n{len(list(self._lab.folder.iterdir()))}"
        place.mkdir()
        if isinstance(source, Path):
            name = source.name
            shutil.copy(source, place / name)
        else:
            name = "test.ipynb"
            (place / name).write_text(source)
        page = self._browser.new_page(viewport={"width": width, "height": height}, device_scale_factor=scale)
        self._pages.append(page)
        notebook = Notebook(page, name, str(place))
        page.on("console", lambda m: notebook.errors.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda e: notebook.errors.append(str(e)))
        page.goto(f"{self._lab.url}/lab/tree/{place.name}/{name}?reset")
        page.wait_for_function("() => window.jupyterapp && window.jupyterapp.shell.currentWidget", timeout=60_000)
        if theme == "dark":
            page.evaluate(
                "() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})"
            )
        page.evaluate("() => window.jupyterapp.shell.collapseLeft && window.jupyterapp.shell.collapseLeft()")
        notebook.kernel_ready()
        return notebook

    def close(self) -> None:
        for page in self._pages:
            page.close()


@pytest.fixture
def open_notebook(lab: Lab, browser: Browser) -> Iterator[Opener]:
    opener = Opener(lab, browser)
    yield opener
    opener.close()
