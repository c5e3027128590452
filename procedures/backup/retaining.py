"""Retention carried out: see what is published, decide, and remove, manifest first: half a backup is none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import msgspec

from procedures.backup.leases import leased_folders
from procedures.backup.places import Place, place_of, store_at
from procedures.backup.retention import Circumstances, Known, Retention, decide
from procedures.backup.server import system_identifier
from runbook.errors import ActionError, RunbookError
from runbook.site import Site
from runbook.targets.s3.backups import MANIFEST, PROOF, Object, Proof, decoded_manifest, decoded_proof, folders_of
from runbook.targets.s3.objects import ObjectStore
from runbook.targets.s3.rights import Identity
from runbook.text import Text

#: What has no manifest for this long was broken off, and nobody comes back for it.
LEFT_BEHIND = timedelta(days=7)
#: What we write and nobody else does; anything else below the prefix is not ours to remove. Beside the data of a backup
#: these are its leases, and what the storage was tried with: the dead leave those too.
_FOLDER = r"\d{4}-\d\d-\d\dT\d{4}-[0-9a-f]{4}/"
_OURS = re.compile(
    rf"^(?P<folder>{_FOLDER})(data\.dump|globals\.sql)\.zst(\.age)?$"
    rf"|^\.leases/{_FOLDER}[0-9a-f]{{8}}-\d+\.json$|^\.probe/[0-9a-f]{{16}}/\w+$"
)


class Retained(msgspec.Struct, frozen=True, kw_only=True):
    """What retention decided, and what it removed; ``stayed`` could not be removed, with the reason."""

    retention: Retention
    removed: tuple[str, ...] = ()
    stayed: dict[str, Text] = {}
    swept: tuple[str, ...] = ()


def look(site: Site) -> Retention:
    """What retention would do. Under the reader's identity: it could not remove anything. Raises ProbeError."""
    return _decided(site, "reader", confirmed=False)


def retain(site: Site, *, confirmed: bool = False) -> Retained:
    """Remove what may go, and sweep what broken-off backups left. Raises ProbeError: what cannot be listed stays."""
    place = place_of(site)
    retention = _decided(site, "operator", confirmed=confirmed)
    removed, stayed = [], {}
    with closing(store_at(place)) as store:
        for folder in retention.remove:
            try:
                _remove(store, folder)
                removed.append(folder)
            except ActionError as error:
                stayed[folder] = error.said
        swept = () if retention.frozen else tuple(_swept(store, place))
    return Retained(retention=retention, removed=tuple(removed), stayed=stayed, swept=swept)


def _decided(site: Site, identity: Identity, *, confirmed: bool) -> Retention:
    place = place_of(site)
    with closing(store_at(place, identity)) as store:
        known, unread = _known(store, place)
        now = Circumstances(
            now=datetime.now(UTC),
            skew=store.clock_skew(),
            system_identifier=_identifier(place),
            unread=unread,
            confirmed=confirmed,
        )
    return decide(known, place.backup, now)


def _known(store: ObjectStore, place: Place) -> tuple[list[Known], tuple[str, ...]]:
    """Every published backup, and the folders whose manifest or proof cannot be read."""
    listed = store.list(place.prefix)
    leased = leased_folders(store, place.prefix)
    known, unread = [], []
    for folder in folders_of(listed):
        try:
            manifest = decoded_manifest(store.read(f"{folder}{MANIFEST}"))
            proven = any(proof.counts for proof in _proofs(store, folder, listed))
            known.append(Known.of(folder, manifest, proven=proven, leased=folder in leased))
        except (ValueError, RunbookError):
            unread.append(folder)
    return known, tuple(unread)


def _proofs(store: ObjectStore, folder: str, listed: tuple[Object, ...]) -> Iterator[Proof]:
    for item in listed:
        if item.key.startswith(f"{folder}{PROOF}"):
            yield decoded_proof(store.read(item.key))


def _identifier(place: Place) -> str | None:
    """Who the database is; None where it cannot be asked, which freezes."""
    try:
        return system_identifier(place)
    except RunbookError:
        return None


def _remove(store: ObjectStore, folder: str) -> None:
    """All versions of all objects of the folder, the manifest's first: from then on it is no backup."""
    versions = store.versions(folder)
    for version in sorted(versions, key=lambda one: not one.key.endswith(f"/{MANIFEST}")):
        store.remove(version.key, version.version)


def _swept(store: ObjectStore, place: Place) -> Iterator[str]:
    now = datetime.now(UTC)
    listed = store.list(place.prefix)
    spared = {*folders_of(listed), *leased_folders(store, place.prefix)}

    def broken_off(key: str, since: datetime) -> bool:
        found = _OURS.match(key.removeprefix(place.prefix))
        ours = found is not None and f"{place.prefix}{found['folder']}" not in spared
        return ours and now - since > LEFT_BEHIND

    orphans = {item.key for item in listed if broken_off(item.key, item.modified)}
    for version in store.versions(place.prefix) if orphans else ():
        if version.key in orphans:
            store.remove(version.key, version.version)
    for upload in store.unfinished_uploads(place.prefix):
        if broken_off(upload.key, upload.started):
            store.abort_upload(upload.key, upload.id)
            yield upload.key
    yield from sorted(orphans)
