"""What of the buckets is open to others, and whether what lies in them is encrypted as the server says. Reads only."""

from __future__ import annotations

from typing import Any

import msgspec

from runbook.settings import ArchiveSettings, StorageSettings
from runbook.targets.s3.configuration import configuration, open_to_anyone
from runbook.targets.s3.encryption import protection_of
from runbook.targets.s3.objects import ObjectStore
from runbook.targets.s3.promised import Promise
from runbook.targets.s3.unsigned import given_to_anyone


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
    places = [(settings.backup_bucket, settings.backup_prefix)]
    if settings.archive_bucket is not None:
        places.append((settings.archive_bucket, archive.prefix))
    protection = protection_of(archive)
    stores = [(ObjectStore(target, settings, protection, bucket, client), prefix) for bucket, prefix in places]
    return tuple(_exposure(store, prefix, of_archive=bool(n)) for n, (store, prefix) in enumerate(stores))


def _exposure(store: ObjectStore, prefix: str, *, of_archive: bool) -> Exposure:
    key = _first(store, prefix)
    known = of_archive and key is not None
    return Exposure(
        bucket=store.bucket,
        **configuration(store),
        to_anyone=_to_anyone(store, key),
        object=key if known else None,
        encryption=store.facts(str(key)).encryption if known else None,
    )


def _first(store: ObjectStore, prefix: str) -> str | None:
    """An object that lies there: what is given away can only be seen of one that is."""
    with store.failures():
        listed = store.client.list_objects_v2(Bucket=store.bucket, Prefix=prefix, MaxKeys=1).get("Contents", ())
    return str(listed[0]["Key"]) if listed else None


def _to_anyone(store: ObjectStore, key: str | None) -> bool | None:
    if store.settings.endpoint_url is None:
        return open_to_anyone(store, key or "muses-runbook")
    return given_to_anyone(store.target, store.settings, store.bucket, key)
