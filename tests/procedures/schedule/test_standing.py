"""How each job stands: planned, in the folder, at systemd; never missing where nothing can be seen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from procedures.schedule.installing import changes, write
from procedures.schedule.standing import judged
from runbook.model import State
from runbook.targets.hosts.timers import JOBS, Standing
from tests.procedures.schedule.sites import schedule_in

#: A Wednesday; the backup was due at 09:30 UTC.
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
DUE = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)
SOUND: dict[str, Any] = {
    "installed": True, "enabled": True, "active": True, "fired": DUE + timedelta(minutes=3),
    "started": DUE, "result": "success", "exit_code": 0,
}  # fmt: skip


def state_of(
    folder: Path, job: str = "backup", *, seen: bool = True, schedule: str = "", **different: Any
) -> tuple[State, str]:
    planned = schedule_in(folder, schedule)
    standings = tuple(Standing(job=name, timer=f"{name}.timer", **{**SOUND, **different}) for name in JOBS)
    [found] = [
        one
        for one in judged(planned, changes(planned, "systemd", folder), standings if seen else None, NOW)
        if one.name == job
    ]
    return found.state, str(found.said)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With everything installed."""
    write(changes(schedule_in(tmp_path), "systemd", tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("different", "state", "words"),
    [
        ({}, State.OK, "as the site file says"),
        ({"running": True}, State.OK, "running"),
        ({"fired": None}, State.OK, "as the site file says"),
        ({"result": None, "exit_code": None, "started": None}, State.OK, "as the site file says"),
        ({"installed": False}, State.CRITICAL, "not installed"),
        ({"enabled": False}, State.CRITICAL, "systemctl enable --now"),
        ({"active": False}, State.CRITICAL, "systemctl enable --now"),
        ({"result": "timeout"}, State.CRITICAL, "timeout"),
        ({"fired": DUE - timedelta(days=1)}, State.CRITICAL, "was due at 2026-11-25 03:30 -0600"),
        ({"stale": True}, State.WARNING, "daemon-reload"),
    ],
)
def test_the_worst_that_is_true_of_a_job(different: dict[str, Any], state: State, words: str, folder: Path) -> None:
    found, said = state_of(folder, **different)
    assert found is state
    assert words in said


def test_a_job_whose_time_has_just_come_is_not_late(tmp_path: Path, folder: Path) -> None:
    """Its jitter is not over: due at 05:55 local, looked at 06:00, after yesterday's run."""
    late = NOW - timedelta(days=1)
    assert state_of(folder, schedule='backup = "05:55"', fired=late)[0] is State.WARNING  # only the files differ
    assert state_of(folder, schedule='backup = "05:49"', fired=late)[0] is State.CRITICAL


def test_where_systemd_cannot_be_seen_a_job_is_unknown_never_missing(tmp_path: Path) -> None:
    assert state_of(tmp_path, seen=False) == (State.UNKNOWN, "cannot see whether it fires; its files are not there")
    write(changes(schedule_in(tmp_path), "systemd", tmp_path))
    assert state_of(tmp_path, seen=False)[1].endswith("its files are as the site file says")
    assert state_of(tmp_path, seen=False, schedule='backup = "04:00"')[1].endswith("are not as the site file says")


def test_files_that_differ_are_a_warning(folder: Path) -> None:
    assert state_of(folder, schedule='memory = "1 GiB"')[0] is State.WARNING


def test_a_job_that_is_not_planned_is_skipped_unless_it_is_still_there(folder: Path) -> None:
    assert state_of(folder, schedule='backup = ""')[0] is State.WARNING
    for file in folder.glob("muses-runbook-prod-backup.*"):
        file.unlink()
    assert state_of(folder, schedule='backup = ""')[0] is State.WARNING  # systemd still has it
    gone = {"installed": False, "enabled": False, "active": False}
    assert state_of(folder, schedule='backup = ""', **gone) == (State.SKIPPED, "not planned")
    assert state_of(folder, schedule='backup = ""', seen=False)[0] is State.SKIPPED
