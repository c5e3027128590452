"""What is judged of one service on one host. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from checks._host_seen import Service, blind
from runbook.limits import Limits
from runbook.model import State
from runbook.text import Quantity, size, text

if TYPE_CHECKING:
    from runbook.targets.hosts.structs import HostFacts

HOUR = timedelta(hours=1)
#: Words of systemd for a unit that comes back after a reboot, by itself or because another wants it.
_COMES_BACK = ("enabled", "static", "alias", "indirect", "generated", "linked-runtime")
#: Failed units are named up to this many.
_NAMED = 5


def active(service: Service, limits: Limits) -> None:
    """Judge whether it runs."""
    unit = service.unit
    if not unit.loaded:
        said = text("{host} has no unit {unit}", **_of(service))
    elif unit.active and unit.age is not None:
        said = text("{unit} has been active on {host} for {age}", **_of(service), age=unit.age)
    elif unit.active:
        said = text("{unit} is active on {host}", **_of(service))
    else:
        shown = {"state": unit.state, "sub": unit.sub, "result": unit.result}
        said = text("{unit} is not active on {host}: {state} ({sub}), last result {result}", **_of(service), **shown)
    limits.hold(State.OK if unit.loaded and unit.active else State.CRITICAL, of=service.called, summary=said)


def enabled(service: Service, limits: Limits) -> None:
    """Judge whether it comes back after a restart of the host."""
    unit = service.unit
    if not unit.loaded:
        limits.hold(State.CRITICAL, of=service.called, summary=text("{host} has no unit {unit}", **_of(service)))
    elif unit.enabled in _COMES_BACK:
        said = text("{unit} is enabled on {host} ({state})", **_of(service), state=unit.enabled)
        limits.hold(State.OK, of=service.called, summary=said)
    else:
        said = text(
            "{unit} is not enabled on {host} ({state}): it will not come back after a restart",
            **_of(service),
            state=unit.enabled or "transient",
        )
        limits.hold(State.WARNING, of=service.called, summary=said)


def restarts(service: Service, limits: Limits) -> None:
    """Judge systemd's restarts of the last hour: by the journal, else by what its counter proves."""
    unit = service.unit
    if not unit.loaded:
        limits.skip(text("{host} has no unit {unit}", **_of(service)))
        return
    if unit.restarted is not None:
        said = text(
            "{unit} was restarted by systemd on {host}: {restarts} in the last hour",
            **_of(service), restarts=_n(unit.restarted),
        )  # fmt: skip
        limits.judge(unit.restarted, of=service.called, summary=said)
    elif unit.restarts == 0 or (unit.age is not None and unit.age > HOUR):
        said = text("{unit} was not restarted by systemd on {host} in the last hour", **_of(service))
        limits.judge(0, of=service.called, summary=said)
    else:
        _by_counter(service, limits)


def since(service: Service, limits: Limits) -> None:
    """Judge for how long it has been active."""
    age = service.unit.age
    if age is None:
        limits.cannot_see(text("{host} does not tell since when {unit} is active", **_of(service)))
    else:
        said = text("{unit} has been active on {host} for {age}", **_of(service), age=age)
        limits.judge(age, of=service.called, summary=said)


def memory(service: Service, limits: Limits) -> None:
    """Judge its memory against MemoryMax."""
    unit = service.unit
    if unit.memory_max is None:
        limits.hold(State.OK, of=service.called, summary=text("{unit} has no MemoryMax on {host}", **_of(service)))
    elif unit.memory is None:
        limits.cannot_see(text("{host} does not count the memory of {unit}", **_of(service)))
    else:
        shown = {"used": size(unit.memory), "limit": size(unit.memory_max)}
        said = text("{unit} takes {used} of its {limit} of memory on {host}", **_of(service), **shown)
        limits.judge(100 * unit.memory / max(unit.memory_max, 1), of=service.called, summary=said)


def files(service: Service, limits: Limits) -> None:
    """Judge the open files of its process that is nearest its limit."""
    found = service.unit.files
    if found is not None:
        shown = {"used": found.used, "limit": found.limit}
        said = text("A process of {unit} has {used} of {limit} files open on {host}", **_of(service), **shown)
        limits.judge(found.percent, of=service.called, summary=said)
    if found is None or service.unit.files_hidden:
        said = text(
            "The open files of {unit} on {host} cannot be counted: log in as its user, or as root by ?sudo=true",
            **_of(service),
        )
        limits.cannot_see(said)


def tasks(service: Service, limits: Limits) -> None:
    """Judge its threads and processes against TasksMax."""
    unit = service.unit
    if unit.tasks_max is None:
        limits.hold(State.OK, of=service.called, summary=text("{unit} has no TasksMax on {host}", **_of(service)))
    elif unit.tasks is None:
        limits.cannot_see(text("{host} does not count the tasks of {unit}", **_of(service)))
    else:
        shown = {"used": unit.tasks, "limit": unit.tasks_max}
        said = text("{unit} has {used} of {limit} tasks on {host}", **_of(service), **shown)
        limits.judge(100 * unit.tasks / max(unit.tasks_max, 1), of=service.called, summary=said)


def stale(service: Service, limits: Limits) -> None:
    """Judge whether systemd knows its files as they are."""
    if not service.unit.loaded:
        limits.skip(text("{host} has no unit {unit}", **_of(service)))
        return
    changed = text("The files of {unit} changed on {host} and systemd has not read them again", **_of(service))
    read = text("{unit} runs on {host} by what its files say", **_of(service))
    stale = service.unit.stale
    limits.hold(State.WARNING if stale else State.OK, of=service.called, summary=changed if stale else read)


def failed(facts: HostFacts, limits: Limits) -> None:
    """Judge the number of failed units of a host."""
    if facts.failed is None:
        _no_units(facts, limits)
        return
    names = ", ".join(facts.failed[:_NAMED])
    some = text("{host}: {count} failed: {names}", host=facts.host, count=_units(len(facts.failed)), names=names)
    none = text("{host}: no unit has failed", host=facts.host)
    limits.judge(len(facts.failed), of=facts.host, summary=some if facts.failed else none)


def _no_units(facts: HostFacts, limits: Limits) -> None:
    """Where another program than systemd is the first one and nobody asks for units, there are none to fail."""
    if facts.systemd or facts.asked:
        blind(facts, limits)
        return
    none = text("{host}: the first process is not systemd, so it has no units", host=facts.host)
    limits.hold(State.SKIPPED, of=facts.host, summary=none)


def _by_counter(service: Service, limits: Limits) -> None:
    """The counter has no times: of a unit younger than an hour one restart lies in it, and how many more is hidden."""
    unit = service.unit
    if unit.age is not None:
        said = text(
            "{unit} was restarted by systemd on {host} within the hour, {restarts} in all since somebody started it",
            **_of(service),
            restarts=_n(unit.restarts),
        )
        limits.judge(1, of=service.called, summary=said)
    if unit.age is None or unit.restarts > 1:
        hidden = text(
            "How many restarts of {unit} on {host} lie within the hour is not known: the login may not read the "
            "journal (usermod -aG systemd-journal USER)",
            **_of(service),
        )
        limits.cannot_see(hidden)


def _of(service: Service) -> dict[str, str]:
    return {"unit": service.unit.name, "host": service.host}


def _n(count: int) -> Quantity:
    return Quantity(count, "restarts")


def _units(count: int) -> Quantity:
    return Quantity(count, "units")
