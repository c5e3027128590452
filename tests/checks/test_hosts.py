"""The rows of the hosts and their services: at the limits, beyond, blind; and on real hosts over real SSH."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from checks import host_health, services
from checks import hosts as rows
from runbook.model import State, Verdict
from runbook.rows import declared, of
from runbook.settings import HostsSettings
from runbook.targets.hosts.hosts import Hosts
from runbook.targets.hosts.structs import (
    Certificate,
    Clock,
    Disk,
    HostFacts,
    Kill,
    Load,
    Memory,
    Seen,
    Share,
    Unit,
)
from runbook.text import text
from tests.booted_hosts import BootedHost
from tests.checks import fakes

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
GIB = 1 << 30
OURS = [row for row in declared() if row.id.startswith("HOST-")]
DISK = Disk(host="app-1", mount="/", bytes=100 * GIB, free=50 * GIB, used_percent=50.0, inodes_percent=10.0)
UNIT = Unit(
    name="worker.service", loaded=True, state="active", sub="running", enabled="enabled", result="success", age=DAY,
    restarted=0, memory=GIB, memory_max=4 * GIB, tasks=5, tasks_max=100, killed=0, files=Share(used=5, limit=1024),
)  # fmt: skip
FACTS = HostFacts(
    host="app-1",
    clock=Clock(offset=timedelta(milliseconds=20), within=timedelta(milliseconds=40)),
    disks=(DISK,),
    up=30 * DAY,
    memory=Memory(total=16 * GIB, available=8 * GIB, swap=4 * GIB, swap_free=4 * GIB),
    load=Load(one=0.5, five=0.5, fifteen=0.5, cores=2),
    handles=Share(used=900, limit=100_000),
    tasks=Share(used=300, limit=30_000),
    read_only=(),
    systemd=True,
    failed=(),
    units=(UNIT,),
    kills=(),
    killed=0,
)


class Fleet:
    """Hosts that say what they are told."""

    watches_certificates = True

    def __init__(self, *seen: Seen, services: tuple[str, ...] = ("worker.service",), shown: Any = ()) -> None:
        self._seen, self.services, self._shown = seen, services, shown

    def look(self) -> tuple[Seen, ...]:
        return self._seen

    def disks(self) -> tuple[Any, ...]:
        from runbook.targets.hosts.structs import HostDisks

        return tuple(
            HostDisks(host=s.host, disks=s.facts.disks if s.facts else (), problem=s.problem) for s in self._seen
        )

    def shown_certificates(self) -> tuple[Certificate, ...]:
        return tuple(self._shown)


def seen(**changes: Any) -> Seen:
    facts = msgspec.structs.replace(FACTS, **changes)
    return Seen(host=facts.host, facts=facts)


def service(**changes: Any) -> Seen:
    return seen(units=(msgspec.structs.replace(UNIT, **changes),))


def verdict(check: Any, *hosts: Seen, history: Any = None, **more: Any) -> Verdict:
    targets = {"hosts": Fleet(*hosts, **more)}
    if "history" in of(check).targets:
        targets["history"] = history or fakes.NoHistory()
    found: Verdict = fakes.judged(check, **targets)
    return found


def certificate(left: timedelta) -> Certificate:
    return Certificate(where="/etc/app.pem", ends=datetime.now(UTC) + left)


@pytest.mark.parametrize("row", OURS, ids=lambda row: row.id)
def test_every_row_tells_a_person_why_and_what_to_do(row: Any) -> None:
    assert row.person is not None
    assert row.why is not None
    assert row.source
    assert row.title.spanish


def test_there_are_twenty() -> None:
    assert [row.id for row in sorted(OURS, key=lambda row: row.id)] == [f"HOST-{n:02d}" for n in range(1, 21)]


@pytest.mark.parametrize("row", OURS, ids=lambda row: row.id)
def test_all_is_well_on_a_healthy_host(row: Any) -> None:
    expected = State.SKIPPED if row.id == "HOST-12" else State.OK
    found = verdict(row.check, seen(certificates=(certificate(90 * DAY),)))
    assert found.state is expected, found.summary


@pytest.mark.parametrize("row", OURS, ids=lambda row: row.id)
def test_a_host_that_cannot_be_read_is_unknown_and_hides_nobody(row: Any) -> None:
    lost, good = Seen(host="app-0", problem="no connection"), seen(certificates=(certificate(90 * DAY),))
    found = verdict(row.check, lost, good)
    assert found.state is State.UNKNOWN
    assert str(found.summary) == "app-0 cannot be read: no connection"
    assert row.id == "HOST-12" or any("app-1" in measure.object for measure in found.measures)


CASES = [
    (rows.check_disks_have_room, seen(disks=(msgspec.structs.replace(DISK, used_percent=80.0),)), State.OK),
    (rows.check_disks_have_room, seen(disks=(msgspec.structs.replace(DISK, inodes_percent=90.1),)), State.CRITICAL),
    (rows.check_hosts_have_memory, seen(memory=Memory(total=100, available=9)), State.WARNING),
    (rows.check_hosts_have_memory, seen(memory=Memory(total=100, available=2)), State.CRITICAL),
    (rows.check_hosts_have_memory, seen(memory=None), State.UNKNOWN),
    (rows.check_hosts_do_not_swap, seen(memory=Memory(total=1, available=1)), State.OK),
    (rows.check_hosts_do_not_swap, seen(memory=Memory(total=1, available=1, swap=100, swap_free=40)), State.WARNING),
    (rows.check_hosts_do_not_swap, seen(memory=Memory(total=1, available=1, swap=100, swap_free=5)), State.CRITICAL),
    (rows.check_hosts_have_file_handles, seen(handles=Share(used=81, limit=100)), State.WARNING),
    (rows.check_hosts_have_file_handles, seen(handles=Share(used=96, limit=100)), State.CRITICAL),
    (rows.check_hosts_have_file_handles, seen(handles=None), State.UNKNOWN),
    (rows.check_load_fits_the_processors, seen(load=Load(one=9, five=3.0, fifteen=0, cores=2)), State.OK),
    (rows.check_load_fits_the_processors, seen(load=Load(one=0, five=3.1, fifteen=0, cores=2)), State.WARNING),
    (rows.check_load_fits_the_processors, seen(load=Load(one=0, five=6.1, fifteen=0, cores=2)), State.CRITICAL),
    (rows.check_load_fits_the_processors, seen(load=None), State.UNKNOWN),
    (rows.check_hosts_can_start_processes, seen(tasks=Share(used=96, limit=100)), State.CRITICAL),
    (rows.check_hosts_can_start_processes, seen(tasks=None), State.UNKNOWN),
    (host_health.check_no_kills_for_memory, seen(kills=(Kill(at=fakes.now(), process="java"),)), State.WARNING),
    (host_health.check_no_kills_for_memory, seen(kills=3 * (Kill(at=fakes.now(), process="java"),)), State.CRITICAL),
    (host_health.check_no_kills_for_memory, seen(kills=None, killed=0), State.OK),
    (host_health.check_no_kills_for_memory, seen(kills=None, killed=1), State.UNKNOWN),
    (host_health.check_no_kills_for_memory, seen(kills=None, killed=None), State.UNKNOWN),
    (host_health.check_no_kills_for_memory, service(killed=1), State.WARNING),
    (host_health.check_no_kills_for_memory, service(result="oom-kill", state="failed"), State.CRITICAL),
    (
        host_health.check_clocks_agree,
        seen(clock=Clock(offset=timedelta(seconds=-1.2), within=timedelta(seconds=0.5))),
        State.OK,
    ),
    (
        host_health.check_clocks_agree,
        seen(clock=Clock(offset=timedelta(seconds=-2), within=HOUR / 9000)),
        State.WARNING,
    ),
    (host_health.check_clocks_agree, seen(clock=Clock(offset=HOUR, within=HOUR / 9000)), State.CRITICAL),
    (host_health.check_certificates_do_not_expire, seen(certificates=(certificate(20 * DAY),)), State.WARNING),
    (host_health.check_certificates_do_not_expire, seen(certificates=(certificate(6 * DAY),)), State.CRITICAL),
    (host_health.check_certificates_do_not_expire, seen(certificates=(certificate(-DAY),)), State.CRITICAL),
    (
        host_health.check_certificates_do_not_expire,
        seen(certificates=(Certificate(where="/x", problem=text("It is not there")),)),
        State.UNKNOWN,
    ),
    (host_health.check_file_systems_are_writable, seen(read_only=("/srv",)), State.CRITICAL),
    (host_health.check_file_systems_are_writable, seen(read_only=None), State.SKIPPED),
    (services.check_services_are_active, service(state="inactive"), State.CRITICAL),
    (services.check_services_are_active, service(state="activating", sub="auto-restart"), State.CRITICAL),
    (services.check_services_are_active, service(state="reloading"), State.OK),
    (services.check_services_are_active, service(loaded=False), State.CRITICAL),
    (services.check_services_are_active, seen(units=None), State.UNKNOWN),
    (services.check_services_are_active, seen(units=None, systemd=False), State.UNKNOWN),
    (services.check_services_are_enabled, service(enabled="disabled"), State.WARNING),
    (services.check_services_are_enabled, service(enabled="masked"), State.WARNING),
    (services.check_services_are_enabled, service(enabled=""), State.WARNING),
    (services.check_services_are_enabled, service(enabled="static"), State.OK),
    (services.check_services_are_enabled, service(loaded=False), State.CRITICAL),
    (services.check_services_do_not_restart, service(restarted=1), State.WARNING),
    (services.check_services_do_not_restart, service(restarted=4), State.CRITICAL),
    (services.check_services_do_not_restart, service(restarted=None, restarts=0), State.OK),
    (services.check_services_do_not_restart, service(restarted=None, restarts=9, age=2 * HOUR), State.OK),
    (services.check_services_do_not_restart, service(restarted=None, restarts=9, age=HOUR / 2), State.WARNING),
    (services.check_services_do_not_restart, service(restarted=None, restarts=9, age=None), State.UNKNOWN),
    (services.check_services_are_up_for_a_while, service(age=timedelta(minutes=4)), State.WARNING),
    (services.check_services_are_up_for_a_while, service(age=None), State.UNKNOWN),
    (services.check_services_are_up_for_a_while, service(state="failed", age=None), State.SKIPPED),
    (services.check_services_fit_their_memory, service(memory=86, memory_max=100), State.WARNING),
    (services.check_services_fit_their_memory, service(memory=96, memory_max=100), State.CRITICAL),
    (services.check_services_fit_their_memory, service(memory=None), State.UNKNOWN),
    (services.check_services_fit_their_memory, service(memory=None, memory_max=None), State.OK),
    (services.check_services_have_file_descriptors, service(files=Share(used=96, limit=100)), State.CRITICAL),
    (services.check_services_have_file_descriptors, service(files=None, files_hidden=True), State.UNKNOWN),
    (services.check_services_have_file_descriptors, service(files_hidden=True), State.UNKNOWN),
    (services.check_no_unit_has_failed, seen(failed=("a.service",)), State.WARNING),
    (services.check_no_unit_has_failed, seen(failed=tuple("abcdef")), State.CRITICAL),
    (services.check_no_unit_has_failed, seen(failed=None), State.UNKNOWN),
    (services.check_no_unit_has_failed, seen(failed=None, systemd=False, asked=("x.service",)), State.UNKNOWN),
    (services.check_no_unit_has_failed, seen(failed=None, systemd=False), State.SKIPPED),
    (services.check_services_can_start_threads, service(tasks=96, tasks_max=100), State.CRITICAL),
    (services.check_services_can_start_threads, service(tasks=None), State.UNKNOWN),
    (services.check_services_run_by_their_files, service(stale=True), State.WARNING),
]


@pytest.mark.parametrize(("check", "host", "state"), CASES)
def test_state(check: Any, host: Seen, state: State) -> None:
    found = verdict(check, host)
    assert found.state is state, found.summary


@pytest.mark.parametrize(
    ("earlier", "state"),
    [((7,), State.OK), ((6, 7), State.WARNING), ((4, 4), State.CRITICAL), ((9,), State.UNKNOWN), ((), State.UNKNOWN)],
)
def test_the_kernels_count_is_held_against_that_of_earlier_runs(earlier: tuple[int, ...], state: State) -> None:
    """A count that is lower than before is another boot's, and proves nothing."""
    history = fakes.NoHistory(*((fakes.now() - HOUR, float(count)) for count in earlier))
    found = verdict(host_health.check_no_kills_for_memory, seen(kills=None, killed=7), history=history)
    assert found.state is state, found.summary
    assert any((measure.object, measure.value.value) == ("app-1 (count)", 7) for measure in found.measures)


