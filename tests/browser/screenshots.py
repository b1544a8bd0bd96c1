"""Takes the README's pictures from the real thing: ``python -m tests.browser.screenshots [FOLDER]``.

Opens flights.ipynb in JupyterLab in both themes and runs it. Pictures: the graph while it runs (flights-*.png), and
after an edit whose effect was cut off, with the reason (why-*.png).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.browser import conftest
from tests.browser.conftest import NOTEBOOKS, Lab, Notebook, Opener


class _Folders:
    def mktemp(self, name: str) -> Path:
        return Path(tempfile.mkdtemp(prefix=name))


def _fixture(fixture: Any, *arguments: Any) -> Any:
    function = getattr(fixture, "__wrapped__", None) or fixture.__pytest_wrapped__.obj
    return function(*arguments)


def _clip(notebook: Notebook, path: Path, first: str) -> None:
    """Picture from the cell that begins with ``first`` down to the end of the graph below it."""
    box = notebook.page.evaluate(
        """(first) => {
             const cells = [...document.querySelectorAll('.jp-Notebook .jp-CodeCell')];
             const at = cells.findIndex(c => c.querySelector('.cm-content')?.textContent.startsWith(first));
             const top = cells[at].getBoundingClientRect();
             const graph = cells[at].querySelector('.dagbook').getBoundingClientRect();
             return {x: top.x, y: top.y, width: top.width, height: graph.bottom - top.y + 12}; }""",
        first,
    )
    notebook.page.screenshot(path=str(path), clip=box)


def _show(notebook: Notebook, first: str) -> None:
    notebook.page.evaluate(
        """(first) => {
             const cells = [...document.querySelectorAll('.jp-Notebook .jp-CodeCell')];
             cells.find(c => c.querySelector('.cm-content')?.textContent.startsWith(first))
                  .scrollIntoView({block: 'start'}); }""",
        first,
    )
    notebook.page.wait_for_timeout(400)


def _wait(notebook: Notebook, condition: str) -> None:
    notebook.page.wait_for_function(
        "() => [...document.querySelectorAll('.dagbook')].filter(e => e.__dagbook).map(e => e.__dagbook.state())"
        f".some(s => s.nodes && s.nodes.report && ({condition}))",
        timeout=240_000,
    )


def _take(lab: Lab, browser: Any, theme: str, folder: Path) -> None:
    opener = Opener(lab, browser)
    notebook = opener(NOTEBOOKS / "flights.ipynb", theme=theme, width=1280, height=1000, scale=2)
    notebook.page.wait_for_timeout(1500)
    notebook.run_all()
    _wait(notebook, "s.nodes.clean === 'running' || s.nodes.joined === 'running'")
    _show(notebook, "%dag run report")
    _wait(notebook, "Object.keys(s.nodes).filter(n => n.startsWith('by_carrier[') && s.nodes[n] === 'ran').length > 5")
    _clip(notebook, folder / f"flights-{theme}.png", "%dag run report")
    notebook.ready(240)
    index = notebook.find("#| dag\ndef clean")
    source = notebook.source(index)
    notebook.edit(
        index, source.replace('flights.dropna(subset=["arr_delay"])', 'flights[flights["arr_delay"].notna()]')
    )
    notebook.run_cell(index)
    notebook.ready()
    notebook.run_cell(notebook.find("%dag run report"))
    notebook.ready(120)
    _show(notebook, "%dag run report")
    cards = notebook.page.evaluate(
        "() => [...document.querySelectorAll('.dagbook')].filter(e => e.__dagbook && e.__dagbook.cards)[0]"
        ".__dagbook.cards()"
    )
    card = next(c for c in cards if c["name"] == "clean")
    notebook.page.mouse.click(card["x"] + card["width"] / 2, card["y"] + card["height"] / 2)
    notebook.page.wait_for_timeout(1200)
    _clip(notebook, folder / f"why-{theme}.png", "%dag run report")
    opener.close()


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs")
    folder.mkdir(exist_ok=True)
    servers = _fixture(conftest.lab, _Folders())
    browsers = _fixture(conftest.browser)
    lab, browser = next(servers), next(browsers)
    try:
        for theme in ("light", "dark"):
            _take(lab, browser, theme, folder)
    finally:
        next(browsers, None)
        next(servers, None)


if __name__ == "__main__":
    main()
