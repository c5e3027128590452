"""Encryption at rest by the server: what is asked for with each object, and what its answer proves."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, Protocol

from runbook.errors import SettingsError
from runbook.settings import ArchiveSettings, BackupSettings, Secret

_ASKED = {"sse-s3": "AES256", "sse-kms": "aws:kms"}
#: What ``Facts.encryption`` says of an object whose key the client brings with each request.
CUSTOMER = "SSE-C"
#: What a server may answer to each: a bucket whose default is a KMS key is no less encrypted than was asked.
_PROVING = {
    "sse-s3": ("AES256", "aws:kms", "aws:kms:dsse"),
    "sse-kms": ("aws:kms", "aws:kms:dsse"),
    "sse-c": (CUSTOMER,),
}
_KEY_BYTES = 32


@dataclass(frozen=True)
class Protection:
    """How objects of one bucket are to be stored. ``table`` is where the site file says so; ``sealed``: age as well.

    ``lock_days``: for how long the data of a backup cannot be removed; 0 locks nothing.
    """

    table: str
    encryption: str
    storage_class: str
    kms_key_id: str | None = None
    customer_key: Secret | None = None
    sealed: bool = False
    lock_days: int = 0


class Returned(Protocol):
    """What the server says of an object that lies there."""

    @property
    def encryption(self) -> str | None:
        """The algorithm, None where it says none."""

    @property
    def kms_key(self) -> str | None:
        """The key, where a KMS holds it."""


def protection_of(settings: ArchiveSettings | BackupSettings) -> Protection:
    """What the settings of the archive or of the backups ask for."""
    if isinstance(settings, ArchiveSettings):
        sealed = settings.encryption == "age"
        return Protection("archive", settings.encryption, settings.storage_class, settings.kms_key_id, sealed=sealed)
    return Protection(
        "backup",
        settings.encryption,
        settings.storage_class,
        settings.kms_key_id,
        settings.customer_key,
        sealed=bool(settings.age_recipients),
        lock_days=settings.lock_days,
    )


def asked(protection: Protection) -> dict[str, Any]:
    """What to add to each write; nothing where the server is not to encrypt. Raises SettingsError for a bad key."""
    if protection.encryption == "sse-c":
        return with_key(protection)
    algorithm = _ASKED.get(protection.encryption)
    if algorithm is None:
        return {}
    by_kms = protection.encryption == "sse-kms" and protection.kms_key_id
    return {"ServerSideEncryption": algorithm, **({"SSEKMSKeyId": protection.kms_key_id} if by_kms else {})}


def with_key(protection: Protection) -> dict[str, Any]:
    """What every request on an object must bring where the key is the client's: reads, heads and parts too."""
    if protection.encryption != "sse-c" or protection.customer_key is None:
        return {}
    try:
        key = base64.b64decode(protection.customer_key.reveal(), validate=True)
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise SettingsError("it must be 32 bytes in base64", key=f"{protection.table}.customer_key")
    return {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": key}


def proven(facts: Returned, protection: Protection) -> bool:
    """Whether the server says of the stored object what was asked. Asked for is not done: some answer 200 and do not.

    Always False where the server was not asked: it proves nothing there.
    """
    if facts.encryption not in _PROVING.get(protection.encryption, ()):
        return False
    return protection.encryption != "sse-kms" or _is_key(protection.kms_key_id or "", facts.kms_key or "")


def _is_key(wanted: str, returned: str) -> bool:
    """Keys are asked for by id, ARN or alias, and returned by ARN; behind an alias any key may stand."""
    return bool(returned) and ("alias/" in wanted or returned.rpartition("/")[2] == wanted.rpartition("/")[2])