def test_the_worst_host_is_named() -> None:
    worse = msgspec.structs.replace(FACTS, host="app-2", memory=Memory(total=100, available=1))
    found = verdict(
        rows.check_hosts_have_memory, seen(memory=Memory(total=100, available=5)), Seen(host="app-2", facts=worse)
    )
    assert str(found.summary).startswith("app-2: 99%")


def test_without_services_or_certificates_to_watch_the_settings_are_named() -> None:
    found = verdict(services.check_services_are_active, seen(), services=())
    assert (found.state, "hosts.services" in str(found.summary)) == (State.SKIPPED, True)
    fleet = Fleet(seen())
    fleet.watches_certificates = False
    skipped = fakes.judged(host_health.check_certificates_do_not_expire, hosts=fleet)
    assert (skipped.state, "hosts.certificates" in str(skipped.summary)) == (State.SKIPPED, True)


def test_a_certificate_behind_a_port_is_judged_too() -> None:
    shown = (msgspec.structs.replace(certificate(DAY), where="db:5432"),)
    found = verdict(host_health.check_certificates_do_not_expire, seen(), shown=shown)
    assert found.state is State.CRITICAL
    assert "db:5432" in str(found.summary)


def filling(a_day: float, count: int = 8, noise: float = 0.0) -> Any:
    """A history in which the disk came to its 50 % by so many per cent a day."""
    ages = [timedelta(days=n) for n in range(count, 0, -1)]
    return fakes.NoHistory(
        *((fakes.now() - age, 50 - a_day * age / DAY + (noise if n % 2 else -noise)) for n, age in enumerate(ages))
    )


