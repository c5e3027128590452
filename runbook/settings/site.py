"""The whole site file: the site, its environments."""

from __future__ import annotations

import zoneinfo
from datetime import timedelta
from pathlib import Path
from typing import Literal

import msgspec

from runbook.decoding import nearest_to
from runbook.errors import SettingsError
from runbook.settings.acting import ActingSettings, JournalSettings
from runbook.settings.backup import BackupSettings
from runbook.settings.broker import BrokerSettings
from runbook.settings.database import DatabaseSettings
from runbook.settings.hosts import HostsSettings
from runbook.settings.logs import LogsSettings
from runbook.settings.metrics import MetricsSettings
from runbook.settings.nightly import NightlySettings
from runbook.settings.notifications import NotificationsSettings
from runbook.settings.packs import PacksSettings
from runbook.settings.policy import PolicySettings
from runbook.settings.prometheus import PrometheusSettings
from runbook.settings.purge import PurgeSettings
from runbook.settings.schedule import ScheduleSettings
from runbook.settings.security import SecuritySettings
from runbook.settings.service_levels import ServiceLevelSettings
from runbook.settings.sql_rows import SqlRowsSettings
from runbook.settings.storage import ArchiveSettings, StorageSettings
from runbook.settings.tickets import TicketsSettings
from runbook.settings.waivers import Waiver
from runbook.settings.words import Strict
from runbook.settings.workers import WorkersSettings


class EnvironmentSettings(Strict, frozen=True, kw_only=True):
    """One environment: its targets, its thresholds, its policy. A target left out makes its rows SKIPPED.

    ``waivers_file`` holds more waivers; a relative one lies beside the site file.
    """

    database: DatabaseSettings | None = None
    broker: BrokerSettings | None = None
    storage: StorageSettings | None = None
    workers: WorkersSettings | None = None
    logs: LogsSettings | None = None
    hosts: HostsSettings | None = None
    prometheus: PrometheusSettings | None = None
    metrics: MetricsSettings = msgspec.field(default_factory=MetricsSettings)
    archive: ArchiveSettings = msgspec.field(default_factory=ArchiveSettings)
    purge: PurgeSettings = msgspec.field(default_factory=PurgeSettings)
    backup: BackupSettings = msgspec.field(default_factory=BackupSettings)
    schedule: ScheduleSettings = msgspec.field(default_factory=ScheduleSettings)
    sql_rows: SqlRowsSettings = msgspec.field(default_factory=SqlRowsSettings)
    packs: PacksSettings = msgspec.field(default_factory=PacksSettings)
    waivers: tuple[Waiver, ...] = ()
    waivers_file: Path | None = None
    security: SecuritySettings = msgspec.field(default_factory=SecuritySettings)
    limits: dict[str, dict[str, str | int | float]] = {}
    service_levels: ServiceLevelSettings = msgspec.field(default_factory=ServiceLevelSettings)
    settling: dict[str, timedelta] = {}
    policy: PolicySettings = msgspec.field(default_factory=PolicySettings)
    acting: ActingSettings = msgspec.field(default_factory=ActingSettings)
    journal: JournalSettings = msgspec.field(default_factory=JournalSettings)
    tickets: TicketsSettings | None = None
    notifications: NotificationsSettings | None = None
    deadline: timedelta = timedelta(seconds=15)


class SiteSettings(Strict, frozen=True, kw_only=True):
    """What is true of the whole site."""

    name: str = "SEP-MUSES"
    timezone: str = "America/Mexico_City"
    language: Literal["es", "en"] | None = None
    environment: str | None = None
    state: Path | None = None
    reports: Path | None = None
    executor: str = "threads"
    rows_at_once: int = 256
    docx_template: Path | None = None
    nightly: NightlySettings = msgspec.field(default_factory=NightlySettings)

    def __post_init__(self) -> None:
        try:
            zoneinfo.ZoneInfo(self.timezone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"{self.timezone!r} is no time zone of this machine") from None
        if self.executor != "threads" and not self.executor.startswith("dask://"):
            raise ValueError(f"{self.executor!r} is no executor: threads, or dask://host:port")
        if self.rows_at_once < 1:
            raise ValueError("rows_at_once must be at least 1")


class Settings(Strict, frozen=True, kw_only=True):
    """The whole site file. ``file`` is where it was read from."""

    site: SiteSettings = msgspec.field(default_factory=SiteSettings)
    environments: dict[str, EnvironmentSettings]
    file: Path | None = None

    def environment(self, name: str | None = None) -> tuple[str, EnvironmentSettings]:
        """The named environment, or the site's own choice, or the only one there is.

        Raises SettingsError with the nearest name.
        """
        chosen = (
            name or self.site.environment or (next(iter(self.environments)) if len(self.environments) == 1 else None)
        )
        if chosen is None:
            raise SettingsError(
                "several environments: choose one with --env or set environment", key="site.environment"
            )
        if chosen not in self.environments:
            raise SettingsError(
                f"no environment {chosen!r} (there are: {', '.join(self.environments)})",
                file=self.file,
                nearest=nearest_to(chosen, self.environments),
            )
        return chosen, self.environments[chosen]
