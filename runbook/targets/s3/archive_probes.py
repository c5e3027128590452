"""The archive as rows see it: which batches are the newest, and whether some, others each day, can be read back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime
from enum import StrEnum
from typing import IO, Any, Literal, cast

import msgspec

from runbook.targets.s3.archives import MANIFEST, Archived, ArchivedObject, Content, Manifest, decoded
from runbook.targets.s3.backups import Object

#: How many of a table's newest manifests are read: one that cannot be read does not hide the one before it.
NEWEST = 2
#: A manifest is some kilobytes, as many as the table has columns; what is larger is none.
_LARGEST_MANIFEST = 1 << 20
#: Objects larger than this are left to ``run verify-archive``: a check must end in time. Batches are far smaller.
LARGEST = 256 << 20
#: Bytes in memory at once while an object is read.
_PIECE = 1 << 20
_ABSENT = 404
_GOLDEN = (5**0.5 - 1) / 2


class Damage(StrEnum):
    """What is wrong with a batch."""

    MANIFEST = "manifest"
    GONE = "gone"
    SIZE = "size"
    HASH = "hash"
    COMPRESSION = "compression"
    ROWS = "rows"


class Sampled(msgspec.Struct, frozen=True, kw_only=True):
    """One batch that was read back, by the ``key`` of its manifest; ``reason`` says of a ``damage`` what was seen.

    ``depth`` is how far it was looked into: what is encrypted by the client is ``hashed`` only, what is too large for
    a check stays ``unread``.
    """

    key: str
    published_at: datetime
    rows: int = 0
    bytes: int = 0
    damage: Damage | None = None
    reason: str = ""
    depth: Literal["decoded", "hashed", "unread"] = "unread"


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """The batches that were read back, out of so many that are published."""

    batches: tuple[Sampled, ...]
    published: int


def newest(client: Any, bucket: str, prefix: str) -> tuple[Archived, ...]:
    """The newest published batches of every table, newest first. Raises botocore's errors.

    A manifest that cannot be read is among them, with its ``problem``; of the others is left out what only a restore
    needs, for readings are kept. Empty when nothing is published.
    """
    by_table: dict[str, list[Object]] = {}
    for found in _manifests(client, bucket, prefix):
        by_table.setdefault(_table(found.key), []).append(found)
    chosen = [found for manifests in by_table.values() for found in manifests[-NEWEST:]]
    read = [_in_short(_archived(client, bucket, found)) for found in chosen]
    return tuple(sorted(read, key=lambda batch: batch.published_at, reverse=True))


def sample(client: Any, bucket: str, prefix: str, count: int, today: date) -> Sample:
    """Read ``count`` batches back, on each day of the year others. Raises botocore's errors.

    The object's hash is compared with the manifest's, then it is decompressed and its lines are counted and hashed.
    What is encrypted by the client stays closed: the key is nothing for a check.
    """
    found = _manifests(client, bucket, prefix)
    batches = tuple(_sampled(client, bucket, found[place]) for place in turn(len(found), count, today))
    return Sample(batches=batches, published=len(found))


def turn(published: int, count: int, today: date) -> tuple[int, ...]:
    """Whose turn it is today, of so many in the order of their time: in thrice as many days everybody's has come.

    Steps of the golden ratio fall into the largest gap that the earlier ones left, however long the list is: it may
    grow meanwhile, and nobody has to remember who was read.
    """
    count, step = min(count, published), today.toordinal() * count
    chosen: dict[int, None] = {}
    while len(chosen) < count:
        chosen[int(step * _GOLDEN % 1 * published)] = None
        step += 1
    return tuple(chosen)


def _manifests(client: Any, bucket: str, prefix: str) -> list[Object]:
    """The manifests of all published batches, oldest first: names are no order."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    found = [
        Object(item["Key"], item["Size"], item["LastModified"])
        for page in pages
        for item in page.get("Contents", ())
        if item["Key"].endswith(f"/{MANIFEST}")
    ]
    return sorted(found, key=lambda item: (item.modified, item.key))


def _table(key: str) -> str:
    """What of a manifest's key names its database and table; the rest is run, batch and name."""
    return key.rsplit("/", 3)[0]


def _archived(client: Any, bucket: str, found: Object) -> Archived:
    try:
        manifest = _manifest(client, bucket, found)
    except (msgspec.MsgspecError, ValueError) as error:
        return Archived(key=found.key, published_at=found.modified, problem=str(error))
    return Archived(key=found.key, published_at=found.modified, manifest=manifest)