@pytest.mark.parametrize(
    ("a_day", "noise", "state"),
    [
        (0.0, 0.5, State.OK),
        (-3.0, 0.0, State.OK),
        (5.0, 0.5, State.OK),
        (8.0, 0.5, State.WARNING),
        (60.0, 1, State.CRITICAL),
    ],
)
def test_a_disk_is_foreseen_to_be_full(a_day: float, noise: float, state: State) -> None:
    disk = msgspec.structs.replace(DISK, inodes_percent=None)
    found = verdict(rows.check_disks_do_not_fill, seen(disks=(disk,)), history=filling(a_day, noise=noise))
    assert found.state is state, found.summary
    if state is State.WARNING:
        assert str(found.summary).startswith("At this rate, 8% a day, app-1:/ is full on 20")


@pytest.mark.parametrize("check", [rows.check_disks_have_room, rows.check_disks_do_not_fill])
def test_a_host_whose_df_says_nothing_is_unknown_there_and_only_there(check: Any) -> None:
    """As a bare system's df does, which knows fewer options."""
    fleet = Hosts("hosts", HostsSettings(addresses=("local://",)), environment="lab")
    fleet.look = lambda: (seen(disks=()),)  # type: ignore[method-assign]
    targets = {"history": filling(8.0)} if check is rows.check_disks_do_not_fill else {}
    assert fakes.judged(check, hosts=fleet, **targets).state is State.UNKNOWN
    assert fakes.judged(rows.check_hosts_have_memory, hosts=fleet).state is State.OK


