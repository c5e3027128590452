"""What the ends of a server's logs tell of its slow statements: for checks, which look at the last minutes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from runbook.targets.logs.files import Tail
from runbook.targets.logs.times import Clock
from runbook.targets.slow_log.findings import SlowStatement
from runbook.targets.slow_log.form import Bounds
from runbook.targets.slow_log.forms import UnknownPrefix, form_of
from runbook.targets.slow_log.tally import Tally, counted
from runbook.targets.slow_log.telling import told

_STAMP = re.compile(rb"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.\d+)? ?[\w+:-]*")
#: A log without times cannot tell what is new.
_NEVER = "9"
_EPOCH = re.compile(rb"\d{9,}\.\d{3}")


def slowest(tails: Iterable[Tail], since: datetime, prefix: str | None = None) -> tuple[SlowStatement, ...] | None:
    """Statements slow since then, the greatest total first. None where the logs hold lines and none is a record.

    ``prefix`` is the server's log_line_prefix; a log that has it not is tried with the common ones.
    """
    tallies = [_tallied(log, since, prefix) for log in tails if log.lines]
    if tallies and not any(tally.bytes for tally in tallies):
        return None
    return told(counted(tallies or [Tally()])).statements


def _tallied(log: Tail, since: datetime, prefix: str | None) -> Tally:
    """The counts of one log. ``bytes`` is 0 where it holds no record, of whatever age."""
    data, bounds = b"\n".join(log.lines) + b"\n", Bounds(_bound(log, since))
    tally = Tally()
    for told_prefix in dict.fromkeys((prefix, None)):
        try:
            form = form_of(data, told_prefix, bounds)
        except UnknownPrefix:
            continue
        first = form.first(data) if form is not None else len(data)
        if form is not None and first < len(data):
            form.read(data[first:], tally)
            tally.bytes = len(data)
            break
    return tally


def _bound(log: Tail, since: datetime) -> str:
    """The moment as the server's clock says it: as far from UTC as the newest line's time is."""
    clock = Clock(log.modified)
    for line in reversed(log.lines):
        if found := _STAMP.search(line):
            words = found[0].decode("ascii", "replace")
            at = clock.read(words)
            if at is not None:
                local = datetime.strptime(found[1].decode(), "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
                return f"{since + (local - at.replace(microsecond=0)):%Y-%m-%d %H:%M:%S}"
        elif _EPOCH.match(line):
            return f"{since.timestamp():.3f}"
    return _NEVER
