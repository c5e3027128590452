"""Real Debian hosts of the tests' own, booted with systemd as their first process and reached over real SSH.

Their root is made once (debootstrap, under a minute) below the checkout's ``.cache`` and then only read: what a host
writes is gone when it stops. All of a session stand on one bridge of their own, which leads nowhere else.
"""

from __future__ import annotations

import fcntl
import functools
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
#: The root's name changes with what is in it: an older one is not used again.
ROOT = CHECKOUT / ".cache" / "systemd-hosts" / "root-1"
#: A user of the hosts without any right, who may log in with the same key as root.
PLAIN = "muses"
_PACKAGES = "systemd,systemd-sysv,dbus,openssh-server,python3,iproute2,procps,tzdata"
_PROGRAMS = {
    "debootstrap": "debootstrap",
    "systemd-nspawn": "systemd-container",
    "sshd": "openssh-server",
    "ip": "iproute2",
}
_SOURCES = (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list"))
_PLACES = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
_SUFFIX = re.compile(r"^(?:URIs:\s*|deb\s+(?:\[[^]]*\]\s*)?)(?P<mirror>https?://\S+)", re.MULTILINE)
#: What a boot need not wait for.
_MASKED = (
    "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service",
    "fstrim.timer", "getty.target", "console-getty.service", "systemd-update-utmp.service", "systemd-logind.service",
    "systemd-networkd-wait-online.service", "systemd-timesyncd.service", "ldconfig.service",
)  # fmt: skip
#: Where a machine keeps cgroups: each version by itself, or the first one's list of processes beside the second's.
_CGROUPS = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/systemd"), Path("/sys/fs/cgroup/unified"))
_JOIN = 'for group in $0; do echo $$ >"$group/cgroup.procs" || exit 1; done; exec "$@"'
_SERVER = """HostKey /etc/muses-host/host-key
AuthorizedKeysFile /etc/muses-host/authorized
StrictModes no
UseDNS no
UsePAM no
PasswordAuthentication no
MaxStartups 100
"""
_CLIENT = """
Host {name}
  HostName {ip}
  User root
  IdentityFile {home}/key
  IdentitiesOnly yes
  UserKnownHostsFile {home}/known
  GlobalKnownHostsFile /dev/null
"""


@functools.cache
def reason_against() -> str | None:
    """Why no host can be booted here; None where it can, as far as can be told without trying."""
    if os.geteuid() != 0:
        return "booting a host needs root"
    for program, package in _PROGRAMS.items():
        if shutil.which(program, path=_PLACES) is None:
            return f"{program} is not installed (apt-get install {package}, or tools/setup --tests)"
    if not ROOT.is_dir() and _mirror() is None:
        return "no package source of this machine to make a host's root from"
    return None


@dataclass(frozen=True)
class BootedHost:
    """A host that is up. ``ssh_config`` names all hosts of the session by ``name``, with a key and known host keys."""

    name: str
    ip: str
    ssh_config: Path
    pid: int = field(repr=False)

    @property
    def address(self) -> str:
        """testinfra's address, as root."""
        return f"ssh://{self.name}"

    @property
    def plain_address(self) -> str:
        """testinfra's address, as a user without any right."""
        return f"ssh://{PLAIN}@{self.name}"

    def run(self, line: str) -> str:
        """What a line of the shell prints there as root, whatever its exit code. Not over SSH."""
        return self.done(line).stdout

    def done(self, line: str) -> subprocess.CompletedProcess[str]:
        """The line run there as root. Not over SSH."""
        return self._done(line, None)

    def write(self, path: str, content: str, mode: str = "644") -> None:
        """A file there, whose folders are made."""
        done = self._done(f"mkdir -p {path.rpartition('/')[0]} && cat > {path} && chmod {mode} {path}", content)
        assert done.returncode == 0, done.stderr

    def until(self, line: str, accept: Callable[[str], bool], patience: float = 20) -> str:
        """What the line prints once it is accepted."""
        ends = time.monotonic() + patience
        while not accept(printed := self.run(line).strip()):
            assert time.monotonic() < ends, f"{line}: {printed}\n{self.run('journalctl -n 30 --no-pager')}"
            time.sleep(0.03)
        return printed

    def _done(self, line: str, given: str | None) -> subprocess.CompletedProcess[str]:
        enter = ["nsenter", "-t", str(self.pid), "-m", "-u", "-i", "-n", "-p", "--", "/bin/sh", "-c", line]
        variables = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
        source = {"stdin": subprocess.DEVNULL} if given is None else {"input": given}
        return subprocess.run(
            enter,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=variables,
            **source,  # type: ignore[call-overload,no-any-return]
        )


@pytest.fixture(scope="session")
def booted_hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[BootedHost, ...]]:
    """Two hosts, up and without a failed unit; who breaks one mends it."""
    if reason := reason_against():
        pytest.skip(reason)
    with booted(2, tmp_path_factory.mktemp("hosts")) as hosts:
        yield hosts


