"""One command on one host, through testinfra, that ends in its time.

testinfra waits for its command for ever. Here the command's whole process group is killed at the deadline: ssh's own
time-outs cover neither a server that greets and then falls silent nor a command that hangs.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shlex
import signal
import socket
import stat
import subprocess
import tempfile
import threading
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from runbook.errors import ProbeError, ProbeFailure
from runbook.settings import HostsSettings
from runbook.settings.hosts import host_name
from runbook.targets.network import unreachable
from runbook.text import Text, text

__all__ = ["PATIENCE", "Ran", "host_name", "ran", "run", "shown"]

#: Seconds that the login and the command may take together.
PATIENCE = 3.5
#: Seconds that looking after the reason of a failed login may take.
SECOND_LOOK = 1.0
_SSH = ("ssh", "safe-ssh")
_SSH_FAILED = 255
_LONGEST_FOLDER = 49  # a socket's path has 108 bytes, of which ssh wants 58


class Ran(NamedTuple):
    """What a command printed, and what it complained of."""

    printed: str
    problems: str

    def without_sense(self, where: str) -> Text:
        """Words for an answer that tells nothing."""
        reason = self.problems.rpartition("\n")[2] or self.printed[-200:] or "nothing was printed"
        return text("{address} does not tell its facts whole ({reason})", address=where, reason=reason)


def run(target: str, address: str, settings: HostsSettings, command: str) -> str:
    """What the command prints; its exit code is not looked at. Raises ProbeError naming the address."""
    return ran(target, address, settings, command).printed


def ran(target: str, address: str, settings: HostsSettings, command: str) -> Ran:
    """The same with what it complained of. Raises ProbeError naming the address."""
    try:
        backend = _backend(address, settings)
        backend.run_local = partial(_run_in_time, backend)
        result = backend.run(command)
        return Ran(_text(result.stdout_bytes), _text(result.stderr_bytes))
    except subprocess.TimeoutExpired as error:
        raise unreachable(target, shown(address), TimeoutError()) from error
    except RuntimeError as error:
        raise _not_reached(target, address, settings, error) from error
    except OSError as error:
        raise unreachable(target, shown(address), error) from error


def shown(address: str) -> str:
    """The address without user, password and options."""
    kind, _, rest = address.partition("://")
    return f"{kind}://{host_name(address)}" if rest else address


def _backend(address: str, settings: HostsSettings) -> Any:
    """The host's backend. Raises RuntimeError for a way to hosts that testinfra does not know."""
    import testinfra
    from testinfra.backend import parse_hostspec

    host, options = parse_hostspec(address)
    if options.get("connection") in _SSH:
        options["ssh_extra_args"] = _ssh_options(settings)
        options["ssh_config"] = str(_enforcing(options.get("ssh_config") or settings.ssh_config))
        if settings.ssh_identity_file is not None:
            options.setdefault("ssh_identity_file", str(settings.ssh_identity_file))
    return testinfra.get_host(host, **options).backend


def _ssh_options(settings: HostsSettings) -> str:
    """Go through the connection of the last command where it is open, and through the jump host where there is one."""
    folder = str(_own_folder())
    shared = {"ControlMaster": "auto", "ControlPersist": "60s", "ControlPath": f"{folder}/%C"}
    alone = {"ControlMaster": "no", "ControlPath": "none"}
    options = {
        "ConnectTimeout": str(round(PATIENCE)),
        **(shared if len(folder) <= _LONGEST_FOLDER else alone),
        **({"ProxyJump": settings.jump_host} if settings.jump_host else {}),
    }
    return " ".join(f"-o {name}={shlex.quote(value)}" for name, value in options.items())


def _enforcing(given: Path | str | None) -> Path:
    """A configuration that never asks and never trusts an unknown host, whatever the one it includes says.

    A file and not options, because ssh hands only its file on to the ssh that goes to a jump host.
    """
    files = (Path.home() / ".ssh/config", Path("/etc/ssh/ssh_config")) if given is None else (Path(given).absolute(),)
    included = "".join(f'Match all\nInclude "{file}"\n' for file in files)
    content = f"BatchMode yes\nStrictHostKeyChecking yes\n{included}"
    file = _own_folder() / f"{hashlib.sha256(content.encode()).hexdigest()[:16]}.conf"
    if not file.exists():
        new = file.with_suffix(f".{os.getpid()}.{threading.get_ident()}")
        new.write_text(content)
        new.replace(file)
    return file


def _own_folder() -> Path:
    """A folder for open connections and for what ssh reads: whoever may write there may speak in our name."""
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    folder = base / f"muses-runbook-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    known = folder.lstat()
    if not stat.S_ISDIR(known.st_mode) or known.st_uid != os.getuid() or known.st_mode & 0o077:
        raise PermissionError(1, f"{folder} is not ours alone")
    return folder


def _run_in_time(backend: Any, command: str, *args: str) -> Any:
    """What testinfra's ``run_local`` does, with an end. Raises subprocess.TimeoutExpired."""
    line = backend.encode(backend.quote(command, *args))
    process = subprocess.Popen(
        ("/bin/sh", "-c", line),  # testinfra has quoted what is not ours
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        out, problems = process.communicate(timeout=PATIENCE)
    finally:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    return backend.result(process.returncode, line, out, problems)


def _not_reached(target: str, address: str, settings: HostsSettings, error: RuntimeError) -> ProbeError:
    """ssh says 255 for whatever goes wrong before the command; a look at its port tells the kinds apart."""
    result: Any = error.args[0] if error.args else None
    if getattr(result, "exit_status", None) != _SSH_FAILED:
        said = text("{address} is no address of a host ({reason})", address=shown(address), reason=str(error))
        return ProbeError(target, ProbeFailure.BROKEN, said)
    try:
        _greeted(address, settings)
    except OSError as refusal:
        return unreachable(target, shown(address), refusal)
    last = _text(result.stderr_bytes).rpartition("\n")[2]
    said = text("{address} did not let us in: {reason}", address=shown(address), reason=last)
    return ProbeError(target, ProbeFailure.DENIED, said)


def _greeted(address: str, settings: HostsSettings) -> None:
    """Raises OSError where nobody listens at the host's ssh port or nobody greets; says nothing behind a jump host."""
    host, port, jumps = _resolved(address, settings)
    if jumps:
        return
    with socket.create_connection((host, port), timeout=SECOND_LOOK) as connection:
        if not connection.recv(1):
            raise ConnectionResetError


def _resolved(address: str, settings: HostsSettings) -> tuple[str, int, bool]:
    """Name and port as ssh's configuration gives them, and whether it goes through another host."""
    spec = _backend(address, settings)
    config = ["-F", spec.ssh_config] if spec.ssh_config else []
    port = ["-p", spec.host.port] if spec.host.port else []
    argv = ["ssh", "-G", *config, *port, "--", spec.host.name]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=SECOND_LOOK, check=False)
    told = dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)
    jumps = {"proxyjump", "proxycommand"} & told.keys()
    return told.get("hostname", spec.host.name), int(told.get("port", 22)), bool(jumps or settings.jump_host)


def _text(printed: bytes) -> str:
    """Without testinfra's decoding, which asks the host for its encoding."""
    return printed.decode(errors="replace").strip()
