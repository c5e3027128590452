"""PostgreSQL."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal

import msgspec

from runbook.settings.records import RecordsSettings
from runbook.settings.words import Login, Strict


class DatabaseSettings(Strict, frozen=True, kw_only=True):
    """PostgreSQL ``sep_muses``.

    ``standbys`` are the servers that follow it (``host`` or ``host:port``, the same reader): an index that is used on
    one of them is used. ``baseline`` is what settings of the server the site has decided on, as in ``postgresql.conf``
    (``shared_buffers = "8GB"``): row DB-19 tells what differs.
    """

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
    standbys: tuple[str, ...] = ()
    baseline: dict[str, str] = {}
    records: RecordsSettings = msgspec.field(default_factory=RecordsSettings)
