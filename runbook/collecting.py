"""Rows as pytest collects them: from modules, from ``.sql`` files, from the packs of a site."""

from __future__ import annotations

import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from runbook import packs
from runbook.model import Record, State, final, is_waived
from runbook.rows import Row
from runbook.scripts import script_rows
from runbook.site import Site

#: The folder of SQL rows within a folder of rows.
SCRIPTS = "sql"
#: Files of rows that could not be imported, each with the reason; and what the engine found, by row.
LOST: pytest.StashKey[dict[str, str]] = pytest.StashKey()
RECORDS: pytest.StashKey[dict[str, Record]] = pytest.StashKey()


class RowModule(pytest.Module):
    """A module of rows: its items are the rows it declares, not those it may import."""

    def collect(self) -> Iterator[RowItem]:
        """One item a row, in the order of declaration."""
        section = self.obj.__name__.rpartition(".")[2]
        self.config.addinivalue_line("markers", f"{section}: rows of the section {section}")
        for name, value in vars(self.obj).items():
            declared = getattr(value, "__row__", None)
            if isinstance(declared, Row) and value.__module__ == self.obj.__name__:
                yield RowItem.from_parent(self, name=f"{name}[{declared.id}]", callobj=value)


class SqlModule(RowModule):
    """A ``.sql`` file: one row."""

    def _getobj(self) -> types.ModuleType:
        return script_rows.module_of(self.path, _folder_of_scripts(self.path))


class PackModule(RowModule):
    """A file of rows that a pack has: it is imported by the pack, not by its place."""

    source: packs.Source

    def _getobj(self) -> types.ModuleType:
        return self.source.load()


class RowItem(pytest.Function):
    """A row as pytest sees it. Its fixtures are those of the check, its causes and its remedy together."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.row: Row = self.obj.__row__
        self.add_marker(pytest.mark.row)
        self.add_marker(self.row.section)
        self.user_properties.append(("row", self.row.id))
        self.fixturenames.extend(n for n in self.row.all_targets() if n not in self.fixturenames)

    def targets(self) -> dict[str, Any]:
        """The row's targets by name, once it is set up."""
        return {name: self.funcargs[name] for name in self.row.all_targets()}

    def runtest(self) -> None:
        """Report the row's record, which the engine has made already."""
        record = self.config.stash[RECORDS][self.row.id]
        verdict = final(record)
        self.user_properties.append(("state", verdict.state.value))
        if is_waived(record):
            pytest.xfail(f"{verdict.state}, waived: {verdict.summary}")
        if verdict.state is State.SKIPPED:
            pytest.skip(str(verdict.summary))
        if verdict.state is not State.OK:
            pytest.fail(f"{verdict.state}: {verdict.summary}", pytrace=False)


def collect_rows(file_path: Path, parent: pytest.Collector) -> RowModule | None:
    """``pytest_collect_file`` of a folder of rows: every public module and every ``.sql`` file."""
    if file_path.suffix.lower() == ".sql":
        return SqlModule.from_parent(parent, path=file_path)
    if file_path.suffix == ".py" and not file_path.name.startswith(("_", "conftest")):
        return RowModule.from_parent(parent, path=file_path)
    return None


def rows_of_packs(session: pytest.Session, site: Site) -> Iterator[RowItem]:
    """The rows that the site adds; a file that cannot be imported has a record of its own."""
    for pack in packs.packs(site.settings):
        if pack.fixtures is not None:
            with _told(session, f"{pack.name}/conftest.py"):
                session.config.pluginmanager.register(pack.fixtures(), f"fixtures of {pack.name}")
        for source in pack.sources:
            module = PackModule.from_parent(session, path=source.file)
            module.source = source
            with _told(session, source.file.name):
                yield from module.collect()


@contextmanager
def _told(session: pytest.Session, file: str) -> Iterator[None]:
    """Remember why a file of a pack cannot be imported: it stops no other."""
    try:
        yield
    except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - a record instead
        session.config.stash.setdefault(LOST, {})[file] = f"{type(error).__name__}: {error}"


def _folder_of_scripts(file: Path) -> Path:
    """The nearest folder called ``sql`` above a script, or its own: ids are its path from there."""
    return next((folder for folder in file.parents if folder.name == SCRIPTS), file.parent)
