"""The three forms of the server's log, and how each is cut into records."""

from __future__ import annotations

import csv
import io
import re
from abc import ABC, abstractmethod
from typing import ClassVar

import msgspec

from runbook.targets.slow_log.prefix import guessed, pattern
from runbook.targets.slow_log.tally import Tally

_CSV_START = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [^,\"\n]+,(?:\"(?:[^\"]|\"\")*\")?,(?:\"|,)")
_CSV_LINE = re.compile(rb"^" + _CSV_START.pattern, re.MULTILINE)
_SEVERITY, _MESSAGE, _QUERY = 11, 13, 19


class UnknownPrefix(Exception):
    """A log in text form whose ``log_line_prefix`` nobody told and that is none of the common ones."""


class Bounds(msgspec.Struct, frozen=True):
    """Records from and until these times, as the server writes its times; empty is no bound."""

    since: str = ""
    until: str = ""

    def hold(self, stamp: str) -> bool:
        """Whether a record of that time is wanted."""
        return self.since <= stamp and (not self.until or stamp < self.until)


class Form(ABC):
    """One form of log: where records begin, and what they say."""

    name: ClassVar[str]

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._bounded = bool(bounds.since or bounds.until)
        self.pending = b""  #: what is read and not yet complete

    @abstractmethod
    def cut(self, data: bytes, whole: bool) -> int:
        """Where the last record that is surely complete ends. ``whole`` says that nothing follows the data."""

    @abstractmethod
    def start(self, data: bytes, inside: bool) -> int:
        """Where the first record begins in data that begins anywhere; ``inside`` quotes, where the form has any."""

    @abstractmethod
    def read(self, data: bytes, tally: Tally) -> None:
        """Count the records of data that begins and ends with one."""


class Json(Form):
    """``jsonlog``: a record a line."""

    name = "json"

    def cut(self, data: bytes, whole: bool) -> int:
        """After the last line's end."""
        return len(data) if whole else data.rfind(b"\n") + 1

    def start(self, data: bytes, inside: bool) -> int:
        """After the first line's end."""
        return data.find(b"\n") + 1 or len(data)

    def read(self, data: bytes, tally: Tally) -> None:
        """A record a line; what is no record is counted as unread."""
        decode, records, unread, bounded, hold = _json, 0, 0, self._bounded, self._bounds.hold
        record = None
        for line in data.split(b"\n"):
            if not line:
                continue
            try:
                record = decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                unread += 1
                continue
            if bounded and not hold(record.timestamp):
                continue
            records += 1
            if not tally.first:
                tally.at(record.timestamp)
            tally.message(record.pid, record.error_severity, record.message, record.statement)
        if record is not None and records:
            tally.at(record.timestamp)
        tally.records += records
        tally.unread += unread


class Csv(Form):
    """``csvlog``: quoted fields, in which newlines are as they are."""

    name = "csv"

    def cut(self, data: bytes, whole: bool) -> int:
        """After the last line's end that stands outside quotes."""
        if whole:
            return len(data)
        end, inside = data.rfind(b"\n"), data.count(b'"') % 2
        after = len(data)
        while end >= 0:
            inside = (inside - data.count(b'"', end, after)) % 2
            if not inside:
                return end + 1
            after, end = end, data.rfind(b"\n", 0, end)
        return 0

    def start(self, data: bytes, inside: bool) -> int:
        """After the first line's end that stands outside quotes; a log with a torn record is taken up at the next."""
        before, end = 0, data.find(b"\n")
        while end >= 0:
            inside ^= bool(data.count(b'"', before, end) % 2)
            if not inside and _CSV_START.match(data, end + 1):
                return end + 1
            before, end = end, data.find(b"\n", end + 1)
        return len(data)

    def read(self, data: bytes, tally: Tally) -> None:
        """A record a row."""
        bounded, hold, records, stamp = self._bounded, self._bounds.hold, 0, ""
        for row in csv.reader(io.StringIO(data.decode("latin-1"), newline="\n")):
            if len(row) < _QUERY + 1:
                tally.unread += 1
                continue
            if bounded and not hold(row[0]):
                continue
            records += 1
            stamp = row[0]
            if not tally.first:
                tally.at(stamp)
            tally.message(row[3], row[_SEVERITY], row[_MESSAGE], row[_QUERY])
        if stamp:
            tally.at(stamp)
        tally.records += records


