"""RabbitMQ."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec

from runbook.settings.words import Login, Strict


class DeclaredPolicy(Strict, frozen=True, kw_only=True):
    """A policy of the virtual host as the site wants it: what is not said here is not judged.

    ``pattern`` is the policy's own, ``definition`` the keys it must have (``max-length = 100000``), ``queues`` those
    that it must be in force for: RabbitMQ applies only one policy to a queue.
    """

    pattern: str | None = None
    definition: dict[str, str | int | float | bool] = {}
    queues: tuple[str, ...] = ()


class ReplaySettings(Strict, frozen=True, kw_only=True):
    """How dead letters are put back: at most ``most`` in a run, ``per_second`` of them.

    ``canary`` go first; unless they are taken within ``patience`` and none has come back ``watch`` later, no other
    follows. One that died more than ``max_deaths`` times, or was put back ``max_replays`` times already, stays.
    """

    canary: int = 5
    watch: timedelta = timedelta(seconds=30)
    patience: timedelta = timedelta(minutes=2)
    per_second: float = 20.0
    most: int = 500
    max_deaths: int = 3
    max_replays: int = 1

    def __post_init__(self) -> None:
        """Nothing may be put back without a canary, or without a pause."""
        if self.canary < 1 or self.most < 1 or self.per_second <= 0:
            raise ValueError("canary and most must be 1 or more, per_second more than 0")


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
    policies: dict[str, DeclaredPolicy] = {}
    replay: ReplaySettings = ReplaySettings()
    reader: Login
    operator: Login | None = None

    def __post_init__(self) -> None:
        """An empty address, as an overriding variable can give, means that there is no management API."""
        if not self.management_url:
            msgspec.structs.force_setattr(self, "management_url", None)
