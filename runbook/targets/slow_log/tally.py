"""The counts of one reader of logs, fed record by record whatever the form of the log."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from runbook.targets.slow_log.counted import Shape
from runbook.targets.slow_log.events import Events
from runbook.targets.slow_log.shapes import Shapes, true_text

#: What follows ``duration: 12.3 ms  ``: ``statement: …``, ``execute name: …``, ``parse name: …``, ``plan:`` and a plan.
#: In Spanish, ``parse: name: …``.
_SAID = r"(?P<what>[^\s:]+)(?:(?<=parse): [^\s:]*(?=: )|[^:]*):\s(?P<said>.*)"
TIMED = re.compile(rf"[^\s:]+: (?P<ms>\d+(?:[.,]\d+)?) ms(?:  {_SAID}|\Z)", re.DOTALL)
#: ``statement: …`` without a time: log_statement; its time follows alone.
_ANNOUNCED = re.compile(r"(?:statement|sentencia|execute [^:]*): (?P<said>.*)", re.DOTALL)
_EXPLAINED = re.compile(r"(?:.*?\n)?Query Text: (?P<said>.+?)(?=\n[^\n]*\(cost=|\Z)", re.DOTALL)
_EXPLAINED_JSON = re.compile(r'.*?"?Query Text"?: (?P<said>"(?:[^"\\]|\\.)*")', re.DOTALL)
_NO_CALLS = frozenset((None, "parse", "bind", "plan"))
_ERRORS = frozenset(("ERROR", "FATAL", "PANIC"))
#: Lines that belong to the record before them, in the languages of Mexico's servers, English and Spanish.
_ATTACHED = frozenset(
    ("DETAIL", "DETALLE", "HINT", "SUGERENCIA", "CONTEXT", "CONTEXTO", "QUERY", "CONSULTA", "LOCATION", "UBICACIÓN")
)
_STATEMENT = frozenset(("STATEMENT", "SENTENCIA"))


Session = str | int  #: a process id or a session's name, as the form gives it


class Tally:
    """Counts, and what waits for the record that belongs to it."""

    def __init__(self) -> None:
        self.shapes, self.explained = Shapes(), Shapes()
        self.events = Events()
        self.first = self.last = ""
        self.records = self.unread = self.unplaced = self.bytes = 0
        #: By session: the statement whose time has not come, and times whose statement stood before our first record.
        self.announced: dict[Session, tuple[Shape, str]] = {}
        self.orphans: dict[Session, float] = {}
        self._seen: set[Session] = set()
        self._cause: Callable[[Shape], None] | None = None

    def at(self, stamp: str) -> None:
        """A record was written then. Records of several sessions are nearly in order."""
        self.last = stamp
        if not self.first:
            self.first = stamp

    def timed(self, session: Session, milliseconds: float, what: str | None, said: str | None) -> None:
        """A duration with what it was of; alone, it is of what the session announced."""
        self._cause = None
        if what in _NO_CALLS or said is None:
            self._no_call(session, milliseconds, what, said)
        else:
            self.shapes.find(said).add(milliseconds, said)

    def message(self, session: Session, level: str, message: str, statement: str | None = None) -> None:
        """Any other record of the server; ``statement`` is what it says that it was at."""
        if level == "LOG":
            timed = TIMED.match(message)
            if timed is not None:
                milliseconds, what, said = timed.groups()
                self.timed(session, float(milliseconds.replace(",", ".")), what, said)
                return
            announced = _ANNOUNCED.match(message)
            if announced is not None:
                self._cause = None
                self._seen.add(session)
                self.announced[session] = self.shapes.find(announced["said"]), announced["said"]
                return
        self._cause = self.events.note(level, true_text(message), failed=level in _ERRORS)
        if statement:
            self.attached(statement)

    def attached(self, statement: str) -> None:
        """The statement of the record before, as ``STATEMENT:`` gives it."""
        if self._cause is not None:
            self._cause(self.shapes.find(statement))
            self._cause = None

    def line(self, session: Session, level: str, words: str) -> None:
        """A line of the text form, which may belong to the record before it."""
        word = true_text(level)
        if word in _STATEMENT:
            self.attached(words)
        elif word not in _ATTACHED:
            self.message(session, word, words)

    def merge(self, later: Tally) -> None:
        """Add what another reader counted of the records that follow ours."""
        for session, milliseconds in later.orphans.items():
            self._alone(session, milliseconds)
        for mine, theirs in ((self.shapes, later.shapes), (self.explained, later.explained)):
            for text, shape in theirs.items():
                mine.of(text).merge(shape)
        for session, (shape, said) in later.announced.items():
            self.announced[session] = self.shapes.of(shape.text), said
        self.events.merge(later.events)
        self.first, self.last = self.first or later.first, later.last or self.last
        self._seen |= later._seen
        for name in ("records", "unread", "unplaced", "bytes"):
            setattr(self, name, getattr(self, name) + getattr(later, name))

    def _no_call(self, session: Session, milliseconds: float, what: str | None, said: str | None) -> None:
        if said is None:
            self._alone(session, milliseconds)
        elif what == "plan":
            self._planned(milliseconds, said)
        else:
            self.shapes.find(said).preparing += milliseconds

    def _alone(self, session: Session, milliseconds: float) -> None:
        announced = self.announced.pop(session, None)
        if announced is not None:
            shape, said = announced
            shape.add(milliseconds, said)
        elif session not in self._seen:
            self._seen.add(session)
            self.orphans[session] = milliseconds
        else:
            self.unplaced += 1

    def _planned(self, milliseconds: float, said: str) -> None:
        """What auto_explain says stands apart: the same call may be logged with its time, too."""
        quoted = _EXPLAINED_JSON.match(said) if '"Query Text"' in said or 'Query Text: "' in said else None
        plain = None if quoted else _EXPLAINED.match(said)
        if quoted is not None:
            statement = json.loads(quoted["said"], strict=False)
        elif plain is not None:
            statement = plain["said"]
        else:
            return
        self.explained.find(statement).add(milliseconds, statement)


def counted(tallies: list[Tally]) -> Tally:
    """All of them in one, in the order of their records."""
    first, *rest = tallies
    for tally in rest:
        first.merge(tally)
    first.unplaced += len(first.orphans)
    return first
