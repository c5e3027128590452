"""``csvlog``: quoted fields, in which newlines are as they are.

A record is found by one expression instead of field by field, which takes half the time; what is no timed statement
is then taken apart as any csv is.
"""

from __future__ import annotations

import csv
import io
import re

from runbook.targets.slow_log.form import Form
from runbook.targets.slow_log.tally import Tally

_START = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [^,\"\n]+,(?:\"(?:[^\"]|\"\")*\")?,(?:\"|,)")
CSV_LINE = re.compile(rb"^" + _START.pattern, re.MULTILINE)
_LINE_TEXT = re.compile(CSV_LINE.pattern.decode(), re.MULTILINE)
#: So many bytes in which no record ends hold a torn one.
_TORN = 16 << 20
_LARGEST_FIELD = 1 << 30
_STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
_REST = r"(?:[^\"\n]++|\"[^\"]*+(?:\"|\Z))*+(?:\n|\Z)"
_TEXT = r"(?:\"[^\"\n]*+\")?"
#: A timed statement, by its groups, or else any record as the last one.
_RECORD = re.compile(
    rf"(\d{{4}}-\d\d-\d\d [^,\"\n]+),{_TEXT},{_TEXT},(\d*),{_TEXT},[^,\n]*,\d*,"
    rf"{_TEXT},[^,\n]*,[^,\n]*,\d*,LOG,\w*,"
    r"\"[^\s:\"]+: (\d+[.,]\d+) ms(?:  ([^\s:\"]+)(?:(?<=parse): [^\s:\"]*(?=: )|[^:\"]*):\s((?:[^\"]++|\"\")*+))?\","
    rf"{_REST}|(?=.)({_REST})",
    re.DOTALL,
)
_SEVERITY, _MESSAGE, _QUERY = 11, 13, 19


class Csv(Form):
    """``csvlog``: quoted fields, in which newlines are as they are."""

    name = "csv"
    begins = CSV_LINE

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
            if not inside and _START.match(data, end + 1):
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
        for found in _RECORD.finditer(text, at):
            stamp, pid, milliseconds, what, said, other = found.groups()
            if other is not None:
                if not self._other(other, tally):
                    after = _LINE_TEXT.search(text, found.start() + 1)
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
    while at > 0 and not _START.match(data, at + 1):
        at = data.rfind(b"\n20", 0, at)
    return at + 1


def _row(record: str) -> list[str]:
    """The fields of a record; empty for one that is torn."""
    csv.field_size_limit(_LARGEST_FIELD)
    try:
        row = next(csv.reader(io.StringIO(record, newline="\n"), strict=True), [])
    except csv.Error:
        return []
    return row if len(row) > _QUERY and _STAMP.match(row[0]) else []
