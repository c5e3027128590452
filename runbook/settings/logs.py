"""The logs."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from runbook.redact import is_personal
from runbook.settings.log_sources import parsed
from runbook.settings.words import Login, Secret, Size, Strict


class LogAccess(Strict, frozen=True, kw_only=True):
    """How one server of logs lets us in: a bearer ``token`` or a ``login``, its authority, Loki's ``tenant``.

    ``certificate`` and ``key`` are the client's own, which a Docker Engine or a Kubernetes API may ask for.
    """

    token: Secret | None = None
    login: Login | None = None
    cafile: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    tenant: str | None = None

    def __post_init__(self) -> None:
        if self.token is not None and self.login is not None:
            raise ValueError("give a token or a login, not both")


class LogsSettings(Strict, frozen=True, kw_only=True):
    """Where the services and the database write their logs.

    ``services`` gives each service path patterns of this machine, or addresses: ``"ssh://app1/var/log/muses/*.log"``,
    ``"journald://app1?unit=procesamiento@*.service"``, ``"docker://?label=com.docker.swarm.service.name=procesamiento"``,
    ``"k8s://muses?selector=app=procesamiento"``, ``'loki+https://loki:3100?query={app="procesamiento"}'``,
    ``"es+https://elastic:9200/muses-*?query=service:procesamiento"``. ``access`` holds, by ``host:port`` as in the
    address, what a server of logs asks for. ``correlate`` are the fields by which errors are recognised as one lot.
    ``max_bytes`` bounds what is read of each file, container or answer.
    """

    window: timedelta = timedelta(minutes=5)
    max_bytes: Size = Size(4 * 1024**2)
    database: tuple[str, ...] = ()
    services: dict[str, tuple[str, ...]] = {}
    access: dict[str, LogAccess] = {}
    correlate: tuple[str, ...] = (
        "transaction_id",
        "trace_id",
        "id_operacion_origen",
        "id_lote",
        "lote",
        "batch_id",
        "id_subsistema",
        "subsistema",
        "ciclo_escolar",
    )

    def __post_init__(self) -> None:
        named = {"database": self.database, **{f"services.{name}": given for name, given in self.services.items()}}
        for setting, addresses in named.items():
            for address in addresses:
                _checked(setting, address)
        for name in self.correlate:
            if is_personal(name):
                raise ValueError(f"correlate: {name!r} is a datum of a person and never told")


def _checked(setting: str, address: str) -> None:
    try:
        parsed(address)
    except ValueError as error:
        raise ValueError(f"{setting}: {error}") from None
