"""What must be so before a purge may begin. Every guard fails closed: what cannot be found out forbids."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from procedures.purge.batches import Place
from procedures.purge.surveying import Survey, TableSurvey
from runbook.errors import RunbookError
from runbook.text import Text, percent, text

if TYPE_CHECKING:
    from runbook.targets.postgres.working import Connection
    from runbook.targets.s3.objects import ObjectStore

#: Clocks of the database, the storage and this machine may differ by this much.
LARGEST_SKEW = timedelta(seconds=60)

_SERVER = """
SELECT pg_is_in_recovery() AS standby,
    pg_has_role(current_user, 'pg_monitor', 'USAGE') AS sees,
    clock_timestamp() AS now,
    (SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pg_dump' AND datname = current_database()) AS dumps
"""


def of_the_database(connection: Connection) -> Iterator[Text]:
    """What about the server forbids a purge just now."""
    before = datetime.now(UTC)
    (row,) = connection.execute(_SERVER).fetchall()
    skew = abs(row["now"] - (before + (datetime.now(UTC) - before) / 2))
    if row["standby"]:
        yield text("This server is a standby: set database.host to the primary")
    if not row["sees"]:
        yield text("The role cannot see replicas and sessions: GRANT pg_monitor TO it")
    if row["dumps"]:
        yield text("pg_dump is running: wait for it to end")
    if skew > LARGEST_SKEW:
        yield text("This machine's clock and the database's differ by {skew}: set them right", skew=skew)


def of_the_storage(store: ObjectStore) -> Iterator[Text]:
    """Whether the storage's clock can be trusted with the age of what lies there."""
    skew = abs(store.clock_skew())
    if skew > LARGEST_SKEW:
        yield text("This machine's clock and the storage's differ by {skew}: set them right", skew=skew)


def of_the_backup(newest: datetime | None, limit: timedelta) -> Iterator[Text]:
    """Whether there is a backup to go back to, whatever happens: ``newest`` is when the last good one was made."""
    if newest is None:
        yield text("There is no verified backup: take one first (row BACKUP-01)")
    elif (age := datetime.now(UTC) - newest) > limit:
        yield text(
            "The newest verified backup is {age} old; the limit is {limit} (purge.newest_backup)", age=age, limit=limit
        )


def of_the_size(survey: Survey, last: dict[str, int], place: Place) -> Iterator[Text]:
    """Whether more would go than a purge usually takes: a wrong clock or a wrong status does that.

    Partitions count as the table that they belong to: of an old one, all goes, every time.
    """
    roots = {table.table: table.root for table in survey.tables}
    for root in dict.fromkeys(roots.values()):
        parts = [table for table in survey.tables if table.root == root]
        went = sum(rows for name, rows in last.items() if roots.get(name, name) == root)
        yield from _of_one_size(root, parts, went, place)


def objections(guards: Iterator[Text]) -> tuple[Text, ...]:
    """All that a guard objects; that it could not look is an objection too."""
    try:
        return tuple(guards)
    except RunbookError as error:
        return (error.said,)


def _of_one_size(root: str, parts: list[TableSurvey], last: int, place: Place) -> Iterator[Text]:
    going = sum(table.qualifying for table in parts if not table.refused)
    if not going:
        return
    share = 100 * going / sum(table.rows for table in parts)
    given: dict[str, Any] = {"table": root, "rows": going}
    if share > place.purge.max_percent:
        yield text(
            "{rows} rows of {table} would go, {share} of it; the limit is {limit} (purge.max_percent): confirm it",
            share=percent(round(share, 1)),
            limit=percent(place.purge.max_percent),
            **given,
        )
    if last and going > place.purge.max_growth * last:
        yield text(
            "{rows} rows of {table} would go, and {last} went last time; the limit is {limit} times as many "
            "(purge.max_growth): confirm it",
            last=last,
            limit=place.purge.max_growth,
            **given,
        )
