"""The programs of a lab as supervisor runs them, and its configuration file."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.place import Place

CHECKOUT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Command:
    """A program as the supervisor runs it: group ``name``, its output in ``logs/<name>….log``.

    ``%(replica)s`` in an argument stands for the replica's two digits; servers have one replica, started on demand.
    """

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    replicas: int | None = None
    stop_signal: str = "TERM"


def configuration(place: Place, commands: tuple[Command, ...]) -> str:
    """The supervisor's configuration: it starts nothing by itself and brings back what dies.

    Logs are named from the lab's folder, where it is started: it expands their names twice, so a ``%`` has no escape.
    """
    head = f"""[supervisord]
logfile=logs/supervisord.log
pidfile={_escaped(place.sockets)}/supervisord.pid
childlogdir=logs
identifier=muses-lab
{"user=root" if os.geteuid() == 0 else ""}

[unix_http_server]
file={_escaped(place.supervisor_socket)}
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""
    return "\n".join([head, *(_section(command) for command in commands)])


def _section(command: Command) -> str:
    replicated = command.replicas is not None
    log = f"logs/{command.name}{'-%(process_num)02d' if replicated else ''}.log"
    argv = _escaped(shlex.join(command.argv)).replace("%%(replica)s", "%(process_num)02d")
    return f"""[program:{command.name}]
command={argv}
process_name={"replica-%(process_num)02d" if replicated else command.name}
numprocs={command.replicas or 1}
numprocs_start=1
environment={",".join(f'{name}="{_escaped(value)}"' for name, value in command.environment.items())}
autostart=false
autorestart=true
startsecs=1
startretries=3
stopsignal={command.stop_signal}
stopwaitsecs=5
killasgroup=true
redirect_stderr=true
stdout_logfile={log}
stdout_logfile_maxbytes=20MB
stdout_logfile_backups=1
"""


def _escaped(words: object) -> str:
    return str(words).replace("%", "%%")
