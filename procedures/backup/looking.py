"""What rows are told of the backups, by one list and a few small objects at a time. Under the reader. Reads only."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from procedures.backup.facts import Backups, Bucket, Guarded, Operating, Proven, Published, Unpublished
from procedures.backup.leases import leased_folders
from procedures.backup.retention import Known
from runbook.errors import ProbeError, ProbeFailure
from runbook.settings import BackupSettings, StorageSettings
from runbook.targets.s3 import encryption, promises
from runbook.targets.s3.backups import LARGEST, MANIFEST, PROOF, Object, decoded_manifest, decoded_proof
from runbook.targets.s3.clients import PROBING, connected, where
from runbook.targets.s3.configuration import configuration, only_by_tls, open_to_anyone
from runbook.targets.s3.failures import as_probe_errors
from runbook.targets.s3.objects import ObjectStore
from runbook.targets.s3.promised import State, broken, kept
from runbook.targets.s3.rights import Identity
from runbook.text import Text, text

R = TypeVar("R")

#: Manifests and proofs that are read, the newest by when they were written: months of daily backups.
NEWEST, PROOFS = 100, 30
#: Objects on their way at once, and the seconds that all of them together may take.
AT_ONCE, PATIENCE = 4, 8.0


def opened(settings: StorageSettings, backup: BackupSettings, identity: Identity = "reader") -> ObjectStore:
    """The bucket of the backups, with the patience of a probe. Connects with the first request."""
    keys = settings.reader if identity == "reader" else settings.operator
    with as_probe_errors("storage", where(settings), settings.backup_bucket):
        client = connected("storage", settings, keys, PROBING)
    return ObjectStore("storage", settings, encryption.protection_of(backup), settings.backup_bucket, client)


def backups(store: ObjectStore, prefix: str) -> Backups:
    """All that lies below the prefix. Raises ProbeError: a list that cannot be had is never an empty one."""
    ends_at = time.monotonic() + PATIENCE
    listed = [item for item in store.list(prefix) if not item.key.removeprefix(prefix).startswith(".")]
    sizes = {item.key: item.size for item in listed}
    manifests = _latest(item for item in listed if _is(item, prefix, MANIFEST))
    folders = {_folder(item) for item in manifests}
    proofs = _latest(item for item in listed if _is(item, prefix, PROOF) and _folder(item) in folders)[:PROOFS]
    leased = leased_folders(store, prefix)
    read = _all(lambda item: _published(store, item, sizes, prefix), manifests[:NEWEST], store, ends_at)
    left = manifests[NEWEST:]
    return Backups(
        published=tuple(sorted(read, key=lambda one: one.finished_at, reverse=True)),
        unpublished=tuple(_unpublished(listed, prefix, folders, leased)),
        proofs=tuple(_all(lambda item: _proven(store, item), proofs, store, ends_at)),
        leased=tuple(sorted(leased)),
        unread=len(left),
        unread_since=left[0].modified if left else None,
        skew=store.clock_skew(),
    )


def known(found: Backups) -> tuple[tuple[Known, ...], tuple[str, ...]]:
    """The backups as retention knows them, and the folders of which something cannot be read."""
    proven = {one.folder for one in found.proofs if one.proof and one.proof.counts}
    read = tuple(
        Known.of(one.folder, one.manifest, proven=one.folder in proven, leased=one.folder in found.leased)
        for one in found.published
        if one.manifest is not None
    )
    unread = [one.folder for one in found.published if one.manifest is None]
    return read, (*unread, *(one.folder for one in found.proofs if one.proof is None))


def guarded(store: ObjectStore, key: str, version: str | None) -> Guarded:
    """What the storage says of one object. Raises ProbeError, ABSENT where it is gone."""
    facts = store.facts(key, version)
    proven = encryption.proven(facts, store.protection)
    return Guarded(encryption=facts.encryption, proven=proven, locked_until=facts.locked_until)


def bucket(store: ObjectStore) -> Bucket:
    """What guards the bucket. Where it does not say whether it is public, we come without a key and see."""
    configured = configuration(store)
    if configured["private"].state is State.UNKNOWN:
        configured["private"] = _tried(store, configured["private"])
    tls = urlsplit(store.settings.endpoint_url or "https:").scheme == "https"
    return Bucket(**configured, transport=only_by_tls(store), tls=tls, loopback=promises.is_loopback(store.settings))


def operating(settings: StorageSettings, backup: BackupSettings) -> Operating:
    """What the operator meets, as far as reading shows. Whether it may write is not tried: that would write."""
    store = opened(settings, backup, "operator")
    try:
        found = promises.configured_promises(store)
        next(iter(store.list(f"{settings.backup_prefix}.")), None)
        return Operating(objections=promises.objections(found, store.protection))
    except ProbeError as error:
        if error.kind is not ProbeFailure.DENIED:
            raise
        return Operating(denied=error.said)
    finally:
        store.close()


def _published(store: ObjectStore, item: Object, sizes: dict[str, int], prefix: str) -> Published | None:
    """None where it went while we looked."""
    try:
        manifest = _read(store, item, decoded_manifest)
    except ValueError as error:
        problem = text("its manifest cannot be read: {reason}", reason=error)
        return Published(folder=_folder(item), written_at=item.modified, problem=problem)
    if manifest is None:
        return None
    there = sizes.get(manifest.object)
    if there is None and not manifest.object.startswith(prefix):
        there = _size(store, manifest.object)
    other = manifest.globals
    return Published(
        folder=_folder(item),
        written_at=item.modified,
        manifest=msgspec.structs.replace(manifest, tables={}),
        data_bytes=there,
        lost=(other.object,) if other and sizes.get(other.object) != other.bytes else (),
    )


def _proven(store: ObjectStore, item: Object) -> Proven | None:
    """None where it went while we looked."""
    try:
        proof = _read(store, item, decoded_proof)
    except ValueError as error:
        problem = text("the proof {key} cannot be read: {reason}", key=item.key, reason=error)
        return Proven(folder=_folder(item), written_at=item.modified, problem=problem)
    return None if proof is None else Proven(folder=_folder(item), written_at=item.modified, proof=proof)


def _read(store: ObjectStore, item: Object, decoded: Callable[[bytes], R]) -> R | None:
    """None for what is gone by now. Raises ValueError for what is not what its name says."""
    if item.size > LARGEST:
        return decoded(b"")
    try:
        return decoded(store.read(item.key))
    except ProbeError as error:
        if error.kind is ProbeFailure.ABSENT:
            return None
        raise


def _size(store: ObjectStore, key: str) -> int | None:
    try:
        return store.facts(key).size
    except ProbeError as error:
        if error.kind is ProbeFailure.ABSENT:
            return None
        raise


def _unpublished(
    listed: Sequence[Object], prefix: str, published: set[str], leased: frozenset[str]
) -> Iterator[Unpublished]:
    """The folders that hold something and no manifest."""
    found: dict[str, list[Object]] = {}
    for item in listed:
        name, inside, _ = item.key.removeprefix(prefix).partition("/")
        if inside and f"{prefix}{name}/" not in published:
            found.setdefault(f"{prefix}{name}/", []).append(item)
    for folder, items in found.items():
        last, size = max(item.modified for item in items), sum(item.size for item in items)
        yield Unpublished(folder=folder, last=last, bytes=size, leased=folder in leased)


def _tried(store: ObjectStore, configured: Any) -> Any:
    """A key that is not there is refused (403) to who may not look, and not found by who may."""
    found = open_to_anyone(store, f"{store.settings.backup_prefix}.muses-runbook")
    if found:
        return broken(text("anyone can read or list the bucket without a key"))
    if found is False:
        return kept(text("who has no key is refused; the bucket's configuration does not say more"))
    return configured


def _all(read: Callable[[Object], R | None], items: Sequence[Object], store: ObjectStore, ends_at: float) -> list[R]:
    """Each item read, a few at once, without those that are gone. Raises ProbeError, SLOW where time runs out."""
    pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="manifest")
    try:
        return [one for one in pool.map(read, items, timeout=ends_at - time.monotonic()) if one is not None]
    except TooLate as error:
        said: Text = text(
            "{where} did not give {count} small objects within {limit}",
            where=store.where,
            count=len(items),
            limit=timedelta(seconds=PATIENCE),
        )
        raise ProbeError("storage", ProbeFailure.SLOW, said) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _latest(items: Iterable[Object]) -> list[Object]:
    """Those written last first: names are no order."""
    return sorted(items, key=lambda item: (item.modified, item.key), reverse=True)


def _is(item: Object, prefix: str, name: str) -> bool:
    """Whether it is the object of that name, or of a name that begins so, right within a backup's folder."""
    folder, inside, rest = item.key.removeprefix(prefix).partition("/")
    return bool(folder and inside) and (rest == name or (name == PROOF and rest.startswith(PROOF) and "/" not in rest))


def _folder(item: Object) -> str:
    return item.key.rpartition("/")[0] + "/"
