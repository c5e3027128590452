"""Which backup to restore: the newest verified one by its manifest's own time, or the one that was named."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from runbook.errors import ActionError
from runbook.targets.s3.backups import MANIFEST, Manifest, decoded_manifest, folders_of
from runbook.targets.s3.objects import ObjectStore
from runbook.text import Text, text


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """A published backup whose manifest can be read."""

    folder: str
    manifest: Manifest

    @property
    def name(self) -> str:
        """The folder as people name it."""
        return self.folder.rstrip("/").rpartition("/")[2]


def chosen(store: ObjectStore, prefix: str, folder: str | None) -> Chosen:
    """The newest verified backup that says enough to be restored, or the named one. Reads only.

    Raises ActionError where there is none, or where the named one is not verified or cannot be read; ProbeError.
    """
    if folder is not None:
        return _named(store, prefix, folder)
    usable = (one for one in published(store, prefix) if _is_usable(one.manifest))
    newest = max(usable, key=lambda one: one.manifest.finished_at, default=None)
    if newest is None:
        raise _none(text("There is no verified backup below {prefix}", prefix=prefix or "/"))
    return newest


def published(store: ObjectStore, prefix: str) -> Iterator[Chosen]:
    """Every backup that has a manifest we can read, in the order of the list. Raises ProbeError.

    What cannot be read is no backup to restore; the rows of the runbook tell of it, and retention freezes.
    """
    for folder in folders_of(store.list(prefix)):
        try:
            found = _read(store, folder)
        except ValueError:
            continue
        yield found


def _named(store: ObjectStore, prefix: str, folder: str) -> Chosen:
    where = f"{prefix}{folder.strip('/').removeprefix(prefix)}/"
    if where not in folders_of(store.list(where)):
        raise _none(text("There is no published backup {folder}", folder=where))
    try:
        found = _read(store, where)
    except ValueError as error:
        raise _none(text("The manifest of {folder} cannot be read: {reason}", folder=where, reason=error)) from error
    if not _is_usable(found.manifest):
        raise _none(text("{folder} is not verified, or its manifest does not say how to restore it", folder=where))
    return found


def _read(store: ObjectStore, folder: str) -> Chosen:
    return Chosen(folder=folder, manifest=decoded_manifest(store.read(f"{folder}{MANIFEST}")))


def _is_usable(manifest: Manifest) -> bool:
    return manifest.verified and manifest.restorable


def _none(said: Text) -> ActionError:
    return ActionError("storage", "restore", said, refused=True)
