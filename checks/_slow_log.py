"""What the database's own log says of slow statements: which, and what they waited for and spilled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from checks._found import fact
from runbook.errors import ProbeError
from runbook.model import Evidence
from runbook.text import Quantity, size, text

if TYPE_CHECKING:
    from runbook.targets.logs.logs import Logs
    from runbook.targets.postgres.database import Database
    from runbook.targets.slow_log.findings import SlowStatement

SOURCE = "slow query log"


def read(database: Database, logs: Logs) -> tuple[tuple[SlowStatement, ...], tuple[Evidence, ...]]:
    """The statements of the log, or a note why it cannot be read: it is one of three ways to the same cause."""
    try:
        return logs.slow_statements(_prefix(database)), ()
    except ProbeError as error:
        return (), (fact(error.said, SOURCE),)


def evidence(logged: Iterable[SlowStatement]) -> Iterator[Evidence]:
    """What stands in the log; nothing where nothing does."""
    found = tuple(logged)
    if not found:
        return
    count = Quantity(sum(s.count for s in found), "statements")
    said = text("The slow query log has {statements} on tbae* and tbmu*", statements=count)
    yield fact(said, SOURCE, map(_line, found))
    waits, waited = sum(s.waits for s in found), sum((s.waited for s in found), timedelta(0))
    if waits:
        said = text("The statements waited for locks {count} times, {spent} in all", count=waits, spent=waited)
        yield fact(said, SOURCE)
    files = sum(s.temp_files for s in found)
    if files:
        spilled = size(sum(s.temp_bytes for s in found))
        yield fact(text("They wrote {count} temporary files of {size} in all", count=files, size=spilled), SOURCE)


def _prefix(database: Database) -> str | None:
    """The server's log_line_prefix; a server that does not tell leaves it to be guessed."""
    try:
        return database.log_line_prefix()
    except ProbeError:
        return None


def _line(slow: SlowStatement) -> str:
    return f"{slow.count} × {slow.longest.total_seconds() * 1000:.3g} ms: {slow.query}"
