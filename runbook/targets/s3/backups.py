"""The backups in a bucket: a folder each, published by its manifest, which is written last."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import msgspec

from runbook.learnt import learnt
from runbook.text import Text, text

MANIFEST = "manifest.json"
PROOF = "proof-"
#: A manifest counts the rows of every table; what is larger is none.
LARGEST = 1 << 20
_ABSENT = 404


class Object(NamedTuple):
    """One object of a list."""

    key: str
    size: int
    modified: datetime


class Encrypted(msgspec.Struct, frozen=True, kw_only=True):
    """How a backup is encrypted: by the ``server`` as it returns it, and by the ``client`` before it was sent."""

    server: str | None = None
    client: str | None = None


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """One object of a backup beside its data: which version of which key, and what must come back."""

    object: str
    version: str | None
    bytes: int
    sha256: str
    plain_bytes: int
    plain_sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup says of itself. ``bytes`` and ``sha256`` are of the object, ``dump_…`` of the plain dump in it.

    ``snapshot`` is ``xmin:xmax:…`` of what was dumped, ``tables`` counts the rows of each ``schema.table`` in it;
    ``local_date`` is the day of the site's calendar that the backup is for. Backups of other makers may say less.
    """

    object: str
    bytes: int
    sha256: str
    finished_at: datetime
    verified: bool
    version: str | None = None
    started_at: datetime | None = None
    database: str = ""
    system_identifier: str = ""
    server_version: str = ""
    programs: str = ""
    dump_bytes: int = 0
    dump_sha256: str = ""
    compression: str | None = None
    encryption: Encrypted = Encrypted()
    globals: Piece | None = None
    snapshot: str = ""
    tables: dict[str, int] = {}
    large_objects: int = 0
    local_date: str = ""
    locked_until: datetime | None = None
    format: int = 1

    @property
    def data(self) -> Piece:
        """The object that holds the dump."""
        return Piece(
            object=self.object,
            version=self.version,
            bytes=self.bytes,
            sha256=self.sha256,
            plain_bytes=self.dump_bytes,
            plain_sha256=self.dump_sha256,
        )

    @property
    def major(self) -> int:
        """The major version of the server that was dumped, which is the one to restore with; 0 where it is not said."""
        found = re.match(r"[0-9]+", self.server_version)
        return int(found[0]) if found else 0

    @property
    def restorable(self) -> bool:
        """Whether it says enough to restore the dump, or to read it back."""
        return self.major > 0 and self.dump_bytes > 0


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What came of restoring a backup. ``whole``: all of its data, not a sample.

    ``differing`` names tables whose rows are not as many as in the snapshot: expected, found. ``amcheck`` is
    ``passed``, ``failed`` or ``not available``; ``sampled`` counts rows whose digests were compared.
    """

    backup: str
    finished_at: datetime
    whole: bool
    server_version: str
    seconds: float
    tables_compared: int
    differing: dict[str, tuple[int, int]] = {}
    amcheck: str = "not available"
    sampled: int = 0
    problem: str | None = None
    format: int = 1

    @property
    def passed(self) -> bool:
        """Whether the backup can be restored."""
        return self.problem is None and not self.differing and self.amcheck != "failed"

    @property
    def counts(self) -> bool:
        """Whether it is what retention keeps a backup for: it passed, with all of the data."""
        return self.passed and self.whole


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """A published backup. ``key`` is its folder, ``bytes`` what its manifest says, ``data_bytes`` what is there.

    Where the manifest cannot be read ``problem`` says why, ``finished_at`` is when it was written, and the backup
    counts as neither verified nor whole.
    """

    key: str
    finished_at: datetime
    bytes: int = 0
    verified: bool = False
    data_present: bool = False
    data_bytes: int | None = None
    problem: Text | None = None


@dataclass(frozen=True)
class Listing:
    """All objects below a prefix."""

    prefix: str
    objects: tuple[Object, ...]

    @cached_property
    def manifests(self) -> tuple[Object, ...]:
        """The manifests of the published backups, those written last first: names are no order."""
        found = (item for item in self.objects if self._within(item) == MANIFEST)
        return tuple(sorted(found, key=lambda item: item.modified, reverse=True))

    @property
    def unpublished(self) -> int:
        """How many folders have no manifest."""
        folders = {folder for item in self.objects if (folder := self._folder(item))}
        return len(folders - {self._folder(item) for item in self.manifests})

    def _folder(self, item: Object) -> str:
        return item.key.removeprefix(self.prefix).rpartition("/")[0].partition("/")[0]

    def _within(self, item: Object) -> str:
        """The name within the backup's folder; empty for what lies outside of any."""
        return item.key.removeprefix(self.prefix).partition("/")[2]


def folders_of(listed: Iterable[Object]) -> tuple[str, ...]:
    """The folders that hold a manifest, in the order of the list."""
    return tuple(item.key.removesuffix(MANIFEST) for item in listed if item.key.endswith(f"/{MANIFEST}"))


def decoded_manifest(body: bytes) -> Manifest:
    """A manifest as it was stored. Raises ValueError for what is none of a form we know."""
    return _decoded(body, Manifest)


def decoded_proof(body: bytes) -> Proof:
    """A proof as it was stored. Raises ValueError for what is none of a form we know."""
    return _decoded(body, Proof)


def read_backup(client: Any, bucket: str, found: Object) -> Backup:
    """One published backup with its data as they are now. Raises botocore's errors."""
    folder = found.key.removesuffix(MANIFEST)
    try:
        manifest = _manifest(client, bucket, found)
    except ValueError as error:
        said = text("its manifest cannot be read: {reason}", reason=error)
        return Backup(key=folder, finished_at=found.modified, problem=said)
    there = _size(client, bucket, manifest.object)
    return Backup(
        key=folder,
        finished_at=manifest.finished_at,
        bytes=manifest.bytes,
        verified=manifest.verified,
        data_present=there is not None,
        data_bytes=there,
    )


def _manifest(client: Any, bucket: str, found: Object) -> Manifest:
    if found.size > LARGEST:
        raise ValueError(f"{found.size} bytes are no manifest")
    return decoded_manifest(client.get_object(Bucket=bucket, Key=found.key)["Body"].read())


#: What is decoded: both say their format, and when they were finished.
Said = TypeVar("Said", Manifest, Proof)


def _decoded(body: bytes, kind: type[Said]) -> Said:
    try:
        found = msgspec.json.decode(body, type=learnt(kind))
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from error
    if found.format != 1:
        raise ValueError(f"format {found.format} is not known")
    if found.finished_at.tzinfo is None:
        raise ValueError("finished_at lacks its offset from UTC")
    return found


def _size(client: Any, bucket: str, key: str) -> int | None:
    """The size of an object, None where it is not there."""
    from botocore.exceptions import ClientError

    try:
        return int(client.head_object(Bucket=bucket, Key=key)["ContentLength"])
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == _ABSENT:
            return None
        raise
