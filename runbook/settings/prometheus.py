"""Prometheus."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from runbook.settings.words import Login, Secret, Strict

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


class PrometheusSettings(Strict, frozen=True, kw_only=True):
    """Prometheus, or what answers like it (Thanos, Mimir): what it kept is the past that a first run lacks.

    ``token`` (bearer) or ``login`` (basic) let us in. ``queue_messages`` is the gauge of the messages that are ready,
    ``queue_label`` its label with the queue's name; ``events_processed`` is the counter of the events a service has
    done with, ``service_label`` its label with the service's name. ``etl_latency`` (seconds from TBAE* to TBMU*) and
    ``staging_bytes`` (the size of the exchange tables) are expressions that give one series; none of the services' own
    metrics measures these two, so they have no default. ``scrape`` is how often the services are asked, and the
    shortest step; ``points`` is how many steps a range has at most, ``max_series`` how many series an answer.
    """

    url: str
    token: Secret | None = None
    login: Login | None = None
    cafile: Path | None = None
    queue_messages: str = "queue_messages_ready"
    queue_label: str = "queue"
    events_processed: str = "events_processed_total"
    service_label: str = "service"
    etl_latency: str = ""
    staging_bytes: str = ""
    scrape: timedelta = timedelta(seconds=15)
    points: int = 240
    max_series: int = 50

    def __post_init__(self) -> None:
        url = urlsplit(self.url)
        if (
            url.scheme not in ("http", "https")
            or not url.hostname
            or url.port == 0
            or url.query
            or url.password is not None
        ):
            raise ValueError("url is http(s)://host:port with a path at most; who asks is said by token or login")
        if self.token is not None and self.login is not None:
            raise ValueError("give a token or a login, not both")
        for name in (self.queue_messages, self.queue_label, self.events_processed, self.service_label):
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a metric or label")
        if self.scrape <= timedelta(0) or not 2 <= self.points <= 10_000 or self.max_series < 1:
            raise ValueError("scrape is above 0, points from 2 to 10000, max_series at least 1")
