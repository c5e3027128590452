"""ETL-04 to ETL-07: decisions on told records."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from checks import _records
from checks.flow import (
    check_errors_are_as_usual,
    check_no_record_is_stuck,
    check_no_subsystem_is_silent,
    check_siged_is_told,
)
from runbook.errors import HistoryError
from runbook.model import State
from runbook.rows import of
from runbook.targets.postgres.record_structs import Answers, CatalogueValue, Enrolments
from tests.checks import fakes
from tests.checks.fakes import NoHistory, Told
from tests.checks.test_records import standing

HOUR, DAY, SECOND = timedelta(hours=1), timedelta(days=1), timedelta(seconds=1)
ROWS = (check_no_record_is_stuck, check_errors_are_as_usual, check_siged_is_told, check_no_subsystem_is_silent)


@pytest.mark.parametrize("check", ROWS)
def test_a_person_is_told_what_to_do(check: Any) -> None:
    assert of(check).treatment is None
    assert of(check).person is not None


class TestStuck:
    """ETL-04."""

    def verdict(self, *found: Any) -> Any:
        return fakes.judged(check_no_record_is_stuck, database=Told(standing=found))

    @pytest.mark.parametrize(
        ("age", "state"),
        [
            (4 * HOUR, State.OK),
            (4 * HOUR + SECOND, State.WARNING),
            (24 * HOUR, State.WARNING),
            (24 * HOUR + SECOND, State.CRITICAL),
        ],
    )
    def test_the_oldest_of_a_status_counts(self, age: timedelta, state: State) -> None:
        found = self.verdict(
            standing(ended=False, status="VALIDADO", oldest=HOUR, subsystem_id=5),
            standing(ended=False, status="VALIDADO", oldest=age, subsystem_id=7),
            standing(oldest=90 * DAY),
        )
        assert found.state is state
        assert "2000 records in status VALIDADO" in str(found.summary)
        assert "of subsystem 7" in str(found.summary)

    def test_a_status_of_no_name_is_one_in_which_something_is_still_to_happen(self) -> None:
        found = self.verdict(
            standing(ended=False, status="", status_id=None, oldest=30 * HOUR, subsystem_id=None),
            standing(ended=False, status="", status_id=99, oldest=5 * HOUR),
        )
        assert [measure.object for measure in found.measures] == [
            "tbae001_inscripcion (–)",
            "tbae001_inscripcion (99)",
        ]

    def test_nothing_waits(self) -> None:
        assert self.verdict(standing()).state is State.OK

    def test_what_has_no_time_has_no_age(self) -> None:
        assert self.verdict(standing(ended=False, oldest=None)).state is State.UNKNOWN


class TestErrors:
    """ETL-05."""

    def verdict(self, failed: int, *, answered: int = 1000, usual: float | None = None, samples: int = 5) -> Any:
        found = (
            Answers(table="tbae001_inscripcion", subsystem_id=4, motive_id=None, records=answered),
            Answers(table="tbae005_asistencias", subsystem_id=None, motive_id=None, records=answered),
            *([Answers(table="tbae001_inscripcion", subsystem_id=4, motive_id=1, records=failed)] if failed else []),
        )
        past = [] if usual is None else [(fakes.now() - n * DAY, usual) for n in range(samples)]
        motives = (CatalogueValue(catalogue=_records.MOTIVES, id=1, name="CURP NO LOCALIZADA", active=True),)
        told = Told(answers=found, catalogue_values=motives)
        return fakes.judged(check_errors_are_as_usual, database=told, history=NoHistory(*past))

    @pytest.mark.parametrize(
        ("failed", "usual", "state"),
        [
            pytest.param(50, None, State.OK, id="at the limit"),
            pytest.param(51, None, State.WARNING, id="beyond"),
            pytest.param(200, None, State.WARNING, id="at the critical one"),
            pytest.param(201, None, State.CRITICAL, id="beyond it"),
            pytest.param(200, 10.0, State.OK, id="usual"),
            pytest.param(310, 10.0, State.WARNING, id="thrice what is usual"),
            pytest.param(51, 0.1, State.WARNING, id="a good subsystem"),
            pytest.param(700, 60.0, State.OK, id="bad, as ever"),
            pytest.param(810, 60.0, State.WARNING, id="worse than ever"),
            pytest.param(910, 60.0, State.CRITICAL, id="nearly all"),
        ],
    )
    def test_state(self, failed: int, usual: float | None, state: State) -> None:
        assert self.verdict(failed, usual=usual).state is state

    def test_too_short_a_history_is_none(self) -> None:
        found = self.verdict(200, usual=10.0, samples=4)
        assert found.state is State.WARNING
        assert (
            str(found.summary)
            == "id_subsistema 4: 20% of 1000 records fail with CURP NO LOCALIZADA; what is usual is not known yet"
        )

    def test_a_share_of_nothing_is_remembered_too(self) -> None:
        assert {m.object for m in self.verdict(10).measures} == {"id_subsistema 4, 1", "tbae005_asistencias, 1"}

    @pytest.mark.parametrize(
        ("failed", "answered", "state"), [(3, 199, State.SKIPPED), (0, 9, State.OK), (0, 0, State.SKIPPED)]
    )
    def test_few_records(self, failed: int, answered: int, state: State) -> None:
        assert self.verdict(failed, answered=answered).state is state

    def test_a_history_that_cannot_be_read_is_an_error(self) -> None:
        class Broken:
            def samples(self, *asked: object) -> None:
                raise HistoryError("it is broken")

        many = Answers(table="tbae001_inscripcion", subsystem_id=4, motive_id=None, records=999)
        failed = Answers(table="tbae001_inscripcion", subsystem_id=4, motive_id=1, records=9)
        told = Told(answers=(many, failed), catalogue_values=())
        with pytest.raises(HistoryError):
            fakes.judged(check_errors_are_as_usual, database=told, history=Broken())


class TestUntold:
    """ETL-06."""

    @pytest.mark.parametrize(
        ("age", "state"),
        [
            (None, State.OK),
            (18 * HOUR, State.OK),
            (18 * HOUR + SECOND, State.WARNING),
            (24 * HOUR, State.WARNING),
            (24 * HOUR + SECOND, State.CRITICAL),
        ],
    )
    def test_state(self, age: timedelta | None, state: State) -> None:
        found = [
            Enrolments(status_id=status, subsystem_id=4, records=9, untold=0 if age is None else 3, oldest_untold=age)
            for status in (1, 2)
        ]
        verdict = fakes.judged(check_siged_is_told, database=Told(enrolments=found))
        assert verdict.state is state
        assert ("6 records" in str(verdict.summary)) is (age is not None)


class TestSilence:
    """ETL-07."""

    ACTIVE = CatalogueValue(catalogue=_records.SUBSYSTEMS, id=4, name="ENSAYO", active=True)

    def verdict(self, *found: Any, active: tuple[CatalogueValue, ...] = (ACTIVE,)) -> Any:
        told = Told(standing=found, catalogue_values=active)
        return fakes.judged(check_no_subsystem_is_silent, database=told)

    @pytest.mark.parametrize(
        ("silence", "days", "state"),
        [
            pytest.param(4 * DAY, (), State.OK, id="a long week-end"),
            pytest.param(4 * DAY + SECOND, (), State.WARNING, id="longer"),
            pytest.param(8 * DAY, (), State.WARNING, id="a week"),
            pytest.param(8 * DAY + SECOND, (), State.CRITICAL, id="more"),
            pytest.param(15 * DAY, (1, 11, 12), State.OK, id="it used to pause as long"),
            pytest.param(15 * DAY + SECOND, (1, 11, 12), State.WARNING, id="it never paused so long"),
            pytest.param(31 * DAY, (1, 11, 12), State.CRITICAL, id="thrice as long"),
            pytest.param(9 * DAY, (1, 20), State.CRITICAL, id="two days are no habit"),
        ],
    )
    def test_state(self, silence: timedelta, days: tuple[int, ...], state: State) -> None:
        came = tuple(date(2026, 9, day) for day in days)
        found = self.verdict(standing(newest=silence, days=came), standing(subsystem_id=5, newest=HOUR))
        assert found.state is state

    def test_the_newest_of_all_tables_counts(self) -> None:
        assert self.verdict(standing(newest=30 * DAY), standing(table="tbae002_bajas", newest=HOUR)).state is State.OK

    def test_one_of_which_nothing_is_left_is_no_healthy_one(self) -> None:
        assert self.verdict(standing(subsystem_id=5)).state is State.WARNING

    def test_one_that_is_retired_may_be_silent(self) -> None:
        retired = CatalogueValue(catalogue=_records.SUBSYSTEMS, id=5, name="ENSAYO", active=False)
        assert self.verdict(standing(), active=(self.ACTIVE, retired)).state is State.OK

    def test_a_catalogue_without_subsystems_hides_them_all(self) -> None:
        assert self.verdict(standing(), active=()).state is State.UNKNOWN
