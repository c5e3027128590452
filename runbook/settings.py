"""The settings of a site as frozen structs: what the site file may say, and its defaults.

Secrets are references and are read only when used.
"""

from __future__ import annotations

import os
import re
import subprocess
import zoneinfo
from datetime import date, timedelta
from pathlib import Path
from typing import ClassVar, Literal

import msgspec

from runbook import redact
from runbook.decoding import nearest_to
from runbook.errors import SettingsError
from runbook.slots import Slot, parse_slot


class Size(int):
    """Bytes in the site file, written as people write them: ``"4 MiB"``."""


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the site file: unknown keys are refused."""


class Secret(Strict, frozen=True, kw_only=True):
    """Where a secret is, never what it is: exactly one of an environment variable, a file, a command."""

    EXPECTED: ClassVar[str] = 'a reference such as { file = "/path" }, { env = "NAME" } or { command = ["…"] }'

    env: str | None = None
    file: Path | None = None
    command: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if sum(given is not None for given in (self.env, self.file, self.command)) != 1:
            raise ValueError("give exactly one of env, file, command")

    def reveal(self) -> str:
        """The secret itself, learnt by the redaction so that it is masked wherever it shows up.

        Raises SettingsError naming the reference, never the value.
        """
        value = self._read().strip("\r\n")
        if not value:
            raise SettingsError(f"the secret in {self.reference} is empty")
        redact.learn(value)
        return value

    @property
    def reference(self) -> str:
        """How to name it to a person."""
        if self.env is not None:
            return f"variable {self.env}"
        return f"file {self.file}" if self.file is not None else f"command {self.command[0]}"  # type: ignore[index]

    def _read(self) -> str:
        try:
            if self.env is not None:
                return os.environ[self.env]
            if self.file is not None:
                return self.file.read_text()
            done = subprocess.run(list(self.command or ()), capture_output=True, text=True, timeout=20, check=True)
            return done.stdout
        except KeyError:
            raise SettingsError(f"the secret's variable {self.env} is not set") from None
        except (OSError, subprocess.SubprocessError) as error:
            raise SettingsError(f"the secret in {self.reference} cannot be read ({type(error).__name__})") from None


class Login(Strict, frozen=True, kw_only=True):
    """A user and where its password is."""

    user: str
    password: Secret | None = None


class Keys(Strict, frozen=True, kw_only=True):
    """An access key pair of an object store; both absent means the machine's own credentials."""

    access_key: Secret | None = None
    secret_key: Secret | None = None


class DatabaseSettings(Strict, frozen=True, kw_only=True):
    """PostgreSQL ``sep_muses``."""

    host: str = "127.0.0.1"
    port: int = 5432
    name: str = "sep_muses"
    schema: str = "muses_dev"
    sslmode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] = "prefer"
    sslrootcert: Path | None = None
    reader: Login
    operator: Login | None = None
    application_roles: tuple[str, ...] = ("muses_app",)
    exchange_tables: tuple[str, ...] = (
        "tbae001_inscripcion",
        "tbae002_bajas",
        "tbae005_asistencias",
        "tbae007_calificaciones",
    )
    time_column: str = "fecha_actualizacion"
    unfinished_statuses: tuple[str, ...] = ("RECIBIDO", "VALIDADO")
    retention_days: int = 90
    slow_statement: timedelta = timedelta(milliseconds=50)


class BrokerSettings(Strict, frozen=True, kw_only=True):
    """RabbitMQ."""

    host: str = "127.0.0.1"
    port: int = 5672
    management_url: str | None = None
    tls: bool = False
    cafile: Path | None = None
    vhost: str = "/"
    queues: tuple[str, ...]
    dead_letter_queues: tuple[str, ...] = ()
    reader: Login
    operator: Login | None = None

    def __post_init__(self) -> None:
        """An empty address, as an overriding variable can give, means that there is no management API."""
        if not self.management_url:
            msgspec.structs.force_setattr(self, "management_url", None)


class StorageSettings(Strict, frozen=True, kw_only=True):
    """An object store that speaks S3."""

    endpoint_url: str | None = None
    region: str = "us-east-1"
    cafile: Path | None = None
    checksums: Literal["when_supported", "when_required"] = "when_supported"
    backup_bucket: str
    backup_prefix: str = ""
    archive_bucket: str | None = None
    reader: Keys = msgspec.field(default_factory=Keys)
    operator: Keys | None = None


class Hold(Strict, frozen=True, kw_only=True):
    """Records that are never purged while this stands: by uuid, by subsystem, by time; all that is given must hold.

    ``since`` and ``until`` bound the record's time in the site's zone, ``until`` excluded. ``why`` is for people.
    """

    uuid: str | None = None
    subsystem: int | None = None
    since: date | None = None
    until: date | None = None
    why: str = ""

    def __post_init__(self) -> None:
        if self.uuid is None and self.subsystem is None and self.since is None and self.until is None:
            raise ValueError("give at least one of uuid, subsystem, since, until: a hold on everything is no purge")


