"""Incidents as the history tells them: what begins one, what it takes in, and what alone ends it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from runbook.history import History
from runbook.incidents import current, incidents, last_judged, proven_fixed
from runbook.model import Environment, Proven, Record, Run, State, Verdict, Verification, Waived, worst_of
from runbook.text import bilingual, text

NOW = datetime.now(UTC).replace(microsecond=0)
ALL = timedelta(days=30)
OK, WARNING, CRITICAL, UNKNOWN, SKIPPED = State.OK, State.WARNING, State.CRITICAL, State.UNKNOWN, State.SKIPPED


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    opened = History(tmp_path / "history.sqlite", "prod")
    yield opened
    opened.close()


def keep(history: History, minutes: float, *, fixed: str = "", waived: str = "", **states: State) -> str:
    """Keep a run that began so many minutes ago and took 20 s; rows are A, B, C."""
    began = NOW - timedelta(minutes=minutes)
    records = tuple(_record(row, state, began, fixed == row, waived == row) for row, state in states.items())
    place = Environment(site="s", name="prod", timezone="America/Mexico_City", language="es")
    run = Run(
        id=f"{began:%Y%m%dT%H%M%SZ}-0000",
        environment=place,
        started_at=began,
        ended_at=began + timedelta(seconds=20),
        records=records,
    )
    history.keep(run, worst_of(run), None)
    return run.id


def _record(row: str, state: State, at: datetime, fixed: bool, waived: bool) -> Record:
    verdict = Verdict(state=state, summary=text("x"), judged_at=at + timedelta(seconds=1))
    again = Verdict(state=State.OK, summary=text("x"), judged_at=at + timedelta(seconds=9))
    proof = Verification(proven=Proven.FIXED, verdict=again, took=timedelta(seconds=1)) if fixed else None
    day = date(2026, 1, 1)
    word = Waived(owner="a", approver="b", reason="c", start=day, expires=day, state=state, holds=True)
    title = bilingual("a", "b")
    return Record(row=row, title=title, verdict=verdict, verification=proof, waivers=(word,) if waived else ())


def test_where_nothing_ever_broke_there_is_none(history: History) -> None:
    assert incidents(history, ALL) == ()
    keep(history, 9, A=OK, B=UNKNOWN, C=SKIPPED)
    assert incidents(history, ALL) == ()
    assert current(history) is None


def test_one_lasts_from_the_first_run_that_saw_it_to_the_one_that_found_all_in_order(history: History) -> None:
    keep(history, 50, A=OK, B=OK)
    runs = tuple(keep(history, minutes, A=a, B=b) for minutes, a, b in ((40, WARNING, OK), (30, CRITICAL, WARNING)))
    halfway = keep(history, 20, A=OK, B=WARNING)
    (lasting,) = incidents(history, ALL)
    began = NOW - timedelta(minutes=40)
    assert lasting.id == f"prod-{began:%Y%m%dT%H%M%SZ}"
    assert (lasting.began, lasting.ended, lasting.worst) == (began, None, CRITICAL)
    assert (lasting.rows, lasting.runs, lasting.environment) == (("A", "B"), (*runs, halfway), "prod")
    assert current(history) == lasting
    last = keep(history, 10, A=OK, B=OK)
    (over,) = incidents(history, ALL)
    assert (over.id, over.ended, over.runs) == (
        lasting.id,
        NOW - timedelta(minutes=9, seconds=40),
        (*lasting.runs, last),
    )
    assert proven_fixed(history, over)
    assert current(history) is None


def test_a_run_over_some_rows_says_nothing_of_the_others(history: History) -> None:
    keep(history, 40, A=CRITICAL, B=OK)
    elsewhere = keep(history, 30, B=OK)
    lasting = current(history)
    assert lasting is not None
    assert elsewhere not in lasting.runs
    keep(history, 20, A=OK)
    assert current(history) is None


@pytest.mark.parametrize("blind", [UNKNOWN, SKIPPED])
def test_what_was_not_looked_at_neither_begins_nor_ends_one(history: History, blind: State) -> None:
    keep(history, 40, A=blind)
    assert current(history) is None
    keep(history, 30, A=WARNING)
    keep(history, 20, A=blind)
    lasting = current(history)
    assert lasting is not None
    assert last_judged(history, lasting)["A"].final is WARNING
    keep(history, 10, A=OK)
    assert current(history) is None


def test_a_row_that_breaks_as_another_is_mended_carries_the_incident_on(history: History) -> None:
    keep(history, 30, A=CRITICAL, B=OK)
    keep(history, 20, A=OK, B=WARNING)
    keep(history, 10, A=OK, B=OK)
    (one,) = incidents(history, ALL)
    assert (one.rows, one.ended is None, len(one.runs)) == (("A", "B"), False, 3)


def test_what_breaks_after_the_end_is_another_incident(history: History) -> None:
    for minutes, state in ((40, WARNING), (30, OK), (20, CRITICAL), (10, OK)):
        keep(history, minutes, A=state)
    assert [(one.worst, len(one.runs)) for one in incidents(history, ALL)] == [(WARNING, 2), (CRITICAL, 2)]


def test_a_breach_that_the_same_run_fixed_is_no_incident_and_ends_one(history: History) -> None:
    keep(history, 40, fixed="A", A=CRITICAL)
    assert incidents(history, ALL) == ()
    keep(history, 30, A=CRITICAL)
    keep(history, 20, fixed="A", A=CRITICAL)
    (one,) = incidents(history, ALL)
    assert one.ended is not None
    assert proven_fixed(history, one)


def test_a_waived_breach_begins_none_and_ends_one_without_proof(history: History) -> None:
    keep(history, 40, waived="A", A=CRITICAL)
    assert incidents(history, ALL) == ()
    keep(history, 30, A=CRITICAL)
    keep(history, 20, waived="A", A=CRITICAL)
    (one,) = incidents(history, ALL)
    assert one.ended is not None
    assert not proven_fixed(history, one)


def test_only_those_that_lasted_into_the_time_asked_for_are_told_and_keep_their_beginning(history: History) -> None:
    for minutes, state in ((500, WARNING), (400, OK), (300, CRITICAL), (10, OK)):
        keep(history, minutes, A=state)
    (one,) = incidents(history, timedelta(minutes=60))
    assert one.began == NOW - timedelta(minutes=300)


def test_other_environments_are_others(history: History, tmp_path: Path) -> None:
    keep(history, 10, A=CRITICAL)
    other = History(tmp_path / "history.sqlite", "qa")
    assert current(other) is None
    other.close()


def test_verdicts_of_an_earlier_version_belong_to_the_run_they_were_made_in(history: History, tmp_path: Path) -> None:
    runs = [keep(history, 30, A=CRITICAL), keep(history, 20, A=OK)]
    with sqlite3.connect(tmp_path / "history.sqlite") as file:
        file.execute("UPDATE verdict SET run = '', final = NULL")
    file.close()
    (one,) = incidents(history, ALL)
    assert (one.runs, one.ended is None) == (tuple(runs), False)
