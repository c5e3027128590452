"""What only systemd has: several hosts, units that fall, rights; on two booted hosts over real SSH."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from runbook.errors import ActionError, ProbeError, ProbeFailure
from runbook.settings import HostsSettings, WorkersSettings
from runbook.settings.workers import SystemdSettings
from runbook.targets.workers.units import span
from runbook.targets.workers.workers import Workers
from tests.booted_hosts import BootedHost
from tests.runbook.targets.workers.grounds import HEALTHY, Ground, do, made, number, own, up
from tests.runbook.targets.workers.servers_docker import SERVICE

pytestmark = pytest.mark.usefixtures("at_once")
Hosts = tuple[BootedHost, ...]
FALLING = HEALTHY.replace("/bin/sleep 1000", "/bin/sh -c 'exit 3'")


@pytest.fixture
def fallen(systemd: Ground, booted_hosts: Hosts) -> Iterator[Callable[[str], None]]:
    """Give the units of the first host another content; all is as before at the end."""
    host = booted_hosts[0]

    def put(content: str) -> None:
        host.write(f"/etc/systemd/system/{SERVICE}@.service", content)
        host.run("systemctl daemon-reload")

    yield put
    put(HEALTHY)
    host.run(f"systemctl reset-failed '{SERVICE}@*'")


def test_replicas_are_spread_over_the_hosts(systemd: Ground) -> None:
    systemd.reset()
    workers = systemd.workers()
    assert [r.name for r in up(workers)] == [f"host1:{SERVICE}@1", f"host2:{SERVICE}@1"]
    assert len(own(workers)) == 10
    done = do(workers, "scale", {"running": 2}, service=SERVICE, to=4)
    assert done["started"] == [f"host1:{SERVICE}@2", f"host2:{SERVICE}@2"]
    assert {r.host for r in up(workers)} == {"host1", "host2"}
    undone = do(workers, "scale", {"running": 4}, service=SERVICE, to=2)
    assert sorted(undone["stopped"]) == sorted(done["started"])


def test_one_that_falls_fails_the_change_and_says_why(systemd: Ground, fallen: Callable[[str], None]) -> None:
    systemd.reset()
    fallen(FALLING)
    workers = systemd.workers()
    name = f"host1:{SERVICE}@4"
    with pytest.raises(ActionError) as caught:
        do(workers, "start", {"state": "STOPPED"}, name=name)
    assert not caught.value.refused
    assert "exit-code, status 3" in str(caught.value)
    assert next(r for r in own(workers) if r.name == name).state == "FATAL"
    fallen(HEALTHY)
    assert do(workers, "start", {"state": "FATAL"}, name=name)["state"] == "RUNNING"
    do(workers, "stop", {}, name=name)


def test_the_first_that_does_not_come_up_ends_the_restart_of_all(
    systemd: Ground, fallen: Callable[[str], None]
) -> None:
    systemd.reset()
    workers = systemd.workers()
    second = up(workers)[1]
    fallen(FALLING)
    with pytest.raises(ActionError, match=r"host1:.* is FATAL"):
        do(workers, "roll", {"running": 2}, service=SERVICE)
    assert [(r.name, r.life) for r in up(workers)] == [(second.name, second.life)]


def test_one_that_falls_again_and_again_is_not_up(
    systemd: Ground, booted_hosts: Hosts, fallen: Callable[[str], None]
) -> None:
    fallen(FALLING.replace("[Install]", "Restart=always\nRestartSec=20\n[Install]"))
    booted_hosts[0].run(f"systemctl start '{SERVICE}@5.service'")
    booted_hosts[0].until(f"systemctl show -p SubState --value {SERVICE}@5", lambda state: state == "auto-restart")
    [falling] = [r for r in own(systemd.workers()) if r.name == f"host1:{SERVICE}@5"]
    assert (falling.state, falling.running) == ("BACKOFF", False)
    assert falling.problem.startswith("exit-code, status 3")
    booted_hosts[0].run(f"systemctl stop '{SERVICE}@5.service'")


def test_who_has_no_right_reads_and_changes_nothing(systemd: Ground, booted_hosts: Hosts) -> None:
    systemd.reset()
    plain = _with(systemd, tuple(host.plain_address for host in booted_hosts))
    assert len(up(plain)) == 2
    assert [(r.identity, r.held) for r in plain.rights()] == 2 * [("reader", True), ("operator", False)]
    with pytest.raises(ProbeError) as caught:
        do(plain, "start", {}, name=f"host1:{SERVICE}@2")
    assert "start of " in str(caught.value)
    assert len(up(plain)) == 2


def test_a_host_that_is_away_hides_nothing_and_keeps_the_number(systemd: Ground, booted_hosts: Hosts) -> None:
    systemd.reset()
    half = _with(systemd, (booted_hosts[0].address, "ssh://no-existe.invalid"))
    assert [r.host for r in up(half)] == ["host1"]
    assert number(half).unseen[0].startswith("no-existe.invalid: ")
    with pytest.raises(ActionError, match=r"cannot be seen: no-existe\.invalid") as refused:
        do(half, "scale", {"running": 1}, service=SERVICE, to=2)
    assert refused.value.refused
    with pytest.raises(ProbeError):
        _with(systemd, ("ssh://no-existe.invalid",)).replicas()


def test_a_change_may_outlast_a_reboot(systemd: Ground, booted_hosts: Hosts) -> None:
    systemd.reset()
    lasting = _with(systemd, (booted_hosts[0].address,), enable=True)
    name, unit = f"host1:{SERVICE}@2", f"{SERVICE}@2.service"
    do(lasting, "start", {}, name=name)
    assert booted_hosts[0].run(f"systemctl is-enabled {unit}").strip() == "enabled"
    do(lasting, "stop", {}, name=name)
    assert booted_hosts[0].run(f"systemctl is-enabled {unit}").strip() == "disabled"


def test_hosts_without_the_units_have_told_nothing(systemd: Ground, booted_hosts: Hosts) -> None:
    none = _with(systemd, (booted_hosts[0].address,), processing="otro", consolidation="otro-más; touch /run/hostil")
    with pytest.raises(ProbeError) as caught:
        none.replicas()
    assert caught.value.kind is ProbeFailure.ABSENT
    assert booted_hosts[0].done("test -e /run/hostil").returncode == 1


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ("1min 30s", timedelta(seconds=90)),
        ("100ms", timedelta(milliseconds=100)),
        ("infinity", timedelta(minutes=10)),
        ("2h 1min", timedelta(minutes=121)),
        ("0", timedelta(0)),
        ("", timedelta(0)),
    ],
)
def test_spans(shown: str, expected: timedelta) -> None:
    assert span(shown) == expected


def _with(ground: Ground, addresses: tuple[str, ...], *, enable: bool = False, **settings: Any) -> Workers:
    """The workers at other addresses, changed without any command before."""
    known = ground.workers()
    ways = HostsSettings(addresses=addresses, ssh_config=known._hosts.ssh_config)  # type: ignore[union-attr]
    systemd = SystemdSettings(enable=enable)
    return made(WorkersSettings(kind="systemd", queue="q", max_replicas=5, systemd=systemd, **settings), ways)
