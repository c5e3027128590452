"""The hosts' probes on this machine, over a real sshd where there is one, and against hosts that fail."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runbook.errors import NotConfigured, ProbeFailure
from runbook.probes import Readings, reading_through
from runbook.settings import HostsSettings
from runbook.settings.hosts import host_name
from runbook.targets.hosts import script
from runbook.targets.hosts.disks import parsed
from runbook.targets.hosts.hosts import HostDisks, Hosts
from tests.runbook.targets.servers_network import fixed_answer, refused_port, silent_port
from tests.runbook.targets.servers_rabbitmq import until
from tests.runbook.targets.servers_sshd import Sshd, sshd

pytestmark = pytest.mark.usefixtures("runtime")


def hosts(*addresses: str, **settings: Any) -> Hosts:
    return Hosts("hosts", HostsSettings(addresses=addresses, **settings), environment="lab")


def only(*addresses: str, **settings: Any) -> HostDisks:
    [told] = hosts(*addresses, **settings).disks()
    return told


def timed(address: str, **settings: Any) -> tuple[ProbeFailure | None, str, float]:
    began = time.monotonic()
    told = only(address, **settings)
    return told.failure, told.problem or "", time.monotonic() - began


def test_the_disks_of_this_machine_are_as_the_kernel_says() -> None:
    target = hosts("local://")
    assert target.addresses == ("local://",)
    with reading_through(Readings()):
        [told] = target.disks()
    assert (told.host, told.problem, told.failure) == ("local", None, None)
    root = next(disk for disk in told.disks if disk.mount == "/")
    known = os.statvfs("/")
    assert root.bytes == known.f_blocks * known.f_frsize
    assert abs(root.free - known.f_bavail * known.f_frsize) < 1 << 30
    used = known.f_blocks - known.f_bfree
    assert abs(root.used_percent - 100 * used / (used + known.f_bavail)) < 1
    if known.f_files:
        assert root.inodes_percent is not None
        assert abs(root.inodes_percent - 100 * (1 - known.f_ffree / known.f_files)) < 1
    assert not {disk.mount for disk in told.disks} & {"/dev", "/dev/shm", "/proc", "/run"}


def test_what_df_prints_elsewhere() -> None:
    disks = parsed(
        "app-1",
        """Type 1B-blocks Used Avail Inodes IUsed Filesystem Mounted on
