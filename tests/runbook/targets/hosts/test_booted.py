"""The hosts' target against real Debian hosts over real SSH: what is broken there is told, and nothing else."""

from __future__ import annotations

import os
import shlex
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from runbook.errors import ProbeFailure
from runbook.probes import Readings, reading_through
from runbook.settings import HostsSettings
from runbook.targets.hosts import shell
from runbook.targets.hosts.hosts import Hosts
from runbook.targets.hosts.structs import HostFacts, Seen, Unit
from tests.booted_hosts import PLAIN, BootedHost
from tests.runbook.targets.servers_network import free_port

pytestmark = pytest.mark.usefixtures("runtime")
Booted = tuple[BootedHost, ...]
WORKER = "[Service]\nExecStart=/bin/sleep 7000\nLimitNOFILE=64\n[Install]\nWantedBy=multi-user.target\n"
FALLS = "[Service]\nExecStart=/bin/false\nRestart=always\nRestartSec=20ms\nStartLimitIntervalSec=0\n"


def hosts(booted: Booted, *addresses: str, **settings: Any) -> Hosts:
    given = {"addresses": addresses or tuple(host.address for host in booted), "ssh_config": booted[0].ssh_config}
    return Hosts("hosts", HostsSettings(**{**given, **settings}), environment="lab")


def only(booted: Booted, *addresses: str, **settings: Any) -> Seen:
    [seen] = hosts(booted, *addresses, **settings).look()
    return seen


def told(booted: Booted, *addresses: str, **settings: Any) -> HostFacts:
    seen = only(booted, *(addresses or (booted[0].address,)), **settings)
    assert seen.facts is not None, seen.problem
    return seen.facts


@pytest.fixture
def worker(booted_hosts: Booted) -> Iterator[BootedHost]:
    """The first host, with a service ``worker`` enabled and running."""
    host = booted_hosts[0]
    host.write("/etc/systemd/system/worker.service", WORKER)
    host.run("systemctl daemon-reload; systemctl enable --now worker")
    yield host
    host.run("systemctl disable --now worker; rm -r /etc/systemd/system/worker.service*; systemctl daemon-reload")
    host.run("systemctl reset-failed")


def unit(booted: Booted, name: str, address: str | None = None) -> Unit:
    [found] = told(booted, address or booted[0].address, services=(name,)).units or ()
    return found


def test_all_hosts_are_read_at_once_and_once(booted_hosts: Booted) -> None:
    target = hosts(booted_hosts, services=("ssh",))
    with reading_through(readings := Readings()):
        for _ in range(3):
            seen = target.look()
        assert [one.host for one in target.disks()] == ["host1", "host2"]
    assert len(readings.taken()) == 2, "one reading a host, whoever asks"
    for host in seen:
        assert host.facts is not None, host.problem
        assert host.facts.systemd
        [sshd] = host.facts.units or ()
        assert (sshd.name, sshd.active, sshd.enabled) == ("ssh.service", True, "enabled")
        assert sshd.age is not None
        assert timedelta(0) < sshd.age < timedelta(hours=1)
        assert abs(host.facts.clock.offset) <= host.facts.clock.within + timedelta(milliseconds=5)


def test_a_user_without_rights_sees_all_but_the_logs(worker: BootedHost, booted_hosts: Booted) -> None:
    root = told(booted_hosts, worker.address, services=("worker",))
    plain = told(booted_hosts, worker.plain_address, services=("worker",))
    for name in ("failed", "read_only", "systemd", "killed"):
        assert getattr(root, name) == getattr(plain, name), name
    assert [disk.mount for disk in root.disks] == [disk.mount for disk in plain.disks]
    assert (root.kills, plain.kills) == ((), None)
    [by_root], [by_plain] = root.units or (), plain.units or ()
    assert (by_root.restarted, by_plain.restarted, by_plain.active) == (0, None, True)
    assert by_root.files is not None
    assert by_root.files.limit == 64
    assert by_plain.files_hidden or by_plain.files == by_root.files, "counted since Linux 6.2, else hidden"
    worker.run(f"usermod -aG systemd-journal {PLAIN}")
    close_connections()
    try:
        assert unit(booted_hosts, "worker", worker.plain_address).restarted == 0, "as the row says to a person"
    finally:
        worker.run(f"gpasswd -d {PLAIN} systemd-journal")


def close_connections() -> None:
    """The groups of a login are those of its connection."""
    for control in Path(os.environ["XDG_RUNTIME_DIR"]).rglob("*"):
        if control.is_socket():
            subprocess.run(["ssh", "-O", "exit", "-S", str(control), "x"], capture_output=True, check=False)


