"""The object store, and how archived records lie in it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from runbook.settings.words import Keys, Secret, Strict


class StorageSettings(Strict, frozen=True, kw_only=True):
    """An object store that speaks S3."""

    endpoint_url: str | None = None
    region: str = "us-east-1"
    cafile: Path | None = None
    checksums: Literal["when_supported", "when_required"] = "when_supported"
    backup_bucket: str
    backup_prefix: str = ""
    archive_bucket: str | None = None
    reader: Keys = msgspec.field(default_factory=Keys)
    operator: Keys | None = None


class ArchiveSettings(Strict, frozen=True, kw_only=True):
    """How archived records lie in ``storage.archive_bucket``.

    ``encryption`` is what must be *proven*: ``sse-s3`` and ``sse-kms`` by what the server returns, ``age`` by the bytes
    that are sent (encrypted here, for ``age_recipients``; ``age_identity`` reads them back). ``none`` is for practice.
    """

    prefix: str = "tbae/"
    encryption: Literal["sse-s3", "sse-kms", "age", "none"] = "sse-s3"
    kms_key_id: str | None = None
    age_recipients: tuple[str, ...] = ()
    age_identity: Secret | None = None
    storage_class: str = "STANDARD_IA"

    def __post_init__(self) -> None:
        if self.encryption == "age" and not (self.age_recipients and self.age_identity):
            raise ValueError("encryption 'age' needs age_recipients, and age_identity to read back what was written")
        if self.encryption == "sse-kms" and not self.kms_key_id:
            raise ValueError("encryption 'sse-kms' needs kms_key_id")
