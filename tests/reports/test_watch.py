"""The board of a watch: never wider or higher than its terminal, worst first; told in lines where it is not drawn."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
import pytest

from reports.language import Language
from reports.watch import HEARTBEAT, WatchBoard
from reports.watch_lines import PLAIN_RAMP, RAMP, counted, in_order, lines, plain, seen, spark
from runbook.model import Record, Run, State
from runbook.text import text
from tests.reports import factory

ENGLISH = Language("en", "America/Mexico_City")
#: Sixty looks, up to the end of the run.
VALUES = tuple((factory.at(27 + n), float(n * n)) for n in range(60))
NOW = factory.at(87)


def screen(
    records: Sequence[Record], width: int = 80, height: int = 19, language: Language = ENGLISH, ramp: str = RAMP
) -> list[str]:
    rows = {record.row: seen(record, VALUES, record.breached_since, language) for record in records}
    return [line.plain for line in lines([rows[r] for r in in_order(records)], NOW, language, width, height, ramp)]


def many(state: State, count: int, like: Record | None = None) -> list[Record]:
    record = like or factory.queue()
    verdict = msgspec.structs.replace(record.verdict, state=state)
    plain = {"verdict": verdict, "verification": None}
    return [msgspec.structs.replace(record, row=f"{state:.3}-{n:03}", **plain) for n in range(count)]


def test_a_broken_row_shows_value_sparkline_timer_and_cause() -> None:
    [row, cause] = screen(many(State.CRITICAL, 1))
    assert re.fullmatch(r"◆ CRI-000 +CRITICAL +\S.* [▁▂▃▄▅▆▇█]{20} +\d+ min( \d+ s)?", row)
    assert cause.startswith("  The initial-processing service is down")


@pytest.mark.parametrize("width", [20, 80])
@pytest.mark.parametrize("height", [3, 19])
@pytest.mark.parametrize("broken", [0, 1, 9, 60])
def test_it_fits_whatever_there_is(width: int, height: int, broken: int) -> None:
    from rich.cells import cell_len

    records = [*many(State.CRITICAL, broken), *many(State.OK, 90), *many(State.SKIPPED, 5)]
    shown = screen(records, width, height)
    assert len(shown) <= height
    assert max(map(cell_len, shown)) <= width


def test_wide_and_hostile_words_stay_in_their_line() -> None:
    from rich.cells import cell_len

    hostile = [msgspec.structs.replace(one, row="漢字" * 30 + "\x1b[2J\n") for one in many(State.WARNING, 1)]
    shown = screen(hostile, 60)
    assert max(map(cell_len, shown)) <= 60
    assert not any("\x1b" in line or "\n" in line for line in shown)


def test_nothing_is_left_out_unsaid() -> None:
    shown = screen([*many(State.CRITICAL, 30), *many(State.OK, 4)], height=10)
    assert shown[-2:] == ["and 22 more", "✓ In order 4: OK-000  OK-001  OK-002  OK-003"]


def test_the_worst_comes_first_and_healthy_rows_have_a_line_where_there_is_room() -> None:
    shown = screen(factory.incident().records, height=40)
    shapes = "".join(line[0] for line in shown if line[0] != " ")
    assert shapes == "".join(sorted(shapes, key="◆▲?◇✔✓–".index))
    assert any(line.startswith("✓ ETL-02") for line in shown)


@pytest.mark.parametrize(
    ("values", "columns", "drawn"),
    [
        ((0, 1, 2, 7), 10, "▁▂▃█"),
        ((3, 3, 3), 10, "███"),
        ((0, 0), 10, "▁▁"),
        ((5,), 10, ""),
        ((1, 9, 1, 1), 2, "█▂"),
        ((-7, 0), 10, "▁█"),
    ],
)
def test_a_sparkline_keeps_peaks_and_stands_on_zero(values: tuple[float, ...], columns: int, drawn: str) -> None:
    assert spark(values, columns) == drawn


def test_where_smaller_is_worse_the_lowest_is_kept() -> None:
    assert spark((8, 1, 8, 8), 2, low_peaks=True) == "▂█"


def test_there_is_a_plain_ramp() -> None:
    assert not set(screen(many(State.CRITICAL, 1), ramp=PLAIN_RAMP)[0]) & set(RAMP)


def looked(board: WatchBoard, run: Run, number: int) -> None:
    board.started(tuple(record.row for record in run.records))
    values = {record.row: VALUES for record in run.records}
    since = {record.row: record.breached_since for record in run.records}
    board.looked(run, values, since, looks=number, next_in=timedelta(seconds=5))


def run_with(*records: Record) -> Run:
    return msgspec.structs.replace(factory.incident(), records=tuple(records))


def test_a_pipe_is_told_what_changed_and_nothing_twice() -> None:
    stream = io.StringIO()
    fine, broken = many(State.OK, 3), many(State.CRITICAL, 3)
    broken = [msgspec.structs.replace(one, row=row.row) for one, row in zip(broken, fine, strict=True)]
    with WatchBoard(ENGLISH, stream, factory.incident().environment) as board:
        looked(board, run_with(*fine), 1)
        before = stream.getvalue()
        looked(board, run_with(*fine), 2)
        assert stream.getvalue() == before
        looked(board, run_with(fine[0], broken[1], fine[2]), 3)
        board.note(text("Writing the report"))
    told = stream.getvalue()[len(before) :].splitlines()
    assert "\x1b" not in stream.getvalue()
    assert [re.sub(r"^\d\d:\d\d:\d\d  ", "", line)[:20] for line in told] == [
        "◆ CRITICAL  OK-001  ",
        "◆ Critical 1 · ✓ In ",
        "Writing the report",
    ]


def test_a_pipe_hears_now_and_then_that_the_watch_goes_on() -> None:
    stream = io.StringIO()
    with WatchBoard(ENGLISH, stream, factory.incident().environment) as board:
        looked(board, run_with(*many(State.CRITICAL, 1)), 1)
        said = len(stream.getvalue().splitlines())
        board._told -= HEARTBEAT
        looked(board, run_with(*many(State.CRITICAL, 1)), 2)
    assert [line[10:22].strip() for line in stream.getvalue().splitlines()[said:]] == ["◆ Critical 1", "◆ CRITICAL"]


def test_quiet_says_nothing() -> None:
    stream = io.StringIO()
    with WatchBoard(ENGLISH, stream, factory.incident().environment, quiet=True) as board:
        looked(board, run_with(*many(State.CRITICAL, 1)), 1)
        board.note(text("Writing the report"))
    assert stream.getvalue() == ""


def test_one_line_says_all_of_a_row() -> None:
    [record] = many(State.WARNING, 1)
    since: datetime = NOW - timedelta(minutes=3)
    said = plain(seen(record, VALUES, since, ENGLISH), NOW, ENGLISH)
    assert said.startswith("▲ WARNING  WAR-000  ")
    assert "  3 min  The initial-processing service is down" in said
    assert counted([seen(record, (), None, ENGLISH)], ENGLISH) == "▲ Warning 1"
