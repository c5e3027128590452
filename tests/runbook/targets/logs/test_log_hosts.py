"""Logs of hosts over real SSH, and their journals: real Debian hosts that the tests boot, skipped where none can be."""

from __future__ import annotations

import base64
import gzip
import lzma
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runbook.errors import ProbeError, ProbeFailure
from runbook.settings import HostsSettings, Size
from runbook.settings.log_sources import HostFiles
from runbook.targets.logs.asking import Asked
from runbook.targets.logs.host_files import Found, listing, pieces_of, quoted
from runbook.targets.logs.logs import Logs
from tests.booted_hosts import PLAIN, BootedHost
from tests.runbook.targets.logs.saying import SERVICE, line, logs

FOLDER = "/var/log/muses/mi carpeta; touch tonto"


@pytest.fixture(scope="module", autouse=True)
def runtime() -> Iterator[None]:
    """A private folder for ssh's open connections; they are closed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="m-", dir="/tmp"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        yield
    for control in filter(Path.is_socket, folder.rglob("*")):
        subprocess.run(["ssh", "-O", "exit", "-S", str(control), "x"], capture_output=True, check=False)
    shutil.rmtree(folder)


def put(host: BootedHost, name: str, content: bytes) -> None:
    """A file in the folder, whose name no shell should see unquoted."""
    path = shlex.quote(f"{FOLDER}/{name}")
    host.run(f"mkdir -p {shlex.quote(FOLDER)}; echo {base64.b64encode(content).decode()} | base64 -d > {path}")


@pytest.fixture(scope="module")
def writing(booted_hosts: tuple[BootedHost, ...]) -> Iterator[tuple[BootedHost, ...]]:
    """Both hosts with logs of two replicas each, two of them rotated and compressed, and one that is root's alone."""
    before = (line("Falló antes", age=60) + "\n").encode()
    for host in booted_hosts:
        put(host, "proc-01.log", (line(f"Falló en {host.name}", age=5) + "\n").encode())
        put(host, "proc-02.log", (line("Procesados 3", age=4, level="INFO") + "\n").encode())
        put(host, "proc-01.log.1.gz", gzip.compress(before))
        put(host, "proc-01.log-20261124.gz", gzip.compress(before))
        put(host, "cerrado.txt", b"nada")
        host.run(f"chmod 600 {shlex.quote(FOLDER)}/cerrado.txt")
    yield booted_hosts
    for host in booted_hosts:
        host.run(f"rm -rf {shlex.quote(FOLDER)}")


def settings(hosts: tuple[BootedHost, ...]) -> HostsSettings:
    return HostsSettings(addresses=(hosts[0].address,), ssh_config=hosts[0].ssh_config)


def on(hosts: tuple[BootedHost, ...], pattern: str, user: str = "") -> Logs:
    addresses = (f"ssh://{user}{host.name}{FOLDER.replace(' ', '%20')}/{pattern}" for host in hosts)
    return logs(*addresses, hosts=settings(hosts))


class TestFiles:
    def test_all_replicas_of_all_hosts_with_what_was_rotated(self, writing: tuple[BootedHost, ...]) -> None:
        first, second = (host.name for host in writing)
        found = on(writing, "proc-*.log").errors(SERVICE)
        assert (found.lines, found.whole, found.unseen) == (8, True, ())
        assert {g.shape: g.by_replica for g in found.groups} == {
            "Falló antes": {f"{first}:proc-01": 2, f"{second}:proc-01": 2},
            f"Falló en {first}": {f"{first}:proc-01": 1},
            f"Falló en {second}": {f"{second}:proc-01": 1},
        }
        assert "tonto" not in writing[0].run("ls /root / ~")

    @pytest.mark.parametrize(
        ("pattern", "user", "kind"),
        [("nada-*.log", "", ProbeFailure.ABSENT), ("cerrado.txt", f"{PLAIN}@", ProbeFailure.DENIED)],
    )
    def test_what_cannot_be_read_is_told(
        self, writing: tuple[BootedHost, ...], pattern: str, user: str, kind: ProbeFailure
    ) -> None:
        with pytest.raises(ProbeError, match=r"environments\.lab\.logs") as caught:
            on(writing[:1], pattern, user).errors(SERVICE)
        assert caught.value.kind is kind

    def test_what_the_host_cannot_unpack_is_missing_and_told(self, writing: tuple[BootedHost, ...]) -> None:
        put(writing[0], "solo.log", (line("Falló", age=5) + "\n").encode())
        put(writing[0], "solo.log.1.xz", lzma.compress((line("Falló", age=60) + "\n").encode()))
        address = f"ssh://{writing[0].name}{FOLDER.replace(' ', '%20')}/solo.log"
        found = logs(address, hosts=settings(writing)).errors(SERVICE)
        able = bool(writing[0].run("command -v xz"))
        assert (found.errors, found.whole) == ((2, True) if able else (1, False))

    def test_bytes_are_bounded(self, writing: tuple[BootedHost, ...]) -> None:
        many = "\n".join(line("Falló", age=200 - n / 10) for n in range(400))
        put(writing[0], "largo.log", (many + "\n").encode())
        address = f"ssh://{writing[0].name}{FOLDER.replace(' ', '%20')}/largo.log"
        found = logs(address, hosts=settings(writing), max_bytes=Size(10_000)).errors(SERVICE)
        assert not found.whole
        assert 40 < found.errors < 80

    def test_one_host_that_is_gone_hides_nothing_of_the_other(self, writing: tuple[BootedHost, ...]) -> None:
        address = f"ssh://{writing[0].name}{FOLDER.replace(' ', '%20')}/proc-*.log"
        found = logs(address, "ssh://nadie.invalid/x.log", hosts=settings(writing)).errors(SERVICE)
        assert found.errors
        assert len(found.unseen) == 1


