"""The pages of the nightly runs, put where people read them: a folder, or an object store that serves them.

The index comes last, so that it never leads to a report that is not there yet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from runbook import placing
from runbook.errors import DeliveryError, ProbeError, SettingsError
from runbook.settings import Settings, StorageSettings
from runbook.text import text

INDEX = "index.html"
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".md": "text/markdown; charset=utf-8",
    ".xml": "application/xml",
    ".csv": "text/csv; charset=utf-8",
    ".sha256": "text/plain; charset=utf-8",
    ".pdf": "application/pdf",
}


class Published(NamedTuple):
    """How many files were put there and taken away."""

    written: int
    removed: int


class Place(Protocol):
    """Where pages are read; names are relative, with ``/``. Each method raises DeliveryError."""

    where: str

    def sizes(self) -> dict[str, int]:
        """What is there, with its size in bytes."""
        ...

    def put(self, name: str, content: bytes) -> None:
        """Write one file whole, over one that is there."""
        ...

    def remove(self, name: str) -> None:
        """Take one file away; one that is not there is no error."""
        ...


def open_place(settings: Settings) -> Place | None:
    """Where the site publishes; None where it does not. Connects to nothing.

    Raises SettingsError for an environment without a store or without the operator's keys.
    """
    nightly = settings.site.nightly
    if nightly.bucket is not None:
        storage = _storage(settings)
        return Bucket(storage, nightly.bucket.name, nightly.bucket.prefix)
    return Folder(nightly.folder) if nightly.folder else None


def publish(place: Place, root: Path, kept: Collection[str], gone: Collection[str], index: bytes) -> Published:
    """Put there what is missing of the ``kept`` runs' folders below ``root``, the index, and take away the ``gone``.

    Raises DeliveryError; what was put there before stays, and the rest is put there the next time.
    """
    there = place.sizes()
    missing = [(name, path) for name, path in _files(root, kept) if there.get(name) != path.stat().st_size]
    for name, path in missing:
        place.put(name, path.read_bytes())
    place.put(INDEX, index)
    old = [name for name in there if "/" in name and name.split("/", 1)[0] in set(gone)]
    for name in old:
        place.remove(name)
    return Published(len(missing) + 1, len(old))


class Folder:
    """A folder of this machine, such as one that a web server serves; ``setting`` is what names it in the site file."""

    def __init__(self, folder: Path, setting: str = "site.nightly.publish") -> None:
        self._folder, self._setting, self.where = folder, setting, str(folder)

    def sizes(self) -> dict[str, int]:
        """See Place."""
        with self._failing():
            found = self._folder.glob("*/*")
            return {path.relative_to(self._folder).as_posix(): path.stat().st_size for path in found if path.is_file()}

    def put(self, name: str, content: bytes) -> None:
        """See Place."""
        path = self._folder / name
        with self._failing():
            path.parent.mkdir(parents=True, exist_ok=True)
            placing.put(path, content)

    def remove(self, name: str) -> None:
        """See Place."""
        path = self._folder / name
        with self._failing():
            path.unlink(missing_ok=True)
            if path.parent != self._folder and not any(path.parent.iterdir()):
                path.parent.rmdir()

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            said = text(
                "The pages cannot be written in {folder} ({reason}): see {setting}",
                folder=self.where,
                reason=error.strerror or type(error).__name__,
                setting=self._setting,
            )
            raise DeliveryError(said) from error


class Bucket:
    """A prefix of a bucket, under the operator's identity."""

    def __init__(self, storage: StorageSettings, bucket: str, prefix: str) -> None:
        self._storage, self._bucket, self._prefix = storage, bucket, prefix
        self.where = f"s3://{bucket}/{prefix}"
        self._made: Any = None

    def sizes(self) -> dict[str, int]:
        """See Place."""
        with self._failing():
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
            found = (one for page in pages for one in page.get("Contents", ()))
            return {one["Key"].removeprefix(self._prefix): one["Size"] for one in found}

    def put(self, name: str, content: bytes) -> None:
        """See Place. The index is never served from a cache: silence must show."""
        kind = _KINDS.get(Path(name).suffix, "application/octet-stream")
        caching = {"CacheControl": "no-cache"} if name == INDEX else {}
        with self._failing():
            self._client.put_object(
                Bucket=self._bucket, Key=self._prefix + name, Body=content, ContentType=kind, **caching
            )

    def remove(self, name: str) -> None:
        """See Place."""
        with self._failing():
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + name)

    @property
    def _client(self) -> Any:
        if self._made is None:
            from runbook.targets.s3.clients import ACTING, connected

            self._made = connected("storage", self._storage, self._storage.operator, ACTING)
        return self._made

    @contextmanager
    def _failing(self) -> Iterator[None]:
        from runbook.targets.s3.clients import where
        from runbook.targets.s3.failures import as_probe_errors

        try:
            with as_probe_errors("storage", where(self._storage), self._bucket):
                yield
        except ProbeError as error:
            said = text(
                "The pages cannot be published in {place}: {reason}. See site.nightly.publish",
                place=self.where,
                reason=str(error.said),
            )
            raise DeliveryError(said) from error


def _files(root: Path, kept: Collection[str]) -> Iterator[tuple[str, Path]]:
    for run in sorted(kept):
        for path in sorted((root / run).glob("*")):
            if path.is_file() and not path.name.startswith("."):
                yield f"{run}/{path.name}", path


def _storage(settings: Settings) -> StorageSettings:
    first = [name for name in (settings.site.environment, *settings.environments) if name in settings.environments]
    with_store = (name for name in first if settings.environments[name].storage is not None)
    name, environment = settings.environment(settings.site.nightly.publish_with or next(with_store, first[0]))
    if environment.storage is None or environment.storage.operator is None:
        key = f"environments.{name}.storage.operator"
        raise SettingsError(text("the nightly pages are published with these keys: they are not set"), key=key)
    return environment.storage
