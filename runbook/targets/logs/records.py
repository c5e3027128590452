"""The lines of a service's log as entries: JSON as the services write it, and whatever else gets into a log."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from runbook.redact import masked
from runbook.targets.logs.files import Tail
from runbook.targets.logs.times import Clock

_LEVELS = frozenset({"ERROR", "CRITICAL", "FATAL", "SEVERE", "PANIC", "ALERT", "EMERGENCY"})
_SHOUTS = re.compile(r"\b(?:ERROR|CRITICAL|FATAL|SEVERE|PANIC)\b")
_MASKED = 2000
_TRACEBACK = "Traceback (most recent call last)"


class Line(msgspec.Struct, frozen=True):
    """What SEP-MUSES' services write into each JSON line, as far as it is read for every one."""

    timestamp: str | None = None
    level: str | None = None


class Entry(NamedTuple):
    """One line, or one traceback, at its time; ``error`` is what an error says, in clear: never to be kept."""

    at: datetime
    error: str = ""
    record: dict[str, Any] | None = None

    @property
    def sample(self) -> str:
        """The error masked and cut short, for people."""
        return _said(self.record, _masked) if self.record else _masked(self.error)


_read_line = msgspec.json.Decoder(Line).decode
_read_whole = msgspec.json.Decoder(dict[str, Any]).decode


def entries(tail: Tail, since: datetime) -> Iterator[Entry]:
    """The entries since then, newest first, and the first older one, which says that the tail reaches back that far.

    Text without a time of its own belongs to the line before it.
    """
    clock = Clock(tail.modified)
    loose: list[str] = []
    for raw in reversed(tail.lines):
        words, line = _understood(raw)
        at = clock.read((line.timestamp or "") if line else words[:64])
        if at is None:
            loose.append(words)
            continue
        if at < since:
            yield Entry(at)
            return
        yield from _of_text(loose[::-1], at)
        loose.clear()
        yield _entry(at, words, line)
    yield from _of_text(loose[::-1], tail.modified)


def _understood(raw: bytes) -> tuple[str, Line | None]:
    try:
        words = raw.decode()
    except UnicodeDecodeError:
        words = raw.decode("latin-1")
    try:
        return words, _read_line(words) if words.startswith("{") else None
    except msgspec.DecodeError:
        return words, None


def _entry(at: datetime, words: str, line: Line | None) -> Entry:
    if line is None:
        return Entry(at, words if _SHOUTS.search(words) else "")
    if (line.level or "").upper() not in _LEVELS:
        return Entry(at)
    record = _read_whole(words)
    return Entry(at, _said(record), record)


def _said(record: dict[str, Any], shown: Callable[[Any], str] = str) -> str:
    """What the record says: its message, and what the driver said where the service passed that on."""
    parts = (record.get("message"), record.get("error_details") or record.get("exception"))
    return " — ".join(shown(part) for part in parts if part) or "‹no message›"


def _masked(part: Any) -> str:
    """Cut before it is masked, because masking a megabyte is slow, and far behind what is shown."""
    return str(masked(part[:_MASKED] if isinstance(part, str) else part))


def _of_text(lines: list[str], at: datetime) -> Iterator[Entry]:
    """Lines without a time: a traceback counts as the one error at its end."""
    inside = False
    for words in lines:
        if _TRACEBACK in words:
            inside = True
        elif inside and not words.startswith((" ", "\t")):
            inside = False
            yield Entry(at, words)
        else:
            yield Entry(at, words if _SHOUTS.search(words) and not inside else "")