class TestJournal:
    @pytest.fixture
    def unit(self, booted_hosts: tuple[BootedHost, ...]) -> str:
        """Two replicas of a template unit that log JSON, text, a traceback and an error of the journal's own."""
        host = booted_hosts[0]
        if host.run("test -e /run/proc.sh && echo there"):
            return "proc@*.service"
        host.write("/run/systemd/system/proc@.service", "[Service]\nType=oneshot\nExecStart=/bin/sh /run/proc.sh %i\n")
        host.write("/run/proc.sh", _script())
        host.run("systemctl daemon-reload; systemctl start proc@1 proc@2; journalctl --sync")
        return "proc@*.service"

    def test_units_are_replicas(self, booted_hosts: tuple[BootedHost, ...], unit: str) -> None:
        name = booted_hosts[0].name
        found = logs(f"journald://{name}?unit={unit}", hosts=settings(booted_hosts)).errors(SERVICE)
        assert found.whole
        assert {g.shape: (g.by_replica, g.kind) for g in found.groups} == {
            "Falló el intento": ({f"{name}:proc@1": 1, f"{name}:proc@2": 1}, "other"),
            "psycopg.OperationalError: connection refused": ({f"{name}:proc@1": 1, f"{name}:proc@2": 1}, "database"),
            "se acabó": ({f"{name}:proc@1": 1, f"{name}:proc@2": 1}, "other"),
        }

    def test_a_reader_who_may_not_see_it_is_blind(self, booted_hosts: tuple[BootedHost, ...], unit: str) -> None:
        address = f"journald://{PLAIN}@{booted_hosts[0].name}?unit={unit}"
        with pytest.raises(ProbeError, match="usermod -aG systemd-journal") as caught:
            logs(address, hosts=settings(booted_hosts)).errors(SERVICE)
        assert caught.value.kind is ProbeFailure.DENIED

    def test_silence_and_a_wrong_name_are_told_apart(self, booted_hosts: tuple[BootedHost, ...], unit: str) -> None:
        address = f"journald://{booted_hosts[0].name}?unit="
        silent = logs(address + "ssh", hosts=settings(booted_hosts), window=timedelta(microseconds=1))
        assert silent.errors(SERVICE).lines == 0
        with pytest.raises(ProbeError, match=r"no unit nadie@\*\.service") as caught:
            logs(address + "nadie@*.service", hosts=settings(booted_hosts)).errors(SERVICE)
        assert caught.value.kind is ProbeFailure.ABSENT
        assert unit

    def test_messages_are_bounded(self, booted_hosts: tuple[BootedHost, ...], unit: str) -> None:
        address = f"journald://{booted_hosts[0].name}?unit={unit}"
        found = logs(address, hosts=settings(booted_hosts), max_bytes=Size(2000)).errors(SERVICE)
        assert not found.whole


def _script() -> str:
    at = "$(date -u +%Y-%m-%dT%H:%M:%S.%3NZ)"
    said = f'{{\\"timestamp\\": \\"{at}\\", \\"level\\": \\"ERROR\\", \\"message\\": \\"Falló el intento\\"}}'
    rest = ("Traceback (most recent call last):", '  File \\"w.py\\"', "psycopg.OperationalError: connection refused")
    return "\n".join(f'echo "{one}"' for one in (said, *rest, "<3>se acabó", "nada especial"))


def asked(since: datetime) -> Asked:
    target = logs("/x")
    return Asked("logs", "s", since, datetime.now(UTC), 1000, target._settings, HostsSettings(addresses=("ssh://u@a",)))


class TestPure:
    def test_only_a_pattern_is_left_to_the_shell(self) -> None:
        assert quoted("/var/$(reboot)/a b;*.[0-9]?.log") == "'/var/$(reboot)/a b;'*'.'[0-9]?.log".replace("'.'", ".")
        assert "'/tmp/x; rm'" in listing("/tmp/x; rm/*.log")

    def test_no_more_than_needed_is_brought(self) -> None:
        now = datetime.now(UTC)
        files = [Found(f"/a.log{n}", 400, now - timedelta(minutes=age)) for n, age in (("", 0), (".1", 1), (".2", 2))]
        assert [p.most for p in pieces_of(files, now - timedelta(minutes=5), 700)] == [700, 300]
        assert [p.most for p in pieces_of(files, now - timedelta(seconds=90), 9000)] == [9000, 8600]

    def test_hosts_of_the_settings_are_known_by_name(self) -> None:
        one = asked(datetime.now(UTC))
        assert [one.host(name) for name in ("a", "b", "")] == ["ssh://u@a", "ssh://b", "local://"]
        assert HostFiles("a", "/x").pattern == "/x"


def test_files_of_this_machine_through_its_shell(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(line("Falló", age=5) + "\n")
    (tmp_path / "a.log.1.gz").write_bytes(gzip.compress((line("Falló", age=9) + "\n").encode()))
    local = HostsSettings(addresses=("local://",))
    [group] = logs(f"ssh://local{tmp_path}/*.log", hosts=local).errors(SERVICE).groups
    assert group.by_replica == {"local:a": 2}
