"""The lines of a service's log as entries: JSON as the services write it, and whatever else gets into a log."""

from __future__ import annotations

import functools
import itertools
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple, cast

import msgspec

from runbook.learnt import learnt
from runbook.redact import masked
from runbook.targets.logs.correlation import Plain, fields_of, keys
from runbook.targets.logs.files import Tail
from runbook.targets.logs.times import Clock

_LEVELS = frozenset({"ERROR", "CRITICAL", "FATAL", "SEVERE", "PANIC", "ALERT", "EMERGENCY"})
_SHOUTS = re.compile(r"\b(?:ERROR|CRITICAL|FATAL|SEVERE|PANIC)\b")
_MASKED = 2000
_TRACEBACK = "Traceback (most recent call last)"


class Line(msgspec.Struct, frozen=True):
    """What SEP-MUSES' services write into each JSON line, and what log frameworks call the same."""

    timestamp: str | None = None
    level: str | None = None
    at: str | None = msgspec.field(default=None, name="@timestamp")
    time: Any = None
    severity: Any = None

    @property
    def when(self) -> str:
        """Its time as it is written; empty where it has none."""
        return self.timestamp or self.at or (self.time if isinstance(self.time, str) else "")

    @property
    def is_error(self) -> bool:
        """Whether its level is one of an error."""
        level = self.level or (self.severity if isinstance(self.severity, str) else "")
        return level.upper() in _LEVELS


class Entry(NamedTuple):
    """One line, or one traceback, at its time; ``error`` is what an error says, in clear: never to be kept.

    ``fields`` are those by which records are recognised as one lot.
    """

    at: datetime
    error: str = ""
    record: dict[str, Any] | None = None
    fields: Mapping[str, Plain] = MappingProxyType({})

    @property
    def sample(self) -> str:
        """The error masked and cut short, for people."""
        return _said(self.record, _masked) if self.record else _masked(self.error)


#: A line without a time of its own, and the time its source has for it.
Loose = tuple[str, datetime | None]

#: Reads a line with the fields that are to be told of it; and these fields' values, in the order of their names.
Reader = tuple[Callable[[str], Line], Callable[[Line], tuple[Any, ...]]]

_read_whole = msgspec.json.Decoder(dict[str, Any]).decode


def entries(tail: Tail, since: datetime, names: tuple[str, ...] = ()) -> Iterator[Entry]:
    """The entries since then, newest first, and the first older one, which says that the tail reaches back that far.

    Text without a time of its own belongs to the line before it. ``names`` are the fields to be told of each record.
    """
    clock, names = Clock(tail.modified), keys(names)
    read, values = _reader(names)
    loose: list[Loose] = []
    for raw, stamp in _newest_first(tail):
        words, line = _understood(raw, read)
        at = clock.read(line.when if line else words[:64])
        if line is not None or (stamp is not None and stamp < since):
            at = at or stamp
        if at is None:
            loose.append((words, stamp))
            continue
        if at < since:
            yield from _of_text([one for one in loose[::-1] if one[1]], at)
            yield Entry(at)
            return
        yield from _of_text(loose[::-1], at)
        loose.clear()
        told = fields_of(zip(names, values(line), strict=True)) if line is not None and names else {}
        yield _entry(at, words, line, told)
    yield from _of_text(loose[::-1], tail.modified)


def _newest_first(tail: Tail) -> Iterator[tuple[bytes, datetime | None]]:
    stamps = reversed(tail.stamps) if tail.stamps else itertools.repeat(None)
    return zip(reversed(tail.lines), stamps, strict=False)


@functools.cache
def _reader(names: tuple[str, ...]) -> Reader:
    """One decoding tells all that is asked of a line: decoding it whole takes several times as long."""
    known = set(Line.__struct_encode_fields__)
    given = [
        (f"field{n}", Any, msgspec.field(default=None, name=name)) for n, name in enumerate(names) if name not in known
    ]
    kind = cast("type[Line]", msgspec.defstruct("Told", given, bases=(Line,), frozen=True))
    own = [f"field{n}" if name not in known else _attribute(name) for n, name in enumerate(names)]
    get = operator.attrgetter(*own) if own else None
    single = len(own) == 1
    return (
        msgspec.json.Decoder(learnt(kind)).decode,
        lambda line: () if get is None else (get(line),) if single else get(line),
    )


def _attribute(name: str) -> str:
    return Line.__struct_fields__[Line.__struct_encode_fields__.index(name)]


def _understood(raw: bytes, read: Callable[[str], Line]) -> tuple[str, Line | None]:
    try:
        words = raw.decode()
    except UnicodeDecodeError:
        words = raw.decode("latin-1")
    try:
        return words, read(words) if words.startswith("{") else None
    except msgspec.DecodeError:
        return words, None


def _entry(at: datetime, words: str, line: Line | None, fields: dict[str, Plain]) -> Entry:
    if line is None:
        return Entry(at, words if _SHOUTS.search(words) else "")
    if not line.is_error:
        return Entry(at, fields=fields)
    record = _read_whole(words)
    return Entry(at, _said(record), record, fields)


def _said(record: dict[str, Any], shown: Callable[[Any], str] = str) -> str:
    """What the record says: its message, and what the driver said where the service passed that on."""
    parts = (record.get("message") or record.get("msg"), record.get("error_details") or record.get("exception"))
    return " — ".join(shown(part) for part in parts if part) or "‹no message›"


def _masked(part: Any) -> str:
    """Cut before it is masked, because masking a megabyte is slow, and far behind what is shown."""
    return str(masked(part[:_MASKED] if isinstance(part, str) else part))


def _of_text(lines: list[Loose], before: datetime) -> Iterator[Entry]:
    """Lines without a time: a traceback counts as the one error at its end."""
    inside = False
    for words, stamp in lines:
        at = stamp or before
        if _TRACEBACK in words:
            inside = True
        elif inside and not words.startswith((" ", "\t")):
            inside = False
            yield Entry(at, words)
        else:
            yield Entry(at, words if _SHOUTS.search(words) and not inside else "")
