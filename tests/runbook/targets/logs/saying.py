"""Lines as the services write them, and what the tests of every source ask of a service's log."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from runbook.settings import HostsSettings, LogsSettings
from runbook.targets.logs.logs import Logs

SERVICE = "servicio-procesamiento-inicial"


def moment(age: float) -> datetime:
    """So many seconds ago."""
    return datetime.now(UTC) - timedelta(seconds=age)


def stamp(age: float) -> str:
    """A moment as Docker, Kubernetes and Elasticsearch write it."""
    return moment(age).isoformat(timespec="microseconds").replace("+00:00", "Z")


def line(message: str, *, age: float = 1.0, level: str = "ERROR", **fields: Any) -> str:
    """One line in the services' form."""
    record = {"timestamp": stamp(age), "level": level, "service": SERVICE, "message": message, **fields}
    return json.dumps(record, ensure_ascii=False)


def logs(*addresses: str, hosts: HostsSettings | None = None, **settings: Any) -> Logs:
    """The target with these addresses of the service."""
    return Logs("logs", LogsSettings(services={SERVICE: addresses}, **settings), environment="lab", hosts=hosts)
