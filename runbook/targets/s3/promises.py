"""What an object store really does of what it is asked, found out by trying, and what that forbids.

Asked for is not done: some stores answer 200 to a wish for encryption and keep plain bytes, write over an object in
spite of ``If-None-Match``, or name no versions. So a purge tries first, on small objects that it removes again.
"""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from runbook.errors import ActionError, ProbeError
from runbook.settings import StorageSettings
from runbook.targets.s3 import encryption
from runbook.targets.s3.answers import AlreadyThere, Stored, version_of
from runbook.targets.s3.configuration import configuration, open_to_anyone
from runbook.targets.s3.encryption import Protection
from runbook.targets.s3.objects import ObjectStore
from runbook.targets.s3.promised import Promise, Promises, State, broken, kept, unknown
from runbook.text import Text, text

__all__ = ["Promise", "Promises", "State", "configured_promises", "objections", "tried_promises"]

#: Below the archive's prefix; no table's batches lie there.
FOLDER = ".probe/"
_FIRST, _SECOND = b"muses-runbook tries this storage: first\n", b"muses-runbook tries this storage: second\n"
#: These come back hours later; a batch is read back at once.
_SLOW_CLASSES = ("GLACIER", "DEEP_ARCHIVE")
_BAD_REQUEST = 400
_TRIED = ("conditional_put", "versions", "checksum", "encryption", "etag", "lock")


def objections(promises: Promises, protection: Protection) -> tuple[Text, ...]:
    """What forbids to store there; empty when nothing does. What is unknown forbids, once it was tried."""
    return tuple(_objections(promises, protection))


def tried_promises(store: ObjectStore, prefix: str, *, lock_until: datetime | None = None) -> Promises:
    """Try the store under the operator's identity. Writes below ``<prefix>.probe/`` and removes all of it again.

    Object lock is tried only with a ``lock_until``, to the second, and in governance mode, which can be lifted.
    Raises ActionError where nothing can be written, ProbeError where nothing can be read.
    """
    trial = _Trial(store, f"{prefix}{FOLDER}{secrets.token_hex(8)}/")
    configured: dict[str, Any] = configuration(store)
    try:
        found: dict[str, Any] = trial.promises(configured.pop("private"), lock_until)
    finally:
        left = trial.removed(lifted=lock_until is not None)
    return Promises(**found, **configured, tried=True, loopback=is_loopback(store.settings), left_behind=left)


def configured_promises(store: ObjectStore) -> Promises:
    """What the bucket's configuration says, for a dry run under the reader's identity. Writes nothing.

    Raises ProbeError where the bucket is not there or not to be asked.
    """
    found: dict[str, Any] = dict.fromkeys(_TRIED, unknown(text("not tried: a dry run writes nothing")))
    return Promises(**found, **configuration(store), tried=False, loopback=is_loopback(store.settings))


def is_loopback(settings: StorageSettings) -> bool:
    """Whether the store is on this machine, by its address."""
    host = urlsplit(settings.endpoint_url or "").hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _objections(promises: Promises, protection: Protection) -> Iterator[Text]:
    said = {name: getattr(promises, name).state for name in ("conditional_put", "versions", "encryption", "private")}
    if promises.tried and State.KEPT not in (said["versions"], said["conditional_put"]):
        yield text(
            "The storage neither keeps versions nor refuses to write over an object, so nothing proves that what was "
            "read back stays as it is: enable versioning on the bucket"
        )
    if promises.tried and encryption.asked(protection) and said["encryption"] is not State.KEPT:
        yield text(
            "The storage was asked for {setting} and does not prove that it encrypts: encrypt with age ({table})",
            setting=protection.encryption,
            table=f"{protection.table}.{'encryption' if protection.table == 'archive' else 'age_recipients'}",
        )
    if said["private"] is State.BROKEN:
        yield text("The bucket is open to the public: block public access first")
    yield from _of_the_settings(protection, promises)


def _of_the_settings(protection: Protection, promises: Promises) -> Iterator[Text]:
    if protection.encryption == "none" and not protection.sealed and not promises.loopback:
        yield text(
            '{table}.encryption is "none", which is for practice on this machine: set "sse-s3", or encrypt with age',
            table=protection.table,
        )
    if protection.storage_class in _SLOW_CLASSES:
        yield text(
            "Objects of storage class {name} are not read back at once: set {table}.storage_class to STANDARD_IA",
            name=protection.storage_class,
            table=protection.table,
        )


