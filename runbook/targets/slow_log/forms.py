"""The three forms of the server's log, and how each is cut into records."""

from __future__ import annotations

import csv
import io
import re
from abc import ABC, abstractmethod
from typing import ClassVar

import msgspec

from runbook.targets.slow_log.prefix import guessed, pattern, scanner
from runbook.targets.slow_log.tally import TIMED, Tally

_CSV_START = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [^,\"\n]+,(?:\"(?:[^\"]|\"\")*\")?,(?:\"|,)")
_CSV_LINE = re.compile(rb"^" + _CSV_START.pattern, re.MULTILINE)
_CSV_LINE_TEXT = re.compile(_CSV_LINE.pattern.decode(), re.MULTILINE)
#: So many bytes in which no record ends hold a torn one.
_TORN = 16 << 20
_LARGEST_FIELD = 1 << 30
_CSV_STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
_CSV_REST = r"(?:[^\"\n]++|\"[^\"]*+(?:\"|\Z))*+(?:\n|\Z)"
_CSV_TEXT = r"(?:\"[^\"\n]*+\")?"
#: A timed statement, by its groups, or else any record as the last one.
_CSV_RECORD = re.compile(
    rf"(\d{{4}}-\d\d-\d\d [^,\"\n]+),{_CSV_TEXT},{_CSV_TEXT},(\d*),{_CSV_TEXT},[^,\n]*,\d*,{_CSV_TEXT},[^,\n]*,[^,\n]*,\d*,LOG,\w*,"
    r"\"[^\s:\"]+: (\d+[.,]\d+) ms(?:  ([^\s:\"]+)(?:(?<=parse): [^\s:\"]*(?=: )|[^:\"]*):\s((?:[^\"]++|\"\")*+))?\","
    rf"{_CSV_REST}|(?=.)({_CSV_REST})",
    re.DOTALL,
)
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
    #: How a record's first line begins.
    begins: ClassVar[re.Pattern[bytes]]

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

    def first(self, data: bytes) -> int:
        """Where the first record begins in data that begins at a line; its length where there is none."""
        found = self.begins.search(data)
        return found.start() if found else len(data)

    @abstractmethod
    def read(self, data: bytes, tally: Tally) -> None:
        """Count the records of data that begins and ends with one."""


class Json(Form):
    """``jsonlog``: a record a line."""

    name = "json"
    begins = re.compile(rb'^\{"timestamp":', re.MULTILINE)

    def cut(self, data: bytes, whole: bool) -> int:
        """After the last line's end."""
        return len(data) if whole else data.rfind(b"\n") + 1

    def start(self, data: bytes, inside: bool) -> int:
        """After the first line's end."""
        return data.find(b"\n") + 1 or len(data)

    def read(self, data: bytes, tally: Tally) -> None:
        """A record a line; what is no record is counted as unread."""
        decode, timed, is_timed = _json, tally.timed, TIMED.match
        records, unread, bounded, hold = 0, 0, self._bounded, self._bounds.hold
        last = None
        for line in data.split(b"\n"):
            try:
                record = decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                unread += bool(line.strip())
                continue
            if bounded and not hold(record.timestamp):
                continue
            records += 1
            if last is None and not tally.first:
                tally.at(record.timestamp)
            last = record
            found = is_timed(record.message) if record.error_severity == "LOG" else None
            if found is not None:
                milliseconds, what, said = found.groups()
                timed(record.pid, float(milliseconds.replace(",", ".")), what, said)
            else:
                tally.message(record.pid, record.error_severity, record.message, record.statement)
        if last is not None:
            tally.at(last.timestamp)
        tally.records += records
        tally.unread += unread


