"""One batch into the archive: export from one snapshot, store under a new key, read back, and publish by its manifest.

What the delete works from is what came back from the storage, never what was sent there.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from procedures.archive.encoding import Counting, Encoder, Lines, lines, plain_pieces
from procedures.purge import milestones
from procedures.purge.ledger_structs import Batch
from procedures.purge.selection import Rules, joined, qualifies
from procedures.purge.spanning import Span
from procedures.purge.tables import FOUND, RESPONSES, Table
from runbook.errors import ActionError, RunbookError
from runbook.settings import ArchiveSettings
from runbook.targets.postgres.copying import copied
from runbook.targets.postgres.working import TEXT_SETTINGS
from runbook.targets.s3 import archives, encryption
from runbook.targets.s3.archives import ArchivedObject, Content, Manifest
from runbook.text import Text, text

if TYPE_CHECKING:
    from psycopg import sql

    from runbook.targets.postgres.working import Connection
    from runbook.targets.s3.objects import ObjectStore, Stored

#: The encoder is fed in pieces of this many bytes.
_PIECE = 256 * 1024
#: Lines that are looked at together.
_LINES = 5_000


@dataclass(frozen=True)
class Proven:
    """A batch that was read back whole: its manifest, and the object as it came from the storage."""

    manifest_key: str
    manifest: Manifest
    body: bytes

    def lines(self, archive: ArchiveSettings) -> Lines:
        """Its lines, to be taken some at a time."""
        return Lines(_pieces(self.body, self.manifest, archive))


class _Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of a table's database in each manifest."""

    database: str
    system_identifier: str
    server_version: str
    settings: dict[str, str]