class _Trial:
    """The tries on one store, all below one folder that nobody else has."""

    def __init__(self, store: ObjectStore, folder: str) -> None:
        self._store, self._folder = store, folder

    def promises(self, private: Promise, lock_until: datetime | None) -> dict[str, Promise]:
        first = self._store.put_new(f"{self._folder}once", _FIRST)
        return {
            "conditional_put": self._conditional_put(first),
            "versions": self._versions(),
            "checksum": self._checksum(),
            "encryption": self._encryption(first),
            "etag": self._etag(first),
            "lock": self._lock(lock_until),
            "private": self._private(first, private),
        }

    def removed(self, *, lifted: bool) -> tuple[str, ...]:
        """Remove all versions; the keys of those that stay, all of the folder where it cannot be listed."""
        try:
            found = self._store.versions(self._folder)
        except ProbeError:
            return (self._folder,)
        return tuple(one.key for one in found if not self._gone(one.key, one.version, lifted=lifted))

    def _conditional_put(self, first: Stored) -> Promise:
        try:
            self._store.put_new(first.key, _SECOND)
        except AlreadyThere:
            if self._store.read(first.key) == _FIRST:
                return kept(text("a second write of the same key is refused"))
            return broken(text("a second write of the same key is refused, and done"))
        return broken(text("If-None-Match is ignored: a second write of the same key goes through"))

    def _versions(self) -> Promise:
        key = f"{self._folder}twice"
        with self._store.acting("try"):
            old, new = self._put(key, _FIRST), self._put(key, _SECOND)
        if old is None or new is None or old == new:
            return broken(text("two writes of the same key get no versions of their own"))
        try:
            if (self._store.read(key, old), self._store.read(key, new)) == (_FIRST, _SECOND):
                return kept(text("what is written over can still be read by its version"))
        except ProbeError:
            pass
        return broken(text("versions are named, but the older one cannot be read"))

    def _checksum(self) -> Promise:
        if self._store.settings.checksums != "when_supported":
            return unknown(text("not asked: storage.checksums is when_required; reading back proves the bytes"))
        if self._refusal(f"{self._folder}wrong", digest=hashlib.sha256(_SECOND).digest()):
            return kept(text("bytes that do not fit their SHA-256 are refused"))
        return broken(text("bytes that do not fit their SHA-256 are taken; reading back proves the bytes"))

    def _encryption(self, first: Stored) -> Promise:
        asked, facts = self._store.protection, self._store.facts(first.key, first.version)
        if not encryption.asked(asked):
            return unknown(text("not asked: encryption is {setting}", setting=asked.encryption))
        if asked.encryption == "sse-c" and self._read_without_key(first):
            return broken(text("asked for sse-c, the server gives the object to who does not bring the key"))
        if encryption.proven(facts, asked):
            return kept(text("the server says of the object: encrypted with {algorithm}", algorithm=facts.encryption))
        if facts.encryption is None:
            return broken(
                text(
                    "asked for {setting}, the server says of the object that it is not encrypted",
                    setting=asked.encryption,
                )
            )
        said = {"setting": asked.encryption, "algorithm": facts.encryption, "key": facts.kms_key or "–"}
        return broken(text("asked for {setting}, the server says {algorithm} with key {key}", **said))

    def _read_without_key(self, first: Stored) -> bool:
        from botocore.exceptions import ClientError

        with self._store.failures():
            try:
                self._store.client.head_object(Bucket=self._store.bucket, Key=first.key)
            except ClientError as error:
                return error.response["ResponseMetadata"]["HTTPStatusCode"] != _BAD_REQUEST
        return True

    def _etag(self, first: Stored) -> Promise:
        etag = self._store.facts(first.key, first.version).etag
        return kept(text("objects have an ETag")) if etag else broken(text("the ETag of an object is empty"))

    def _lock(self, until: datetime | None) -> Promise:
        if until is None:
            return unknown(text("not asked"))
        key = f"{self._folder}locked"
        if refusal := self._refusal(key, ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until):
            return broken(text("an object cannot be locked ({code})", code=refusal))
        facts = self._store.facts(key)
        if facts.locked_until is None or facts.locked_until < until - timedelta(seconds=1):
            return broken(text("an object was to be locked until {until}, and is not", until=until))
        if self._gone(key, facts.version):
            return broken(text("a locked object can be removed"))
        return kept(text("a locked object cannot be removed"))

    def _private(self, first: Stored, configured: Promise) -> Promise:
        is_open = open_to_anyone(self._store, first.key)
        if is_open:
            return broken(text("anyone can read or list the bucket without a key"))
        if configured.state is State.UNKNOWN and is_open is False:
            return kept(text("who has no key is refused; the bucket's configuration does not say more"))
        return configured

    def _refusal(self, key: str, *, digest: bytes | None = None, **more: Any) -> str | None:
        """The code by which a write is refused as a bad request, None where it is done."""
        from botocore.exceptions import ClientError

        with self._store.acting("try"):
            try:
                self._put(key, _FIRST, digest=digest, **more)
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] != _BAD_REQUEST:
                    raise
                return str(error.response["Error"]["Code"])
        return None

    def _put(self, key: str, body: bytes, *, digest: bytes | None = None, **more: Any) -> str | None:
        """Write over whatever is there; the version. Raises botocore's errors."""
        asked = self._store.request(key, body, digest or hashlib.sha256(body).digest(), **more)
        return version_of(self._store.client.put_object(**asked))

    def _gone(self, key: str, version: str | None, *, lifted: bool = False) -> bool:
        """Whether it could be removed, where need be by lifting its lock."""
        try:
            self._store.remove(key, version, lifting_lock=lifted)
        except ActionError:
            return False
        return True