class Csv(Form):
    """``csvlog``: quoted fields, in which newlines are as they are."""

    name = "csv"
    begins = _CSV_LINE

    def cut(self, data: bytes, whole: bool) -> int:
        """After the last line's end that stands outside quotes."""
        if whole:
            return len(data)
        end, inside = data.rfind(b"\n"), data.count(b'"') % 2
        after = len(data)
        while end >= 0:
            inside = (inside - data.count(b'"', end, after)) % 2
            if not inside and (end + 1 == len(data) or data[end + 1 : end + 3] == b"20"):
                return end + 1
            after, end = end, data.rfind(b"\n", 0, end)
        return _last_begin(data) if len(data) > _TORN else 0

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
        """A record a match; timed statements, which are most, are not taken apart any further."""
        text, at = data.decode("latin-1"), 0
        while at < len(text):
            at = self._read_from(text, at, tally)

    def _read_from(self, text: str, at: int, tally: Tally) -> int:
        """Read until the end, or until a torn record: gives where the next one begins."""
        bounded, hold, timed, last = self._bounded, self._bounds.hold, tally.timed, ""
        for found in _CSV_RECORD.finditer(text, at):
            stamp, pid, milliseconds, what, said, other = found.groups()
            if other is not None:
                if not self._other(other, tally):
                    after = _CSV_LINE_TEXT.search(text, found.start() + 1)
                    return after.start() if after else len(text)
            elif not bounded or hold(stamp):
                tally.records += 1
                last = stamp
                if not tally.first:
                    tally.at(stamp)
                if said is not None and '"' in said:
                    said = said.replace('""', '"')
                timed(pid, float(milliseconds.replace(",", ".")), what, said)
        if last:
            tally.at(last)
        return len(text)

    def _other(self, record: str, tally: Tally) -> bool:
        """Count any other record; False for one that is none."""
        row = _row(record)
        if not row:
            tally.unread += bool(record.strip("\n\0"))
            return not record.strip("\n\0")
        if not self._bounded or self._bounds.hold(row[0]):
            tally.records += 1
            tally.at(row[0])
            tally.message(row[3], row[_SEVERITY], row[_MESSAGE], row[_QUERY])
        return True


def _last_begin(data: bytes) -> int:
    """Where the last line begins that looks like a record's: a torn record before it has turned all quotes around."""
    at = data.rfind(b"\n20")
    while at > 0 and not _CSV_START.match(data, at + 1):
        at = data.rfind(b"\n20", 0, at)
    return at + 1


def _row(record: str) -> list[str]:
    """The fields of a record; empty for one that is torn."""
    csv.field_size_limit(_LARGEST_FIELD)
    try:
        row = next(csv.reader(io.StringIO(record, newline="\n"), strict=True), [])
    except csv.Error:
        return []
    return row if len(row) > _QUERY and _CSV_STAMP.match(row[0]) else []


class Stderr(Form):
    """Text with ``log_line_prefix``; lines that go on begin with a tab, or lack the prefix."""

    name = "stderr"

    def __init__(self, bounds: Bounds, prefix: str) -> None:
        super().__init__(bounds)
        self._pattern = pattern(prefix)
        self._match = self._pattern.match
        scanned = scanner(prefix)
        self._scan = scanned.finditer
        names = self._pattern.groupindex
        #: Where the prefix has no time or session, a group that is empty in every record.
        self._session = next((name for name in ("session", "pid") if name in names), "line")
        self._time = "time" if "time" in names else "line"
        numbers = scanned.groupindex
        self._groups = tuple(numbers[name] for name in ("line", self._time, self._session, "ms", "what", "said"))
        self.dated = "time" in names

    def first(self, data: bytes) -> int:
        """At the first line that has the prefix."""
        return 0 if self._match(data[: data.find(b"\n")].decode("latin-1")) else self.start(data, False)

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
        held: list[str] = []
        timed, groups, bounded, last, records = tally.timed, self._groups, self._bounded, None, 0
        for found in self._scan(data.replace(b"\n\t", b"\x01").decode("latin-1")):
            line, stamp, session, milliseconds, what, said = found.group(*groups)
            if line is not None:
                held = self._line(line, held, tally)
                continue
            if held:
                held = self._line(None, held, tally)
            if bounded and not self._bounds.hold(stamp):
                continue
            records += 1
            if last is None and self.dated:
                tally.at(stamp)
            last = stamp
            if said is not None and "\x01" in said:
                said = said.replace("\x01", "\n")
            timed(session or "", float(milliseconds.replace(",", ".")), what, said)
        tally.records += records
        if last and last > tally.last:
            tally.at(last)
        self._line(None, held, tally)

    def _line(self, line: str | None, held: list[str], tally: Tally) -> list[str]:
        """Hold a line until the next record begins; gives what is held then."""
        if line is not None and (line == "" or not self._match(line)):
            held.append(line)
            return held
        if held:
            found = self._match(held[0])
            if found is None:
                tally.unread += sum(map(bool, held))
            else:
                self._count(found, held[1:], tally)
        return [] if line is None else [line]

    def _count(self, found: re.Match[str], more: list[str], tally: Tally) -> None:
        if self.dated:
            stamp = found["time"]
            if self._bounded and not self._bounds.hold(stamp):
                return
            tally.at(stamp)
        tally.records += 1
        level, milliseconds, what, said = found.group("level", "ms", "what", "said")
        session = found[self._session] if self._session != "line" else ""
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
