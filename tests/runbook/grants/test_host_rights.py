"""The rows of the hosts on a booted host, by a login with and without what ``grants`` prints."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from runbook.commands.catalogue import load_rows
from runbook.grants.hosts import commands
from runbook.grants.needs import Need
from runbook.history import History
from runbook.judging import judge
from runbook.model import State, Verdict
from runbook.probes import Readings
from runbook.settings import EnvironmentSettings, HostsSettings
from runbook.targets.hosts.hosts import Hosts
from tests.booted_hosts import BootedHost
from tests.runbook.targets.workers.grounds import own_connections

GROUP = Need("hosts", "group", "systemd-journal")


def judged(settings: HostsSettings, history: History) -> dict[str, Verdict]:
    """Every row that asks the hosts alone, over a login of its own: groups count from the login on."""
    rows = [row for row in load_rows() if "hosts" in row.targets and set(row.targets) <= {"hosts", "history"}]
    with own_connections(), closing(Hosts("hosts", settings, environment="lab")) as hosts:
        readings, targets = Readings(), {"hosts": hosts, "history": history}
        return {row.id: judge(row, targets, readings, {}) for row in rows}


def in_order(verdict: Verdict) -> set[str]:
    return {measure.object for measure in verdict.measures if measure.state is State.OK}


FALLS = """[Service]
ExecStart=/bin/sleep 1000
Restart=always
RestartSec=0
"""


@pytest.fixture
def host(booted_hosts: tuple[BootedHost, ...]) -> Iterator[BootedHost]:
    """With a service that systemd had to start again: how often is the group's to know."""
    host = booted_hosts[0]
    host.write("/etc/systemd/system/cae.service", FALLS)
    host.run("systemctl daemon-reload; systemctl start cae; systemctl kill -s KILL cae")
    host.until("systemctl show -P NRestarts cae", "1".__eq__)
    yield host
    host.run(
        "systemctl stop cae; rm /etc/systemd/system/cae.service; systemctl daemon-reload; systemctl reset-failed cae"
    )


def test_without_the_group_no_row_is_ok_that_only_the_group_may_see(host: BootedHost) -> None:
    hosts = HostsSettings(addresses=(host.plain_address,), ssh_config=host.ssh_config, services=("cae",))
    give, take = commands(EnvironmentSettings(hosts=hosts), "reader", GROUP)
    history = History(None, "lab")
    less = judged(hosts, history)
    assert host.done(give).returncode == 0
    try:
        whole = judged(hosts, history)
    finally:
        assert host.done(take).returncode == 0
    assert not [id for id, one in less.items() if one.state is State.OK and not in_order(whole[id]) <= in_order(one)]
    told = {name: str(verdicts["HOST-04"].summary) for name, verdicts in {"less": less, "whole": whole}.items()}
    assert less["HOST-04"].state is not State.OK
    assert ("1 restarts in the last hour" in told["whole"], "1 restarts in the last hour" in told["less"]) == (
        True,
        False,
    )
