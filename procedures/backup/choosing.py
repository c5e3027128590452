"""Which backup to restore: the newest verified one by its manifest's own time, or the one that was named."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from runbook.errors import ActionError
from runbook.learnt import learnt
from runbook.targets.s3.backups import MANIFEST, Manifest, Piece
from runbook.targets.s3.objects import ObjectStore
from runbook.text import Text, text


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """A backup to restore. ``snapshot`` is what the database's was at the dump (``xmin:xmax:…``), or empty."""

    folder: str
    manifest: Manifest
    snapshot: str = ""

    @property
    def name(self) -> str:
        """The folder as people name it."""
        return self.folder.rstrip("/").rpartition("/")[2]

    @property
    def data(self) -> Piece:
        """The object that holds the dump."""
        manifest = self.manifest
        return Piece(
            object=manifest.object,
            version=manifest.version,
            bytes=manifest.bytes,
            sha256=manifest.sha256,
            plain_bytes=manifest.dump_bytes,
            plain_sha256=manifest.dump_sha256,
        )

    @property
    def major(self) -> int:
        """The major version of the server that was dumped, which is the one to restore with."""
        return int(self.manifest.server_version.split(".")[0].split(" ")[0])


def chosen(store: ObjectStore, prefix: str, folder: str | None) -> Chosen:
    """The newest verified backup that says enough to be restored, or the named one. Reads only.

    Raises ActionError where there is none, or where the named one is not verified or cannot be read; ProbeError.
    """
    if folder is not None:
        return _named(store, prefix, folder)
    newest = max(_usable(store, prefix), key=lambda one: one.manifest.finished_at, default=None)
    if newest is None:
        raise _none(text("There is no verified backup below {prefix}", prefix=prefix or "/"))
    return newest


def _named(store: ObjectStore, prefix: str, folder: str) -> Chosen:
    where = f"{prefix}{folder.strip('/').removeprefix(prefix)}/"
    if f"{where}{MANIFEST}" not in {item.key for item in store.list(where)}:
        raise _none(text("There is no published backup {folder}", folder=where))
    try:
        found = _read(store, where)
    except (msgspec.DecodeError, ValueError) as error:
        raise _none(text("The manifest of {folder} cannot be read: {reason}", folder=where, reason=error)) from error
    if not _enough(found.manifest):
        raise _none(text("{folder} is not verified, or its manifest does not say how to restore it", folder=where))
    return found


def _usable(store: ObjectStore, prefix: str) -> Iterator[Chosen]:
    """Manifests that cannot be read are no backups to restore; that they are there is retention's to say."""
    for item in store.list(prefix):
        if item.key.endswith(f"/{MANIFEST}"):
            try:
                found = _read(store, item.key.removesuffix(MANIFEST))
            except (msgspec.DecodeError, ValueError):
                continue
            if _enough(found.manifest):
                yield found


def _read(store: ObjectStore, folder: str) -> Chosen:
    body = store.read(f"{folder}{MANIFEST}")
    manifest = msgspec.json.decode(body, type=learnt(Manifest))
    if manifest.format != 1 or manifest.finished_at.tzinfo is None:
        raise ValueError("not a manifest of a form that is known")
    return Chosen(folder=folder, manifest=manifest, snapshot=manifest.snapshot)


def _enough(manifest: Manifest) -> bool:
    return manifest.verified and manifest.server_version[:1].isdigit() and manifest.dump_bytes > 0


def _none(said: Text) -> ActionError:
    return ActionError("storage", "restore", said, refused=True)
