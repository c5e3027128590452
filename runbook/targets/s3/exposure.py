"""What of the buckets is open to others, and whether what lies in them is encrypted as the server says. Reads only."""

from __future__ import annotations

from typing import Any

import msgspec

from runbook.settings import ArchiveSettings, StorageSettings
from runbook.targets.s3.configuration import configuration, open_to_anyone
from runbook.targets.s3.encryption import protection_of
from runbook.targets.s3.objects import ObjectStore
from runbook.targets.s3.promised import Promise


class Exposure(msgspec.Struct, frozen=True, kw_only=True):
    """One bucket. ``to_anyone``: it was given to who came without a key; None where that is not known.

    ``object`` is one that lies in the archive (None: none, or another bucket), ``encryption`` the algorithm that the
    server returns for it, None where it returns none.
    """

    bucket: str
    private: Promise
    versioning: Promise
    default_encryption: Promise
    to_anyone: bool | None
    object: str | None = None
    encryption: str | None = None


def exposures(target: str, client: Any, settings: StorageSettings, archive: ArchiveSettings) -> tuple[Exposure, ...]:
    """The backup bucket, then the archive's where there is one. Raises ProbeError where a bucket is not there."""
    found = [_exposure(ObjectStore(target, settings, protection_of(archive), settings.backup_bucket, client))]
    if settings.archive_bucket is not None:
        store = ObjectStore(target, settings, protection_of(archive), settings.archive_bucket, client)
        found.append(msgspec.structs.replace(_exposure(store), **_returned(store, archive.prefix)))
    return tuple(found)


def _exposure(store: ObjectStore) -> Exposure:
    return Exposure(bucket=store.bucket, **configuration(store), to_anyone=open_to_anyone(store, "muses-runbook"))


def _returned(store: ObjectStore, prefix: str) -> dict[str, str | None]:
    """The first object of the archive, and its encryption."""
    with store.failures():
        listed = store.client.list_objects_v2(Bucket=store.bucket, Prefix=prefix, MaxKeys=1).get("Contents", ())
    if not listed:
        return {}
    key = str(listed[0]["Key"])
    return {"object": key, "encryption": store.facts(key).encryption}
