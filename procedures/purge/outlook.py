"""What a purge would find: where it works, which tables by which rules, and what forbids it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from procedures.backup import looking
from procedures.purge import finding, preflight, ruling, surveying
from procedures.purge.batches import Place
from procedures.purge.ledger import Ledger
from procedures.purge.ledger_structs import Run
from procedures.purge.selection import Rules
from procedures.purge.surveying import Survey
from procedures.purge.tables import Table
from runbook.errors import NotConfigured, ProbeError
from runbook.site import Site
from runbook.targets.postgres.access import Access
from runbook.targets.postgres.working import as_action_errors, working
from runbook.targets.s3 import promises
from runbook.targets.s3.objects import ObjectStore, open_store
from runbook.text import Text

if TYPE_CHECKING:
    from runbook.targets.postgres.working import Connection

#: Rows a second that a dry run reckons with before any run has shown better; docs/benchmarks.md has what is usual.
ASSUMED = 20_000.0


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """What a dry run finds: the tables, what forbids to begin, and the run that would be gone on with.

    ``rate`` is in rows a second: the last run's, or one that a small machine keeps up.
    """

    survey: Survey
    objections: tuple[Text, ...] = ()
    unfinished: str | None = None
    rate: float = ASSUMED


def place_of(site: Site) -> Place:
    """Where the site's purge works. Raises NotConfigured for a target that the site file does not have."""
    settings, setting = site.settings, f"environments.{site.environment.name}"
    if settings.database is None:
        raise NotConfigured("database", f"{setting}.database")
    if settings.storage is None or not settings.storage.archive_bucket:
        raise NotConfigured("storage", f"{setting}.storage.archive_bucket")
    access = Access("database", f"{setting}.database", settings.database)
    return Place(access=access, storage=settings.storage, archive=settings.archive, purge=settings.purge)


def look(site: Site) -> Outlook:
    """What a purge would do, and what forbids it. Under the reader's identity: it could not change anything."""
    place = place_of(site)
    with working(place.access, "purge", "reader") as connection:
        ledger = Ledger(connection, place.purge.state_schema)
        unfinished = ledger.unfinished() if ledger.exists() else None
        found = tables_of(ledger, place, unfinished)
        rules = rules_for(connection, found, place, site, unfinished)
        survey = surveying.survey(
            connection, found, rules, place.access.settings, place.purge, site.environment.timezone
        )
        last = ledger.last_done() if ledger.exists() else {}
        return Outlook(
            survey=survey,
            objections=(*objections_to_look(connection, place, site), *preflight.of_the_size(survey, last, place)),
            unfinished=unfinished.id if unfinished else None,
            rate=(ledger.last_rate() if ledger.exists() else None) or ASSUMED,
        )


def tables_of(ledger: Ledger, place: Place, unfinished: Run | None) -> tuple[Table, ...]:
    """The tables, and the partitions that an earlier process detached, under the table that they belong to."""
    standing = ledger.standing(unfinished.id) if unfinished else ()
    detached = {table.name: table for table in standing if table.state == "DETACHED"}
    with as_action_errors(place.access, "purge"):
        found = finding.find_tables(ledger.connection, place.access.settings, place.purge, also=frozenset(detached))
    return tuple(
        msgspec.structs.replace(table, root=detached[table.name].parent, bounds=detached[table.name].bounds)
        if table.name in detached
        else table
        for table in found
    )


def rules_for(
    connection: Connection, found: tuple[Table, ...], place: Place, site: Site, unfinished: Run | None
) -> Rules:
    """The stored rules of a run that is gone on with, under the holds of today; else new ones."""
    with as_action_errors(place.access, "purge"):
        rules = ruling.rules_of(connection, found, place.access.settings, place.purge, site.environment.timezone)
    if unfinished is None:
        return rules
    return msgspec.structs.replace(rules, cutoffs=unfinished.rules.cutoffs, statuses=unfinished.rules.statuses)


def objections_to_look(connection: Connection, place: Place, site: Site) -> Iterator[Text]:
    """What forbids a purge, as far as that shows without writing anything."""
    yield from preflight.of_the_database(connection)
    yield from _of_the_newest_backup(place, site)
    yield from preflight.objections(_of_the_configured_storage(place))


def objections_to_act(connection: Connection, place: Place, site: Site, store: ObjectStore) -> Iterator[Text]:
    """What forbids a purge, the storage tried out."""
    yield from preflight.of_the_database(connection)
    yield from preflight.objections(preflight.of_the_storage(store))
    yield from _of_the_newest_backup(place, site)
    yield from preflight.objections(_of_the_tried_storage(store, place))


def _of_the_tried_storage(store: ObjectStore, place: Place) -> Iterator[Text]:
    """Its configuration first: what that forbids need not be tried."""
    if found := promises.objections(promises.configured_promises(store), store.protection):
        yield from found
    else:
        yield from promises.objections(promises.tried_promises(store, place.archive.prefix), store.protection)


def _of_the_configured_storage(place: Place) -> Iterator[Text]:
    store = open_store(
        "storage", place.storage, place.archive, identity="reader", bucket=place.storage.archive_bucket or ""
    )
    try:
        yield from preflight.of_the_storage(store)
        yield from promises.objections(promises.configured_promises(store), store.protection)
    finally:
        store.close()


def _of_the_newest_backup(place: Place, site: Site) -> tuple[Text, ...]:
    bucket = place.storage.backup_bucket
    store = open_store("storage", place.storage, site.settings.backup, identity="reader", bucket=bucket)
    try:
        newest = looking.backups(store, place.storage.backup_prefix).newest_good
        return tuple(preflight.of_the_backup(newest.finished_at if newest else None, place.purge.newest_backup))
    except ProbeError as error:
        return (error.said,)
    finally:
        store.close()
