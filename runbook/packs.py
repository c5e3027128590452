"""Rows that do not come with the product: from a folder of the site, or from an installed package.

A folder's modules are imported as those of one package, so that they can share a ``_module.py`` beside them; its
``conftest.py`` holds the fixtures of targets that only these rows know.
"""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
import stat
import sys
import types
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec

from runbook.decoding import nearest_to
from runbook.errors import SettingsError
from runbook.scripts import script_rows
from runbook.settings import EnvironmentSettings

GROUP = "muses_runbook.rows"
_NOT_ROWS = ("_", "conftest", "test_")


class Source(msgspec.Struct, frozen=True):
    """One file of rows; ``load`` gives its module, the same one each time, and raises what importing it raises."""

    file: Path
    load: Callable[[], types.ModuleType]


class Pack(msgspec.Struct, frozen=True):
    """One folder or package: its files of rows, and the module of its own fixtures where it has one."""

    name: str
    sources: tuple[Source, ...]
    fixtures: Callable[[], types.ModuleType] | None = None


def packs(environment: EnvironmentSettings) -> tuple[Pack, ...]:
    """Everything that the environment names, in its order.

    Raises SettingsError for a folder or a package that is not there, and for a folder that anybody may write into.
    """
    folders = [_of_folder(folder, "packs.folders") for folder in environment.packs.folders]
    scripts = [_of_scripts(folder) for folder in environment.sql_rows.folders]
    return (*folders, *map(_of_package, environment.packs.packages), *scripts)


def scripts_in(folder: Path) -> tuple[Source, ...]:
    """The SQL rows of one folder."""
    return tuple(Source(file, partial(script_rows.module_of, file, folder)) for file in script_rows.files(folder))


def _of_folder(folder: Path, key: str) -> Pack:
    _prove(folder, key)
    package = _package_of(folder)
    return Pack(
        str(folder), (*_modules(package, [str(folder)]), *scripts_in(folder)), _fixtures(package, [str(folder)])
    )


def _of_scripts(folder: Path) -> Pack:
    _prove(folder, "sql_rows.folders")
    return Pack(str(folder), scripts_in(folder))


def _of_package(name: str) -> Pack:
    from importlib.metadata import entry_points

    known = {point.name: point for point in entry_points(group=GROUP)}
    if name not in known:
        there = ", ".join(known) or "none"
        words = f"no package {name!r} is installed that has rows (there are: {there})"
        raise SettingsError(words, key="packs.packages", nearest=nearest_to(name, known))
    module = known[name].module
    try:
        places = list(getattr(importlib.import_module(module), "__path__", []))
    except ImportError as error:
        raise SettingsError(f"the package {name!r} cannot be imported: {error}", key="packs.packages") from error
    if not places:
        return Pack(name, (_source(module),))
    scripts = [source for place in places for source in scripts_in(Path(place))]
    return Pack(name, (*_modules(module, places), *scripts), _fixtures(module, places))


def _modules(package: str, places: list[str]) -> Iterator[Source]:
    for found in sorted(pkgutil.iter_modules(places), key=lambda module: module.name):
        if not found.ispkg and not found.name.startswith(_NOT_ROWS):
            file = Path(places[0]) / f"{found.name}.py"
            yield Source(file, partial(importlib.import_module, f"{package}.{found.name}"))


def _source(module: str) -> Source:
    loaded = importlib.import_module(module)
    return Source(Path(str(loaded.__file__)), lambda: loaded)


def _fixtures(package: str, places: list[str]) -> Callable[[], types.ModuleType] | None:
    here = any((Path(place) / "conftest.py").is_file() for place in places)
    return partial(importlib.import_module, f"{package}.conftest") if here else None


def _package_of(folder: Path) -> str:
    """A package made of a folder that is none: no path of Python's own has to know it."""
    name = f"muses_rows_{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:8]}"
    if name not in sys.modules:
        package = types.ModuleType(name, f"The rows of {folder}.")
        package.__path__ = [str(folder.resolve())]
        sys.modules[name] = package
    return name


def _prove(folder: Path, key: str) -> None:
    if not folder.is_dir():
        raise SettingsError(f"there is no folder {folder}", key=key)
    if folder.stat().st_mode & stat.S_IWOTH:
        raise SettingsError(f"anybody may write into {folder}, and what lies there is run: chmod o-w", key=key)
