"""The objects of one bucket: written once and never over another, read back whole, removed by version.

This is what a purge and a backup stand on, so an answer counts only for what it proves: a write when it was read back,
a body when it is whole, a list when it is all there.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from runbook.errors import NotConfigured, ProbeError, ProbeFailure
from runbook.settings import ArchiveSettings, BackupSettings, StorageSettings
from runbook.targets.s3 import encryption, locking
from runbook.targets.s3.answers import (
    AlreadyThere,
    CutShort,
    Facts,
    Stored,
    Upload,
    Version,
    facts_of,
    objects_of,
    uploads_of,
    version_of,
    versions_of,
)
from runbook.targets.s3.backups import Object
from runbook.targets.s3.clients import ACTING, connected, where
from runbook.targets.s3.encryption import Protection
from runbook.targets.s3.failures import as_action_errors, as_probe_errors
from runbook.targets.s3.rights import Identity
from runbook.text import Text, text

__all__ = ["AlreadyThere", "CutShort", "Facts", "Object", "ObjectStore", "Stored", "Upload", "Version", "open_store"]

#: How often a body is asked for that does not arrive whole.
READS = 3
#: How often a write is made that collides with another one of the same key.
WRITES = 3
_THERE = 412
#: The Date header has whole seconds: on average half of one is gone.
_HALF = timedelta(seconds=0.5)
_ERROR_DOCUMENT = re.compile(rb"\s*(<\?xml[^>]*>\s*)?<Error[\s>]")


def open_store(
    target: str,
    settings: StorageSettings,
    kept: ArchiveSettings | BackupSettings,
    *,
    identity: Identity,
    bucket: str,
) -> ObjectStore:
    """The objects of ``bucket`` under one identity, stored as ``kept`` says; connects with the first request.

    Raises ProbeError for secrets that cannot be read, NotConfigured where the site file gives no operator.
    """
    keys = settings.reader if identity == "reader" else settings.operator
    if keys is None:
        raise NotConfigured(target, "storage.operator")
    with as_probe_errors(target, where(settings), bucket):
        protection = encryption.protection_of(kept)
        return ObjectStore(target, settings, protection, bucket, connected(target, settings, keys, ACTING))


class ObjectStore:
    """One bucket under one identity, shared between threads. Reading raises ProbeError, changing ActionError."""

    def __init__(
        self, target: str, settings: StorageSettings, protection: Protection, bucket: str, client: Any
    ) -> None:
        self.target, self.bucket, self.client = target, bucket, client
        self.settings, self.protection, self.where = settings, protection, where(settings)

    def put_new(
        self,
        key: str,
        body: bytes,
        *,
        content_type: str = "application/octet-stream",
        lock_until: datetime | None = None,
        lock_mode: locking.Mode = "GOVERNANCE",
    ) -> Stored:
        """Write an object where none is, with the encryption and the storage class of the settings.

        ``lock_until``, to the second: nobody removes it before, but who may lift a lock in governance mode. Raises
        AlreadyThere for a key that is taken; what a repeated request finds there of its own is a success.
        """
        digest = hashlib.sha256(body)
        more = {**locking.until(lock_until, lock_mode), **locking.proof(self.settings, lock_until, body)}
        asked = self.request(key, body, digest.digest(), ContentType=content_type, IfNoneMatch="*", **more)
        with self.acting("put_new"):
            return Stored(key, self._written(asked, digest.hexdigest()), digest.hexdigest(), len(body))

    def request(self, key: str, body: bytes, digest: bytes, **more: Any) -> dict[str, Any]:
        """The arguments of a write: ``digest`` is the SHA-256 it claims, ``more`` is in S3's own names.

        Without a checksum for the servers that refuse it: there reading back alone proves the bytes.
        """
        asked: dict[str, Any] = {"Bucket": self.bucket, "Key": key, "Body": body, **encryption.asked(self.protection)}
        if self.settings.checksums == "when_supported":
            asked["ChecksumSHA256"] = base64.b64encode(digest).decode()
        if self.protection.storage_class:
            asked["StorageClass"] = self.protection.storage_class
        return {**asked, **more}

    def read(self, key: str, version: str | None = None) -> bytes:
        """The whole object. What does not arrive whole is asked for again, then raised as CutShort."""
        with self.failures():
            for _ in range(READS - 1):
                with suppress(CutShort):
                    return self._body(key, version)
            return self._body(key, version)

    def read_range(self, key: str, version: str | None, first: int, end: int) -> bytes:
        """The bytes from ``first`` up to ``end``, asked for again like a whole object."""
        with self.failures():
            for _ in range(READS - 1):
                with suppress(CutShort):
                    return self._body(key, version, first, end)
            return self._body(key, version, first, end)

    def facts(self, key: str, version: str | None = None) -> Facts:
        """What the server says of the object; ProbeError(ABSENT) where it is not there."""
        with self.failures():
            return facts_of(key, self.client.head_object(**self._seen(key, version)))

    def list(self, prefix: str) -> tuple[Object, ...]:
        """All objects below a prefix, in the order of their keys; what is not all of them is an error."""
        with self.failures():
            return tuple(found for page in self._pages("list_objects_v2", prefix) for found in objects_of(page))

    def versions(self, prefix: str) -> tuple[Version, ...]:
        """All versions and deletion markers below a prefix; the objects themselves where the server keeps none."""
        try:
            with self.failures():
                return tuple(
                    found for page in self._pages("list_object_versions", prefix) for found in versions_of(page)
                )
        except ProbeError as error:
            if error.code != "NotImplemented":
                raise
            return tuple(Version(one.key, None, one.size, one.modified, True, False) for one in self.list(prefix))

    def remove(self, key: str, version: str | None, *, lifting_lock: bool = False) -> None:
        """Remove one version for good; without one, what the key holds (a marker hides it where versions are kept).

        ``lifting_lock`` undoes a lock in governance mode, for who may.
        """
        lifted = {"BypassGovernanceRetention": True} if lifting_lock else {}
        with self.acting("remove"):
            self.client.delete_object(**self._one(key, version), **lifted)

    def unfinished_uploads(self, prefix: str) -> tuple[Upload, ...]:
        """All uploads below a prefix that were never ended: their parts show in no list and cost like objects."""
        with self.failures():
            return tuple(found for page in self._pages("list_multipart_uploads", prefix) for found in uploads_of(page))

    def abort_upload(self, key: str, upload: str) -> None:
        """Let go of an upload's parts; one that is gone already is no error."""
        from botocore.exceptions import ClientError

        with self.acting("abort_upload"):
            try:
                self.client.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload)
            except ClientError as error:
                if error.response["Error"]["Code"] != "NoSuchUpload":
                    raise

    def clock_skew(self) -> timedelta:
        """How far this machine's clock is off the server's, to a second, by the Date of an answer, be it a refusal."""
        from botocore.exceptions import ClientError

        with self.failures():
            try:
                answer = self.client.head_bucket(Bucket=self.bucket)
            except ClientError as error:
                answer = error.response
            now, date = datetime.now(UTC), answer["ResponseMetadata"]["HTTPHeaders"].get("date", "")
            return now - parsedate_to_datetime(date).astimezone(UTC) - _HALF

    def close(self) -> None:
        """Let go of the connections. Closing twice is harmless."""
        self.client.close()

    def failures(self) -> Any:
        """Raise as ProbeError what botocore raises within."""
        return as_probe_errors(self.target, self.where, self.bucket)

    def acting(self, operation: str) -> Any:
        """Raise as ActionError what botocore raises within."""
        return as_action_errors(self.target, operation, self.where, self.bucket)

    def _written(self, asked: dict[str, Any], digest: str) -> str | None:
        """The version that was written, also where only the repetition of the request was answered."""
        from botocore.exceptions import ClientError

        repeated = False
        for left in reversed(range(WRITES)):
            try:
                return version_of(self.client.put_object(**asked))
            except ClientError as error:
                answer = error.response["ResponseMetadata"]
                repeated = repeated or answer.get("RetryAttempts", 0) > 0
                if answer["HTTPStatusCode"] == _THERE:
                    return self._ours(asked["Key"], digest, repeated=repeated)
                if not left or error.response["Error"]["Code"] != "ConditionalRequestConflict":
                    raise
                repeated = True
        raise AssertionError("the last collision was raised")

    def _ours(self, key: str, digest: str, *, repeated: bool) -> str | None:
        """The version that the key holds, if an earlier try of ours may have written it and the bytes are ours."""
        if repeated:
            found = self.facts(key)
            if hashlib.sha256(self.read(key, found.version)).hexdigest() == digest:
                return found.version
        said = text("{where} holds another object at {key}; it stays as it is", where=self.where, key=key)
        raise AlreadyThere(self.target, "put_new", said, refused=True)

    def _body(self, key: str, version: str | None, first: int = 0, end: int | None = None) -> bytes:
        from botocore.exceptions import BotoCoreError
        from urllib3.exceptions import HTTPError

        asked = {} if end is None else {"Range": f"bytes={first}-{end - 1}"}
        answer = self.client.get_object(**self._seen(key, version), **asked)
        try:
            body: bytes = answer["Body"].read()
        except (BotoCoreError, HTTPError, OSError) as error:
            raise self._cut(
                text("{where} broke off {key} ({reason})", where=self.where, key=key, reason=error)
            ) from error
        if wrong := self._wrong(key, version, answer, body, None if end is None else end - first):
            raise self._cut(wrong)
        return body

    def _wrong(
        self, key: str, version: str | None, answer: dict[str, Any], body: bytes, wanted: int | None
    ) -> Text | None:
        """Why a body that arrived is not the object; botocore compares its length where the answer says one."""
        if version is not None and (answer.get("VersionId") or "null") != version:
            return text("{where} gave another version of {key} than was asked for", where=self.where, key=key)
        if _ERROR_DOCUMENT.match(body[:200]):
            return text("{where} gave an error for the bytes of {key}", where=self.where, key=key)
        if wanted is None and "ContentLength" not in answer:
            wanted = self.facts(key, version).size
        if wanted is not None and len(body) != wanted:
            return text("{where} gave {bytes} bytes of {key}, not all", where=self.where, key=key, bytes=len(body))
        return None

    def _cut(self, said: Text) -> CutShort:
        return CutShort(self.target, ProbeFailure.BROKEN, said)

    def _pages(self, operation: str, prefix: str) -> Iterator[dict[str, Any]]:
        """All pages of a list; one that says neither its end nor how to go on would pass for the whole."""
        page: dict[str, Any] = {}
        for page in self.client.get_paginator(operation).paginate(Bucket=self.bucket, Prefix=prefix):
            yield page
        if page.get("IsTruncated") is not False:
            said = text(
                "{where} gave no whole list of {prefix} ({operation})",
                where=self.where,
                prefix=prefix,
                operation=operation,
            )
            raise ProbeError(self.target, ProbeFailure.BROKEN, said)

    def _seen(self, key: str, version: str | None) -> dict[str, Any]:
        """What names an object to look at: with the key that decrypts it, where that is ours."""
        return {**self._one(key, version), **encryption.with_key(self.protection)}

    def _one(self, key: str, version: str | None) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": key} | ({} if version is None else {"VersionId": version})