def _in_short(batch: Archived) -> Archived:
    if batch.manifest is None:
        return batch
    short = msgspec.structs.replace(batch.manifest, ddl="", columns=(), line=(), settings={}, subsystems={})
    return msgspec.structs.replace(batch, manifest=short)


def _manifest(client: Any, bucket: str, found: Object) -> Manifest:
    """Raises ValueError or msgspec's errors for what is no manifest of a form we know."""
    if found.size > _LARGEST_MANIFEST:
        raise ValueError(f"{found.size} bytes are no manifest")
    with closing(client.get_object(Bucket=bucket, Key=found.key)["Body"]) as body:
        return decoded(body.read())


def _sampled(client: Any, bucket: str, found: Object) -> Sampled:
    batch = _archived(client, bucket, found)
    if batch.manifest is None:
        given: dict[str, Any] = {"damage": Damage.MANIFEST, "reason": batch.problem or ""}
        return Sampled(key=found.key, published_at=found.modified, **given)
    size, rows = batch.manifest.object.bytes, batch.manifest.content.rows
    given = {} if size > LARGEST else _read_back(client, bucket, batch.manifest)
    return Sampled(key=found.key, published_at=found.modified, rows=rows, bytes=size, **given)


def _read_back(client: Any, bucket: str, manifest: Manifest) -> dict[str, Any]:
    """The damage of an object, or how far it was looked into."""
    from botocore.exceptions import ClientError

    wanted = manifest.object
    version = {} if wanted.version is None else {"VersionId": wanted.version}
    try:
        answer = client.get_object(Bucket=bucket, Key=wanted.key, **version)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != _ABSENT:
            raise
        return {"damage": Damage.GONE, "reason": wanted.key}
    with closing(answer["Body"]) as body:
        return _compared(_Hashing(body), wanted, manifest.content)


def _compared(body: _Hashing, wanted: ArchivedObject, content: Content) -> dict[str, Any]:
    closed = _is_closed(wanted)
    inside = None if closed else _damage_inside(body, content)
    body.drain()
    found = _damage(body, wanted) or inside
    if found is None:
        return {"depth": "hashed" if closed else "decoded"}
    damage, reason = found
    return {"damage": damage, "reason": reason}


class _Hashing:
    """A body that is hashed and counted while somebody else reads it."""

    def __init__(self, body: Any) -> None:
        self._body, self._hash, self.bytes = body, hashlib.sha256(), 0

    def read(self, size: int) -> bytes:
        """The next bytes; none at the end."""
        piece: bytes = self._body.read(size)
        self._hash.update(piece)
        self.bytes += len(piece)
        return piece

    def drain(self) -> None:
        """Read what is left."""
        while self.read(_PIECE):
            pass

    @property
    def sha256(self) -> str:
        """Of all that was read."""
        return self._hash.hexdigest()


def _damage(body: _Hashing, wanted: ArchivedObject) -> tuple[Damage, str] | None:
    """What is wrong with the object as it lies there."""
    if body.bytes != wanted.bytes:
        return Damage.SIZE, f"{body.bytes} ≠ {wanted.bytes} B"
    if body.sha256 != wanted.sha256:
        return Damage.HASH, f"SHA-256 {body.sha256[:12]}… ≠ {wanted.sha256[:12]}…"
    return None


def _damage_inside(body: _Hashing, wanted: Content) -> tuple[Damage, str] | None:
    """What is wrong with the rows in it; no more is unpacked than the manifest promises."""
    import zstandard

    rows, size, digest = 0, 0, hashlib.sha256()
    try:
        for piece in _pieces(body):
            rows, size = rows + piece.count(b"\n"), size + len(piece)
            digest.update(piece)
            if size > wanted.bytes:
                break
    except zstandard.ZstdError as error:
        return Damage.COMPRESSION, str(error)
    found = Content(rows=rows, bytes=size, sha256=digest.hexdigest())
    return None if found == wanted else (Damage.ROWS, f"{rows} ≠ {wanted.rows}, {size} ≠ {wanted.bytes} B")


def _pieces(body: _Hashing) -> Iterator[bytes]:
    import zstandard

    unpacker = zstandard.ZstdDecompressor()
    reader = unpacker.stream_reader(cast(IO[bytes], body), read_size=_PIECE, closefd=False)
    while piece := reader.read(_PIECE):
        yield piece


def _is_closed(wanted: ArchivedObject) -> bool:
    return wanted.encryption == "age" or wanted.key.endswith(".age")
