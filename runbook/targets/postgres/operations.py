"""What the operator may do to the database. Each looks again before it acts and proves afterwards that it is done."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

from runbook.targets.postgres.access import APPLICATION, Access, quoted, statement
from runbook.targets.postgres.candidates import OUR_INDEX, create_index_words
from runbook.targets.postgres.operator import Operator, operating, plain
from runbook.text import text

if TYPE_CHECKING:
    from psycopg import sql

#: Programs that move data about; ended halfway they leave a broken backup or half a restore. By beginning of name.
SPARED = ("pg_", "pgbackrest", "barman", "wal-g", "vacuumdb", "reindexdb")
_ENDABLE = ("idle", "idle in transaction", "idle in transaction (aborted)", "active")

#: Seconds. Building may take long on a large table, and ends before the engine stops waiting for the step.
_BUILD, _ANALYSE, _END = 540.0, 300.0, 12.0
#: How long a session may take to roll back and go.
_GOING_MILLISECONDS = 5000
#: Building waits for every older transaction; two tries of this, and somebody has to look at who holds on.
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


def create_index(
    access: Access, fingerprint: Mapping[str, Any], table: str, columns: Sequence[str], name: str
) -> dict[str, Any]:
    """Build the index without blocking writers; an invalid leftover of its name goes first, and after a failure."""
    with operating(access, "create_index", _BUILD) as operator:
        _ours(operator, name)
        wanted = {"table": table, "columns": list(columns), "name": name}
        facts = _table(operator, table)
        operator.compare(fingerprint, {**facts, **wanted, "equivalent": _equivalent(operator, facts, columns)})
        if equivalent := _equivalent(operator, facts, columns):
            operator.refuse(text("{table} has the index {index} by now", table=table, index=equivalent))
        _may_build(operator, facts)
        operator.execute(statement("lock_patience"), {"patience": _LOCK_PATIENCE})
        _build(operator, table, columns, name)
        after = _index(operator, name) or {}
        return {"before": {"index": None}, "after": {**wanted, "valid": after["valid"], "bytes": after["bytes"]}}


def drop_index(access: Access, fingerprint: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Drop one of our indexes without blocking writers; it takes ``create_index`` back."""
    with operating(access, "drop_index", _BUILD) as operator:
        _ours(operator, name)
        before = _index(operator, name)
        if before is None:
            operator.refuse(text("There is no index {name} any more", name=name))
        operator.compare(fingerprint, {**before, "name": name})
        operator.execute(statement("lock_patience"), {"patience": _LOCK_PATIENCE})
        _drop(operator, name, before)
        if _index(operator, name) is not None:
            operator.fail(text("Index {name} is still there", name=name))
        return {"before": plain(before), "after": {"index": None}}


def analyze(access: Access, fingerprint: Mapping[str, Any], table: str) -> dict[str, Any]:
    """Renew a table's statistics. Without the right the server only warns, so the time of the last one is compared."""
    with operating(access, "analyze", _ANALYSE) as operator:
        before = _table(operator, table)
        operator.compare(fingerprint, {**before, "table": table})
        _own(operator, before)
        operator.execute(statement("lock_patience"), {"patience": _LOCK_PATIENCE})
        operator.execute(statement("analyze", table=_within(access, table)))
        after = _later(operator, table, before)
        return {"before": plain(before), "after": plain(after)}


def _session(operator: Operator, pid: int) -> dict[str, Any] | None:
    rows = operator.rows(statement("session_facts"), {"pid": pid})
    if rows and not rows[0].pop("seen"):
        _grant(operator, "pg_monitor")
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


