"""``muses-runbook tune`` on a history and on a record: what it says, and what it says of what it cannot use."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from runbook.commands.tune import tune
from runbook.errors import ReportError, SettingsError
from runbook.history import History
from runbook.model import Measure, Reading, Run, State, Verdict
from runbook.recording import files
from runbook.text import Quantity, text
from tests.reports import factory

SITE = """
[site]
state = "{folder}/state"
timezone = "America/Mexico_City"
language = "en"
[environments.prod]
[environments.prod.limits.ETL-01]
critical = "40 min"
"""
#: Minutes of latency, every five minutes: a false alarm, and an incident.
NIGHT = (2, 3, 2, 16, 3, 4, 8, 12, 16, 30, 50, 20, 2)


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    (tmp_path / "site.toml").write_text(SITE.format(folder=tmp_path))
    return tmp_path


def measure(object: str, minutes: float, state: State) -> Measure:
    return Measure(object=object, value=Quantity(60.0 * minutes, "s"), state=state)


def state_of(minutes: float) -> State:
    return State.CRITICAL if minutes > 40 else State.WARNING if minutes > 15 else State.OK


def remember(desk: Path, *minutes: float, **others: float) -> None:
    """A run every five minutes, up to now."""
    history, start = History(desk / "state" / "history.sqlite", "prod"), datetime.now(UTC) - timedelta(hours=3)
    for place, value in enumerate(minutes):
        at = start + timedelta(minutes=5 * place)
        measures = [measure("tbae001", value, state_of(value))]
        measures += [measure(name, other, State.OK) for name, other in others.items()]
        verdict = Verdict(state=State.OK, summary=text("Said"), measures=tuple(measures), judged_at=at)
        record = msgspec.structs.replace(factory.healthy("ETL-02"), row="ETL-01", verdict=verdict)
        run: Run = msgspec.structs.replace(factory.incident(), id=f"R{place}", started_at=at, records=(record,))
        history.keep(run, State.OK, None)
    history.close()


def said(desk: Path, *arguments: str, code: int = 0) -> str:
    given = ["--row", "etl-01", "--settings", str(desk / "site.toml"), *arguments]
    done = CliRunner().invoke(tune, given, catch_exceptions=False, standalone_mode=False)
    assert done.return_value == code, done.output
    return done.stdout


def test_it_tells_what_ten_minutes_would_have_done(desk: Path) -> None:
    remember(desk, *NIGHT)
    shown = said(desk, "--warning", "10 min")
    assert "13 samples of 1 object" in shown
    assert "Warning > 10 min instead of > 15 min" in shown
    assert "It would have fired 5 min earlier: " in shown
    assert "False alarms, which no incident followed: 1 instead of 1" in shown
    assert "Critical" not in shown


def test_what_it_suggests_can_be_copied_into_the_site_file(desk: Path) -> None:
    remember(desk, *(3 if value == 16 else value for value in NIGHT[:8]), *NIGHT[8:])
    before = (desk / "site.toml").read_text()
    shown = said(desk)
    assert shown.splitlines()[-2:] == ["  [environments.prod.limits.ETL-01]", '  warning = "200 s"']
    assert (desk / "site.toml").read_text() == before


def test_programs_get_numbers(desk: Path) -> None:
    remember(desk, *NIGHT)
    found = json.loads(said(desk, "--warning", "10 min", "--critical", "45 min", "--json"))
    [warning, critical] = found["levels"]
    assert (warning["now"], warning["then"], warning["fired"][0]["earlier_seconds"]) == (900, 600, 300)
    assert (critical["now"], critical["then"]) == (2400, 2700)
    assert (found["unit"], found["samples"], found["pace_seconds"]) == ("s", 13, 300)


def test_objects_that_other_limits_judge_are_left_out_by_name(desk: Path) -> None:
    remember(desk, *NIGHT, backlog=500)
    shown = said(desk, "--warning", "10 min")
    assert "Left out, because it is judged by other limits: backlog" in shown
    assert "13 samples of 1 object" in shown


def test_one_object_alone(desk: Path) -> None:
    remember(desk, 1, 2, 3, tbae002=1)
    assert json.loads(said(desk, "--object", "tbae002", "--json"))["objects"] == ["tbae002"]


def test_nothing_measured_is_said_and_is_no_success(desk: Path) -> None:
    assert "Nothing was measured" in said(desk, code=3)


def test_a_record_without_the_rows_readings_measures_nothing(desk: Path) -> None:
    stranger = Reading(target="t", request="r()", value=1, taken_at=factory.START, took=timedelta(0))
    run = msgspec.structs.replace(factory.incident(), readings=(stranger,))
    files.write(run, desk / "watch.jsonl.zst")
    assert "Nothing was measured" in said(desk, "--from", str(desk / "watch.jsonl.zst"), code=3)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("--row", "SEC-01"), SettingsError, "no number decides it"),
        (("--row", "NONE-99"), SettingsError, "no row 'NONE-99'"),
        (("--warning", "5 kg"), SettingsError, "warning: '5 kg'"),
        (("--from", "20261125T031200Z-0000"), SettingsError, "20261125T031200Z-0000"),
        (("--from", "site.toml"), ReportError, "no run of muses-runbook"),
    ],
)
def test_what_cannot_be_tuned_is_said(
    desk: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], error: type[Exception], words: str
) -> None:
    monkeypatch.chdir(desk)
    with pytest.raises(error, match=words):
        said(desk, *arguments)
