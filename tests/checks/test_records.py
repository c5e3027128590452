"""STAGE-03 to STAGE-06: decisions on told records."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from checks import _records
from checks.records import (
    check_answered_records_are_in_the_core,
    check_catalogues_are_complete,
    check_records_are_there_once,
    check_records_have_a_time,
)
from runbook.model import State
from runbook.rows import of
from runbook.targets.postgres.record_structs import (
    Absent,
    CatalogueValue,
    Duplicates,
    Enrolments,
    MotiveUse,
    Standing,
)
from tests.checks import fakes
from tests.checks.fakes import Told

HOUR = timedelta(hours=1)
ROWS = (
    check_records_have_a_time,
    check_records_are_there_once,
    check_catalogues_are_complete,
    check_answered_records_are_in_the_core,
)
TABLE = "tbae001_inscripcion"


def standing(**changes: Any) -> Standing:
    """A thousand enrolments of one subsystem, done with."""
    plain: dict[str, Any] = {
        "table": TABLE,
        "status_id": 3,
        "status": "PROCESADO",
        "ended": True,
        "subsystem_id": 4,
        "records": 1000,
        "null_times": 0,
        "oldest": 10 * HOUR,
        "newest": HOUR,
        "days": (),
    }
    return Standing(**{**plain, **changes})


def values(**retired: int) -> tuple[CatalogueValue, ...]:
    """A catalogue of one value each, of which some are retired."""
    known = {_records.STATUSES: 3, _records.SUBSYSTEMS: 4, _records.MOTIVES: 1, _records.ENROLMENT_STATUSES: 1}
    return tuple(
        CatalogueValue(catalogue=name, id=id, name="ENSAYO", active=name not in retired) for name, id in known.items()
    )


def catalogues(*found: Standing, **changes: Any) -> Told:
    plain: dict[str, Any] = {
        "standing": found or (standing(),),
        "enrolments": (Enrolments(status_id=1, subsystem_id=4, records=9, untold=0, oldest_untold=None),),
        "motive_uses": (MotiveUse(motive_id=1, errors=2),),
        "catalogue_values": values(),
    }
    return Told(**{**plain, **changes})


@pytest.mark.parametrize("check", ROWS)
def test_a_person_decides_what_becomes_of_records(check: Any) -> None:
    assert of(check).treatment is None
    assert of(check).person is not None


@pytest.mark.parametrize(
    ("count", "state"), [(0, State.OK), (1, State.WARNING), (100, State.WARNING), (101, State.CRITICAL)]
)
class TestLimits:
    """At the limit and beyond, of each row."""

    def test_without_a_time(self, count: int, state: State) -> None:
        found = (standing(null_times=count), standing(table="tbae002_bajas"))
        assert fakes.judged(check_records_have_a_time, database=Told(standing=found)).state is state

    def test_twice(self, count: int, state: State) -> None:
        found = Duplicates(table=TABLE, key=("curp",), copies=count, events=count, sample=("a",) if count else ())
        assert fakes.judged(check_records_are_there_once, database=Told(duplicates=(found,))).state is state

    def test_absent(self, count: int, state: State) -> None:
        found = Absent(table=TABLE, by=("tbmu002_persona",), answered=500, absent=count, sample=("a",) if count else ())
        told = Told(absent_from_core=(found,))
        assert fakes.judged(check_answered_records_are_in_the_core, database=told).state is state

    def test_unknown_to_a_catalogue(self, count: int, state: State) -> None:
        more = (standing(status_id=99, records=count),) if count else ()
        assert fakes.judged(check_catalogues_are_complete, database=catalogues(standing(), *more)).state is state


def test_most_of_the_timeless_are_told_by_subsystem() -> None:
    found = (standing(null_times=2), standing(subsystem_id=7, null_times=5), standing(subsystem_id=None))
    said = str(fakes.judged(check_records_have_a_time, database=Told(standing=found)).summary)
    assert said == f"{TABLE}: 7 records of 3000 records have no time; most, 5 records, are of subsystem 7"


def test_empty_tables_have_nothing_wrong() -> None:
    assert fakes.judged(check_records_have_a_time, database=Told(standing=())).state is State.OK


@pytest.mark.parametrize(
    ("check", "told"),
    [
        (check_records_are_there_once, {"duplicates": (Duplicates(table=TABLE, key=()),)}),
        (check_answered_records_are_in_the_core, {"absent_from_core": (Absent(table=TABLE, by=()),)}),
    ],
)
def test_what_cannot_be_told_of_a_table_is_no_proof(check: Any, told: dict[str, Any]) -> None:
    assert fakes.judged(check, database=Told(**told)).state is State.SKIPPED


class TestCatalogues:
    """STAGE-05, beyond its limits."""

    @pytest.mark.parametrize(
        ("told", "state", "words"),
        [
            pytest.param(catalogues(), State.OK, "1 values", id="complete"),
            pytest.param(catalogues(catalogue_values=values()[1:]), State.CRITICAL, "lacks", id="empty"),
            pytest.param(
                catalogues(standing(ended=False), catalogue_values=values(ctmu009_subsistema=4)),
                State.WARNING,
                "wait with 4, which ctmu009_subsistema has retired",
                id="retired and waiting",
            ),
            pytest.param(
                catalogues(catalogue_values=values(ctmu009_subsistema=4)), State.OK, "values", id="retired since"
            ),
            pytest.param(
                catalogues(motive_uses=(MotiveUse(motive_id=9, errors=3),)), State.WARNING, "have 9", id="motive"
            ),
            pytest.param(
                catalogues(
                    enrolments=(Enrolments(status_id=8, subsystem_id=4, records=2, untold=0, oldest_untold=None),)
                ),
                State.WARNING,
                "tbmu006_inscripcion: 2 records have 8, which ctmu014_estatus_inscripcion lacks",
                id="enrolment",
            ),
            pytest.param(catalogues(standing(), standing(subsystem_id=None)), State.OK, "values", id="no subsystem"),
        ],
    )
    def test_state(self, told: Told, state: State, words: str) -> None:
        found = fakes.judged(check_catalogues_are_complete, database=told)
        assert found.state is state
        assert words in str(found.summary)
