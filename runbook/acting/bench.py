"""What an acting run works at: its locks, its journal, and what of earlier runs nobody knows."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from runbook.acting import milestones
from runbook.acting.copies import journal_file, open_journal
from runbook.acting.journal import Journal, verify
from runbook.acting.killed import Begun, Killed, killed, settling_until
from runbook.acting.locks import Hold, acting_alone
from runbook.acting.settling import settle
from runbook.errors import HistoryError, JournalError, ProbeError
from runbook.history import Attempt
from runbook.model import Decision
from runbook.policy import leave
from runbook.site import Site
from runbook.text import Text, text


@dataclass
class Bench:
    """One acting run's. ``unknown`` are the killed runs with steps of which nothing tells whether they were done."""

    site: Site
    run: str
    journal: Journal
    hold: Hold
    unknown: tuple[Killed, ...]
    begun: bool = False

    def begin(self) -> None:
        """Write, once, that this run begins to act."""
        if not self.begun:
            body = {"environment": self.site.environment.name, "epochs": dict(self.hold.epochs)}
            self.journal.write("begin", run=self.run, row="", body=body)
            self.begun = True

    def end(self) -> None:
        """Write that it came to its end; what went wrong with the journal is being said already."""
        if self.begun:
            with suppress(JournalError):
                self.journal.write("end", run=self.run, row="", body={})

    def attempts(self, row: str, targets: Collection[str], since: timedelta) -> tuple[Attempt, ...]:
        """When a remedy of the row was tried on these targets, here or on another machine. Raises HistoryError."""
        tried = {one.run: one for one in self.site.history.ledger(row, targets, since)}
        with _as_history():
            elsewhere = self.hold.ledger.attempts(row, since) if self.hold.ledger else []
        for one in elsewhere:
            if not one["targets"] or set(one["targets"]) & set(targets):
                tried.setdefault(one["run"], Attempt(one["at"], one["run"], tuple(one["targets"]), one["outcome"]))
        return tuple(sorted(tried.values()))

    def note_attempt(self, row: str, targets: Collection[str]) -> None:
        """Remember, for all machines, that a remedy is about to be tried. Raises HistoryError: then it is not."""
        self.site.history.note_attempt(row, self.run, targets)
        with _as_history():
            if self.hold.ledger:
                self.hold.ledger.note_attempt(row, self.run, targets)

    def note_outcome(self, row: str, outcome: str) -> None:
        """Remember what came of it. Raises HistoryError: then it counts as unknown."""
        self.site.history.note_outcome(row, self.run, outcome)
        with _as_history():
            if self.hold.ledger:
                self.hold.ledger.note_outcome(row, self.run, outcome)

    def objection(self, row: str, targets: Collection[str]) -> Decision | None:
        """Why a killed run stands in the way: a step of it that nobody knows of, or one that still has time to show."""
        for begun in (begun for run in self.unknown for begun in run.begun):
            if begun.row == row or begun.step is None or begun.step.target in targets:
                return leave("journal", _unknown_step(begun))
        until = settling_until(self.journal.entries, row)
        if until is not None and until > datetime.now(UTC):
            return leave("settling", text("What a killed run did still has until {at} to show", at=until))
        return None


@contextmanager
def at_the_bench(site: Site, run: str) -> Iterator[Bench]:
    """Act alone, with the journal open and what earlier runs left looked at. Raises LockError, JournalError."""
    name = site.environment.name
    with acting_alone(site.settings, name, site.state_folder, run) as hold:
        milestones.reached("locked")
        journal = open_journal(site.settings, name, site.state_folder)
        bench = Bench(site, run, journal, hold, settle(journal, site, run))
        try:
            yield bench
        finally:
            bench.end()
    milestones.reached("unlocked")


def is_left_open(site: Site) -> bool:
    """Whether an earlier run has no end. A journal that cannot be read is said when something is to act."""
    try:
        return bool(killed(verify(journal_file(site.state_folder)), site.environment.name))
    except JournalError:
        return False


@contextmanager
def _as_history() -> Iterator[None]:
    try:
        yield
    except ProbeError as error:
        raise HistoryError(text("The ledger of all machines cannot be used: {reason}", reason=error.said)) from error


def _unknown_step(begun: Begun) -> Text:
    return text(
        "A run was killed in the middle of “{what}”, and nothing tells whether that was done: look, then "
        "muses-runbook audit settle {number}",
        what=begun.what,
        number=begun.number,
    )
