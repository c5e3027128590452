"""What an object store answers about its objects, as frozen types, and the two ways in which it says no."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from runbook.errors import ActionError, ProbeError
from runbook.targets.s3.backups import Object
from runbook.targets.s3.encryption import CUSTOMER


class Stored(msgspec.Struct, frozen=True):
    """An object that was written. ``version`` is None where the server keeps none."""

    key: str
    version: str | None
    sha256: str
    bytes: int


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the server says of an object that lies there; ``encryption`` and ``kms_key`` as returned, not as asked."""

    key: str
    size: int
    version: str | None
    modified: datetime
    etag: str | None
    encryption: str | None
    kms_key: str | None
    storage_class: str
    locked_until: datetime | None


class Version(NamedTuple):
    """One version of an object, or the ``marker`` of a deletion. ``version`` is None where the server keeps none."""

    key: str
    version: str | None
    size: int
    modified: datetime
    latest: bool
    marker: bool


class Upload(NamedTuple):
    """A multipart upload that was neither completed nor aborted."""

    key: str
    id: str
    started: datetime


class AlreadyThere(ActionError):
    """The key holds another object, which stays as it is."""


class CutShort(ProbeError):
    """An object did not arrive as it lies there: broken off, too short, another version, an error in its stead."""


def version_of(answer: dict[str, Any]) -> str | None:
    """The version an answer names. ``null`` is none: where versioning is suspended the next write replaces it."""
    named: str | None = answer.get("VersionId")
    return None if named in (None, "", "null") else named


def facts_of(key: str, head: dict[str, Any]) -> Facts:
    """The facts in the answer to a HEAD request."""
    return Facts(
        key=key,
        size=head["ContentLength"],
        version=version_of(head),
        modified=_utc(head["LastModified"]),
        etag=head.get("ETag", "").strip('"') or None,
        encryption=CUSTOMER if head.get("SSECustomerAlgorithm") else head.get("ServerSideEncryption") or None,
        kms_key=head.get("SSEKMSKeyId") or None,
        storage_class=head.get("StorageClass") or "STANDARD",
        locked_until=_utc(locked) if (locked := head.get("ObjectLockRetainUntilDate")) else None,
    )


def objects_of(page: dict[str, Any]) -> Iterator[Object]:
    """The objects of one page of a list."""
    for one in page.get("Contents", ()):
        yield Object(one["Key"], one["Size"], _utc(one["LastModified"]))


def versions_of(page: dict[str, Any]) -> Iterator[Version]:
    """The versions of one page, then its deletion markers; ``null`` stays a name, by which it can be removed."""
    for marker, kind in ((False, "Versions"), (True, "DeleteMarkers")):
        for one in page.get(kind, ()):
            yield Version(
                one["Key"], one["VersionId"], one.get("Size", 0), _utc(one["LastModified"]), one["IsLatest"], marker
            )


def uploads_of(page: dict[str, Any]) -> Iterator[Upload]:
    """The unfinished uploads of one page."""
    for one in page.get("Uploads", ()):
        yield Upload(one["Key"], one["UploadId"], _utc(one["Initiated"]))


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)