class Archivist:
    """Brings batches of one table into the archive, over one connection and one store."""

    def __init__(
        self, connection: Connection, store: ObjectStore, archive: ArchiveSettings, rules: Rules, table: Table
    ) -> None:
        self._connection, self._store, self._archive = connection, store, archive
        self._rules, self._table = rules, table
        self._facts = _facts(connection)

    def archived(self, batch: Batch, *, look_first: bool) -> Proven | None:
        """The batch, archived and read back; None where no row of it is to go.

        ``look_first``: a run that was taken over may have archived it already, and that is adopted if it proves whole.
        """
        if look_first and (adopted := self._adopted(batch)):
            return adopted
        milestones.reached("export begun")
        body, content = self._exported(batch)
        if not content.rows:
            return None
        milestones.reached("exported")
        attempt = secrets.token_hex(4)
        folder = self._folder(batch, attempt)
        stored = self._store.put_new(f"{folder}rows.copy.zst{'.age' if self._encrypts else ''}", body)
        del body  # from here on only what comes back counts
        milestones.reached("object written")
        manifest = self._manifest(batch, attempt, stored, content)
        proven = self.read_back(f"{folder}{archives.MANIFEST}", manifest)
        milestones.reached("object read back")
        self._store.put_new(proven.manifest_key, archives.encoded(proven.manifest), content_type="application/json")
        milestones.reached("manifest written")
        return proven

    def read_back(self, key: str, manifest: Manifest) -> Proven:
        """Get the object by its version and prove that it is what the manifest says, down to each line.

        Raises ActionError that names the object where it is not.
        """
        object = manifest.object
        body = self._store.read(object.key, object.version)
        if (len(body), sha256(body).hexdigest()) != (object.bytes, object.sha256):
            raise _refused(text("{key} did not come back as it was written: nothing is deleted", key=object.key))
        counting, span = Counting(), Span(manifest)
        try:
            for chunk in lines(_counted(_pieces(body, manifest, self._archive), counting), _LINES):
                span.look_at(chunk)
        except ValueError as error:
            raise _refused(text("{key} is damaged: {reason}", key=object.key, reason=error)) from error
        if counting.content != manifest.content:
            raise _refused(text("{key} does not hold the rows that were exported: nothing is deleted", key=object.key))
        return Proven(key, span.told_in(manifest), body)

    def _manifest(self, batch: Batch, attempt: str, stored: Stored, content: Content) -> Manifest:
        table = self._table
        return Manifest(
            run=batch.run,
            batch=batch.number,
            attempt=attempt,
            schema=table.schema,
            table=table.root,
            ddl=table.ddl,
            columns=table.columns,
            key=table.key,
            time_column=table.time,
            cutoff=self._rules.cutoffs.get(table.root, self._rules.cutoffs[RESPONSES]),
            object=ArchivedObject(
                key=stored.key,
                version=stored.version,
                bytes=stored.bytes,
                sha256=stored.sha256,
                encryption=self._encryption_of(stored.key, stored.version),
            ),
            content=content,
            line=(*FOUND, *table.names),
            created_at=datetime.now(UTC),
            **msgspec.structs.asdict(self._facts),
        )

    def _adopted(self, batch: Batch) -> Proven | None:
        """What an earlier process archived of this batch and could not write down any more."""
        prefix = self._folder(batch, "")[:-1]
        for found in self._store.list(prefix):
            if found.key.endswith(archives.MANIFEST):
                try:
                    manifest = archives.decoded(self._store.read(found.key))
                    return self.read_back(found.key, manifest)
                except (RunbookError, ValueError):
                    continue  # what does not prove whole is left for the sweep, and the batch exported again
        return None

    def _exported(self, batch: Batch) -> tuple[bytes, Content]:
        """The rows that are to go, as one snapshot shows them: the object, and what is in it."""
        encoder = Encoder(self._archive)
        with self._connection.transaction():
            self._connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            for piece in copied(self._connection, self._copy(batch, self._looked_up()), _PIECE):
                encoder.feed(piece)
                milestones.reached("export halfway")
        return encoder.finish(), encoder.content

    def _looked_up(self) -> Rules:
        """The rules without the tables that are empty in this snapshot: no response has its record there."""
        from psycopg import sql

        if self._table.kind == "records":
            return self._rules
        filled = sql.SQL("SELECT EXISTS (SELECT FROM {}) AS filled")
        records = tuple(
            table
            for table in self._rules.records
            if self._connection.execute(filled.format(sql.Identifier(table.schema, table.root))).fetchall()[0]["filled"]
        )
        return msgspec.structs.replace(self._rules, records=records)

    def _copy(self, batch: Batch, rules: Rules) -> sql.Composed:
        from psycopg import sql

        return sql.SQL(
            "COPY (SELECT {columns} FROM ONLY {table} AS staged{joined} "
            "WHERE staged.ctid >= {first} AND staged.ctid < {end} AND {qualifies}) TO STDOUT"
        ).format(
            columns=sql.SQL(", ").join(sql.Identifier("staged", name) for name in (*FOUND, *self._table.names)),
            table=sql.Identifier(self._table.schema, self._table.name),
            joined=joined(self._table, rules),
            first=sql.Literal(f"({batch.first_block},0)"),
            end=sql.Literal(f"({batch.end_block},0)"),
            qualifies=qualifies(self._table, rules),
        )

    def _folder(self, batch: Batch, attempt: str) -> str:
        table, archive = self._table, self._archive
        part = table.name if table.name != table.root else None
        where = (archive.prefix, self._facts.database, table.schema, table.root)
        return archives.batch_folder(*where, batch.run, batch.number, attempt, part=part)

    def _encryption_of(self, key: str, version: str | None) -> str:
        """What encrypts the object, by what the server returns. Raises ActionError where that is not what was asked."""
        asked = self._store.protection
        if asked.encryption in ("age", "none"):
            return asked.encryption
        facts = self._store.facts(key, version)
        if not encryption.proven(facts, asked):
            said = text(
                "The storage was asked to encrypt {key} ({asked}) and returned {returned}: "
                "set archive.encryption to age",
                key=key,
                asked=asked.encryption,
                returned=facts.encryption or "–",
            )
            raise _refused(said)
        return asked.encryption

    @property
    def _encrypts(self) -> bool:
        return self._archive.encryption == "age"


def _pieces(body: bytes, manifest: Manifest, archive: ArchiveSettings) -> Iterator[bytes]:
    return plain_pieces(body, archive, encrypted=manifest.object.encryption == "age", key=manifest.object.key)


def _counted(pieces: Iterator[bytes], counting: Counting) -> Iterator[bytes]:
    for piece in pieces:
        counting.feed(piece)
        yield piece


def _refused(words: Text) -> ActionError:
    return ActionError("storage", "archive", words)


def _facts(connection: Connection) -> _Facts:
    (row,) = connection.execute(
        "SELECT current_database() AS database, system_identifier::text AS system_identifier, "
        "current_setting('server_version') AS server_version FROM pg_control_system()"
    ).fetchall()
    settings = {
        name: str(connection.execute("SELECT current_setting(%s) AS value", [name]).fetchall()[0]["value"])
        for name in TEXT_SETTINGS
    }
    return _Facts(**row, settings=settings)
