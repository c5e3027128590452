"""Encryption at rest by the server: what is asked for with each object, and what its answer proves."""

from __future__ import annotations

from typing import Protocol

from runbook.settings import ArchiveSettings

_ASKED = {"sse-s3": "AES256", "sse-kms": "aws:kms"}
#: What a server may answer to each: a bucket whose default is a KMS key is no less encrypted than was asked.
_PROVING = {"sse-s3": ("AES256", "aws:kms", "aws:kms:dsse"), "sse-kms": ("aws:kms", "aws:kms:dsse")}


class Returned(Protocol):
    """What the server says of an object that lies there."""

    @property
    def encryption(self) -> str | None:
        """The algorithm, None where it says none."""

    @property
    def kms_key(self) -> str | None:
        """The key, where a KMS holds it."""


def asked(archive: ArchiveSettings) -> dict[str, str]:
    """What to add to each write; nothing where the bytes are encrypted here, or not at all."""
    algorithm = _ASKED.get(archive.encryption)
    if algorithm is None:
        return {}
    key = {"SSEKMSKeyId": archive.kms_key_id} if archive.encryption == "sse-kms" and archive.kms_key_id else {}
    return {"ServerSideEncryption": algorithm, **key}


def proven(facts: Returned, archive: ArchiveSettings) -> bool:
    """Whether the server says of the stored object what was asked. Asked for is not done: some answer 200 and do not.

    Always False for ``age`` and ``none``: the server proves nothing there.
    """
    if facts.encryption not in _PROVING.get(archive.encryption, ()):
        return False
    return archive.encryption != "sse-kms" or _is_key(archive.kms_key_id or "", facts.kms_key or "")


def _is_key(wanted: str, returned: str) -> bool:
    """Keys are asked for by id, ARN or alias, and returned by ARN; behind an alias any key may stand."""
    return bool(returned) and ("alias/" in wanted or returned.rpartition("/")[2] == wanted.rpartition("/")[2])
