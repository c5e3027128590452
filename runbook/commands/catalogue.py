"""The rows there are: the modules of ``checks`` imported, tolerating one that is broken."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from pathlib import Path

from runbook import rows
from runbook.errors import RunbookError, SettingsError
from runbook.rows import Row
from runbook.settings import EnvironmentSettings


def folder() -> Path:
    """Where the rows' modules lie."""
    return Path(str(importlib.import_module("checks").__file__)).parent


def load_rows() -> tuple[Row, ...]:
    """Every row that can be imported; a module that cannot is pytest's to report, as a record of its own."""
    for module in pkgutil.iter_modules([str(folder())]):
        if module.name != "conftest":
            _import(f"checks.{module.name}")
    return rows.declared()


def chosen_rows(names: tuple[str, ...]) -> tuple[Row, ...]:
    """The rows named, or all. Raises SettingsError with the nearest id for one there is not."""
    every = load_rows()
    return tuple(rows.find(name) for name in names) or every


def prove_overrides(environment: EnvironmentSettings) -> None:
    """Refuse a site file that speaks of rows there are not: a misspelt limit would never be applied."""
    named: tuple[tuple[str, Iterable[str]], ...] = (
        ("limits", environment.limits),
        ("settling", environment.settling),
        ("policy.rows", environment.policy.rows),
        *((f"policy.windows.{part.name}", part.rows) for part in environment.policy.windows),
        *((f"policy.freezes.{part.name}", part.rows) for part in environment.policy.freezes),
    )
    for table, ids in named:
        for id in ids:
            try:
                rows.find(id)
            except SettingsError as error:
                error.key = f"{table}.{id}"
                raise


def _import(name: str) -> None:
    try:
        importlib.import_module(name)
    except (RunbookError, ImportError, SyntaxError, ValueError, TypeError, NameError, AttributeError):
        return
