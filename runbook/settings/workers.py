"""The services' replicas: who keeps them, and how many there may be."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal

from runbook.settings.words import Secret, Strict

Kind = Literal["supervisor", "systemd", "docker", "kubernetes", "command"]
DOCKER_SOCKET = "unix:///var/run/docker.sock"
_TABLES = ("systemd", "docker", "kubernetes", "command")


class SystemdSettings(Strict, frozen=True, kw_only=True):
    """Template units ``name@1.service``, ``name@2.service``, … on one or several hosts.

    ``hosts`` are testinfra addresses (those of the table [hosts] where none are given; that table also says how ssh
    goes there). ``per_host`` is how many instances one host may have; ``max_replicas`` where it is not said.
    ``change_with`` stands before every command that changes something, as in ``["sudo", "-n"]``; reading never uses it.
    ``enable`` makes a change outlast a reboot (``systemctl enable``, ``disable``).
    """

    hosts: tuple[str, ...] = ()
    per_host: int | None = None
    change_with: tuple[str, ...] = ()
    enable: bool = False

    def __post_init__(self) -> None:
        if self.per_host is not None and self.per_host < 1:
            raise ValueError(f"per_host = {self.per_host} leaves no replica: at least 1")


class DockerSettings(Strict, frozen=True, kw_only=True):
    """Docker's Engine API: the containers of a Compose ``project``, or without one the services of a Swarm.

    ``cafile``, ``certificate`` and ``key`` are for an ``https://`` url; docker asks for all three.
    """

    project: str = ""
    cafile: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("give both certificate and key, or neither")


class KubernetesSettings(Strict, frozen=True, kw_only=True):
    """The API server by ``url`` and ``token``, by a ``kubeconfig``, or, with neither, as a pod of the cluster.

    ``stateful`` names the services that are StatefulSets; the others are Deployments. ``operator_token`` or
    ``operator_context`` is who changes something, where that is another than who reads. ``namespace`` is by default
    the context's or the pod's own.
    """

    namespace: str = ""
    stateful: tuple[str, ...] = ()
    cafile: Path | None = None
    token: Secret | None = None
    operator_token: Secret | None = None
    kubeconfig: Path | None = None
    context: str = ""
    operator_context: str = ""

    def __post_init__(self) -> None:
        if self.kubeconfig is not None and self.token is not None:
            raise ValueError("give kubeconfig or token, not both")


class CommandSettings(Strict, frozen=True, kw_only=True):
    """The site's own commands, each a list of a program and its arguments; no shell reads them.

    ``list`` prints the replicas, as JSON or as lines. ``start`` and ``stop`` have ``{name}`` where the replica's name
    goes; ``scale`` has ``{service}`` and ``{to}``. What is left out cannot be done. ``timeout`` is for one command.
    """

    list: tuple[str, ...]
    start: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    scale: tuple[str, ...] = ()
    timeout: timedelta = timedelta(seconds=4)

    def __post_init__(self) -> None:
        if not self.list:
            raise ValueError("list is empty: give the program that lists the replicas")
        for name, wanted in (("start", "{name}"), ("stop", "{name}"), ("scale", "{to}")):
            given = getattr(self, name)
            if given and not any(wanted in argument for argument in given):
                raise ValueError(f"{name} lacks {wanted}: it would not know what to {name}")


class WorkersSettings(Strict, frozen=True, kw_only=True):
    """The process manager that keeps the services' replicas.

    ``kind`` says which it is; a table of that name holds what it alone needs. ``url`` is where supervisor, docker or
    kubernetes listens. ``max_connections`` is how many database connections all replicas of a service may hold, each
    ``connections_per_replica`` of them. ``patience`` is how long replicas may take to come up or go down at most.
    """

    kind: Kind = "supervisor"
    url: str = ""
    processing: str = "servicio-procesamiento-inicial"
    consolidation: str = "servicio-consolidacion"
    queue: str
    max_replicas: int = 8
    connections_per_replica: int = 1
    max_connections: int | None = None
    patience: timedelta = timedelta(minutes=3)
    systemd: SystemdSettings | None = None
    docker: DockerSettings | None = None
    kubernetes: KubernetesSettings | None = None
    command: CommandSettings | None = None

    def __post_init__(self) -> None:
        for table in _TABLES:
            if table != self.kind and getattr(self, table) is not None:
                raise ValueError(f"the table {table!r} means nothing with kind = {self.kind!r}")
        if self.kind == "supervisor" and not self.url:
            raise ValueError("the key 'url' is missing here: kind = 'supervisor' needs its socket or address")
        if self.kind == "command" and self.command is None:
            raise ValueError("the table 'command' is missing here: kind = 'command' needs its list")
        if self.kind == "docker" and not self.docker_url.startswith(("unix:///", "http://", "https://")):
            raise ValueError(
                f"url = {self.url!r}: docker listens at unix:///path, https://host:2376 or http://host:port"
            )
        if self.kind == "kubernetes" and self.url and not self.url.startswith("https://"):
            raise ValueError(f"url = {self.url!r}: kubernetes listens at https://host:port")
        if self.connections_per_replica < 0:
            raise ValueError("connections_per_replica is less than nothing")

    @property
    def docker_url(self) -> str:
        """Where Docker listens: its usual socket unless said otherwise."""
        return self.url or DOCKER_SOCKET