def _build(operator: Operator, table: str, columns: Sequence[str], name: str) -> None:
    """Two tries: the first may meet a long transaction that ends while it waits."""
    from psycopg import errors

    words = create_index_words(name, (operator.access.settings.schema, table), tuple(columns), concurrently=True)
    for _ in range(2):
        with suppress(errors.LockNotAvailable, errors.DeadlockDetected):
            _clear(operator, name)
            operator.execute(words)
            if (_index(operator, name) or {}).get("valid"):
                return
    with suppress(errors.LockNotAvailable, errors.DeadlockDetected):
        _clear(operator, name)  # waits for the same transaction; what stays is removed at the next try
    operator.fail(
        text("Index {name} was not built: see which old transaction holds on to {table}", name=name, table=table)
    )


def _clear(operator: Operator, name: str) -> None:
    """Remove what an interrupted build of this name left behind. Refuses to touch a good index or a running build."""
    found = _index(operator, name)
    if found is None:
        return
    if found["valid"]:
        operator.refuse(text("There is another index {name} on {table}", name=name, table=found["indexed"]))
    _drop(operator, name, found)


def _drop(operator: Operator, name: str, found: Mapping[str, Any]) -> None:
    if found["enforces"]:
        operator.refuse(text("Index {name} enforces a constraint", name=name))
    if found["building"]:
        operator.refuse(text("Index {name} is being built by somebody right now", name=name))
    _own(operator, found)
    operator.execute(statement("drop_index", name=_within(operator.access, name)))


def _ours(operator: Operator, name: str) -> None:
    if not name.startswith(OUR_INDEX):
        operator.refuse(text("{name} is no name of ours: those begin with {ours}", name=name, ours=OUR_INDEX))


def _table(operator: Operator, table: str) -> dict[str, Any]:
    schema = operator.access.settings.schema
    rows = operator.rows(statement("table_facts"), {"schema": schema, "table": table})
    if not rows:
        operator.refuse(text("There is no table {schema}.{table}", schema=schema, table=table))
    return rows[0]


def _index(operator: Operator, name: str) -> dict[str, Any] | None:
    given = {"schema": operator.access.settings.schema, "name": name}
    return next(iter(operator.rows(statement("index_facts"), given)), None)


def _equivalent(operator: Operator, facts: Mapping[str, Any], columns: Sequence[str]) -> str | None:
    """A valid index of the table that begins with these columns."""
    rows = operator.rows(statement("indexed_columns"), {"tables": [facts["table_oid"]]})
    return next((str(row["index"]) for row in rows if row["columns"][: len(columns)] == list(columns)), None)


def _later(operator: Operator, table: str, before: Mapping[str, Any]) -> dict[str, Any]:
    """The facts once the new statistics show: old servers tell of them a moment later."""
    ends_at = time.monotonic() + 3
    while (after := _table(operator, table))["last_analyze"] == before["last_analyze"]:
        if time.monotonic() > ends_at:
            operator.fail(text("{table} was not analysed", table=table))
        time.sleep(0.05)
    return after


def _may_build(operator: Operator, facts: Mapping[str, Any]) -> None:
    _own(operator, facts)
    if not facts["may_create"]:
        words = f"GRANT CREATE ON SCHEMA {quoted(operator.access.settings.schema)} TO {quoted(facts['operator'])}"
        operator.fail(text("The right is missing: {command}", command=words))


def _own(operator: Operator, facts: Mapping[str, Any]) -> None:
    if not facts["owned"]:
        _grant(operator, facts["owner"])


def _grant(operator: Operator, role: str) -> NoReturn:
    words = f"GRANT {quoted(role)} TO {quoted(operator.access.login('operator').user)}"
    operator.fail(text("The right is missing: {command}", command=words))


def _ended(operator: Operator, session: Mapping[str, Any]) -> bool:
    """Whether it was still there to be ended; the server waits until it is gone, for a while."""
    from psycopg import errors

    try:
        return bool(operator.rows(statement("end_session"), {**session, "milliseconds": _GOING_MILLISECONDS}))
    except errors.InsufficientPrivilege:
        _grant(operator, "pg_signal_backend")


def _within(access: Access, name: str) -> sql.Identifier:
    from psycopg import sql

    return sql.Identifier(access.settings.schema, name)
