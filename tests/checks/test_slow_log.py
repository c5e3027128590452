"""What the checks tell of the database's log."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from checks import _slow_log
from runbook.errors import ProbeFailure
from runbook.targets.slow_log.findings import SlowStatement
from tests.checks import fakes
from tests.checks.fakes import Told


class Logs:
    """A log that keeps with which prefix it was read."""

    def __init__(self) -> None:
        self.prefixes: list[str | None] = []

    def slow_statements(self, prefix: str | None) -> tuple[SlowStatement, ...]:
        self.prefixes.append(prefix)
        return ()


def slow(**changes: Any) -> SlowStatement:
    spans = {"total": timedelta(seconds=3), "longest": timedelta(seconds=2)}
    return SlowStatement(query="SELECT 1 FROM tbae001_inscripcion", count=3, **{**spans, **changes})


def test_the_prefix_is_the_servers_where_it_answers() -> None:
    logs = Logs()
    _slow_log.read(Told(log_line_prefix="%m <%p> "), logs)  # type: ignore[arg-type]
    _slow_log.read(Told(log_line_prefix=fakes.failing(ProbeFailure.REFUSED)), logs)  # type: ignore[arg-type]
    assert logs.prefixes == ["%m <%p> ", None]


def test_a_log_that_cannot_be_read_is_a_note() -> None:
    found, notes = _slow_log.read(
        Told(log_line_prefix="%m "),
        Told(slow_statements=fakes.failing(ProbeFailure.BLIND)),  # type: ignore[arg-type]
    )
    assert (found, len(notes)) == ((), 1)


def test_waits_and_spills_are_told_where_there_are_any() -> None:
    assert list(_slow_log.evidence(())) == []
    assert len(list(_slow_log.evidence((slow(),)))) == 1
    waiting = slow(waits=2, waited=timedelta(seconds=5), temp_files=1, temp_bytes=4096)
    said = [str(each.statement) for each in _slow_log.evidence((waiting,))]
    assert said[1:] == [
        "The statements waited for locks 2 times, 5 s in all",
        "They wrote 1 temporary files of 4096 B in all",
    ]
