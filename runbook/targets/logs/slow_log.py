"""The slow statements of PostgreSQL's jsonlog, grouped by their shape."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from runbook.targets.logs.files import Tail
from runbook.targets.logs.times import Clock
from runbook.targets.sql_text import normalised

#: ``duration: 123.4 ms  statement: …`` in any of the server's languages; ``execute NAME:``, ``plan:`` likewise.
_DURATION = re.compile(r"\w+: (?P<ms>\d+(?:[.,]\d+)?) ms  [^:]+:\s(?P<said>.+)", re.DOTALL)
#: What auto_explain writes: the statement, then its plan.
_EXPLAINED = re.compile(r"Query Text: (?P<statement>.+?)(?=\n[^\n]*\(cost=|\Z)", re.DOTALL)
_MARK = b" ms  "


class SlowStatement(msgspec.Struct, frozen=True, kw_only=True):
    """A statement that the server logged as slow, without its values."""

    query: str
    count: int
    total: timedelta
    longest: timedelta


class _Record(msgspec.Struct, frozen=True):
    timestamp: str
    message: str = ""


_read = msgspec.json.Decoder(_Record).decode


def slowest(tails: Iterable[Tail], since: datetime) -> tuple[SlowStatement, ...] | None:
    """Statements slow since then, the greatest total first. None where the logs hold lines and none is jsonlog."""
    timed: dict[str, list[float]] = {}
    explained: dict[str, list[float]] = {}
    lines = records = 0
    for log in tails:
        clock = Clock(log.modified)
        for line in reversed(log.lines):
            lines += 1
            record = _record(line)
            if record is None:
                continue
            records += 1
            at = clock.read(record.timestamp)
            if at is not None and at < since:
                break
            _note(timed, explained, record.message, line)
    if lines and not records:
        return None
    found = (_told(query, spent) for query, spent in {**explained, **timed}.items())
    return tuple(sorted(found, key=lambda slow: slow.total, reverse=True))


def _record(line: bytes) -> _Record | None:
    try:
        return _read(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _note(timed: dict[str, list[float]], explained: dict[str, list[float]], message: str, line: bytes) -> None:
    """Keep the time of a slow statement; what auto_explain says stands apart, it may be logged twice."""
    found = _DURATION.match(message) if _MARK in line else None
    if found is None:
        return
    plan = _EXPLAINED.match(found["said"])
    statement, times = (plan["statement"], explained) if plan else (found["said"], timed)
    times.setdefault(normalised(statement), []).append(float(found["ms"].replace(",", ".")))


def _told(query: str, spent: list[float]) -> SlowStatement:
    return SlowStatement(
        query=query,
        count=len(spent),
        total=timedelta(milliseconds=sum(spent)),
        longest=timedelta(milliseconds=max(spent)),
    )
