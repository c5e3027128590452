"""A real Debian of the tests' own, booted with systemd as its first process; what it writes is gone when it stops.

Its root is made once (mmdebstrap, about two minutes) below the checkout's ``.cache`` and then only read.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]
ROOT = CHECKOUT / ".cache" / "systemd" / "root"
#: Asks to make the root where there is none.
VARIABLE = "MUSES_RUNBOOK_BOOT"
#: Where the booted host sees the checkout.
INSIDE = "/opt/muses"
_PYTHON = (3, 11)
_PACKAGES = "systemd,systemd-sysv,dbus,tzdata,python3"
_SOURCES = (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list"))
_PROGRAM = f"""#!/bin/sh
export PYTHONPATH={INSIDE}:{INSIDE}/.venv/lib/python3.11/site-packages PYTHONDONTWRITEBYTECODE=1
exec /usr/bin/python3 -c '
from runbook import cli
cli._COMMANDS.setdefault("schedule", ("runbook.commands.schedule", ""))
cli.main()' "$@"
"""


def reason_against() -> str | None:
    """Why no host can be booted here; None where it can."""
    if os.geteuid() != 0:
        return "booting a host needs root"
    if sys.version_info[:2] != _PYTHON:
        return "the host's Python is Debian 12's: the tests' own must be of the same version"
    if shutil.which("systemd-nspawn") is None:
        return "systemd-nspawn is not installed (package systemd-container)"
    if not ROOT.is_dir() and not os.environ.get(VARIABLE):
        return f"no root to boot in {ROOT.relative_to(CHECKOUT)}: made once, in two minutes, where {VARIABLE}=1"
    if not ROOT.is_dir() and shutil.which("mmdebstrap") is None:
        return "mmdebstrap is not installed"
    return None


class Host:
    """A booted host."""

    def __init__(self, leader: int) -> None:
        self._enter = ["nsenter", "-t", str(leader), "-m", "-u", "-i", "-n", "-p", "--", "/bin/sh", "-c"]

    def run(self, line: str) -> str:
        """What a line of the shell prints there, whatever its exit code."""
        return self.done(line).stdout

    def done(self, line: str) -> subprocess.CompletedProcess[str]:
        """The line run there as root."""
        variables = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "MUSES_RUNBOOK_LANG": "en"}
        return subprocess.run(
            [*self._enter, line], capture_output=True, text=True, timeout=60, check=False, env=variables
        )

    def write(self, file: str, content: str, mode: str = "644") -> None:
        """A file there."""
        line = f"mkdir -p {file.rpartition('/')[0]} && cat > {file} && chmod {mode} {file}"
        subprocess.run([*self._enter, line], input=content, text=True, check=True)

    def until(self, line: str, accept: Callable[[str], bool], patience: float = 30) -> str:
        """What the line prints once it is accepted."""
        ends = time.monotonic() + patience
        while not accept(printed := self.run(line).strip()):
            assert time.monotonic() < ends, f"{line}: {printed}\n{self.run('journalctl -n 40 --no-pager')}"
            time.sleep(0.05)
        return printed


@contextmanager
def booted(log: Path) -> Iterator[Host]:
    """A host, up and without a failed unit; its own network, the checkout read-only at ``INSIDE``."""
    _make_root()
    options = [
        f"--machine=muses-{os.getpid()}",
        f"--bind-ro={CHECKOUT}:{INSIDE}",
        "--register=no",
        "--keep-unit",
        "--private-network",
        "--volatile=overlay",
        "--console=read-only",
    ]
    with log.open("wb") as console:
        nspawn = subprocess.Popen(
            ["systemd-nspawn", "-q", "-D", ROOT, *options, "--boot"],
            stdin=subprocess.DEVNULL, stdout=console, stderr=console,
        )  # fmt: skip
        try:
            host = Host(_leader(nspawn, log))
            host.until("systemctl is-system-running", lambda state: state == "running")
            host.write("/usr/local/bin/muses-runbook", _PROGRAM, "755")
            yield host
            host.run("systemctl poweroff")
            nspawn.wait(30)
        finally:
            if nspawn.poll() is None:
                nspawn.terminate()
                nspawn.wait(30)


def _leader(nspawn: subprocess.Popen[bytes], log: Path) -> int:
    ends = time.monotonic() + 30
    children = Path(f"/proc/{nspawn.pid}/task/{nspawn.pid}/children")
    while nspawn.poll() is None and time.monotonic() < ends:
        for child in children.read_text().split():
            if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                return int(child)
        time.sleep(0.02)
    raise AssertionError(log.read_text(errors="replace"))


def _make_root() -> None:
    """By the package sources of this machine; whole or not at all."""
    if ROOT.is_dir():
        return
    ROOT.parent.mkdir(parents=True, exist_ok=True)
    made = ROOT.with_name("root.new")
    shutil.rmtree(made, ignore_errors=True)
    sources = next(file for file in _SOURCES if file.is_file())
    with sources.open("rb") as stream:
        words = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={_PACKAGES}", "bookworm", made, "-"]
        subprocess.run(words, stdin=stream, check=True, capture_output=True)
    made.rename(ROOT)
