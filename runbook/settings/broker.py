"""RabbitMQ."""

from __future__ import annotations

from pathlib import Path

import msgspec

from runbook.settings.words import Login, Strict


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
