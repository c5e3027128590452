"""When a disk of a host is full at the pace of the earlier runs. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from checks._host_judging import inodes_of
from checks._latency import trend
from runbook import clock
from runbook.limits import Limits
from runbook.model import State
from runbook.text import Quantity, percent, text

if TYPE_CHECKING:
    from runbook.history import History
    from runbook.targets.hosts.structs import Disk

#: The row that remembers how full each disk was.
REMEMBERED = "HOST-01"
#: Later than this is no forecast any more.
HORIZON = timedelta(days=3650)
DAY = timedelta(days=1).total_seconds()


def judge(disk: Disk, history: History, limits: Limits) -> None:
    """Judge how long the bytes, and the inodes, of a disk last at their pace."""
    _judge(f"{disk.host}:{disk.mount}", disk.used_percent, history, limits)
    if disk.inodes_percent is not None:
        _judge(inodes_of(disk), disk.inodes_percent, history, limits)


def _judge(called: str, used: float, history: History, limits: Limits) -> None:
    now = clock.now()
    samples = (*history.samples(REMEMBERED, called, limits.span("look_back")), (now, used))
    if len(samples) < limits.number("least_samples") or now - samples[0][0] < limits.span("least_span"):
        least = Quantity(limits.number("least_samples"), "samples")
        young = text(
            "There is not enough history yet: a trend takes {samples} over {span}",
            samples=least,
            span=limits.span("least_span"),
        )
        limits.hold(State.SKIPPED, of=called, summary=young)
        return
    found = trend(samples)
    pace = found.slope if found.rises else 0.0
    if pace <= 0 or (100 - used) / pace > HORIZON.total_seconds():
        steady = text("{disk} does not fill: {used} are taken", disk=called, used=percent(used))
        limits.hold(State.OK, of=called, summary=steady)
        return
    until = timedelta(seconds=(100 - used) / pace)
    said = text(
        "At this rate, {growth} a day, {disk} is full on {date}; {used} are taken now",
        growth=percent(pace * DAY),
        disk=called,
        date=now + until,
        used=percent(used),
    )
    limits.judge(until, of=called, summary=said)