class ArchiveSettings(Strict, frozen=True, kw_only=True):
    """How archived records lie in ``storage.archive_bucket``.

    ``encryption`` is what must be *proven*: ``sse-s3`` and ``sse-kms`` by what the server returns, ``age`` by the bytes
    that are sent (encrypted here, for ``age_recipients``; ``age_identity`` reads them back). ``none`` is for practice.
    """

    prefix: str = "tbae/"
    encryption: Literal["sse-s3", "sse-kms", "age", "none"] = "sse-s3"
    kms_key_id: str | None = None
    age_recipients: tuple[str, ...] = ()
    age_identity: Secret | None = None
    storage_class: str = "STANDARD_IA"

    def __post_init__(self) -> None:
        if self.encryption == "age" and not (self.age_recipients and self.age_identity):
            raise ValueError("encryption 'age' needs age_recipients, and age_identity to read back what was written")
        if self.encryption == "sse-kms" and not self.kms_key_id:
            raise ValueError("encryption 'sse-kms' needs kms_key_id")


class ThrottleSettings(Strict, frozen=True, kw_only=True):
    """What makes the purge wait. ``sql`` is one statement that returns one number, too much above ``sql_limit``."""

    replica_lag: timedelta = timedelta(seconds=10)
    lock_waiters: int = 2
    duty: float = 1.0
    sql: str | None = None
    sql_limit: float = 0.0
    pause_file: Path | None = None

    def __post_init__(self) -> None:
        if not 0 < self.duty <= 1:
            raise ValueError("duty is the share of the time at work: above 0, at most 1")


class PurgeSettings(Strict, frozen=True, kw_only=True):
    """The purge of the exchange tables (Guía de Operaciones §4.1).

    ``retention_days`` of a table overrides ``database.retention_days``. ``executor`` is ``threads`` or the address of
    a Dask scheduler, ``dask://host:8786``. ``max_percent`` and ``max_growth`` are exceeded only when confirmed.
    """

    tables: tuple[str, ...] = ("tbae*",)
    retention_days: dict[str, int] = {}
    processed_statuses: tuple[str, ...] = ("PROCESADO", "ERROR")
    holds: tuple[Hold, ...] = ()
    state_schema: str = "muses_runbook"
    batch_rows: int = 50_000
    batch_bytes: Size = Size(32 * 1024**2)
    chunk_rows: int = 5_000
    executor: str = "threads"
    workers: int = 2
    max_percent: float = 50.0
    max_growth: float = 3.0
    newest_backup: timedelta = timedelta(hours=26)
    build_missing_indexes: bool = False
    throttle: ThrottleSettings = msgspec.field(default_factory=ThrottleSettings)


class BackupSettings(Strict, frozen=True, kw_only=True):
    """The backup of the database (Guía de Operaciones §4.2).

    ``encryption`` is the server's, and must be proven by what it returns; ``age_recipients`` encrypt here as well, and
    ``age_identity`` reads back what was written. ``programs`` is the folder of PostgreSQL's programs, ``proof`` where
    the throwaway cluster of a restore test lies. ``holds`` are folders that retention never removes.
    """

    encryption: Literal["sse-s3", "sse-kms", "sse-c", "none"] = "sse-s3"
    kms_key_id: str | None = None
    customer_key: Secret | None = None
    age_recipients: tuple[str, ...] = ()
    age_identity: Secret | None = None
    storage_class: str = "STANDARD"
    lock_days: int = 0
    programs: Path | None = None
    globals: bool = True
    role_passwords: bool = False
    lock_wait: timedelta = timedelta(seconds=30)
    keep: timedelta = timedelta(days=30)
    keep_newest: int = 7
    holds: tuple[str, ...] = ()
    proof: Path | None = None

    def __post_init__(self) -> None:
        if self.encryption == "sse-kms" and not self.kms_key_id:
            raise ValueError("encryption 'sse-kms' needs kms_key_id")
        if self.encryption == "sse-c" and self.customer_key is None:
            raise ValueError("encryption 'sse-c' needs customer_key: 32 bytes, in base64")
        if self.age_recipients and self.age_identity is None:
            raise ValueError("age_recipients need age_identity, to read back what was written")
        if self.keep_newest < 1:
            raise ValueError("keep_newest is at least 1: the newest verified backup always stays")


