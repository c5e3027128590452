"""Hosts: this machine for real; others over a real ssh that cannot reach them."""

from __future__ import annotations

import shutil
import socket
import time

import pytest

from runbook.errors import NotConfigured
from runbook.settings import HostsSettings
from runbook.targets.hosts import Hosts, host_name, parsed

DF = """\
Filesystem     Type     1-blocks        Used   Available Capacity Mounted on
/dev/vda1      ext4  100000000000 83000000000 17000000000      83% /
tmpfs          tmpfs    1000000           0     1000000       0% /run
/dev/vdb1      btrfs  1000000       500000       500000      50% /mnt/with space
--
Filesystem     Type   Inodes  IUsed   IFree IUse% Mounted on
/dev/vda1      ext4  6553600 196608 6356992    3% /
/dev/vdb1      btrfs       0      0       0     - /mnt/with space
"""


def hosts(*addresses: str) -> Hosts:
    return Hosts("hosts", HostsSettings(addresses=addresses), environment="test")


def test_df_is_read_whatever_the_mount_is_called() -> None:
    root, space = parsed("app1", DF)
    assert (root.mount, root.used_percent, root.inodes_percent, root.free) == ("/", 83.0, 3.0, 17_000_000_000)
    assert (space.mount, space.used_percent, space.inodes_percent) == ("/mnt/with space", 50.0, None)


def test_this_machine_is_read() -> None:
    [here] = hosts("local://").disks()
    assert here.problem is None
    real = shutil.disk_usage("/")
    root = next(disk for disk in here.disks if disk.mount == "/")
    assert root.bytes == pytest.approx(real.total, rel=0.01)


@pytest.mark.parametrize(
    ("address", "name"), [("local://", "local"), ("ssh://muses@app1?port=22", "app1"), ("ssh://app2:2222", "app2:2222")]
)
def test_hosts_are_called_by_their_name(address: str, name: str) -> None:
    assert host_name(address) == name


@pytest.mark.skipif(shutil.which("ssh") is None, reason="no ssh client on this machine")
def test_a_host_that_refuses_or_is_silent_does_not_hide_the_others() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        addresses = ("ssh://127.0.0.1:1", f"ssh://127.0.0.1:{silent.getsockname()[1]}", "ssh://no.invalid", "local://")
        started = time.monotonic()
        refused, mute, nowhere, here = hosts(*addresses).disks()
    assert time.monotonic() - started < 5
    assert refused.problem is not None
    assert "refused" in refused.problem
    assert mute.problem is not None
    assert nowhere.problem is not None
    assert here.problem is None
    assert here.disks


def test_not_configured_says_where() -> None:
    with pytest.raises(NotConfigured, match=r"environments\.test\.hosts"):
        Hosts("hosts", None, environment="test").disks()
