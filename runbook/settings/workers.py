"""The services' replicas."""

from __future__ import annotations

from typing import Literal

from runbook.settings.words import Strict


class WorkersSettings(Strict, frozen=True, kw_only=True):
    """The process manager that keeps the services' replicas."""

    kind: Literal["supervisor"] = "supervisor"
    url: str
    processing: str = "servicio-procesamiento-inicial"
    consolidation: str = "servicio-consolidacion"
    queue: str
    max_replicas: int = 8
    connections_per_replica: int = 1
