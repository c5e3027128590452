"""Rows are set up, run and reported as pytest items; only this module and ``collecting`` import pytest.

Before pytest's own loop begins, every selected row has its fixtures set up in pytest's thread and is handed to the
engine, which judges all of them at once and treats what is breached. The loop then reports each row's record as a
test's outcome, so that ``-k``, ``-m``, ``--junitxml`` and other plugins see what they expect.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Protocol, cast

import pytest

from runbook import asserts_are_off, site_file
from runbook.collecting import LOST, RECORDS, RowItem, RowModule, rows_of_packs
from runbook.engine import Engine
from runbook.errors import RunbookError
from runbook.job import Listener
from runbook.model import Action, Record, Run, Step, worst_of
from runbook.rows import Row, lost
from runbook.run_id import new_run_id
from runbook.site import Site, open_site

SITE: pytest.StashKey[Site] = pytest.StashKey()
ENGINE: pytest.StashKey[Engine] = pytest.StashKey()


class Watch(Listener, Protocol):
    """Who drives a run: gives it a site, listens to it and receives its outcome."""

    site: Site

    def collected(self, rows: tuple[Row, ...]) -> tuple[Row, ...]:
        """Which of the rows there are shall run; may raise SettingsError."""

    def finished(self, run: Run) -> None:
        """The run is over, or was interrupted."""

    def again(self) -> Site | None:
        """The site for another look at the same rows, once it is time for it; None where the run is over."""


WATCH: pytest.StashKey[Watch] = pytest.StashKey()


class Handover:
    """Gives a session the watch of whoever drives it: ``pytest.main(…, plugins=[Handover(watch)])``."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def pytest_configure(self, config: pytest.Config) -> None:
        """Put it where the rows will look for it."""
        config.stash[WATCH] = self._watch


class Alone:
    """The watch of a plain ``pytest checks/``: says nothing, asks nobody, keeps the history."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def collected(self, rows: tuple[Row, ...]) -> tuple[Row, ...]:
        """All of them: pytest's own options select."""
        return rows

    def started(self, rows: tuple[str, ...]) -> None:
        """Say nothing."""

    def judged(self, record: Record) -> None:
        """Say nothing."""

    def acting(self, step: Step) -> None:
        """Say nothing."""

    def acted(self, action: Action) -> None:
        """Say nothing."""

    def verifying(self, row: str) -> None:
        """Say nothing."""

    def ask(self, row: str) -> bool | None:
        """Nobody is there."""
        return None

    def finished(self, run: Run) -> None:
        """Keep the run's measures; a history that cannot be written is pytest's warning to give."""
        try:
            self.site.history.keep(run, worst_of(run), None)
        except RunbookError as error:
            pytest.exit(str(error), returncode=pytest.ExitCode.INTERNAL_ERROR)

    def again(self) -> Site | None:
        """One look."""
        return None


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of rows under plain pytest; ``muses-runbook check`` has its own."""
    group = parser.getgroup("muses-runbook", "rows of the runbook")
    group.addoption("--settings", type=Path, help="the site file (default: looked for as muses-runbook does)")
    group.addoption("--env", help="the environment of the site file")
    group.addoption("--fix", action="store_true", help="apply remedies where policy lets them")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to run without asserts; know the marker."""
    if asserts_are_off():
        raise pytest.UsageError("python -O removes asserts, and rows would turn green: run without -O")
    config.addinivalue_line("markers", "row: a row of the runbook, judged on live systems")


def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Open the site once rows are there to need it, add those of its packs, and let the watch choose among them."""
    rows = [item for item in items if isinstance(item, RowItem)]
    if config.option.collectonly or not (rows or LOST in config.stash):
        return
    try:
        watch = _watch(config)
        added = list(rows_of_packs(session, watch.site))
        rows += added
        items += added
        chosen = {row.id for row in watch.collected(tuple(item.row for item in rows))}
    except RunbookError as error:
        raise pytest.UsageError(str(error)) from None
    dropped = [item for item in rows if item.row.id not in chosen]
    items[:] = [item for item in items if not isinstance(item, RowItem) or item.row.id in chosen]
    config.hook.pytest_deselected(items=dropped)
    config.stash[SITE] = watch.site
    config.stash[ENGINE] = Engine(watch.site, watch, run=new_run_id())


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Remember a module of rows that cannot be imported: it will have a record of its own."""
    report = yield
    if report.failed and isinstance(collector, RowModule):
        reason = str(report.longrepr).strip().rpartition("\n")[2]
        collector.config.stash.setdefault(LOST, {})[collector.path.name] = reason
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Judge and treat all rows before the loop reports them one by one."""
    engine = session.config.stash.get(ENGINE, None)
    while engine is not None:
        watch = _watch(session.config)
        _look(session, engine, watch)
        site = watch.again()
        engine = None if site is None else Engine(site, watch, run=engine.run)
    return (yield)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Let go of the history's file."""
    if SITE in config.stash:
        config.stash[SITE].history.close()


def _look(session: pytest.Session, engine: Engine, watch: Watch) -> None:
    interrupted = True
    try:
        _begin(session, engine)
        engine.settle()
        if engine.site.fixing:
            engine.treat()
        interrupted = False
    finally:
        for item in session.items:
            if isinstance(item, RowItem) and not engine.has(item.row):
                engine.lacks(item.row, "the run was stopped before")
        run = engine.finish(interrupted=interrupted)
        session.config.stash[RECORDS] = {record.row: record for record in run.records}
        watch.finished(run)


def _begin(session: pytest.Session, engine: Engine) -> None:
    """Set each row's fixtures up and hand it to the engine.

    pytest sets an item up just before it runs it, but all rows run at once: so each is set up and torn down here
    first. Targets are fixtures of the session, so they stay; only the items' own frames come and go.
    """
    for module, reason in session.config.stash.get(LOST, {}).items():
        engine.lacks(lost(module), reason)
    state = session._setupstate
    for item in session.items:
        if not isinstance(item, RowItem):
            continue
        try:
            state.setup(item)
            engine.begin(item.row, item.targets())
        except (Exception, pytest.fail.Exception, pytest.skip.Exception) as error:  # noqa: BLE001 - a record instead
            engine.lacks(item.row, f"{type(error).__name__}: {error}")
        finally:
            state.teardown_exact(cast(pytest.Item, session))  # down to the session itself


def _watch(config: pytest.Config) -> Watch:
    """The watch that was handed over, or one of our own under plain pytest."""
    if WATCH not in config.stash:
        option = config.option
        config.stash[WATCH] = Alone(open_site(site_file.load(option.settings), option.env, fixing=option.fix))
    return config.stash[WATCH]
