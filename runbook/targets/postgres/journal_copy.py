"""A copy of the journal in a table that the machine which acts may add to and read, and do nothing else with."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import msgspec

from runbook.errors import JournalError, ProbeError
from runbook.settings import JournalSettings, Login
from runbook.targets.postgres.access import Access, quoted, statement
from runbook.targets.postgres.connection import ANSWER_SECONDS, Line, mapped, opened
from runbook.text import text

_MADE = """\
-- The copy of the journal: made by a role that no machine which acts can become
CREATE SCHEMA IF NOT EXISTS {schema};
{table};
DO $$ BEGIN CREATE ROLE {writer} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
GRANT USAGE ON SCHEMA {schema} TO {writer};
GRANT SELECT, INSERT ON {schema}.journal TO {writer};
"""


class DatabaseCopy:
    """The copy of the journal of the machine called ``name``."""

    def __init__(self, access: Access, journal: JournalSettings, name: str) -> None:
        if journal.login is None:
            raise JournalError(text("The journal's copy in the database needs journal.login"))
        writing = msgspec.structs.replace(access.settings, operator=journal.login)
        self._access = Access(access.target, access.setting, writing)
        self._schema, self._name = journal.schema, name
        self._roles = [login.user for login in _logins(access, journal.login)]

    def held(self) -> Mapping[int, Collection[str]]:
        """Number → hashes of the entries. Raises JournalError where they cannot be seen, or could be rewritten."""
        found: dict[int, set[str]] = {}
        with self._line() as line:
            self._prove_that_it_stays(line)
            for row in line.rows(self._statement("journal_held"), {"machine": self._name}):
                found.setdefault(row["number"], set()).add(row["hash"])
        return found

    def keep(self, number: int, digest: str, line: bytes) -> None:
        """Add one entry. Raises JournalError."""
        given = {"machine": self._name, "number": number, "hash": digest, "line": line.decode()}
        with self._line() as writer:
            writer.execute(self._statement("journal_add"), given)

    def _prove_that_it_stays(self, line: Line) -> None:
        """Neither the writer nor the other identities of this machine may be able to rewrite it."""
        given = {"roles": self._roles, "schema": self._schema}
        if rewriters := line.rows(statement("journal_rewriters"), given):
            names = ", ".join(row["role"] for row in rewriters)
            raise JournalError(
                text(
                    "{roles} could rewrite the copy of the journal ({schema}.journal): let a role own it that no "
                    "machine which acts can become",
                    roles=names,
                    schema=self._schema,
                )
            )

    @contextmanager
    def _line(self) -> Iterator[Line]:
        ends_at = time.monotonic() + ANSWER_SECONDS
        try:
            with closing(opened(self._access, "operator")) as connection, mapped(self._access, connection, ends_at):
                yield Line(self._access, connection, ends_at)
        except ProbeError as error:
            raise JournalError(
                text("The copy of the journal cannot be used: {reason}. Nothing acts", reason=error.said)
            ) from error

    def _statement(self, name: str) -> Any:
        from psycopg import sql

        return statement(name, schema=sql.Identifier(self._schema))


def journal_sql(schema: str, writer: str) -> str:
    """What a superuser runs to make the copy's table and its insert-only role; running it twice does no harm."""
    from psycopg import sql

    table = statement("journal_table", schema=sql.Identifier(schema), writer=sql.Identifier(writer)).as_string(None)
    return _MADE.format(schema=quoted(schema), writer=quoted(writer), table=table)


def _logins(access: Access, writer: Login) -> list[Login]:
    mine = (writer, access.settings.reader, access.settings.operator)
    return [login for login in mine if login is not None]
