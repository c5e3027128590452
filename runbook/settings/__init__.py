"""The settings of a site as frozen structs: what the site file may say, and its defaults, a module for each table.

Secrets are references and are read only when used.
"""

from runbook.settings.acting import ActingSettings, JournalSettings
from runbook.settings.backup import BackupSettings
from runbook.settings.broker import BrokerSettings
from runbook.settings.database import DatabaseSettings
from runbook.settings.hosts import HostsSettings
from runbook.settings.logs import LogAccess, LogsSettings
from runbook.settings.metrics import MetricsSettings
from runbook.settings.nightly import NightlySettings
from runbook.settings.notifications import NotificationsSettings
from runbook.settings.packs import PacksSettings
from runbook.settings.policy import ApprovalSettings, Freeze, Level, Permission, PolicySettings, Window
from runbook.settings.prometheus import PrometheusSettings
from runbook.settings.purge import Hold, PurgeSettings, ThrottleSettings
from runbook.settings.schedule import ScheduleSettings
from runbook.settings.site import EnvironmentSettings, Settings, SiteSettings
from runbook.settings.sql_rows import SqlRowsSettings
from runbook.settings.storage import ArchiveSettings, StorageSettings
from runbook.settings.tickets import TicketsSettings
from runbook.settings.waivers import Waiver
from runbook.settings.words import Keys, Login, Secret, Size, Strict
from runbook.settings.workers import WorkersSettings

__all__ = [
    "ActingSettings",
    "ApprovalSettings",
    "ArchiveSettings",
    "BackupSettings",
    "BrokerSettings",
    "DatabaseSettings",
    "EnvironmentSettings",
    "Freeze",
    "Hold",
    "HostsSettings",
    "JournalSettings",
    "Keys",
    "Level",
    "LogAccess",
    "Login",
    "LogsSettings",
    "MetricsSettings",
    "NightlySettings",
    "NotificationsSettings",
    "PacksSettings",
    "Permission",
    "PolicySettings",
    "PrometheusSettings",
    "PurgeSettings",
    "ScheduleSettings",
    "Secret",
    "Settings",
    "SiteSettings",
    "Size",
    "SqlRowsSettings",
    "StorageSettings",
    "Strict",
    "ThrottleSettings",
    "TicketsSettings",
    "Waiver",
    "Window",
    "WorkersSettings",
]