class ScheduleSettings(Strict, frozen=True, kw_only=True):
    """When the jobs begin by themselves, in the site's zone: ``"03:30"`` daily, ``"Sun 04:30"`` weekly, ``""`` never.

    ``jitter`` spreads the starts of several hosts, the same delay each day. ``longest`` ends a job that hangs;
    ``catch_up`` is how late Kubernetes may still begin one. ``program`` is muses-runbook itself where it is not the one
    that renders; ``environment_file`` holds the variables that the secrets name. ``on_failure`` is a systemd unit that
    is started when a job failed for good, such as ``"notify@%n.service"``; ``image`` is the container of a CronJob.
    """

    backup: str = "03:30"
    purge: str = "Sun 04:30"
    check: str = "05:00"
    retention: str = "05:30"
    restore_test: str = "Sat 06:00"
    jitter: timedelta = timedelta(minutes=5)
    longest: timedelta = timedelta(hours=12)
    catch_up: timedelta = timedelta(hours=12)
    memory: Size = Size(2 * 1024**3)
    user: str = "muses-runbook"
    groups: tuple[str, ...] = ()
    program: Path | None = None
    environment_file: Path = Path("/etc/muses-runbook/environment")
    on_failure: str = ""
    image: str = ""

    def __post_init__(self) -> None:
        for name, slot in self._written().items():
            if slot:
                _as_slot(name, slot)
        for name in (self.user, *self.groups):
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", name):
                raise ValueError(f"{name!r} is no name of a user or group")
        if not re.fullmatch(r"[A-Za-z0-9:_.@%\\-]*", self.on_failure):
            raise ValueError(f"on_failure {self.on_failure!r} is no name of a systemd unit")
        if re.search(r"\s", self.image):
            raise ValueError(f"image {self.image!r} is no name of an image")

    def slots(self) -> dict[str, Slot]:
        """The time of each job that is planned, by the job's name on the command line."""
        return {name: _as_slot(name, slot) for name, slot in self._written().items() if slot}

    def _written(self) -> dict[str, str]:
        jobs = {"backup": self.backup, "purge": self.purge, "check": self.check, "retention": self.retention}
        return {**jobs, "restore-test": self.restore_test}


def _as_slot(job: str, written: str) -> Slot:
    try:
        return parse_slot(written)
    except ValueError as error:
        raise ValueError(f"{job}: {error}") from None


class WorkersSettings(Strict, frozen=True, kw_only=True):
    """The process manager that keeps the services' replicas."""

    kind: Literal["supervisor"] = "supervisor"
    url: str
    processing: str = "servicio-procesamiento-inicial"
    consolidation: str = "servicio-consolidacion"
    queue: str
    max_replicas: int = 8
    connections_per_replica: int = 1


class LogsSettings(Strict, frozen=True, kw_only=True):
    """Where the services and the database write their logs."""

    window: timedelta = timedelta(minutes=5)
    max_bytes: Size = Size(4 * 1024**2)
    database: tuple[str, ...] = ()
    services: dict[str, tuple[str, ...]] = {}


class HostsSettings(Strict, frozen=True, kw_only=True):
    """Hosts by testinfra's addresses: ``local://``, ``ssh://user@host``."""

    addresses: tuple[str, ...]
    ssh_config: Path | None = None
    ssh_identity_file: Path | None = None


Permission = Literal["act", "ask", "never"]


class PolicySettings(Strict, frozen=True, kw_only=True):
    """May a remedy act by itself? By risk, by row, and within guards. What is not said is ``ask``."""

    low: Permission = "ask"
    medium: Permission = "ask"
    high: Permission = "ask"
    rows: dict[str, Permission] = {}
    attempts: int = 3
    attempts_window: timedelta = timedelta(hours=24)
    cooldown: timedelta = timedelta(minutes=10)
    max_touched: int = 8
    max_percent: float = 100.0
    hours: str | None = None


class EnvironmentSettings(Strict, frozen=True, kw_only=True):
    """One environment: its targets, its thresholds, its policy. A target left out makes its rows SKIPPED."""

    database: DatabaseSettings | None = None
    broker: BrokerSettings | None = None
    storage: StorageSettings | None = None
    workers: WorkersSettings | None = None
    logs: LogsSettings | None = None
    hosts: HostsSettings | None = None
    archive: ArchiveSettings = msgspec.field(default_factory=ArchiveSettings)
    purge: PurgeSettings = msgspec.field(default_factory=PurgeSettings)
    backup: BackupSettings = msgspec.field(default_factory=BackupSettings)
    schedule: ScheduleSettings = msgspec.field(default_factory=ScheduleSettings)
    limits: dict[str, dict[str, str | int | float]] = {}
    settling: dict[str, timedelta] = {}
    policy: PolicySettings = msgspec.field(default_factory=PolicySettings)
    deadline: timedelta = timedelta(seconds=15)


class SiteSettings(Strict, frozen=True, kw_only=True):
    """What is true of the whole site."""

    name: str = "SEP-MUSES"
    timezone: str = "America/Mexico_City"
    language: Literal["es", "en"] | None = None
    environment: str | None = None
    state: Path | None = None
    reports: Path | None = None

    def __post_init__(self) -> None:
        try:
            zoneinfo.ZoneInfo(self.timezone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"{self.timezone!r} is no time zone of this machine") from None


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
