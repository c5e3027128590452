"""What systemd tells of the timers, and what it cannot. tests/procedures/schedule/test_booted.py asks a real one."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime

import pytest

from runbook.errors import ProbeError, ProbeFailure
from runbook.probes import Readings, reading_through
from runbook.targets.hosts.timers import JOBS, Timers, command, standings

#: As systemd 252 prints it: in no order, one block a unit.
TIMER = """NextElapseUSecRealtime={next}
LastTriggerUSec=Tue 2026-11-24 09:32:10 UTC
Result=success
Id=muses-runbook-prod-{job}.timer
LoadState={load}
ActiveState={active}
SubState=waiting
UnitFileState={enabled}
NeedDaemonReload={stale}"""
SERVICE = """Result={result}
ExecMainStartTimestamp={started}
ExecMainStatus={code}
Id=muses-runbook-prod-{job}.service
LoadState=loaded
ActiveState={running}
SubState=dead
NeedDaemonReload=no"""
USUAL = {
    "next": "Wed 2026-11-25 09:30:00 UTC", "load": "loaded", "active": "active", "enabled": "enabled", "stale": "no",
    "result": "success", "started": "Tue 2026-11-24 09:32:10 UTC", "code": "0", "running": "inactive",
}  # fmt: skip


def told(**different: str) -> str:
    values = {**USUAL, **different}
    blocks = [form.format(job=job, **values) for job in JOBS for form in (TIMER, SERVICE)]
    return "\n\n".join(blocks) + "\n"


def test_all_that_systemd_tells_is_read() -> None:
    found = standings(lambda line: told(), "prod")
    assert [one.job for one in found] == list(JOBS)
    for one in found:
        assert (one.installed, one.armed, one.failed, one.running, one.stale) == (True, True, False, False, False)
        assert one.fired == one.started == datetime(2026, 11, 24, 9, 32, 10, tzinfo=UTC)
        assert one.next == datetime(2026, 11, 25, 9, 30, tzinfo=UTC)
        assert (one.result, one.exit_code) == ("success", 0)


@pytest.mark.parametrize(
    ("different", "field", "expected"),
    [
        ({"load": "not-found", "enabled": "", "active": "inactive"}, "installed", False),
        ({"load": "bad-setting"}, "installed", False),
        ({"load": "masked", "enabled": "masked"}, "armed", False),
        ({"enabled": "disabled"}, "armed", False),
        ({"active": "inactive"}, "armed", False),
        ({"stale": "yes"}, "stale", True),
        ({"result": "exit-code", "code": "2"}, "failed", True),
        ({"result": "timeout"}, "failed", True),
        ({"running": "activating"}, "running", True),
        ({"next": "n/a"}, "next", None),
        ({"next": ""}, "next", None),
    ],
)
def test_each_trouble_is_seen(different: dict[str, str], field: str, expected: object) -> None:
    for one in standings(lambda line: told(**different), "prod"):
        assert getattr(one, field) == expected


def test_what_a_reboot_made_systemd_forget_is_no_success() -> None:
    """It says ``Result=success`` of a service that has not run since."""
    for one in standings(lambda line: told(started="n/a"), "prod"):
        assert (one.started, one.result, one.exit_code, one.failed) == (None, None, None, False)
        assert one.fired is not None


def test_a_host_without_systemd_cannot_tell_which_is_not_missing() -> None:
    with pytest.raises(ProbeError) as caught:
        standings(lambda line: "systemd is not running\n", "prod")
    assert caught.value.kind is ProbeFailure.BLIND


def test_a_systemd_that_does_not_answer_cannot_tell_either() -> None:
    with pytest.raises(ProbeError) as caught:
        standings(lambda line: "\n", "prod")
    assert caught.value.kind is ProbeFailure.BLIND


def test_half_an_answer_is_broken() -> None:
    whole = told()
    with pytest.raises(ProbeError) as caught:
        standings(lambda line: whole[: len(whole) // 2], "prod")
    assert caught.value.kind is ProbeFailure.BROKEN


def test_the_line_is_one_for_any_shell() -> None:
    hostile = "p; touch /x $(id) 'ñ'"
    assert subprocess.run(["sh", "-n", "-c", command(hostile)], check=False).returncode == 0
    assert "\\x3b\\x20touch\\x20\\x2fx" in command(hostile)


def test_the_probe_asks_this_machine() -> None:
    """Its first process is systemd, or it cannot tell: either way no guess."""
    offline = subprocess.run(["test", "-d", "/run/systemd/system"], check=False).returncode != 0
    timers = Timers("hosts", "no-such-environment")
    assert timers.host == "local"
    with reading_through(Readings()):
        if not offline:
            assert not any(one.installed for one in timers.standings())
            return
        with pytest.raises(ProbeError) as caught:
            timers.standings()
    assert caught.value.kind is ProbeFailure.BLIND
