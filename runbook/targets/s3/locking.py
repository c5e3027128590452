"""Object lock: until when an object cannot be removed, in governance mode, which who is allowed to can lift."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from runbook.settings import StorageSettings
from runbook.targets.s3.answers import Facts
from runbook.targets.s3.encryption import Protection

Mode = Literal["GOVERNANCE", "COMPLIANCE"]


def lock_of(protection: Protection) -> datetime | None:
    """Until when what is written now is to be locked, to the second; None where nothing is."""
    if not protection.lock_days:
        return None
    return datetime.now(UTC).replace(microsecond=0) + timedelta(days=protection.lock_days)


def until(moment: datetime | None, mode: Mode = "GOVERNANCE") -> dict[str, Any]:
    """What to add to the request that makes an object. Nobody at all lifts a lock in compliance mode."""
    if moment is None:
        return {}
    return {"ObjectLockMode": mode, "ObjectLockRetainUntilDate": moment}


def afterwards(version: str | None, moment: datetime) -> dict[str, Any]:
    """What to ask of an object that is there and was not locked when it was made: some ignore that for large ones."""
    named = {} if version is None else {"VersionId": version}
    return {**named, "Retention": {"Mode": "GOVERNANCE", "RetainUntilDate": moment}}


def is_locked(facts: Facts, moment: datetime) -> bool:
    """Whether the server says that the object is locked so long."""
    return facts.locked_until is not None and facts.locked_until >= moment


def proof(settings: StorageSettings, moment: datetime | None, body: bytes) -> dict[str, str]:
    """What S3 demands beside a lock: a digest of the bytes. Where no checksum is sent it is the MD5 of old."""
    if moment is None or settings.checksums == "when_supported":
        return {}
    return {"ContentMD5": base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()}
