"""What is left to do when all rows are gone: give the space back, and clear away what earlier crashes left."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, LiteralString, Self

from runbook.errors import RunbookError
from runbook.targets.postgres.access import Access
from runbook.targets.postgres.working import working
from runbook.targets.s3.archives import MANIFEST
from runbook.text import Text, text

if TYPE_CHECKING:
    from runbook.targets.postgres.working import Connection
    from runbook.targets.s3.objects import ObjectStore

#: What has no manifest for this long was left behind by a crash, and nothing will come back for it.
LEFT_BEHIND = timedelta(days=7)
#: What we write and nobody else does; anything else below the prefix is not ours to remove.
_OURS = re.compile(r"/batch-\d{5,}-[0-9a-f]{8}/rows\.copy\.zst(\.age)?$")


class Vacuuming:
    """VACUUM (ANALYZE) of tables that are done, beside the work on the next ones. Leaving early ends it."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="vacuum")
        self._doing: dict[str, Future[Text | None]] = {}
        self._connection: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and (connection := self._connection) is not None:
            connection.cancel()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def begin(self, schema: str, table: str) -> None:
        """Take a table on that is done, once."""
        self._once(table, schema, table, "ANALYZE")

    def begin_half(self, schema: str, table: str) -> None:
        """Take on what the first half of a table's batches left behind, once; the rest then takes half the time."""
        self._once(f"half of {table}", schema, table, "TRUNCATE off")

    def notes(self) -> tuple[Text, ...]:
        """Wait for all; what kept one from it is no reason to fail: autovacuum comes by as well."""
        found = [future.result() for future in self._doing.values()]
        return tuple(note for note in found if note is not None)

    def _once(self, name: str, schema: str, table: str, option: LiteralString) -> None:
        if name not in self._doing:
            self._doing[name] = self._pool.submit(self._vacuumed, schema, table, option)

    def _vacuumed(self, schema: str, table: str, option: LiteralString) -> Text | None:
        from psycopg import sql

        query = sql.SQL("VACUUM ({}) {}").format(sql.SQL(option), sql.Identifier(schema, table))
        try:
            with working(self._access, "purge") as self._connection:
                self._connection.execute(query)
        except RunbookError as error:
            return text("{table} was not vacuumed: {reason}", table=table, reason=str(error.said))
        finally:
            self._connection = None
        return None


def sweep(store: ObjectStore, prefix: str) -> tuple[str, ...]:
    """Remove our own leftovers older than seven days: objects without a manifest, and unfinished uploads."""
    return (*_orphans(store, prefix), *_uploads(store, prefix))


def _orphans(store: ObjectStore, prefix: str) -> Iterator[str]:
    found = store.list(prefix)
    published = {_folder(item.key) for item in found if item.key.endswith(f"/{MANIFEST}")}
    orphans = {
        item.key
        for item in found
        if _OURS.search(item.key) and _folder(item.key) not in published and _is_old(item.modified)
    }
    for version in store.versions(prefix) if orphans else ():
        if version.key in orphans:
            store.remove(version.key, version.version)
    yield from sorted(orphans)


def _uploads(store: ObjectStore, prefix: str) -> Iterator[str]:
    for upload in store.unfinished_uploads(prefix):
        if _is_old(upload.started):
            store.abort_upload(upload.key, upload.id)
            yield upload.key


def _folder(key: str) -> str:
    return key.rpartition("/")[0]


def _is_old(moment: datetime) -> bool:
    return datetime.now(UTC) - moment > LEFT_BEHIND
