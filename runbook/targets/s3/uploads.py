"""One large object, written as it comes: parts that grow, a few on their way at once, and none left behind.

Nothing shows in the bucket before ``complete``; whatever goes wrong before it aborts the upload. With
``backup.lock_days`` the object is locked by the request that makes it; who ignores that is asked once more, at once.
"""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

from runbook.errors import ActionError, RunbookError
from runbook.targets.s3 import encryption, locking
from runbook.targets.s3.answers import Facts, Stored, version_of
from runbook.targets.s3.downloads import pieces
from runbook.targets.s3.objects import ObjectStore
from runbook.text import text

_MEGA = 1 << 20
#: Parts on their way at once; with the one that fills up, so many are in memory.
_AT_ONCE = 2
#: S3 takes 10,000 parts of at most 5 GiB; the first are small, so that a small backup is one or two.
_FIRST, _GROWS_EVERY = 16 * _MEGA, 1_000

#: What a repeated end is told where an earlier one was carried out: no such upload, or an object is there.
_ENDED = (404, 412)


class Uploading:
    """An object on its way. ``write`` may block until the storage has taken what came before."""

    def __init__(self, store: ObjectStore, key: str, *, content_type: str = "application/octet-stream") -> None:
        self._store, self._key, self._type = store, key, content_type
        self._id: str | None = None
        self._lock_until = locking.lock_of(store.protection)
        self._buffer = bytearray()
        self._hash, self._bytes = hashlib.sha256(), 0
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="part")
        self._places = threading.BoundedSemaphore(_AT_ONCE)
        self._parts: list[Future[dict[str, Any]]] = []

    def write(self, piece: bytes) -> int:
        """Take the next bytes. Raises ActionError as soon as a part could not be written."""
        self._hash.update(piece)
        self._bytes += len(piece)
        self._buffer += piece
        while len(self._buffer) >= (size := part_size(len(self._parts))):
            self._send(bytes(memoryview(self._buffer)[:size]))
            del self._buffer[:size]
        return len(piece)

    def complete(self) -> Stored:
        """Make the object whole and visible; refuses to write over another, and to write nothing.

        Raises ActionError; then nothing of it is there.
        """
        if not self._bytes:
            raise ActionError(
                self._store.target, "upload", text("{key} would be empty: nothing is written", key=self._key)
            )
        if self._id is None:
            return self._locked(
                self._store.put_new(
                    self._key, bytes(self._buffer), content_type=self._type, lock_until=self._lock_until
                )
            )
        if self._buffer:
            self._send(bytes(self._buffer))
            self._buffer.clear()
        parts = [part.result() for part in self._parts]
        with self._store.acting("upload"):
            version = self._ended(parts)
        self._id = None
        there = self._store.facts(self._key, version)
        if there.size != self._bytes:
            said = text(
                "{key} has {there} bytes where {sent} were sent", key=self._key, there=there.size, sent=self._bytes
            )
            raise ActionError(self._store.target, "upload", said)
        return self._locked(Stored(self._key, version, self._hash.hexdigest(), self._bytes))

    def abort(self) -> None:
        """Let go of all parts. Harmless after ``complete``."""
        for part in self._parts:
            part.cancel()
        self._pool.shutdown(wait=True)
        if self._id is not None:
            self._store.abort_upload(self._key, self._id)
            self._id = None

    def _locked(self, stored: Stored) -> Stored:
        """Raises ActionError where a lock was asked for and the object is not locked so long: asked is not done."""
        until = self._lock_until
        if until is None or locking.is_locked(self._store.facts(stored.key, stored.version), until):
            return stored
        with self._store.acting("upload"):
            self._store.client.put_object_retention(
                Bucket=self._store.bucket, Key=stored.key, **locking.afterwards(stored.version, until)
            )
        if not locking.is_locked(self._store.facts(stored.key, stored.version), until):
            said = text("{key} was to be locked until {until}, and is not", key=stored.key, until=until)
            raise ActionError(self._store.target, "upload", said)
        return stored

    def _ended(self, parts: list[dict[str, Any]]) -> str | None:
        """The version that came of it, also where only the repetition of the request was answered."""
        from botocore.exceptions import ClientError

        try:
            return version_of(
                self._store.client.complete_multipart_upload(
                    Bucket=self._store.bucket,
                    Key=self._key,
                    UploadId=self._id,
                    MultipartUpload={"Parts": parts},
                    IfNoneMatch="*",
                    **encryption.with_key(self._store.protection),
                )
            )
        except ClientError as error:
            answer = error.response["ResponseMetadata"]
            if answer["HTTPStatusCode"] not in _ENDED or not answer.get("RetryAttempts"):
                raise
            there = self._store.facts(self._key)
            if not self._is_ours(there):
                raise
            return there.version

    def _is_ours(self, there: Facts) -> bool:
        """Whether the object is what was sent. Read whole: nothing less tells, and it is rarely asked."""
        digest = hashlib.sha256()
        if there.size == self._bytes:
            for piece in pieces(self._store, self._key, there.version, there.size):
                digest.update(piece)
        return digest.digest() == self._hash.digest()

    def _send(self, body: bytes) -> None:
        for part in self._parts:
            if part.done():
                part.result()  # an error of an earlier part ends the upload now
        if self._id is None:
            self._id = self._begun()
        self._places.acquire()
        number = len(self._parts) + 1
        sent = self._pool.submit(self._sent, number, body)
        sent.add_done_callback(lambda _: self._places.release())
        self._parts.append(sent)

    def _begun(self) -> str:
        asked: dict[str, Any] = {**encryption.asked(self._store.protection), **locking.until(self._lock_until)}
        asked["ContentType"] = self._type
        if self._store.protection.storage_class:
            asked["StorageClass"] = self._store.protection.storage_class
        if self._store.settings.checksums == "when_supported":
            asked["ChecksumAlgorithm"] = "SHA256"
        with self._store.acting("upload"):
            answer = self._store.client.create_multipart_upload(Bucket=self._store.bucket, Key=self._key, **asked)
            return str(answer["UploadId"])

    def _sent(self, number: int, body: bytes) -> dict[str, Any]:
        asked: dict[str, Any] = dict(encryption.with_key(self._store.protection))
        asked.update(locking.proof(self._store.settings, self._lock_until, body))
        if self._store.settings.checksums == "when_supported":
            asked["ChecksumSHA256"] = base64.b64encode(hashlib.sha256(body).digest()).decode()
        with self._store.acting("upload"):
            answer = self._store.client.upload_part(
                Bucket=self._store.bucket, Key=self._key, UploadId=self._id, PartNumber=number, Body=body, **asked
            )
        checksum = {"ChecksumSHA256": answer["ChecksumSHA256"]} if "ChecksumSHA256" in answer else {}
        return {"PartNumber": number, "ETag": answer["ETag"], **checksum}


@contextmanager
def uploading(store: ObjectStore, key: str) -> Iterator[Uploading]:
    """An upload that is aborted unless it was completed, whatever happens within."""
    upload = Uploading(store, key)
    try:
        yield upload
    finally:
        with suppress(RunbookError):  # the sweep comes for what cannot be aborted now
            upload.abort()


def part_size(number: int) -> int:
    """Bytes of the part with that number, from 0: it doubles every thousand, and so 10,000 parts hold 16 TB."""
    return int(_FIRST << min(number // _GROWS_EVERY, 8))
