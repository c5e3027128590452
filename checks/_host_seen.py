"""The hosts that can be read, and their units: whoever cannot be read is said to be so, and hides nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from runbook.limits import Limits
from runbook.text import text

if TYPE_CHECKING:
    from runbook.targets.hosts.hosts import Hosts
    from runbook.targets.hosts.structs import HostFacts, Unit


class Service(NamedTuple):
    """One of the site's units on one host; ``called`` names both."""

    host: str
    unit: Unit

    @property
    def called(self) -> str:
        """``host:unit``, under which it is judged and remembered."""
        return f"{self.host}:{self.unit.name}"


def each(hosts: Hosts, limits: Limits) -> Iterator[HostFacts]:
    """The facts of every host that can be read."""
    for seen in hosts.look():
        if seen.facts is None:
            limits.cannot_see(text("{host} cannot be read: {problem}", host=seen.host, problem=seen.problem))
        else:
            yield seen.facts


def services(hosts: Hosts, limits: Limits) -> Iterator[Service]:
    """The site's units on every host, those that are not there too."""
    if not hosts.services:
        limits.skip(text("No services are named: set hosts.services to the units that must run"))
        return
    for facts in each(hosts, limits):
        if facts.units is None:
            blind(facts, limits)
        for unit in facts.units or ():
            yield Service(facts.host, unit)


def running(hosts: Hosts, limits: Limits) -> Iterator[Service]:
    """Those of them that run; HOST-02 judges the others."""
    for service in services(hosts, limits):
        if service.unit.active:
            yield service
        else:
            limits.skip(text("{unit} does not run on {host}: see HOST-02", unit=service.unit.name, host=service.host))


def blind(facts: HostFacts, limits: Limits) -> None:
    """Say why nothing is known of a host's units."""
    if facts.systemd:
        limits.cannot_see(text("{host}: systemd does not answer systemctl", host=facts.host))
    else:
        limits.cannot_see(
            text("{host}: the first process is not systemd, so its units cannot be seen", host=facts.host)
        )