class Stderr(Form):
    """Text with ``log_line_prefix``; lines that go on begin with a tab, or lack the prefix."""

    name = "stderr"

    def __init__(self, bounds: Bounds, prefix: str) -> None:
        super().__init__(bounds)
        self._pattern = pattern(prefix)
        self._match = self._pattern.match
        self._session = "session" if "session" in self._pattern.groupindex else "pid"
        self._has_session = self._session in self._pattern.groupindex
        self.dated = "time" in self._pattern.groupindex

    def cut(self, data: bytes, whole: bool) -> int:
        """Before the last line that has the prefix: what follows it may go on."""
        if whole:
            return len(data)
        end = data.rfind(b"\n")
        while end > 0:
            at = data.rfind(b"\n", 0, end) + 1
            if data[at : at + 1] != b"\t" and self._match(data[at:end].decode("latin-1")):
                return at
            end = at - 1
        return 0

    def start(self, data: bytes, inside: bool) -> int:
        """At the first line that has the prefix."""
        at = data.find(b"\n") + 1
        while at:
            end = data.find(b"\n", at)
            line = data[at : end if end >= 0 else len(data)]
            if line[:1] != b"\t" and self._match(line.decode("latin-1")):
                return at
            at = end + 1
        return len(data)

    def read(self, data: bytes, tally: Tally) -> None:
        """A record a line after those that go on are joined; one without prefix goes on, too."""
        match, held, more = self._match, None, []
        for line in data.replace(b"\n\t", b"\x01").decode("latin-1").split("\n"):
            found = match(line)
            if found is None:
                more.append(line)
                continue
            if held is not None:
                self._count(held, more, tally)
            elif any(more):
                tally.unread += len(more)
            held = found
            if more:
                more = []
        if held is not None:
            self._count(held, more, tally)
        else:
            tally.unread += sum(map(bool, more))

    def _count(self, found: re.Match[str], more: list[str], tally: Tally) -> None:
        if self.dated:
            stamp = found["time"]
            if self._bounded and not self._bounds.hold(stamp):
                return
            tally.at(stamp)
        tally.records += 1
        level, milliseconds, what, said = found.group("level", "ms", "what", "said")
        session = found[self._session] if self._has_session else ""
        if milliseconds is None or level != "LOG":
            words = found.string[found.end("level") + 3 :]
            tally.line(session, level, _joined(words, more))
            return
        if said is not None and (more or "\x01" in said):
            said = _joined(said, more)
        tally.timed(session, float(milliseconds.replace(",", ".")), what, said)


def form_of(head: bytes, prefix: str | None, bounds: Bounds) -> Form | None:
    """The form of a log by its first bytes; None where they hold nothing. Raises UnknownPrefix."""
    start = head.lstrip(b"\r\n\0 ")
    if not start:
        return None
    if start.startswith(b'{"'):
        return Json(bounds)
    if _CSV_LINE.search(start):
        return Csv(bounds)
    if prefix is None:
        prefix = guessed(start.decode("latin-1").split("\n"))
    if prefix is None:
        raise UnknownPrefix
    return Stderr(bounds, prefix)


def _joined(words: str, more: list[str]) -> str:
    """The lines of one record as they were."""
    return "\n".join((words, *more)).rstrip("\n").replace("\x01", "\n")


class _Record(msgspec.Struct, frozen=True, gc=False):
    timestamp: str = ""
    pid: int = 0
    error_severity: str = ""
    message: str = ""
    statement: str | None = None


_json = msgspec.json.Decoder(_Record).decode
