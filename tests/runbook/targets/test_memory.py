"""The history as a target: what it answers is on record, so that growth is judged again without it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from runbook import clock
from runbook.errors import HistoryError
from runbook.history import History
from runbook.model import Reading, Run, State
from runbook.probes import Readings, reading_through
from runbook.targets.memory import Memory
from tests.reports import factory

HOUR = timedelta(hours=1)


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    """One measure of one object, a minute ago."""
    history, now = History(tmp_path / "history.sqlite", "here"), clock.now() - timedelta(minutes=1)
    record = factory.healthy("ETL-02")
    verdict = msgspec.structs.replace(record.verdict, judged_at=now)
    run: Run = msgspec.structs.replace(
        factory.incident(), records=(msgspec.structs.replace(record, verdict=verdict),), started_at=now, ended_at=now
    )
    history.keep(run, State.OK, None)
    return Memory(history)


def recorded(memory: Memory, object: str) -> tuple[Reading, ...]:
    readings = Readings()
    with reading_through(readings):
        memory.samples("ETL-02", object, HOUR)
    return readings.taken()


def test_it_answers_as_the_history_does(memory: Memory) -> None:
    object = factory.healthy("ETL-02").verdict.measures[0].object
    [reading] = recorded(memory, object)
    [(at, value)] = memory.samples("ETL-02", object, HOUR)
    assert (reading.target, reading.value) == ("history", ((at.isoformat().replace("+00:00", "Z"), value),))


def test_its_answer_is_judged_again_where_the_history_is_another(memory: Memory) -> None:
    object = factory.healthy("ETL-02").verdict.measures[0].object
    record, elsewhere = recorded(memory, object), Memory(History(None, "here"))
    with reading_through(Readings(record=record)):
        assert elsewhere.samples("ETL-02", object, HOUR) == memory.samples("ETL-02", object, HOUR)


def test_a_record_of_before_has_no_history(memory: Memory) -> None:
    with reading_through(Readings(record=())):
        assert Memory(History(None, "here")).samples("ETL-02", "x", HOUR) == ()


def test_a_history_that_cannot_be_read_is_the_same_error_again(tmp_path: Path) -> None:
    (tmp_path / "history.sqlite").write_text("no database, and longer than a header of one hundred bytes" * 3)
    broken, readings = Memory(History(tmp_path / "history.sqlite", "here")), Readings()
    with reading_through(readings), pytest.raises(HistoryError, match="cannot be used"):
        broken.samples("ETL-02", "x", HOUR)
    with reading_through(Readings(record=readings.taken())), pytest.raises(HistoryError, match="cannot be used"):
        broken.samples("ETL-02", "x", HOUR)
