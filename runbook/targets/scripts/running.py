"""Running a script: one transaction that is rolled back, every statement in a savepoint that can only read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from runbook.errors import ProbeError
from runbook.redact import masked_text
from runbook.targets.postgres.connection import Line
from runbook.targets.postgres.failures import query_failed
from runbook.targets.scripts.kinds import Kind, Step
from runbook.targets.scripts.listing import CELL, Rows
from runbook.targets.scripts.masks import Column, personal
from runbook.targets.scripts.reading import Command, Statement
from runbook.targets.scripts.script import Asked, Variables
from runbook.targets.scripts.structs import Failure, Listing, Notice, Result
from runbook.text import Text, text

if TYPE_CHECKING:
    import psycopg

_READ_ONLY, _TOO_SLOW, _RAISED, _SYNTAX = "25006", ("57014", "55P03"), ("P0001", "P0004"), "42601"
_DENIED, _OF_DATA = "42501", ("20", "21", "22", "23", "P0")


class Run:
    """One run of a script over one connection, which is not used again: whatever a session keeps ends with it."""

    def __init__(self, reader: Line, asked: Asked, *, most: int, personal_columns: frozenset[str]) -> None:
        self._reader, self._asked, self._most, self._personal = reader, asked, most, personal_columns
        self._variables = Variables(asked.values)
        self._listings: list[Listing] = []
        self._notices: list[Notice] = []
        self._failures: list[Failure] = []

    def result(self, session: Mapping[str, str]) -> Result:
        """What all steps gave. ``session`` are the server's settings for this run."""
        connection = self._reader.connection
        # A temporary table is a change to a read-only transaction, though nobody else can see it.
        connection.read_only = all(step.kind is not Kind.OWN for step in self._asked.script.steps)
        with connection.transaction(force_rollback=True):
            for name, value in session.items():
                connection.execute("SELECT set_config(%s, %s, true)", [name, value])
            self._run_all()
        return Result(listings=tuple(self._listings), notices=tuple(self._notices), failures=tuple(self._failures))

    def _run_all(self) -> None:
        for step in self._asked.script.steps:
            if isinstance(step.part, Command):
                self._command(step.part)
            elif step.kind is not Kind.LEFT_OUT and not self._did(step, step.part) and self._ends_here():
                return

    def _ends_here(self) -> bool:
        """psql goes on behind an error unless the script says otherwise; behind a time that is over nothing runs."""
        return self._failures[-1].too_slow or self._variables.into(":ON_ERROR_STOP").lower() in ("on", "1", "true")

    def _command(self, command: Command) -> None:
        name = command.arguments[0] if command.arguments else ""
        if command.name == "set" and name:
            self._variables.set(name, self._variables.words(command))
        elif command.name == "unset" and name:
            self._variables.unset(name)

    def _did(self, step: Step, statement: Statement) -> bool:
        """Run one statement; whether it went well."""
        import psycopg

        words = self._variables.into(statement.words)
        try:
            with self._savepoint(step.kind):
                self._run(step, statement, words)
        except psycopg.Error as error:
            if self._reader.connection.closed or error.sqlstate is None:
                raise
            if step.kind is Kind.BLOCK and error.sqlstate in _RAISED:
                self._hear(statement.line, words, error.diag.message_primary, found=True)
                return True
            slow = error.sqlstate in _TOO_SLOW
            self._failures.append(Failure(line=statement.line, reason=self._reason(statement, error), too_slow=slow))
            return False
        except ProbeError as error:
            self._failures.append(Failure(line=statement.line, reason=error.said))
            return False
        return True

    @contextmanager
    def _savepoint(self, kind: Kind) -> Iterator[None]:
        from psycopg import sql

        self._reader.execute(sql.SQL("SELECT"))  # looks at the clock, and lets the server end what is too slow
        with self._reader.connection.transaction():
            if kind is not Kind.OWN:
                self._reader.connection.execute("SET LOCAL transaction_read_only = on")
            yield

    def _run(self, step: Step, statement: Statement, words: str) -> None:
        match step.kind:
            case Kind.ROWS:
                self._listings.append(self._listing(step, statement.line, words))
            case Kind.VARIABLE:
                self._keep(statement, words)
            case Kind.BLOCK:
                self._block(statement.line, words)
            case _:
                self._reader.connection.execute(words.encode(), binary=True)

    def _listing(self, step: Step, line: int, words: str) -> Listing:
        rows = Rows(self._reader, words, self._most, self._personal)
        if self._asked.column is not None:
            found = rows.worst(line, self._asked.column, largest=self._asked.largest)
        else:
            found = rows.counted(line) if step.counts else rows.all(line)
        rows.close()
        return found

    def _keep(self, statement: Statement, words: str) -> None:
        """``\\gset``: the columns of the only row become variables, those that are NULL have none."""
        prefix = statement.sent_by.partition(" ")[2].strip()
        for row in self._reader.connection.execute(words.encode(), binary=True).fetchall():
            for name, value in row.items():
                if value is None:
                    self._variables.unset(prefix + name)
                else:
                    self._variables.set(prefix + name, str(value))

    def _block(self, line: int, words: str) -> None:
        def heard(said: psycopg.errors.Diagnostic) -> None:
            if said.severity_nonlocalized in ("WARNING", "NOTICE", "INFO"):
                self._hear(line, words, said.message_primary, found=said.severity_nonlocalized == "WARNING")

        connection = self._reader.connection
        connection.add_notice_handler(heard)
        try:
            connection.execute(words.encode(), binary=True)
        finally:
            connection.remove_notice_handler(heard)

    def _hear(self, line: int, words: str, said: str | None, *, found: bool) -> None:
        """A message put together from personal columns cannot be masked by its form: nothing of it is kept."""
        hidden = personal(_within(words), [Column("", 0)], self._personal)
        shown = "‹…›" if hidden else masked_text(said or "")[:CELL]
        self._notices.append(Notice(line=line, words=shown, found=found))

    def _reason(self, statement: Statement, error: psycopg.Error) -> Text:
        line, detail = statement.line, masked_text(error.diag.message_primary or "")
        missing = sorted(name for name in self._asked.script.variables() if not self._variables.has(name))
        if error.sqlstate == _READ_ONLY:
            return text("Line {line}: not run, because it changes the database: a script only reads", line=line)
        if error.sqlstate in _TOO_SLOW:
            return text("Line {line}: the statement did not end in time", line=line)
        if error.sqlstate == _SYNTAX and missing:
            names = ", ".join(missing)
            return text("Line {line}: no value for {names}: give --param NAME=VALUE", line=line, names=names)
        kind = (error.sqlstate or "")[:2]
        if kind == "42" and error.sqlstate != _DENIED:
            return text("Line {line}: {detail}", line=line, detail=detail)
        if kind in _OF_DATA:  # the server's words would hold the value
            return text("Line {line}: a value does not fit ({code})", line=line, code=error.sqlstate)
        said = query_failed(self._reader.access, error).said
        return text("Line {line}: {detail}", line=line, detail=masked_text(str(said)))


def _within(block: str) -> str:
    """The words of a block, which is one literal, as a statement that can be looked at."""
    return f"SELECT {block.replace('$', ' ').replace(chr(39), ' ')}"
