"""The backup and its retention."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal

from runbook.settings.words import Secret, Strict


class BackupSettings(Strict, frozen=True, kw_only=True):
    """The backup of the database (Guía de Operaciones §4.2).

    ``encryption`` is the server's, and must be proven by what it returns; ``age_recipients`` encrypt here as well, and
    ``age_identity`` reads back what was written. ``programs`` is the folder of PostgreSQL's programs, ``proof`` where
    the throwaway cluster of a restore test lies. ``holds`` are folders that retention never removes.
    """

    encryption: Literal["sse-s3", "sse-kms", "sse-c", "none"] = "sse-s3"
    kms_key_id: str | None = None
    customer_key: Secret | None = None
    age_recipients: tuple[str, ...] = ()
    age_identity: Secret | None = None
    storage_class: str = "STANDARD"
    lock_days: int = 0
    programs: Path | None = None
    globals: bool = True
    role_passwords: bool = False
    lock_wait: timedelta = timedelta(seconds=30)
    keep: timedelta = timedelta(days=30)
    keep_newest: int = 7
    holds: tuple[str, ...] = ()
    proof: Path | None = None

    def __post_init__(self) -> None:
        if self.encryption == "sse-kms" and not self.kms_key_id:
            raise ValueError("encryption 'sse-kms' needs kms_key_id")
        if self.encryption == "sse-c" and self.customer_key is None:
            raise ValueError("encryption 'sse-c' needs customer_key: 32 bytes, in base64")
        if self.age_recipients and self.age_identity is None:
            raise ValueError("age_recipients need age_identity, to read back what was written")
        if self.keep_newest < 1:
            raise ValueError("keep_newest is at least 1: the newest verified backup always stays")