tmpfs 100 50 50 10 1 tmpfs /run
overlay 1000 900 50 100 90 overlay /
overlay 1000 900 50 100 90 overlay /var/lib/docker/overlay2/x/merged
ext4 1000 500 500 100 20 /dev/vdb1 /srv
ext4 1000 500 500 100 20 /dev/vdb1 /etc/hosts
ext4 1000 500 500 100 20 /dev/vdb2 /srv/datos de año
btrfs 1000 0 1000 - - /dev/vdc /btrfs
xfs 1000 1000 0 0 0 /dev/vdd /lleno
squashfs 100 100 0 10 10 /dev/loop0 /snap/core
efivarfs 100 100 0 0 0 efivarfs /sys/firmware/efi/efivars
fuse.portal 0 0 0 0 0 portal /run/user/1000/doc
df: /root/x: Permission denied
""",
    )
    found = {disk.mount: disk for disk in disks}
    assert set(found) == {"/", "/srv", "/srv/datos de año", "/btrfs", "/lleno"}
    assert found["/"].used_percent == pytest.approx(94.7, abs=0.1), "of what we may use, as df counts it"
    assert found["/"].inodes_percent == 90
    assert (found["/btrfs"].inodes_percent, found["/lleno"].used_percent) == (None, 100)


@pytest.mark.parametrize(
    ("address", "name"), [("local://", "local"), ("ssh://muses@app1?port=22", "app1"), ("ssh://app2:2222", "app2:2222")]
)
def test_hosts_are_called_by_their_name(address: str, name: str) -> None:
    assert host_name(address) == name


def test_a_host_that_tells_nothing_is_broken_not_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "command", lambda *_: "echo 'df: not found' >&2; exit 127")
    told = only("local://")
    assert told.failure is ProbeFailure.BROKEN
    assert "df: not found" in (told.problem or "")


def test_a_command_that_hangs_is_killed_with_all_it_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "command", lambda *_: "sleep 7123.5 | sleep 7123.5")
    kind, _, took = timed("local://")
    assert kind is ProbeFailure.SILENT
    assert took < 4.5
    until(lambda: not running("7123.5"), patience=3)


@pytest.mark.parametrize("greeting", [b"", b"SSH-2.0-OpenSSH_9.2p1\r\n"])
def test_a_silent_ssh_port_ends_in_time_and_leaves_no_process(greeting: bytes) -> None:
    with silent_port(greeting) as port:
        kind, said, took = timed(f"ssh://nadie@127.0.0.1:{port}")
        assert (kind, took < 4.5) == (ProbeFailure.SILENT, True), f"{said} after {took:.1f} s"
        until(lambda: not running(f"Port={port}"), patience=3)


def test_each_failure_has_its_kind() -> None:
    with fixed_answer(b"HTTP/1.0 400 Bad Request\r\n\r\n") as other:
        cases = {
            f"ssh://nadie@127.0.0.1:{refused_port()}": ProbeFailure.REFUSED,
            "ssh://nadie@does-not-exist.invalid": ProbeFailure.DNS,
            f"ssh://nadie@127.0.0.1:{other}": ProbeFailure.SILENT,  # a web server greets nobody
            "telepatia://nadie": ProbeFailure.BROKEN,
        }
        for address, expected in cases.items():
            kind, said, took = timed(address)
            assert (kind, took < 4.5) == (expected, True), said
            assert address.rpartition("@")[2].removeprefix("telepatia://") in said


def test_a_host_that_fails_hides_nothing_of_the_others() -> None:
    with silent_port() as one, silent_port() as other:
        target = hosts(f"ssh://127.0.0.1:{one}", "local://", f"ssh://127.0.0.1:{other}")
        began = time.monotonic()
        with reading_through(readings := Readings()):
            first, local, last = target.disks()
            again = target.disks()
    assert time.monotonic() - began < 5, "they are read at the same time, and once"
    assert (first.failure, local.failure, last.failure) == (ProbeFailure.SILENT, None, ProbeFailure.SILENT)
    assert str(one) in (first.problem or "")
    assert {disk.mount for disk in local.disks} >= {"/"}
    assert [host.failure for host in again] == [first.failure, None, last.failure]
    assert len(readings.taken()) == 3, "each host is a reading of its own"


def test_whoever_could_take_the_open_connections_is_not_trusted(runtime: Path) -> None:
    folder = runtime / f"muses-runbook-{os.getuid()}"
    folder.mkdir(mode=0o755)
    folder.chmod(0o777)
    kind, said, _ = timed("ssh://prueba")
    assert (kind, "not ours alone" in said) == (ProbeFailure.DENIED, True)


def test_a_long_runtime_folder_costs_the_shared_connection_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    long = tmp_path / ("x" * 60)
    long.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    assert timed(f"ssh://127.0.0.1:{refused_port()}")[0] is ProbeFailure.REFUSED


def test_hosts_that_are_not_configured_say_the_setting() -> None:
    target = Hosts("hosts", None, environment="lab")
    for ask in (lambda: target.addresses, target.disks, target.rights):
        with pytest.raises(NotConfigured, match=r"environments\.lab\.hosts"):
            ask()


def test_rights_tell_who_lets_us_in() -> None:
    local, refused = hosts("local://", f"ssh://127.0.0.1:{refused_port()}").rights()
    assert (local.held, refused.held) == (True, False)
    assert "known_hosts" in refused.mend


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Sshd]:
    with sshd(tmp_path) as started:
        until(lambda: b"Server listening" in (tmp_path / "log").read_bytes(), patience=10)
        yield started


def test_over_ssh_and_through_the_open_connection(server: Sshd, runtime: Path) -> None:
    there, here = only("ssh://prueba", ssh_config=server.config), only("local://")
    assert there.problem is None
    assert [(d.mount, d.bytes) for d in there.disks] == [(d.mount, d.bytes) for d in here.disks]
    assert {d.host for d in there.disks} == {"prueba"}
    assert any(path.is_socket() for path in runtime.rglob("*")), "the connection is kept for the next command"
    assert only("ssh://prueba", ssh_config=server.config).problem is None
    assert (server.home / "log").read_bytes().count(b"Accepted publickey") == 1, "two commands, one login"


def test_an_unknown_host_key_and_a_wrong_key_are_denied(server: Sshd) -> None:
    known = (server.home / "known").read_text()
    (server.home / "known").write_text("")
    kind, said, _ = timed("ssh://prueba", ssh_config=server.config)
    assert (kind, "Host key verification failed" in said) == (ProbeFailure.DENIED, True)
    assert (server.home / "known").read_text() == "", "no key is learnt by itself"
    (server.home / "known").write_text(known)
    (server.home / "authorized").write_text("")
    kind, said, _ = timed("ssh://prueba", ssh_config=server.config)
    assert (kind, "Permission denied" in said) == (ProbeFailure.DENIED, True)


def running(mark: str) -> bool:
    """Whether any process has the mark in its command line."""
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in line.read_bytes():
                return True
        except OSError:
            continue
    return False
