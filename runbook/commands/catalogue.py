"""The rows there are: the modules of ``checks``, its scripts and the site's packs, tolerating one that is broken."""

from __future__ import annotations

import importlib
import pkgutil
import types
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from runbook import linting, packs, rows, site_file
from runbook.decoding import nearest_to
from runbook.errors import RunbookError, SettingsError
from runbook.rows import Row
from runbook.scripts.script_rows import script_of
from runbook.settings import EnvironmentSettings
from runbook.site import open_site
from runbook.text import text

#: What importing a file of rows may raise.
_OF_AN_IMPORT = (
    *(ImportError, SyntaxError, ValueError, TypeError, NameError, AttributeError, OSError),
    *(LookupError, ArithmeticError, AssertionError, RuntimeError),
)


def folder() -> Path:
    """Where the rows' modules lie."""
    return Path(str(importlib.import_module("checks").__file__)).parent


def load_rows(environment: EnvironmentSettings | None = None) -> tuple[Row, ...]:
    """Every row that can be imported; a file that cannot is pytest's to report, as a record of its own.

    With an environment, those of its packs too. Raises SettingsError for a pack that is not there.
    """
    _load(environment)
    return rows.declared()


def chosen_rows(names: tuple[str, ...], environment: EnvironmentSettings | None = None) -> tuple[Row, ...]:
    """The rows named, or all. Raises SettingsError with the nearest id for one there is not."""
    every = load_rows(environment)
    return tuple(rows.find(name) for name in names) or every


def rows_of_site(settings: Path | None, env: str | None) -> tuple[Row, ...]:
    """Every row, with those of the site's packs where there is a site file. Raises SettingsError for a bad one."""
    try:
        file = settings or site_file.find()
    except SettingsError:
        if env:
            raise
        return load_rows()
    return load_rows(open_site(site_file.load(file), env).settings)


def lost_files(environment: EnvironmentSettings | None = None) -> dict[str, str]:
    """The files of rows that cannot be imported, each with the reason."""
    return _load(environment)


def _load(environment: EnvironmentSettings | None) -> dict[str, str]:
    here = folder()
    names = [module.name for module in pkgutil.iter_modules([str(here)]) if module.name != "conftest"]
    found: list[tuple[str, Callable[[], types.ModuleType]]] = [
        (f"{name}.py", partial(importlib.import_module, f"checks.{name}")) for name in names
    ]
    sources = list(packs.scripts_in(here / "sql"))
    sources += [source for pack in packs.packs(environment) for source in pack.sources] if environment else []
    found += [(str(source.file), source.load) for source in sources]
    return {name: reason for name, load in found if (reason := _reason_against(load)) is not None}


def prove_overrides(environment: EnvironmentSettings) -> None:
    """Refuse a site file with limits that cannot be meant, or of rows there are not: they would never be applied."""
    today = datetime.now(UTC).date()  # what depends on the day refuses nothing
    for remark in linting.remarks(rows.declared(), environment, today=today, lost=bool(lost_files(environment))):
        if remark.refuses:
            raise SettingsError(remark.said, key=remark.key, nearest=remark.nearest)


def prove_params(given: Iterable[str], chosen: Iterable[Row]) -> None:
    """Refuse a parameter that no chosen row has: a misspelt date would never count."""
    known = {name for row in chosen if (script := script_of(row)) for name in script.variables()}
    for name in given:
        if name not in known:
            words = text("no script has a variable {name}", name=name)
            raise SettingsError(words, key=f"--param {name}", nearest=nearest_to(name, known))


def _reason_against(load: Callable[[], types.ModuleType]) -> str | None:
    try:
        load()
    except (*_OF_AN_IMPORT, RunbookError) as error:
        return f"{type(error).__name__}: {error}"
    return None
