"""The log as text with ``log_line_prefix``, as it goes to standard error."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from runbook.targets.slow_log.form import Bounds, Form, UnknownPrefix
from runbook.targets.slow_log.prefix import pattern, scanner
from runbook.targets.slow_log.tally import Tally


class Stderr(Form):
    """Text with ``log_line_prefix``; lines that go on begin with a tab, or lack the prefix."""

    name = "stderr"

    def __init__(self, bounds: Bounds, prefix: str) -> None:
        super().__init__(_of_epoch(bounds) if "%n" in prefix else bounds)
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
        if self._bounded and not self.dated:
            raise UnknownPrefix  # without times nobody can tell which records are wanted

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


def _of_epoch(bounds: Bounds) -> Bounds:
    """Bounds as ``%n`` writes times: seconds since 1970. Dates are taken for UTC's."""

    def seconds(bound: str) -> str:
        if bound[4:5] != "-":
            return bound
        return f"{datetime.fromisoformat(bound).replace(tzinfo=UTC).timestamp():.3f}"

    return Bounds(seconds(bounds.since), seconds(bounds.until))


def _joined(words: str, more: list[str]) -> str:
    """The lines of one record as they were."""
    return "\n".join((words, *more)).rstrip("\n").replace("\x01", "\n")
