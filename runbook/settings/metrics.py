"""The monitoring that reads our runs: a node exporter, a Pushgateway, an OpenTelemetry collector."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from runbook.settings.words import Login, Secret, Strict


class MetricsSettings(Strict, frozen=True, kw_only=True):
    """Where the outcome of each run goes, beside its reports. Nothing is set by default, and nothing is sent.

    ``textfile`` is a file ``*.prom`` in the folder that the node exporter reads; each environment has its own.
    ``push_url`` is a Pushgateway, which knows us by ``push_token`` (bearer) or ``push_login``. ``otlp_endpoint`` takes
    traces and logs over OTLP/HTTP and knows us by ``otlp_token`` (bearer) or ``otlp_headers``, whose values are
    secrets. ``cafile`` is the authority of both servers.
    """

    SERVERS: ClassVar[tuple[str, ...]] = ("push_url", "otlp_endpoint")

    textfile: Path | None = None
    push_url: str | None = None
    push_token: Secret | None = None
    push_login: Login | None = None
    otlp_endpoint: str | None = None
    otlp_token: Secret | None = None
    otlp_headers: dict[str, Secret] = {}
    cafile: Path | None = None

    def __post_init__(self) -> None:
        if self.textfile is not None and (self.textfile.suffix != ".prom" or not self.textfile.is_absolute()):
            raise ValueError("textfile is a whole path that ends in .prom: the node exporter reads no other files")
        for name in self.SERVERS:
            _prove(name, getattr(self, name))
        if self.push_token is not None and self.push_login is not None:
            raise ValueError("give push_token or push_login, not both")

    @property
    def are_wanted(self) -> bool:
        """Whether anything is to be told at all."""
        return any((self.textfile, self.push_url, self.otlp_endpoint))


def _prove(name: str, address: str | None) -> None:
    if address is None:
        return
    url = urlsplit(address)
    if url.scheme not in ("http", "https") or not url.hostname or url.query or url.password is not None:
        raise ValueError(f"{name} is http(s)://host:port with a path at most; who sends is said by a token or a login")