def test_a_service_that_is_stopped_disabled_changed_or_gone(worker: BootedHost, booted_hosts: Booted) -> None:
    worker.run("systemctl disable worker; echo >> /etc/systemd/system/worker.service")
    disabled = unit(booted_hosts, "worker")
    assert (disabled.active, disabled.enabled, disabled.stale) == (True, "disabled", True)
    worker.run("systemctl daemon-reload; systemctl stop worker")
    stopped = unit(booted_hosts, "worker")
    assert (stopped.loaded, stopped.active, stopped.age, stopped.stale) == (True, False, None, False)
    assert not unit(booted_hosts, "nobody").loaded
    [both] = told(booted_hosts, services=("wor*",)).units or ()
    assert both.name == "wor*.service", "a pattern fits what is loaded only"


def test_a_service_that_falls_again_and_again_is_counted_by_the_journal(booted_hosts: Booted) -> None:
    host = booted_hosts[0]
    host.write("/etc/systemd/system/falls.service", FALLS)
    host.run("systemctl daemon-reload; systemctl start falls")
    try:
        host.until("systemctl show -p NRestarts --value falls", lambda count: int(count) >= 4)
        falls = unit(booted_hosts, "falls")
        assert falls.restarts >= 4
        assert falls.restarted is not None
        assert falls.restarted >= 4
    finally:
        host.run("systemctl stop falls; rm /etc/systemd/system/falls.service; systemctl daemon-reload")
        host.run("systemctl reset-failed")


def test_a_unit_that_fails_is_named(booted_hosts: Booted) -> None:
    host = booted_hosts[1]
    host.run("systemd-run --unit=bad.service /bin/false")
    host.until("systemctl is-failed bad.service", lambda state: state == "failed")
    first, second = hosts(booted_hosts).look()
    assert first.facts is not None
    assert second.facts is not None
    assert (first.facts.failed, second.facts.failed) == ((), ("bad.service",))
    host.run("systemctl reset-failed")


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[str]:
    """A block device of 8 MB with an empty ext4."""
    image = tmp_path / "image"
    image.write_bytes(b"")
    os.truncate(image, 8 << 20)
    made = subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", image], check=False, capture_output=True)
    loop = subprocess.run(["losetup", "-f", "--show", image], check=False, capture_output=True, text=True)
    if made.returncode or loop.returncode:
        pytest.skip(f"this machine makes no loop device: {loop.stderr.strip()}")
    yield loop.stdout.strip()
    subprocess.run(["losetup", "-d", loop.stdout.strip()], check=False)


def test_a_file_system_that_fills_and_one_that_is_read_only(booted_hosts: Booted, loop: str) -> None:
    host, number = booted_hosts[0], os.minor(Path(loop).stat().st_rdev)
    mounted = host.done(f"mkdir -p /mnt/s; mknod /dev/small b 7 {number}; mount /dev/small /mnt/s")
    assert mounted.returncode == 0, mounted.stderr
    try:
        host.run("head -c 20M /dev/zero > /mnt/s/x")
        host.write("/etc/fstab", "/dev/small /mnt/s ext4 defaults 0 0\n")
        full = next(disk for disk in told(booted_hosts).disks if disk.mount == "/mnt/s")
        assert full.used_percent > 99
        assert told(booted_hosts).read_only == ()
        host.run("mount -o remount,ro /mnt/s")
        assert told(booted_hosts).read_only == ("/mnt/s",)
    finally:
        host.run("umount /mnt/s; rm -f /etc/fstab /dev/small")


def test_a_clock_that_is_off(booted_hosts: Booted) -> None:
    """The hosts share this machine's clock, so one has a ``date`` that is wrong."""
    host = booted_hosts[1]
    host.write("/usr/local/bin/date", "#!/bin/sh\nexec /bin/date -d '90 seconds ago' \"$@\"\n", "755")
    try:
        offset = told(booted_hosts, host.address).clock.offset
    finally:
        host.run("rm /usr/local/bin/date")
    assert abs(offset + timedelta(seconds=90)) < timedelta(seconds=1)


def test_certificates_in_files_and_behind_a_port(booted_hosts: Booted, tmp_path: Path) -> None:
    key, file = tmp_path / "key", tmp_path / "cert"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    made = [*words, "-subj", "/CN=app", "-days", "3", "-keyout", str(key), "-out", str(file)]
    subprocess.run(made, check=True, capture_output=True)
    booted_hosts[0].write("/etc/app.pem", key.read_text() + file.read_text(), "644")
    with showing(file, key) as port:
        endpoints = (f"127.0.0.1:{port}", f"127.0.0.1:{free_port()}")
        target = hosts(booted_hosts, certificates=("/etc/app.pem", "/etc/none.pem", *endpoints))
        by_port, refused = target.shown_certificates()
    assert by_port.ends is not None
    assert (refused.ends, bool(refused.problem)) == (None, True)
    seen, _ = target.look()
    assert seen.facts is not None
    found, none = seen.facts.certificates
    assert (found.ends, none.ends, bool(none.problem)) == (by_port.ends, None, True)


