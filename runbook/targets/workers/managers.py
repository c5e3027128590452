"""The adapter of the process manager that the settings name. An adapter is loaded when it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runbook.settings import HostsSettings, WorkersSettings
    from runbook.targets.workers.replicas import ProcessManager


def open_manager(target: str, settings: WorkersSettings, hosts: HostsSettings | None) -> ProcessManager:
    """The process manager; opening it connects to nothing. Raises ProbeError where a secret or a file is missing."""
    match settings.kind:
        case "supervisor":
            from runbook.targets.workers.supervisor import Supervisor

            return Supervisor(target, settings.url)
        case "systemd":
            from runbook.targets.workers.systemd import Systemd

            return Systemd(target, settings, hosts)
        case "docker" if settings.docker is not None and settings.docker.project:
            from runbook.targets.workers.compose import Compose

            return Compose(target, settings)
        case "docker":
            from runbook.targets.workers.swarm import Swarm

            return Swarm(target, settings)
        case "kubernetes":
            from runbook.targets.workers.kubernetes import Kubernetes

            return Kubernetes(target, settings)
        case "command":
            from runbook.targets.workers.command import Commands

            return Commands(target, settings)
