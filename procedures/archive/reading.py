"""What the archive holds: the published batches, chosen by what their manifests say, and the text of one of them.

Nothing is passed over in silence: a list that fails is an error, a manifest that cannot be read is a problem that comes
along with the batches, an object that is not what its manifest says is :class:`Damaged`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from fnmatch import fnmatchcase
from functools import partial
from typing import Any
from urllib.parse import unquote

import msgspec

from procedures.archive.encoding import lines, plain_pieces
from procedures.archive.fields import days
from runbook.errors import ActionError, NotConfigured, ProbeError, ProbeFailure
from runbook.settings import ArchiveSettings
from runbook.site import Site
from runbook.targets.s3.archives import FORMAT, MANIFEST, Manifest, decoded, table_prefix
from runbook.targets.s3.backups import Object
from runbook.targets.s3.objects import ObjectStore, open_store
from runbook.text import Text, text

#: Manifests are small and many: what is waited for is the store, not the machine.
READERS = 8
#: Lines that are handled at once: enough that Python's loops are long, few enough that they take no memory.
LINES = 2000
#: What S3 says of a version's name that it never gave out, and of a deletion marker.
_NO_SUCH_VERSION = ("InvalidArgument", "MethodNotAllowed")


class Damaged(ActionError):
    """What lies in the archive is not what the manifest says; reading it again gives the same."""


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which batches are asked for: all that is given must hold. ``tables`` may be patterns.

    Days are those of the records' time in the site's zone, ``until`` excluded; a batch that can hold such a record is
    chosen, and so is one that has no times.
    """

    tables: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None
    subsystem: int | None = None
    run: str | None = None


class Batch(msgspec.Struct, frozen=True):
    """A published batch: the key of its manifest, and what that says."""

    key: str
    manifest: Manifest

    @property
    def encrypted(self) -> bool:
        """Whether we encrypted it ourselves, so that we must decrypt it."""
        return self.manifest.object.encryption == "age"

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of its columns, in the order of a line."""
        return tuple(column.name for column in self.manifest.columns)


class Problem(msgspec.Struct, frozen=True):
    """A batch that cannot be used. ``damaged``: it is known to be bad; else it is not known what it is."""

    key: str
    said: Text
    damaged: bool


class Contents(msgspec.Struct, frozen=True):
    """The chosen batches, oldest first (by run, then in the order they were made), and those that could not be read."""

    batches: tuple[Batch, ...]
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Archive:
    """The archive of one schema's tables, opened for reading."""

    store: ObjectStore
    settings: ArchiveSettings
    database: str
    schema: str
    zone: tzinfo

    @property
    def prefix(self) -> str:
        """Where all of it lies."""
        return table_prefix(self.settings.prefix, self.database, self.schema, "").removesuffix("/")


@contextmanager
def opened(site: Site) -> Iterator[Archive]:
    """The site's archive, read by the reader's identity. Raises NotConfigured where the site file names none."""
    settings, setting = site.settings, f"environments.{site.environment.name}"
    if settings.database is None:
        raise NotConfigured("database", f"{setting}.database")
    if settings.storage is None or settings.storage.archive_bucket is None:
        raise NotConfigured("storage", f"{setting}.storage.archive_bucket")
    bucket = settings.storage.archive_bucket
    with closing(open_store("storage", settings.storage, settings.archive, identity="reader", bucket=bucket)) as store:
        yield Archive(store, settings.archive, settings.database.name, settings.database.schema, site.zone)


def published(archive: Archive, selection: Selection) -> Contents:
    """All published batches that are asked for. Raises ProbeError or ActionError when they cannot be listed."""
    listed = [item for item in archive.store.list(archive.prefix) if _may_be_asked_for(archive, item, selection)]
    with ThreadPoolExecutor(READERS) as readers:
        found = list(readers.map(partial(_read, archive), listed))
    batches = [one for one in found if isinstance(one, Batch) and is_asked_for(archive, one.manifest, selection)]
    began: dict[str, datetime] = {}
    for batch in batches:
        began[batch.manifest.run] = min(began.get(batch.manifest.run, _made(batch)), _made(batch))
    batches.sort(key=lambda batch: (began[batch.manifest.run], batch.manifest.run, _made(batch), batch.key))
    return Contents(tuple(batches), tuple(one for one in found if isinstance(one, Problem)))


