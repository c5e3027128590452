"""The backups in a bucket: a folder each, published by its manifest, which is written last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

import msgspec

from runbook.text import Text, text

MANIFEST = "manifest.json"
#: A manifest is some hundred bytes; what is larger is none.
_LARGEST = 1 << 20
_ABSENT = 404


class Object(NamedTuple):
    """One object of a list."""

    key: str
    size: int
    modified: datetime


class Manifest(msgspec.Struct, frozen=True):
    """What a backup says of itself."""

    object: str
    bytes: int
    sha256: str
    finished_at: datetime
    verified: bool
    format: int = 1


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """A published backup. ``key`` is its folder, ``bytes`` what its manifest says, ``data_bytes`` what is there.

    Where the manifest cannot be read ``problem`` says why, ``finished_at`` is when it was written, and the backup
    counts as neither verified nor whole.
    """

    key: str
    finished_at: datetime
    bytes: int
    verified: bool
    data_present: bool
    data_bytes: int | None
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


def read_backup(client: Any, bucket: str, found: Object) -> Backup:
    """One published backup with its data as they are now. Raises botocore's errors."""
    folder = found.key.removesuffix(MANIFEST)
    try:
        manifest = _manifest(client, bucket, found)
    except (msgspec.DecodeError, ValueError) as error:
        said = text("its manifest cannot be read: {reason}", reason=error)
        return _unreadable(folder, found, said)
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
    """Raises ValueError or msgspec.DecodeError for what is no manifest of a form we know."""
    if found.size > _LARGEST:
        raise ValueError(f"{found.size} bytes are no manifest")
    body = client.get_object(Bucket=bucket, Key=found.key)["Body"].read()
    manifest = msgspec.json.decode(body, type=Manifest)
    if manifest.format != 1:
        raise ValueError(f"format {manifest.format} is not known")
    if manifest.finished_at.tzinfo is None:
        raise ValueError("finished_at lacks its offset from UTC")
    return manifest


def _unreadable(folder: str, found: Object, problem: Text) -> Backup:
    return Backup(
        key=folder,
        finished_at=found.modified,
        bytes=0,
        verified=False,
        data_present=False,
        data_bytes=None,
        problem=problem,
    )


def _size(client: Any, bucket: str, key: str) -> int | None:
    """The size of an object, None where it is not there."""
    from botocore.exceptions import ClientError

    try:
        return int(client.head_object(Bucket=bucket, Key=key)["ContentLength"])
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == _ABSENT:
            return None
        raise
