"""The target of SQL rows: the database of the environment, asked by the team's own scripts."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import ClassVar

from runbook.errors import ProbeError, ProbeFailure
from runbook.probes import probe
from runbook.settings import DatabaseSettings, SqlRowsSettings
from runbook.targets.postgres import indexes
from runbook.targets.postgres.access import quoted
from runbook.targets.postgres.asking import LONG_SECONDS, TABLES, Asking
from runbook.targets.postgres.connection import Line
from runbook.targets.postgres.planner import askable
from runbook.targets.scripts.reading import Statement
from runbook.targets.scripts.running import Run
from runbook.targets.scripts.script import Asked, Script, Variables
from runbook.targets.scripts.structs import Result, SlowStatement
from runbook.targets.sql_text import masked_literals
from runbook.text import text

_COUNTED = "PostgreSQL role pg_monitor, extension pg_stat_statements; HypoPG or TEMPORARY on the database"
#: Scripts run one or two at a time, beside the connections of the other rows.
_MOST = 2
#: What ends a script is its own time limit and the run's: this only has to be longer.
_LONGEST = timedelta(hours=12)
#: Seconds for logging in, beside the script's own.
_TO_GET_IN = 4.0
#: What is too slow for a script is not too slow for everybody: its silence is its own.
_CHANNEL = "scripts"


class Scripts(Asking):
    """Runs scripts as the reader, in a transaction that is rolled back; a connection is never used for a second one.

    Times of the tables are read in the site's zone, and names without a schema are looked for in the site's.
    """

    kind: ClassVar[str] = "scripts"

    def __init__(
        self,
        name: str,
        settings: DatabaseSettings | None,
        rules: SqlRowsSettings,
        *,
        environment: str,
        timezone: str,
    ) -> None:
        super().__init__(name, settings, environment=environment, timezone=timezone, most=_MOST)
        self.rules = rules
        self._places = threading.BoundedSemaphore(_MOST)

    def asked(self, script: Script, column: str | None = None, *, largest: bool = True) -> Asked:
        """The script with the values that this site gives it; its own defaults count last."""
        defaults = {name: value for name, value in script.parameters.items() if value is not None}
        schema = {"schema": self._access.settings.schema, "esquema": self._access.settings.schema}
        given = {**schema, **defaults, **self.rules.values}
        values = {name: value for name, value in given.items() if name in script.variables()}
        return Asked(script, values, column, largest)

    @probe(needs=TABLES, deadline=_LONGEST, channel=_CHANNEL)
    def result(self, asked: Asked) -> Result:
        """What the script gave, within its own time limit. Reads only.

        Raises ProbeError(BROKEN) for a script that is not run or lacks a value, and what the database's probes raise.
        """
        self._prove(asked)
        limit = (asked.script.timeout or self.rules.timeout).total_seconds()
        # A script's time begins when it is its turn and the server let it in: how long it waits is the run's to say.
        with self._places, self._connections.reader(limit + _TO_GET_IN) as reader:
            try:
                line = Line(reader.access, reader.connection, time.monotonic() + limit)
                run = Run(line, asked, most=self.rules.most_rows, personal_columns=self.rules.hidden)
                return run.result(self._session())
            finally:
                reader.connection.close()  # what a session keeps beyond its transaction ends here

    @probe(needs=_COUNTED, deadline=timedelta(seconds=10), channel=_CHANNEL)
    def slow(self, asked: Asked, line: int) -> SlowStatement:
        """How the planner goes about the statement at that line, and the indexes that would help. Reads only."""
        words = self._words(asked, line)
        with self._places, self._connections.reader(LONG_SECONDS) as reader:
            plan = _explained(reader, words, self._session())
            try:
                found = indexes.proposals(reader, (words,))
            except ProbeError as error:
                return SlowStatement(plan=plan, indexes=(), unknown=error.said)
            return SlowStatement(plan=plan, indexes=tuple(one.command for one in found))

    def _session(self) -> dict[str, str]:
        """What the server is told for one script: where names are, whose clock counts, that all will be fetched."""
        path = self.rules.search_path or (self._access.settings.schema, "public")
        return {
            "search_path": ", ".join(map(quoted, path)),
            "TimeZone": self._zone,
            "cursor_tuple_fraction": "1.0",
        }

    def _prove(self, asked: Asked) -> None:
        """Raise ProbeError for a script that is not run, or that lacks a value it declares."""
        if asked.script.refusals:
            raise ProbeError(self.name, ProbeFailure.BROKEN, asked.script.refusals[0])
        missing = sorted(name for name in asked.script.parameters if name not in asked.values)
        if missing:
            words = text("No value for {names}: give --param NAME=VALUE", names=", ".join(missing))
            raise ProbeError(self.name, ProbeFailure.BROKEN, words)

    def _words(self, asked: Asked, line: int) -> str:
        parts = (step.part for step in asked.script.steps)
        found = next(part for part in parts if isinstance(part, Statement) and part.line == line)
        return Variables(asked.values).into(found.words)


def _explained(reader: Line, words: str, settings: Mapping[str, str]) -> tuple[str, ...]:
    """The plan as EXPLAIN writes it, its literals masked; the statement is not run. Empty where it has none."""
    with askable(reader):
        for name, value in settings.items():
            reader.connection.execute("SELECT set_config(%s, %s, true)", [name, value])
        rows = reader.connection.execute(f"EXPLAIN {words}".encode(), binary=True).fetchall()
        return tuple(masked_literals(str(row["QUERY PLAN"])) for row in rows)
    return ()