def lines_of(batch: Batch, pieces: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The lines of a batch's text, some at a time. Raises Damaged for one that is cut off."""
    try:
        yield from lines(pieces, LINES)
    except ValueError as error:
        raise damaged(text("{batch} is damaged: its last line is cut off", batch=batch.key)) from error


def body_of(archive: Archive, batch: Batch) -> bytes:
    """The very version of the object that was archived, with its length and its SHA-256 as recorded."""
    said = batch.manifest.object
    try:
        body = archive.store.read(said.key, said.version)
    except (ProbeError, ActionError) as error:
        if is_absent(error):
            raise damaged(
                text("{batch} is damaged: its object is not there: {reason}", batch=batch.key, reason=error)
            ) from error
        raise
    if len(body) != said.bytes:
        raise damaged(
            text(
                "{batch} is damaged: its object has {found} bytes in place of {said}",
                batch=batch.key,
                found=len(body),
                said=said.bytes,
            )
        )
    if hashlib.sha256(body).hexdigest() != said.sha256:
        raise damaged(
            text("{batch} is damaged: the SHA-256 of its object is not the one that was recorded", batch=batch.key)
        )
    return body


def text_of(archive: Archive, batch: Batch, body: bytes) -> Iterator[bytes]:
    """The rows in the bytes of a batch's object, as COPY text, piece by piece. Raises Damaged."""
    try:
        yield from plain_pieces(body, archive.settings, encrypted=batch.encrypted, key=batch.manifest.object.key)
    except ActionError as error:
        raise Damaged(error.target, error.operation, error.said) from error


def damaged(said: Text) -> Damaged:
    """A batch is not what its manifest says."""
    return Damaged("storage", "read", said)


def is_absent(error: ProbeError | ActionError) -> bool:
    """Whether a store said that there is no such object, or no such version of it."""
    return isinstance(error, ProbeError) and (error.kind is ProbeFailure.ABSENT or error.code in _NO_SUCH_VERSION)


def problem_of(key: str, error: ProbeError | ActionError) -> Problem:
    """A failure to read something of the archive, to be told later."""
    return Problem(key, error.said, isinstance(error, Damaged) or is_absent(error))


def _read(archive: Archive, item: Object) -> Batch | Problem:
    try:
        manifest = _manifest(archive.store.read(item.key))
    except (ProbeError, ActionError) as error:
        return problem_of(item.key, error)
    except ValueError as error:  # msgspec's errors are of that kind
        return Problem(item.key, text("its manifest cannot be read: {reason}", reason=error), damaged=True)
    if isinstance(manifest, int):
        said = text("its manifest has format {number}, which this version does not know: update it", number=manifest)
        return Problem(item.key, said, damaged=False)
    if not manifest.object.key.startswith(item.key.removesuffix(MANIFEST)):
        said = text("its manifest names an object of another batch: {key}", key=manifest.object.key)
        return Problem(item.key, said, damaged=True)
    return Batch(item.key, manifest)


def _manifest(body: bytes) -> Manifest | int:
    """The manifest, or the number of a format that is newer than this program. Raises ValueError."""
    found: Any = msgspec.json.decode(body)
    number = found.get("format") if isinstance(found, dict) else None
    return number if isinstance(number, int) and number > FORMAT else decoded(body)


def _may_be_asked_for(archive: Archive, item: Object, selection: Selection) -> bool:
    """By the key alone: of a manifest that cannot be read nothing else is known."""
    table, _, rest = item.key.removeprefix(archive.prefix).partition("/")
    run, _, _ = rest.partition("/")
    return (
        item.key.endswith(f"/{MANIFEST}")
        and _named(unquote(table), selection.tables)
        and selection.run in (None, run or None)
    )


def is_asked_for(archive: Archive, manifest: Manifest, selection: Selection) -> bool:
    """Whether a batch can hold rows of the selection, by what its manifest says."""
    if manifest.schema != archive.schema:  # one whose name begins like ours, with a dot
        return False
    if selection.subsystem is not None and manifest.subsystems and str(selection.subsystem) not in manifest.subsystems:
        return False
    span = days(selection.since, selection.until, archive.zone, aware=is_aware(manifest))
    return span.meet(manifest.oldest, manifest.newest)


def is_aware(manifest: Manifest) -> bool:
    """Whether the time column knows its offset; the text of others is the site's local time."""
    return any(c.name == manifest.time_column and "with time zone" in c.type for c in manifest.columns)


def _named(table: str, patterns: tuple[str, ...]) -> bool:
    return not patterns or any(fnmatchcase(table, pattern) for pattern in patterns)


def _made(batch: Batch) -> datetime:
    return batch.manifest.created_at
