"""Building and dropping our own indexes without blocking writers, with what a failed build leaves cleared away."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from runbook.targets.postgres import timing
from runbook.targets.postgres.access import Access, quoted, statement
from runbook.targets.postgres.candidates import OUR_INDEX, Where, create_index_words, where_of
from runbook.targets.postgres.operator import Operator, operating, plain
from runbook.targets.postgres.owned import own, table_facts, within
from runbook.text import text

#: Seconds. Building may take long on a large table, and ends before the engine stops waiting for the step.
_BUILD = 540.0
#: Building waits for every older transaction; two tries of this, and somebody has to look at who holds on.
_LOCK_PATIENCE = "15s"
_TRIES = 2


def create_index(
    access: Access,
    fingerprint: Mapping[str, Any],
    table: str,
    columns: Sequence[str],
    name: str,
    where: Mapping[str, Any] | None = None,
    serves: Sequence[str] = (),
) -> dict[str, Any]:
    """Build the index without blocking writers; an invalid leftover of its name goes first, and after a failure.

    ``serves`` are the shapes of statements to time: their cost and mean time before and after.
    """
    with operating(access, "create_index", _BUILD) as operator:
        _ours(operator, name)
        predicate = where_of(where)
        wanted = {"table": table, "columns": list(columns), "name": name}
        facts = table_facts(operator, table)
        equivalent = None if predicate else _equivalent(operator, facts, columns)
        operator.compare(fingerprint, {**facts, **wanted, "equivalent": equivalent})
        if equivalent:
            operator.refuse(text("{table} has the index {index} by now", table=table, index=equivalent))
        _may_build(operator, facts)
        timed = timing.before(operator, serves)
        operator.execute(statement("lock_patience"), {"patience": _LOCK_PATIENCE})
        started = time.monotonic()
        _build(operator, table, columns, name, predicate)
        took = round(time.monotonic() - started, 1)
        after = {**wanted, **_shown(_index(operator, name)), "seconds": took}
        return {"before": {"index": None}, "after": after, "statements": timing.after(operator, timed)}


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


def _build(operator: Operator, table: str, columns: Sequence[str], name: str, where: Where | None) -> None:
    """Two tries: the first may meet a long transaction that ends while it waits."""
    from psycopg import errors

    within_schema = (operator.access.settings.schema, table)
    words = create_index_words(name, within_schema, tuple(columns), where, concurrently=True)
    for _ in range(_TRIES):
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
    own(operator, found)
    operator.execute(statement("drop_index", name=within(operator.access, name)))


def _ours(operator: Operator, name: str) -> None:
    if not name.startswith(OUR_INDEX):
        operator.refuse(text("{name} is no name of ours: those begin with {ours}", name=name, ours=OUR_INDEX))


def _index(operator: Operator, name: str) -> dict[str, Any] | None:
    given = {"schema": operator.access.settings.schema, "name": name}
    return next(iter(operator.rows(statement("index_facts"), given)), None)


def _shown(found: Mapping[str, Any] | None) -> dict[str, Any]:
    return {"valid": bool(found and found["valid"]), "bytes": found["bytes"] if found else 0}


def _equivalent(operator: Operator, facts: Mapping[str, Any], columns: Sequence[str]) -> str | None:
    """A valid index of all rows of the table that begins with these columns."""
    rows = operator.rows(statement("indexed_columns"), {"tables": [facts["table_oid"]]})
    return next((str(row["index"]) for row in rows if row["columns"][: len(columns)] == list(columns)), None)


def _may_build(operator: Operator, facts: Mapping[str, Any]) -> None:
    own(operator, facts)
    if not facts["may_create"]:
        words = f"GRANT CREATE ON SCHEMA {quoted(operator.access.settings.schema)} TO {quoted(facts['operator'])}"
        operator.fail(text("The right is missing: {command}", command=words))
