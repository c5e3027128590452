"""Which rows are to go: the same words for counting, for exporting and for the last look in the delete itself.

The row in question is called ``staged`` everywhere; what it belongs to is joined to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING

import msgspec

from procedures.purge.tables import (
    RECORD,
    RESPONSE,
    RESPONSE_TIME,
    RESPONSES,
    STATUS,
    SUBSYSTEM,
    Table,
)
from runbook.settings import Hold

if TYPE_CHECKING:
    from psycopg import sql

    Part = sql.Composable


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """By what rows are chosen: plain values, so that they travel to where batches are worked on.

    ``cutoffs`` are literals in the time column's own terms, by the name of the root table; ``statuses`` the numbers of
    the processed statuses; ``records`` the tables in which a response may have its record, and ``kept`` those of them
    that are not purged, whose responses stay. The days of ``holds`` are those of ``zone``.
    """

    schema: str
    cutoffs: Mapping[str, str]
    statuses: tuple[int, ...]
    holds: tuple[Hold, ...] = ()
    records: tuple[Table, ...] = ()
    kept: tuple[str, ...] = ()
    zone: str = "UTC"


def joined(table: Table, rules: Rules) -> Part:
    """What must be joined to ``staged`` to know whether it is to go."""
    from psycopg import sql

    parts: list[Part] = []
    if table.kind == "errors":
        parts.append(
            sql.SQL(" JOIN {responses} AS response ON response.{key} = staged.{key}").format(
                responses=sql.Identifier(rules.schema, RESPONSES), key=sql.Identifier(RESPONSE)
            )
        )
    if table.kind != "records":
        parts += [_record_joined(number, record, _owner(table), rules) for number, record in _records(rules)]
    return sql.SQL("").join(parts)


def qualifies(table: Table, rules: Rules) -> Part:
    """The condition under which ``staged`` is to go; never true where a time or a status is not known."""
    if table.kind == "records":
        return _record_qualifies("staged", table, rules)
    return _response_qualifies(_owner(table), rules)


def is_held(alias: str, table: Table, rules: Rules) -> Part:
    """Whether a hold keeps the record."""
    from psycopg import sql

    return sql.SQL("({})").format(sql.SQL(" OR ").join([_held_by(alias, table, hold, rules) for hold in rules.holds]))


def _owner(table: Table) -> str:
    """The alias of the response that decides: the row itself, or the one that an error belongs to."""
    return "response" if table.kind == "errors" else "staged"


def _records(rules: Rules) -> Iterator[tuple[int, Table]]:
    """One table a root: partitions are looked up through the table that they belong to."""
    roots = {table.root: table for table in rules.records}
    return enumerate(roots.values(), 1)


def _record_joined(number: int, record: Table, owner: str, rules: Rules) -> Part:
    """The response's record in one table. Where its uuid is no key of its own, all that bear it must qualify."""
    from psycopg import sql

    given = {
        "table": sql.Identifier(rules.schema, record.root),
        "alias": sql.Identifier(f"record_{number}"),
        "record": sql.Identifier(RECORD),
        "uuid": sql.Identifier(owner, RECORD),
        "goes": sql.SQL("false") if _stays(record, rules) else _record_qualifies("held", record, rules),
    }
    unique = record.key == (RECORD,)
    joins = (
        " LEFT JOIN LATERAL (SELECT {goes} AS goes FROM {table} AS held WHERE held.{record} = {uuid})"
        " AS {alias} ON true",
        " LEFT JOIN LATERAL (SELECT bool_and({goes}) AS goes FROM {table} AS held WHERE held.{record} = {uuid}"
        " HAVING count(*) > 0) AS {alias} ON true",
    )
    return sql.SQL(joins[0] if unique else joins[1]).format(**given)


def _stays(record: Table, rules: Rules) -> bool:
    """Whether all records of a table stay: it is not purged, or it came after the run had begun."""
    return record.root in rules.kept or record.root not in rules.cutoffs


def _response_qualifies(owner: str, rules: Rules) -> Part:
    """Its record is to go wherever it is; or it has none any more, is old enough itself, and no hold names its uuid."""
    from psycopg import sql

    goes = [sql.Identifier(f"record_{number}", "goes") for number, _ in _records(rules)]
    alone = [sql.SQL("{} IS NULL").format(g) for g in goes]
    stays = [sql.SQL("{} IS FALSE").format(g) for g in goes]
    uuids = [hold.uuid for hold in rules.holds if hold.uuid is not None]
    named = sql.SQL(" OR ").join([sql.SQL("false"), *(_is_named(owner, uuid) for uuid in uuids)])
    old = sql.SQL("{time} < {cutoff} AND isfinite({time}) AND {status} = ANY({statuses}) AND NOT ({named})").format(
        time=sql.Identifier(owner, RESPONSE_TIME),
        cutoff=sql.Literal(rules.cutoffs[RESPONSES]),
        status=sql.Identifier(owner, STATUS),
        statuses=sql.Literal(list(rules.statuses)),
        named=named,
    )
    return sql.SQL("NOT ({stays}) AND (NOT ({alone}) OR ({old}))").format(
        stays=sql.SQL(" OR ").join([*stays, sql.SQL("false")]),
        alone=sql.SQL(" AND ").join([*alone, sql.SQL("true")]),
        old=old,
    )


def _record_qualifies(alias: str, table: Table, rules: Rules) -> Part:
    from psycopg import sql

    time = sql.Identifier(alias, table.time or "")
    condition = sql.SQL(
        "coalesce({time} < {cutoff} AND isfinite({time}) AND {status} = ANY({statuses}), false)"
    ).format(
        time=time,
        cutoff=sql.Literal(rules.cutoffs[table.root]),
        status=sql.Identifier(alias, STATUS),
        statuses=sql.Literal(list(rules.statuses)),
    )
    if rules.holds:
        condition = sql.SQL("({} AND NOT coalesce({}, true))").format(condition, is_held(alias, table, rules))
    return condition


def _held_by(alias: str, table: Table, hold: Hold, rules: Rules) -> Part:
    """All that the hold names must be so; what the table cannot tell counts as so."""
    from psycopg import sql

    conditions: list[Part] = []
    if hold.uuid is not None and RECORD in table.names:
        conditions.append(_is_named(alias, hold.uuid))
    if hold.subsystem is not None and SUBSYSTEM in table.names:
        number, held = sql.Identifier(alias, SUBSYSTEM), sql.Literal(str(hold.subsystem))
        conditions.append(sql.SQL("btrim({}::text) = {}").format(number, held))
    for comparison, day in ((">=", hold.since), ("<", hold.until)):
        if day is not None and table.time is not None:
            given = (sql.Identifier(alias, table.time), sql.SQL(comparison), sql.Literal(_midnight(day, table, rules)))
            conditions.append(sql.SQL("{} {} {}").format(*given))
    return sql.SQL("({})").format(sql.SQL(" AND ").join([*conditions, sql.SQL("true")]))


def _is_named(alias: str, uuid: str) -> Part:
    """Whether the row bears the uuid, as people write it: a hold must not fail for capitals or a space."""
    from psycopg import sql

    return sql.SQL("lower(btrim({}::text)) = {}").format(
        sql.Identifier(alias, RECORD), sql.Literal(uuid.strip().lower())
    )


def _midnight(day: date, table: Table, rules: Rules) -> str:
    """When a day begins in the site's zone, in the terms of the table's time."""
    return f"{day.isoformat()} 00:00:00{f' {rules.zone}' if table.aware else ''}"
