"""Where backups come from and go to."""

from __future__ import annotations

from dataclasses import dataclass

from runbook.errors import NotConfigured
from runbook.settings import BackupSettings, StorageSettings
from runbook.site import Site
from runbook.targets.postgres.access import Access
from runbook.targets.s3.objects import ObjectStore, open_store
from runbook.targets.s3.rights import Identity


@dataclass(frozen=True)
class Place:
    """The database that is dumped, the storage, and how backups are made."""

    access: Access
    storage: StorageSettings
    backup: BackupSettings

    @property
    def prefix(self) -> str:
        """Below which all backups lie."""
        return self.storage.backup_prefix


def place_of(site: Site) -> Place:
    """Where the site's backups come from and go to. Raises NotConfigured for a target it does not have."""
    settings, setting = site.settings, f"environments.{site.environment.name}"
    if settings.database is None:
        raise NotConfigured("database", f"{setting}.database")
    if settings.storage is None:
        raise NotConfigured("storage", f"{setting}.storage")
    return Place(Access("database", f"{setting}.database", settings.database), settings.storage, settings.backup)


def store_at(place: Place, identity: Identity = "operator") -> ObjectStore:
    """The bucket of the backups."""
    return open_store("storage", place.storage, place.backup, identity=identity, bucket=place.storage.backup_bucket)