class showing:
    """A server on a free port that shows a certificate once."""

    def __init__(self, file: Path, key: Path) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(file, key)

    def __enter__(self) -> int:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        port: int = self._server.getsockname()[1]
        return port

    def __exit__(self, *_: object) -> None:
        self._thread.join(5)
        self._server.close()

    def _serve(self) -> None:
        plain, _ = self._server.accept()
        with plain, self._context.wrap_socket(plain, server_side=True) as encrypted:
            encrypted.recv(1)


def test_through_a_jump_host_by_setting_and_by_ssh_config(
    booted_hosts: Booted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second host takes nobody but the first; through that one it is read, by either way of saying so."""
    jump, far = booted_hosts
    far.run(f"ip route add prohibit {jump.ip.rpartition('.')[0]}.254")
    config = tmp_path / "config"
    config.write_text(f"Host host2\n  ProxyJump host1\n{far.ssh_config.read_text()}")
    try:
        with monkeypatch.context() as impatient:
            impatient.setattr(shell, "PATIENCE", 1.0)
            assert only(booted_hosts, far.address).failure is ProbeFailure.SILENT
        assert told(booted_hosts, far.address, jump_host="host1").host == "host2"
        assert told(booted_hosts, far.address, ssh_config=config).host == "host2"
    finally:
        far.run(f"ip route del prohibit {jump.ip.rpartition('.')[0]}.254")


@pytest.mark.parametrize("lenient", ["no", "accept-new"])
def test_an_unknown_key_of_a_host_or_of_a_jump_host_is_refused_whatever_the_file_says(
    booted_hosts: Booted, tmp_path: Path, lenient: str
) -> None:
    jump, far = booted_hosts
    known, config = tmp_path / "known", tmp_path / "config"
    everything = (jump.ssh_config.parent / "known").read_text().splitlines()
    known.write_text("".join(f"{line}\n" for line in everything if not line.startswith(f"{jump.ip} ")))
    kept = known.read_text()
    theirs = jump.ssh_config.read_text().replace(str(jump.ssh_config.parent / "known"), str(known))
    config.write_text(f"StrictHostKeyChecking {lenient}\n{theirs}")
    for address, more in ((jump.address, {}), (far.address, {"jump_host": "host1"})):
        seen = only(booted_hosts, address, ssh_config=config, **more)
        assert (seen.facts, seen.failure) == (None, ProbeFailure.DENIED), seen.problem
    assert known.read_text() == kept, "no key is learnt"
    assert told(booted_hosts, far.address, ssh_config=config).host == "host2"


def test_a_host_that_is_down_is_unknown_for_itself(booted_hosts: Booted) -> None:
    good, bad = hosts(booted_hosts, booted_hosts[0].address, "ssh://127.0.0.1:1").look()
    assert good.facts is not None
    assert (bad.facts, bad.failure) == (None, ProbeFailure.REFUSED)


def test_hostile_names_in_the_settings_are_names(booted_hosts: Booted) -> None:
    hostile = "x;touch /tmp/owned $(touch /tmp/owned) '"
    seen = told(booted_hosts, services=(hostile,), certificates=(f"/{hostile}",))
    assert [unit.loaded for unit in seen.units or ()] == [False]
    assert booted_hosts[0].done("test -e /tmp/owned").returncode != 0


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("docker://app-1", ["exec", "app-1"]),
        ("podman://app-1", ["exec", "app-1"]),
        ("kubectl://app-1?namespace=muses", ["exec", "app-1"]),
    ],
)
def test_other_ways_of_testinfra_by_their_own_address(
    address: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No container here: a program of the client's name runs what it is asked to, as its documentation says it does."""
    kind = address.partition(":")[0]
    log = tmp_path / "log"
    fake = f'#!/bin/sh\nprintf "%s\\n" "$@" > {shlex.quote(str(log))}\nfor last; do :; done\nexec /bin/sh -c "$last"\n'
    (tmp_path / kind).write_text(fake)
    (tmp_path / kind).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    [seen] = Hosts("hosts", HostsSettings(addresses=(address,), services=("ssh",)), environment="lab").look()
    assert seen.facts is not None, seen.problem
    assert (seen.facts.disks != (), seen.facts.units) == (True, None), "its first process is not systemd: cannot see"
    assert set(words) <= set(log.read_text().split("\n"))


def test_a_client_that_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "sh").symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", str(tmp_path))
    [seen] = Hosts("hosts", HostsSettings(addresses=("docker://app-1",)), environment="lab").look()
    assert seen.failure is ProbeFailure.BROKEN
    assert "docker" in (seen.problem or "")