@pytest.mark.parametrize("history", [filling(8.0, count=3), fakes.NoHistory(*(4 * ((fakes.now() - HOUR, 40.0),)))])
def test_too_little_history_is_no_forecast(history: Any) -> None:
    found = verdict(rows.check_disks_do_not_fill, seen(), history=history)
    assert (found.state, "not enough history" in str(found.summary)) == (State.SKIPPED, True)


@pytest.fixture
def fleet(booted_hosts: tuple[BootedHost, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The booted hosts as a target, whose services and certificates may be chosen."""
    runtime = tmp_path / ("long" * 12)  # too long a path for shared connections: nothing outlives the test
    runtime.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))

    def make(**settings: Any) -> Hosts:
        addresses = tuple(host.address for host in booted_hosts)
        given = HostsSettings(addresses=addresses, ssh_config=booted_hosts[0].ssh_config, **settings)
        return Hosts("hosts", given, environment="lab")

    return make


def test_rows_on_real_hosts_before_and_after_they_are_broken(booted_hosts: tuple[BootedHost, ...], fleet: Any) -> None:
    target = fleet(services=("dbus", "cronlike"), services_of={"host1": ("dbus",)})
    host = booted_hosts[1]
    host.write("/etc/systemd/system/cronlike.service", "[Service]\nExecStart=/bin/sleep 7000\n")
    host.run("systemctl daemon-reload; systemctl start cronlike")
    try:
        assert fakes.judged(services.check_services_are_active, hosts=target).state is State.OK
        assert fakes.judged(services.check_services_are_up_for_a_while, hosts=target).state is State.WARNING
        host.run("systemctl stop cronlike; systemd-run --unit=bad /bin/false")
        host.until("systemctl is-failed bad", lambda state: state == "failed")
        found = fakes.judged(services.check_services_are_active, hosts=target)
        assert found.state is State.CRITICAL
        assert str(found.summary).startswith("cronlike.service is not active on host2: inactive (dead)")
        failed = fakes.judged(services.check_no_unit_has_failed, hosts=target)
        assert str(failed.summary) == "host2: 1 units failed: bad.service"
    finally:
        host.run("systemctl reset-failed; rm /etc/systemd/system/cronlike.service; systemctl daemon-reload")
