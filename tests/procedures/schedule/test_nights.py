"""The clock-change nights, held against systemd's own calendar where this machine has it."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from procedures.schedule.nights import Oddity, clock_changes, last_time, next_time, odd_nights, oddity_of
from procedures.schedule.quoting import calendar
from procedures.schedule.telling import notes
from runbook.slots import Slot, parse_slot
from tests.procedures.schedule.sites import schedule_in

NOW = datetime(2026, 11, 24, 18, tzinfo=UTC)
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def test_a_zone_without_changes_has_no_odd_night() -> None:
    mexico = ZoneInfo("America/Mexico_City")
    assert clock_changes(mexico, NOW) == ()
    assert odd_nights(parse_slot("02:30"), mexico, NOW) == ()


def test_the_changes_of_two_years_are_found_to_the_minute() -> None:
    found = clock_changes(ZoneInfo("Europe/Madrid"), NOW)
    assert [change.at for change in found] == [
        datetime(2027, 3, 28, 1, tzinfo=UTC),
        datetime(2027, 10, 31, 1, tzinfo=UTC),
        datetime(2028, 3, 26, 1, tzinfo=UTC),
        datetime(2028, 10, 29, 1, tzinfo=UTC),
    ]
    assert (found[0].before, found[0].after) == (datetime(2027, 3, 28, 2), datetime(2027, 3, 28, 3))
    assert (found[1].before, found[1].after) == (datetime(2027, 10, 31, 3), datetime(2027, 10, 31, 2))


@pytest.mark.parametrize(
    ("zone", "slot", "expected"),
    [
        ("Europe/Madrid", "02:30", {date(2027, 3, 28): Oddity.MISSING, date(2027, 10, 31): Oddity.TWICE}),
        ("Europe/Madrid", "Mon 02:30", {}),
        ("Europe/Madrid", "03:00", {}),
        ("Europe/Madrid", "01:59", {}),
        ("America/Santiago", "00:30", {date(2027, 9, 5): Oddity.MISSING}),
        ("America/Santiago", "23:30", {date(2027, 4, 3): Oddity.TWICE}),
        ("Australia/Lord_Howe", "02:15", {date(2027, 10, 3): Oddity.MISSING}),
        ("Australia/Lord_Howe", "01:45", {date(2027, 4, 4): Oddity.TWICE}),
        ("America/Tijuana", "Sun 02:00", {date(2027, 3, 14): Oddity.MISSING}),
    ],
)
def test_what_is_missing_and_what_comes_twice(zone: str, slot: str, expected: dict[date, Oddity]) -> None:
    found = odd_nights(parse_slot(slot), ZoneInfo(zone), NOW, timedelta(days=365))
    assert {night.day: night.oddity for night in found} == expected


@needs_systemd
@pytest.mark.parametrize("zone", ["Europe/Madrid", "America/Santiago", "America/Tijuana", "Australia/Lord_Howe"])
def test_systemd_does_on_those_nights_what_we_say(zone: str) -> None:
    """Missing: not that day. Twice: once, the first time. And its next time is ours, around each change."""
    there = ZoneInfo(zone)
    for change in clock_changes(there, NOW, timedelta(days=366)):
        for slot in {
            Slot((change.before + d).hour, (change.before + d).minute) for d in _around(change.after - change.before)
        }:
            since = change.at - timedelta(hours=26)
            assert _elapses(slot, zone, since, 3) == _foreseen(slot, there, since, 3), (change, slot)


def _around(jump: timedelta) -> list[timedelta]:
    return [timedelta(0), jump / 2, jump, -abs(jump) / 2, timedelta(hours=4)]


def _foreseen(slot: Slot, zone: ZoneInfo, since: datetime, count: int) -> list[datetime]:
    found = [next_time(slot, zone, since)]
    while len(found) < count:
        found.append(next_time(slot, zone, found[-1].astimezone(UTC)))
    assert all(oddity_of(at.replace(tzinfo=None, fold=0), zone) is not Oddity.MISSING for at in found)
    assert all(last_time(slot, zone, at.astimezone(UTC)) == at for at in found)
    return [at.astimezone(UTC) for at in found]


def _elapses(slot: Slot, zone: str, since: datetime, count: int) -> list[datetime]:
    words = ["systemd-analyze", "calendar", f"{calendar(slot)} {zone}", f"--iterations={count}"]
    done = subprocess.run(
        [*words, f"--base-time={since:%Y-%m-%d %H:%M:%S} UTC"],
        capture_output=True, text=True, check=True, env={"TZ": "UTC", "LC_ALL": "C", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    found = re.findall(r"(?:Next elapse|Iter\. #\d+): \w{3} (\S+ \S+) UTC", done.stdout)
    return [datetime.fromisoformat(at).replace(tzinfo=UTC) for at in found]


def test_a_person_is_told_the_dates(tmp_path: Path) -> None:
    madrid = schedule_in(tmp_path, 'backup = "02:30"', zone="Europe/Madrid")
    said = "\n".join(map(str, notes(madrid, NOW)))
    assert "2027-03-28: the clock goes from 02:00 to 03:00" in said
    assert "backup: 02:30 does not exist on 2027-03-28. systemd and Kubernetes leave it out" in said
    assert "backup: 02:30 comes twice on 2027-10-31. systemd runs it the first time only" in said
    assert "--once-a-day keeps it one backup for each local date" in said


def test_a_person_is_told_that_nothing_happens(tmp_path: Path) -> None:
    [said] = notes(schedule_in(tmp_path), NOW)
    assert str(said).startswith("America/Mexico_City does not change its clock until 2028-11-24")
    apart = "\n".join(map(str, notes(schedule_in(tmp_path, zone="Europe/Madrid"), NOW)))
    assert "No job is planned for an hour that is skipped or repeated then" in apart