@contextmanager
def booted(count: int, home: Path) -> Iterator[tuple[BootedHost, ...]]:
    """So many hosts, booted at the same time. Skips the test where this machine can start none."""
    _make_root()
    for kind in ("key", *(f"{n}-key" for n in range(1, count + 1))):
        _call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(home / kind))
    with ExitStack() as stack:
        net = stack.enter_context(_bridge())
        started = [stack.enter_context(_started(n, net, home)) for n in range(1, count + 1)]
        hosts = tuple(_up(n, net, home, nspawn) for n, nspawn in enumerate(started, 1))
        for host in hosts:
            host.until("systemctl is-system-running", lambda state: state == "running")
            host.until("ss -Hltn sport = 22", bool)
        yield hosts


@dataclass(frozen=True)
class _Net:
    """A bridge and the first three numbers of its addresses; this machine is ``.254`` there."""

    name: str
    prefix: str


@contextmanager
def _bridge() -> Iterator[_Net]:
    """A network of our own: the process id keeps those of tests that run beside us apart."""
    pid = os.getpid()
    net = _Net(f"mh{pid}", f"10.{200 + pid // 256 % 50}.{pid % 256}")
    try:
        _call("ip", "link", "add", net.name, "type", "bridge")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this machine makes no bridge: {error.stderr.decode(errors='replace').strip()}")
    try:
        _call("ip", "addr", "add", f"{net.prefix}.254/24", "dev", net.name)
        _call("ip", "link", "set", net.name, "up")
        yield net
    finally:
        subprocess.run(["ip", "link", "del", net.name], check=False, capture_output=True)


