"""Processes that the kernel killed for want of memory: by its log, by the units' own counters, by its count. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook.limits import Limits
from runbook.model import State
from runbook.text import Quantity, text

if TYPE_CHECKING:
    from runbook.history import History
    from runbook.targets.hosts.structs import HostFacts, Unit

#: The row under which the kernel's count is remembered.
ROW = "HOST-11"
_BY_MEMORY = "oom-kill"


def judge(facts: HostFacts, history: History, limits: Limits) -> None:
    """Judge the kills of the last day; where no log may be read, what the counters prove, and say what is unknown."""
    for unit in facts.units or ():
        _judge_unit(facts.host, unit, limits)
    if facts.kills is not None:
        _judge_log(facts, limits)
    elif facts.killed is None:
        limits.cannot_see(text("{host}: neither the kernel's log nor its count of kills can be read", host=facts.host))
    else:
        _judge_count(facts, facts.killed, history, limits)


def _judge_count(facts: HostFacts, killed: int, history: History, limits: Limits) -> None:
    """The count has no times, so it is remembered: what it rose by since an earlier run was killed since then."""
    remembered = f"{facts.host} (count)"
    counted = text("{host}: {kills} since the kernel started", host=facts.host, kills=_n(killed))
    limits.hold(State.SKIPPED, of=remembered, value=_n(killed), summary=counted)
    earlier = [
        (at, count) for at, count in history.samples(ROW, remembered, limits.span("look_back")) if count <= killed
    ]
    if killed == 0:
        limits.judge(0, of=facts.host, summary=counted)
    elif earlier:
        at, count = earlier[0]
        since = text("{host}: {kills} since {time}", host=facts.host, kills=_n(killed - round(count)), time=at)
        limits.judge(killed - round(count), of=facts.host, summary=since)
    else:
        said = text(
            "{host}: {kills} since the kernel started, {up} ago; when is not known: the login may not read the "
            "journal (usermod -aG systemd-journal USER)",
            host=facts.host,
            kills=_n(killed),
            up=facts.up,
        )
        limits.cannot_see(said)


def _judge_log(facts: HostFacts, limits: Limits) -> None:
    kills = facts.kills or ()
    if not kills:
        said = text("{host}: no process was killed in the last 24 hours", host=facts.host)
        limits.judge(0, of=facts.host, summary=said)
        return
    said = text(
        "{host}: {kills} in the last 24 hours, the last of {process} at {time}",
        host=facts.host,
        kills=_n(len(kills)),
        process=kills[-1].process,
        time=kills[-1].at,
    )
    limits.judge(len(kills), of=facts.host, summary=said)


def _judge_unit(host: str, unit: Unit, limits: Limits) -> None:
    """The counter is of the unit's present life; the result is of its last one."""
    called = f"{host}:{unit.name}"
    if unit.result == _BY_MEMORY:
        ended = text(
            "{unit} ended on {host} because the kernel killed it for want of memory", unit=unit.name, host=host
        )
        limits.hold(State.CRITICAL, of=called, summary=ended)
    elif unit.killed:
        lost = text("{unit} lost {kills} on {host} since it started", unit=unit.name, kills=_n(unit.killed), host=host)
        limits.hold(State.WARNING, of=called, value=_n(unit.killed), summary=lost)


def _n(count: int) -> Quantity:
    return Quantity(count, "kills")
