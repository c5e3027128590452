"""Object lock: with ``backup.lock_days`` the data of a backup cannot be removed, from their first moment on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError
from msgspec.structs import replace

from runbook.errors import ActionError
from runbook.settings import BackupSettings
from runbook.targets.s3.objects import ObjectStore, open_store
from runbook.targets.s3.uploads import part_size, uploading
from tests.procedures.backup.ground import Ground
from tests.procedures.purge.ground import BACKUPS

LOCKED, DAYS = "muses-respaldos-bloqueados", 3
#: One request, and the same as an upload of two parts.
SIZES = {"small": 1000, "large": part_size(0) + 1000}


@pytest.fixture(params=["when_supported", "when_required"])
def store(request: pytest.FixtureRequest, ground: Ground) -> Iterator[ObjectStore]:
    """A bucket that was made with object lock, with and without checksums."""
    if LOCKED not in {one["Name"] for one in ground.s3.list_buckets()["Buckets"]}:
        ground.s3.create_bucket(Bucket=LOCKED, ObjectLockEnabledForBucket=True)
    with closing(opened(ground, LOCKED, lock_days=DAYS, checksums=request.param)) as found:
        yield found


def opened(ground: Ground, bucket: str, *, lock_days: int, checksums: str = "when_supported") -> ObjectStore:
    settings = ground.site.settings.storage
    assert settings is not None
    kept = BackupSettings(encryption="none", lock_days=lock_days)
    return open_store("storage", replace(settings, checksums=checksums), kept, identity="operator", bucket=bucket)


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_nobody_removes_the_data_before_their_time(store: ObjectStore, ground: Ground, size: int) -> None:
    before = datetime.now(UTC)
    with uploading(store, f"{ground.prefix}data-{size}") as upload:
        upload.write(b"x" * size)
        stored = upload.complete()
    until = store.facts(stored.key, stored.version).locked_until
    assert until is not None
    assert timedelta(0) <= until - (before.replace(microsecond=0) + timedelta(days=DAYS)) < timedelta(minutes=1)
    with pytest.raises(ActionError):
        store.remove(stored.key, stored.version)
    assert ground.s3.get_object_retention(Bucket=LOCKED, Key=stored.key)["Retention"]["Mode"] == "GOVERNANCE"
    store.remove(stored.key, stored.version, lifting_lock=True)


def test_what_is_no_data_is_not_locked(store: ObjectStore, ground: Ground) -> None:
    """A lease is let go of every minute."""
    stored = store.put_new(f"{ground.prefix}.leases/x", b"{}")
    assert store.facts(stored.key, stored.version).locked_until is None
    store.remove(stored.key, stored.version)


def test_without_days_nothing_is_locked(ground: Ground) -> None:
    with closing(opened(ground, LOCKED, lock_days=0)) as store, uploading(store, f"{ground.prefix}free") as upload:
        upload.write(b"x")
        stored = upload.complete()
        assert store.facts(stored.key, stored.version).locked_until is None
        store.remove(stored.key, stored.version)


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_a_bucket_that_does_not_lock_is_found_out(ground: Ground, size: int) -> None:
    """It refuses, or it takes the wish and does not fulfil it: either way no backup is published."""
    with closing(opened(ground, BACKUPS, lock_days=DAYS)) as store:
        try:
            with uploading(store, f"{ground.prefix}open-{size}") as upload:
                upload.write(b"x" * size)
                stored = upload.complete()
        except (ActionError, ClientError):
            return
        assert store.facts(stored.key, stored.version).locked_until is not None
