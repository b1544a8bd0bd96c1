"""Where code comes from: the standard library, an installed package, or the project; and which version."""

from __future__ import annotations

import importlib.util
import os
import site
import sys
import sysconfig
from collections.abc import Mapping
from functools import cache
from types import ModuleType
from typing import Any

STANDARD = "standard"
INSTALLED = "installed"
PROJECT = "project"

_SITE = ("site-packages", "dist-packages")
HEAP_TYPE = 1 << 9


@cache
def of_path(path: str) -> str:
    """Whether a source file belongs to the standard library, to an installed package or to the project."""
    if path.startswith("<frozen"):
        return STANDARD
    real = os.path.realpath(path)
    if any(f"{os.sep}{each}{os.sep}" in real for each in _SITE) or _under(real, _installed_folders()):
        return INSTALLED
    return STANDARD if _under(real, _standard_folders()) else PROJECT


@cache
def _installed_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    found = {paths["purelib"], paths["platlib"], *site.getsitepackages()}
    if site.ENABLE_USER_SITE:
        found.add(site.getusersitepackages())
    return tuple(os.path.realpath(path) for path in found)


@cache
def _standard_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple({os.path.realpath(paths["stdlib"]), os.path.realpath(paths["platstdlib"])})


def _under(path: str, folders: tuple[str, ...]) -> bool:
    return any(path.startswith(folder + os.sep) for folder in folders)


def of_space(space: Mapping[str, Any]) -> str:
    """Where the module whose globals are ``space`` comes from; the notebook and made-up namespaces are the project."""
    name = space.get("__name__")
    if name == "__main__":
        return PROJECT
    if isinstance(name, str) and name.partition(".")[0] == "dagbook":
        return INSTALLED  # also in an editable installation: what dagbook itself is made of is no user's code
    file = space.get("__file__")
    if isinstance(file, str):
        return of_path(file)
    return STANDARD if isinstance(name, str) and _is_standard(name) else _of_folder(space)


def _is_standard(name: str) -> bool:
    return name.partition(".")[0] in sys.stdlib_module_names and name in sys.modules


def _of_folder(space: Mapping[str, Any]) -> str:
    """A package without ``__init__.py`` has folders only."""
    folders = list(space.get("__path__") or ())
    return of_path(os.path.join(str(folders[0]), "__init__.py")) if folders else PROJECT


def of_module(module: ModuleType) -> str:
    """Where a module comes from."""
    return of_space(vars(module))


def of_class(cls: type) -> str:
    """Where a class comes from. A class that its module does not know by its name was made by the project."""
    if not cls.__flags__ & HEAP_TYPE:
        return STANDARD if cls.__module__.partition(".")[0] in sys.stdlib_module_names else INSTALLED
    module = sys.modules.get(cls.__module__)
    if module is None:
        return PROJECT
    origin = of_module(module)
    local = "<locals>" in cls.__qualname__
    return origin if origin == PROJECT or local or _known_as(module, cls.__qualname__, cls) else PROJECT


def _known_as(module: ModuleType, qualified: str, value: object) -> bool:
    found: object = module
    for name in qualified.split("."):
        found = vars(found).get(name, _known_as) if hasattr(found, "__dict__") else _known_as
    return found is value


def well_known(value: Any) -> str:
    """``module.name`` of a function that its installed module holds under that name, so that it need not be read."""
    owner = getattr(value, "__self__", None)
    guesses = [
        getattr(value, "__module__", None),
        getattr(getattr(value, "__globals__", None), "get", lambda _: None)("__name__"),
        owner.__name__ if isinstance(owner, ModuleType) else type(owner).__module__,
        type(value).__module__,
    ]
    name = getattr(value, "__qualname__", None)
    short = getattr(value, "__name__", None)
    for guess in guesses:
        module = sys.modules.get(guess) if isinstance(guess, str) else None
        if module is None or of_module(module) == PROJECT:
            continue
        for each in (name, short):
            if isinstance(each, str) and _known_as(module, each, value):
                return f"{guess}.{each}"
    return ""


def is_module(name: str) -> bool:
    """Whether ``name`` is a module inside a package that is loaded, though it may itself not be loaded yet."""
    package = name.rpartition(".")[0]
    if package not in sys.modules:
        return False
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError, AttributeError):
        return False


_versions: dict[str, str] = {}


def version(top: str) -> str:
    """``pandas 2.3.1``: an installed package as it was first met in this process (an upgrade needs a restart)."""
    found = _versions.get(top)
    if found is None:
        found = _versions[top] = f"{top} {_version(top)}".rstrip()
    return found


def _version(top: str) -> str:
    """The version by its metadata; where package and import have different names, the module itself may tell it."""
    from importlib import metadata  # slow to import, and seldom needed

    try:
        return metadata.version(top)
    except (metadata.PackageNotFoundError, ValueError):
        module = sys.modules.get(top)
        said = vars(module).get("__version__") if module is not None else None
        owners = sorted(set(_distributions().get(top, ()))) if not isinstance(said, str) else []
        return ", ".join(map(metadata.version, owners)) if owners else str(said or "")


@cache
def _distributions() -> Mapping[str, list[str]]:
    from importlib import metadata

    return metadata.packages_distributions()
