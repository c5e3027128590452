"""Why a change of the replicas is refused before anything is touched. Each raises ActionError, refused, or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

from runbook.errors import ActionError
from runbook.settings import WorkersSettings
from runbook.targets.workers.replicas import Replica, Service
from runbook.text import Text, text


@dataclass(frozen=True)
class Refusals:
    """What the site's settings and the process manager do not allow."""

    target: str
    settings: WorkersSettings

    def changed(self, step: str, now: dict[str, Any], fingerprint: dict[str, Any]) -> None:
        """An empty fingerprint (an undo, planned before its target existed) agrees with anything."""
        for key, planned in fingerprint.items():
            if key not in now or now[key] != planned:
                said = text(
                    "{key} was {planned} when the plan was made and is {now} now",
                    key=key,
                    planned=planned,
                    now=now.get(key),
                )
                self._refuse(step, said)

    def not_ours(self, step: str, service: Service) -> None:
        """The number cannot be seen, or belongs to somebody else."""
        if service.owner:
            said = text(
                "the number of replicas of {service} belongs to {owner}: change it there",
                service=service.name,
                owner=service.owner,
            )
            self._refuse(step, said)
        if service.unseen:
            said = text(
                "how many replicas {service} has, or who decides it, cannot be seen: {unseen}",
                service=service.name,
                unseen="; ".join(service.unseen),
            )
            self._refuse(step, said)

    def too_many(self, step: str, service: Service, to: int) -> None:
        """Fewer than any, or more than may run, than there can be, than the connections allow.

        Going down is never too many: the way back must stay open.
        """
        self._no_number(step, service, to)
        most, each = self.settings.max_connections, self.settings.connections_per_replica
        if most is not None and to > service.wanted and to * each > most:
            said = text(
                "{more} more replicas need {need} connections; {free} are free (max_connections {most},"
                " connections_per_replica {each})",
                more=to - service.wanted,
                need=(to - service.wanted) * each,
                free=max(0, most - service.wanted * each),
                most=most,
                each=each,
            )
            self._refuse(step, said)

    def not_by_name(self, step: str, replica: Replica) -> None:
        """A process manager that keeps a number makes and ends replicas itself."""
        if not replica.declared:
            said = text(
                "{name} is kept by {keeper}, which starts and stops replicas by their number: scale {service}",
                name=replica.name,
                keeper=replica.keeper,
                service=replica.service,
            )
            self._refuse(step, said)

    def not_alone(self, step: str, service: Service) -> None:
        """A process manager that restarts all in their turn or none."""
        if service.whole:
            said = text("{service} restarts all its replicas in turn, not one of them: use roll", service=service.name)
            self._refuse(step, said)

    def no_service(self, step: str, name: str) -> NoReturn:
        self._refuse(step, text("there is no service {service} at the process manager", service=name))

    def no_replica(self, step: str, name: str) -> NoReturn:
        self._refuse(step, text("there is no replica {name} at the process manager", name=name))

    def _no_number(self, step: str, service: Service, to: int) -> None:
        allowed, there = self.settings.max_replicas, service.most
        most = allowed if there is None else min(allowed, there)
        least = 0 if service.numbered else 1
        if least <= to <= max(most, service.wanted - 1):
            return
        said = text(
            "{service} may have 1 to {most} replicas ({declared} declared, max_replicas {allowed}), not {to}",
            service=service.name,
            most=most,
            declared=allowed if there is None else there,
            allowed=allowed,
            to=to,
        )
        if service.more and there is not None and there < to <= allowed:
            said = text(
                "{service} has {declared} replicas that can be started, not {to}; more are made with: {command}",
                service=service.name,
                declared=there,
                to=to,
                command=service.more,
            )
        self._refuse(step, said)

    def _refuse(self, step: str, said: Text) -> NoReturn:
        raise ActionError(self.target, step, said, refused=True)
