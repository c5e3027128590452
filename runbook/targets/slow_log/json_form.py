"""``jsonlog``: a record a line."""

from __future__ import annotations

import re

import msgspec

from runbook.targets.slow_log.form import Form
from runbook.targets.slow_log.tally import TIMED, Tally


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


class _Record(msgspec.Struct, frozen=True, gc=False):
    timestamp: str = ""
    pid: int = 0
    error_severity: str = ""
    message: str = ""
    statement: str | None = None


_json = msgspec.json.Decoder(_Record).decode
