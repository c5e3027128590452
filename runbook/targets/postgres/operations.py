"""What the operator may do to the database. Each looks again before it acts and proves afterwards that it is done."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from runbook.targets.postgres.access import APPLICATION, Access, statement
from runbook.targets.postgres.operator import Operator, operating, plain
from runbook.targets.postgres.owned import grant, own, table_facts, within
from runbook.text import text

if TYPE_CHECKING:
    pass

#: Programs that move data about; ended halfway they leave a broken backup or half a restore. By beginning of name.
SPARED = ("pg_", "pgbackrest", "barman", "wal-g", "vacuumdb", "reindexdb")
_ENDABLE = ("idle", "idle in transaction", "idle in transaction (aborted)", "active")

#: Seconds; each ends before the engine stops waiting for the step.
_ANALYSE, _END = 300.0, 12.0
#: How long a session may take to roll back and go.
_GOING_MILLISECONDS = 5000
#: Time to wait for a lock.
_LOCK_PATIENCE = "15s"


def end_session(access: Access, fingerprint: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """End the very session that was planned, and no other that has its pid by now."""
    with operating(access, "end_session", _END) as operator:
        before = _session(operator, wanted["pid"])
        if before is None:
            operator.refuse(text("Session {pid} is gone already", pid=wanted["pid"]))
        operator.compare(fingerprint, before)
        operator.compare(wanted, before)
        _spare(operator, before)
        if not _ended(operator, before):
            operator.refuse(text("Session {pid} moved on in the last moment", pid=before["pid"]))
        after = _session(operator, before["pid"])
        if after is not None and after["backend_start"] == before["backend_start"]:
            operator.fail(text("Session {pid} was told to end and is still there", pid=before["pid"]))
        return {"before": plain(before), "after": {"present": False}}


def analyze(access: Access, fingerprint: Mapping[str, Any], table: str) -> dict[str, Any]:
    """Renew a table's statistics. Without the right the server only warns, so the time of the last one is compared."""
    with operating(access, "analyze", _ANALYSE) as operator:
        before = table_facts(operator, table)
        operator.compare(fingerprint, {**before, "table": table})
        own(operator, before)
        operator.execute(statement("lock_patience"), {"patience": _LOCK_PATIENCE})
        operator.execute(statement("analyze", table=within(access, table)))
        after = _later(operator, table, before)
        return {"before": plain(before), "after": plain(after)}


def _session(operator: Operator, pid: int) -> dict[str, Any] | None:
    rows = operator.rows(statement("session_facts"), {"pid": pid})
    if rows and not rows[0].pop("seen"):
        grant(operator, "pg_monitor")
    return rows[0] if rows else None


def _spare(operator: Operator, session: Mapping[str, Any]) -> None:
    """Refuse what must never be ended, whatever the plan says."""
    settings, name = operator.access.settings, session["application"]
    ours = {login.user for login in (settings.reader, settings.operator) if login}
    if session["backend_type"] != "client backend":
        operator.refuse(
            text("Session {pid} is a {kind} of the server", pid=session["pid"], kind=session["backend_type"])
        )
    if name == APPLICATION or session["role"] in ours:
        operator.refuse(text("Session {pid} is one of ours", pid=session["pid"]))
    if name.casefold().startswith(SPARED):
        operator.refuse(text("Session {pid} is {application}: it is never ended", pid=session["pid"], application=name))
    if session["database"] != settings.name:
        operator.refuse(text("Session {pid} is of another database", pid=session["pid"]))
    if session["superuser"]:
        operator.refuse(text("Session {pid} is a superuser's: only a superuser may end it", pid=session["pid"]))
    if session["state"] not in _ENDABLE:
        operator.refuse(text("Session {pid} is {state}", pid=session["pid"], state=session["state"] or "—"))


def _later(operator: Operator, table: str, before: Mapping[str, Any]) -> dict[str, Any]:
    """The facts once the new statistics show: old servers tell of them a moment later."""
    ends_at = time.monotonic() + 3
    while (after := table_facts(operator, table))["last_analyze"] == before["last_analyze"]:
        if time.monotonic() > ends_at:
            operator.fail(text("{table} was not analysed", table=table))
        time.sleep(0.05)
    return after


def _ended(operator: Operator, session: Mapping[str, Any]) -> bool:
    """Whether it was still there to be ended; the server waits until it is gone, for a while."""
    from psycopg import errors

    try:
        return bool(operator.rows(statement("end_session"), {**session, "milliseconds": _GOING_MILLISECONDS}))
    except errors.InsufficientPrivilege:
        grant(operator, "pg_signal_backend")