@contextmanager
def _started(number: int, net: _Net, home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """nspawn of one host, whose boot has begun; ends with it."""
    inside = home / f"inside-{number}"
    inside.mkdir()
    shutil.copy(home / f"{number}-key", inside / "host-key")
    shutil.copy(home / "key.pub", inside / "authorized")
    options = [
        f"--machine={net.name}-{number}", f"--hostname=host{number}", f"--bind-ro={inside}:/etc/muses-host",
        "--register=no", "--keep-unit", "--private-network", "--read-only", "--volatile=overlay",
        "--console=read-only", "--boot",
    ]  # fmt: skip
    with (home / f"console-{number}").open("wb") as console, _cgroups(f"{net.name}-{number}") as groups:
        nspawn = subprocess.Popen(
            ["/bin/sh", "-c", _JOIN, groups, "systemd-nspawn", "-q", "-D", ROOT, *options],
            stdin=subprocess.DEVNULL, stdout=console, stderr=console,
        )  # fmt: skip
        try:
            yield nspawn
        finally:
            _end(nspawn)


@contextmanager
def _cgroups(name: str) -> Iterator[str]:
    """Cgroups of a host's own: two that began in the same one would take each other's services away."""
    bases = [base for base in _CGROUPS if (base / "cgroup.procs").is_file()]
    made = [base / name for base in bases]
    for folder in made:
        folder.mkdir(exist_ok=True)
    try:
        yield " ".join(map(str, made))
    finally:
        ends = time.monotonic() + 5
        while made := [folder for folder in made if not _gone(folder)]:
            assert time.monotonic() < ends, f"{made} are still in use"
            time.sleep(0.02)


def _gone(folder: Path) -> bool:
    """Take a cgroup away with all below it; whether it is."""
    for inner in sorted(folder.rglob("*/"), reverse=True):
        with suppress(OSError):
            inner.rmdir()
    with suppress(OSError):
        folder.rmdir()
    return not folder.exists()


def _end(nspawn: subprocess.Popen[bytes]) -> None:
    """Nothing of a host outlives it, so it need not shut down: its first process is killed, and all with it."""
    with suppress(OSError, ValueError, IndexError):
        for child in Path(f"/proc/{nspawn.pid}/task/{nspawn.pid}/children").read_text().split():
            os.kill(int(child), 9)
    try:
        nspawn.wait(5)
    except subprocess.TimeoutExpired:
        nspawn.kill()
        nspawn.wait(10)


def _up(number: int, net: _Net, home: Path, nspawn: subprocess.Popen[bytes]) -> BootedHost:
    """The host on the network, and known to the client."""
    pid = _leader(nspawn, home / f"console-{number}")
    name, ip, end = f"host{number}", f"{net.prefix}.{number}", f"{net.name}p{number}"
    _call("ip", "link", "add", end, "type", "veth", "peer", "name", "eth0", "netns", str(pid))
    _call("ip", "link", "set", end, "master", net.name, "up")
    inside = f"ip addr add {ip}/24 dev eth0; ip link set eth0 up; ip link set lo up"
    _call("nsenter", "-t", str(pid), "-n", "--", "/bin/sh", "-c", inside)
    with (home / "known").open("a") as known:
        known.write(f"{ip} {(home / f'{number}-key.pub').read_text()}")
    with (home / "ssh_config").open("a") as config:
        config.write(_CLIENT.format(name=name, ip=ip, home=home))
    return BootedHost(name, ip, home / "ssh_config", pid)


def _leader(nspawn: subprocess.Popen[bytes], log: Path) -> int:
    """The host's first process, once it is systemd."""
    ends = time.monotonic() + 20
    children = Path(f"/proc/{nspawn.pid}/task/{nspawn.pid}/children")
    while nspawn.poll() is None and time.monotonic() < ends:
        with suppress(OSError):
            for child in children.read_text().split():
                if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                    return int(child)
        time.sleep(0.02)
    said = log.read_text(errors="replace").strip()
    pytest.skip(f"this machine boots no host: {said[-300:]}")


def _make_root() -> None:
    """From this machine's own package source; whole or not at all, and once however many ask at the same time."""
    ROOT.parent.mkdir(parents=True, exist_ok=True)
    with (ROOT.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if ROOT.is_dir():
            return
        made = ROOT.with_name("being-made")
        shutil.rmtree(made, ignore_errors=True)
        try:
            _bootstrap(made)
        except subprocess.CalledProcessError as error:
            shutil.rmtree(made, ignore_errors=True)
            pytest.skip(f"no root for a host: {(error.stderr or error.stdout).decode(errors='replace').strip()[-300:]}")
        made.rename(ROOT)


def _bootstrap(made: Path) -> None:
    mirror = _mirror()
    assert mirror is not None
    _call("debootstrap", "--variant=minbase", f"--include={_PACKAGES}", _suite(), str(made), mirror)
    (made / "etc/ssh/sshd_config.d/muses.conf").write_text(_SERVER)
    (made / "etc/muses-host").mkdir()
    _call("chroot", str(made), "useradd", "--create-home", "--shell", "/bin/sh", PLAIN)
    _call("chroot", str(made), "usermod", "--password", "*", PLAIN)
    _call("chroot", str(made), "systemctl", "mask", *_MASKED)
    shutil.rmtree(made / "var/cache/apt")
    for file in ("etc/hostname", "etc/machine-id", "var/lib/dbus/machine-id"):
        (made / file).unlink(missing_ok=True)


def _mirror() -> str | None:
    """Where this machine's own packages come from."""
    for source in filter(Path.is_file, _SOURCES):
        if found := _SUFFIX.search(source.read_text()):
            return found["mirror"]
    return None


def _suite() -> str:
    told = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    return told.get("VERSION_CODENAME", "bookworm").strip('"')


def _call(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, env={**os.environ, "PATH": _PLACES})
