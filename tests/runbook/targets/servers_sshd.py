"""A real OpenSSH server of the tests' own, where there is one to be started."""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.runbook.targets.servers_network import free_port

#: Where it is when it is not in the PATH of a plain user.
PLACES = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
CONFIGURATION = """
Port {port}
ListenAddress 127.0.0.1
HostKey {home}/host-key
AuthorizedKeysFile {home}/authorized
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
"""
CLIENT = """
Host prueba
  HostName 127.0.0.1
  Port {port}
  User {user}
  IdentityFile {home}/key
  IdentitiesOnly yes
  UserKnownHostsFile {home}/known
"""


@dataclass(frozen=True)
class Sshd:
    """A server that lets us in by key as ``ssh://prueba`` of its client configuration."""

    home: Path
    port: int

    @property
    def config(self) -> Path:
        return self.home / "ssh_config"


@contextmanager
def sshd(home: Path) -> Iterator[Sshd]:
    """Start it; skips the test where OpenSSH's server is not installed or cannot be started by us."""
    program = shutil.which("sshd", path=PLACES)
    if program is None or not _may_start():
        pytest.skip("needs the server of OpenSSH (apt-get install openssh-server)")
    port = free_port()
    for name in ("host-key", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(home / name)], check=True)
    shutil.copy(home / "key.pub", home / "authorized")
    public = (home / "host-key.pub").read_text()
    (home / "known").write_text(f"[127.0.0.1]:{port} {public}")
    (home / "sshd_config").write_text(CONFIGURATION.format(home=home, port=port))
    (home / "ssh_config").write_text(CLIENT.format(home=home, port=port, user=getpass.getuser()))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    log = (home / "log").open("wb")
    process = subprocess.Popen([program, "-D", "-e", "-f", str(home / "sshd_config")], stdout=log, stderr=log)
    try:
        yield Sshd(home, port)
    finally:
        process.terminate()
        process.wait(10)
        log.close()


def _may_start() -> bool:
    if os.geteuid() != 0:
        return True
    with suppress(KeyError):
        return bool(pwd.getpwnam("sshd"))
    return False
