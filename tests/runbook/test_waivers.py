"""Waivers: what was seen is accepted until its day; what is worse, new or unseen alerts again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from runbook import site_file, waivers
from runbook.engine import Engine
from runbook.errors import SettingsError
from runbook.model import Environment, Measure, Record, Run, State, Verdict, is_waived, worst_of
from runbook.settings import Waiver
from runbook.site import open_site
from runbook.text import Quantity, text
from tests.runbook.fakes import Quiet, Tank, site_at, tank_row

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
TODAY = date(2026, 11, 24)
DAY = timedelta(days=1)


def waiver(**changes: Any) -> Waiver:
    given: dict[str, Any] = {
        "row": "X-01",
        "owner": "Ana",
        "approver": "Beto",
        "reason": "se cambia en la 2.4",
        "start": date(2026, 11, 1),
        "expires": date(2026, 11, 30),
        "state": "WARNING",
    }
    return Waiver(**{**given, **changes})


def measure(object: str, value: float | None, state: State = State.WARNING, **changes: Any) -> Measure:
    shown = None if value is None else Quantity(value, changes.pop("unit", "%"))
    return Measure(object=object, value=shown, state=state, **changes)


def verdict(*measures: Measure, state: State = State.WARNING) -> Verdict:
    return Verdict(state=state, summary=text("it is so"), measures=measures, judged_at=NOW)


def holds(given: Waiver | tuple[Waiver, ...], found: Verdict, today: date = TODAY) -> bool:
    many = given if isinstance(given, tuple) else (given,)
    return any(one.holds for one in waivers.applied(many, "X-01", found, today))


@pytest.mark.parametrize(
    ("changes", "found", "expected"),
    [
        ({}, verdict(measure("a", 5)), True),
        ({"row": "X-02"}, verdict(measure("a", 5)), False),
        ({}, verdict(measure("a", 5, State.CRITICAL), state=State.CRITICAL), False),
        ({"state": "CRITICAL"}, verdict(measure("a", 5)), True),
        ({"state": "CRITICAL"}, verdict(state=State.UNKNOWN), False),
        ({"state": "UNKNOWN"}, verdict(state=State.UNKNOWN), True),
        ({"state": "UNKNOWN"}, verdict(measure("a", 5)), False),
        ({"state": "CRITICAL"}, verdict(state=State.CRITICAL), True),
        ({"seen": {"a": 5}}, verdict(measure("a", 5)), True),
        ({"seen": {"a": 5}}, verdict(measure("a", 5.1)), False),
        ({"seen": {"a": 5}}, verdict(measure("a", 4), measure("b", 4)), False),
        ({"seen": {"a": 5}}, verdict(measure("a", 4), measure("b", 1, State.OK)), True),
        ({"seen": {"a": 5}}, verdict(measure("a", 6, direction="below")), True),
        ({"seen": {"a": 5}}, verdict(measure("a", 4, direction="below")), False),
        ({"seen": {"a": "40 min"}}, verdict(measure("a", 2400, unit="s")), True),
        ({"seen": {"a": "40 min"}}, verdict(measure("a", 2401, unit="s")), False),
        ({"seen": {"a": "2 GB"}}, verdict(measure("a", 2e9, unit="B")), True),
        ({"seen": {"a": "WARNING"}}, verdict(measure("a", None)), True),
        ({"seen": {"a": 5}}, verdict(measure("a", None)), False),
        ({"state": "CRITICAL", "seen": {"a": "WARNING"}}, verdict(measure("a", None, State.CRITICAL)), False),
    ],
)
def test_only_what_was_seen_and_no_worse_is_waived(changes: dict[str, Any], found: Verdict, expected: bool) -> None:
    assert holds(waiver(**changes), found) is expected


@pytest.mark.parametrize(("day", "expected"), [(10, False), (11, True), (20, True), (21, False)])
def test_both_days_count(day: int, expected: bool) -> None:
    given = waiver(start=date(2026, 11, 11), expires=date(2026, 11, 20))
    (found,) = waivers.applied((given,), "X-01", verdict(measure("a", 5)), date(2026, 11, day))
    assert found.holds is expected
    assert (found.against is None) is expected


def test_several_waivers_cover_a_row_together() -> None:
    both = (waiver(seen={"a": 5}), waiver(seen={"b": 5}, owner="Eva"))
    assert holds(both, verdict(measure("a", 5), measure("b", 5)))
    assert not holds(both, verdict(measure("a", 5), measure("c", 5)))
    assert not holds((both[0], waiver(seen={"b": 5}, expires=date(2026, 11, 2))), verdict(measure("b", 5)))


def test_why_a_waiver_does_not_apply_is_said() -> None:
    said = [
        str(waivers.applied((waiver(seen={"a": 5}),), "X-01", found, today)[0].against)
        for found, today in (
            (verdict(measure("a", 6)), TODAY),
            (verdict(state=State.OK), TODAY),
            (verdict(state=State.UNKNOWN), TODAY),
            (verdict(measure("a", 5)), date(2026, 12, 1)),
            (verdict(measure("a", 5)), date(2026, 10, 1)),
        )
    ]
    assert said == [
        "a is worse than what was waived, or was not seen then: 6%",
        "The row is in order: the waiver is not needed",
        "UNKNOWN was not seen when it was waived",
        "The waiver expired on 2026-11-30",
        "The waiver begins on 2026-11-01",
    ]


def test_a_waived_breach_keeps_its_state_and_does_not_count() -> None:
    found = verdict(measure("a", 5))
    broken = Record(row="X-01", title=text("x"), verdict=found)
    waived = msgspec.structs.replace(broken, waivers=waivers.applied((waiver(),), "X-01", found, TODAY))
    place = Environment(site="s", name="n", timezone="UTC", language="es")
    run = Run(id="r", environment=place, started_at=NOW, ended_at=NOW, records=(waived,))
    assert (waived.verdict.state, is_waived(waived), worst_of(run)) == (State.WARNING, True, State.SKIPPED)
    worse = msgspec.structs.replace(run, records=(waived, msgspec.structs.replace(broken, row="X-02")))
    assert worst_of(worse) is State.WARNING


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"approver": " ana "}, "somebody else"),
        ({"reason": " "}, "reason"),
        ({"expires": date(2026, 10, 1)}, "before start"),
        ({"expires": date(2027, 11, 30)}, "366 days"),
        ({"seen": {"a": "mucho"}}, "2 GB"),
    ],
)
def test_a_waiver_nobody_could_answer_for_is_refused(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        waiver(**changes)


SITE = """
waivers_file = "w.toml"
[[environments.here.waivers]]
row = "X-01"
owner = "Ana"
approver = "Beto"
reason = "x"
start = 2026-11-01
expires = 2026-11-30
state = "WARNING"
"""


def test_waivers_are_read_from_the_site_file_and_from_their_own(tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    site.write_text("[environments.here]" + SITE)
    own = SITE.partition("\n[[")[2].replace("environments.here.waivers", "waivers").replace("X-01", "X-02")
    (tmp_path / "w.toml").write_text(f"[[{own}")
    opened = open_site(site_file.load(site, {}))
    assert [one.row for one in opened.settings.waivers] == ["X-01", "X-02"]
    (tmp_path / "w.toml").write_text(f"[[{own}aprover = 'z'\n")
    with pytest.raises(SettingsError, match=r"w\.toml:\d+: waivers\.1\.aprover: unknown key") as error:
        open_site(site_file.load(site, {}))
    assert error.value.nearest == "approver"
    (tmp_path / "w.toml").unlink()
    with pytest.raises(SettingsError, match=r"w\.toml"):
        open_site(site_file.load(site, {}))


@pytest.mark.parametrize(("level", "acts"), [(25, False), (26, True)])
def test_no_remedy_acts_on_what_somebody_answers_for(tmp_path: Path, level: int, acts: bool) -> None:
    today = datetime.now(UTC).date()
    known = waiver(row="TANK-01", state="CRITICAL", seen={"tank": 25}, start=today - DAY, expires=today + DAY)
    tank, site = Tank(level), site_at(tmp_path)
    settings = msgspec.structs.replace(site.settings, waivers=(known,))
    engine = Engine(replace(site, settings=settings), Quiet(), run="R1")
    engine.begin(tank_row(), {"tank": tank})
    engine.settle()
    engine.treat()
    (record,) = engine.finish().records
    site.history.close()
    assert (tank.drained == 1, is_waived(record)) == (acts, not acts)
    assert record.decision is not None
    assert (record.decision.rule == "waivers") is not acts
    assert record.plan is not None
    assert record.plan.steps
