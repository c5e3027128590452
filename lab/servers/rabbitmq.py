"""RabbitMQ with the virtual host ``muses``, its users and the management API.

Erlang is called directly: the packaged scripts insist on fixed folders and users and leave an ``epmd`` behind that
listens everywhere. Called so, the server needs no ``epmd``, no root, and runs from a tree that was only unpacked.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import shutil
import socket
from pathlib import Path

from lab.commands import Command
from lab.errors import LabError
from lab.installed import RABBITMQ
from lab.place import BROKER_USERS, VHOST, Place
from lab.ports import LOOPBACK
from lab.supervision import await_

NAME = "rabbitmq"
TITLE = "RabbitMQ"

_NODE = "rabbit@localhost"
_SERVER, _ERLANG = "lib/rabbitmq/lib/rabbitmq_server-*", "lib/erlang/erts-*"
_PLUGINS = ("rabbitmq_management", "rabbitmq_management_agent", "rabbitmq_web_dispatch", "rabbitmq_prelaunch")
# Samples each second for two minutes: growth must show within seconds. The hour stays at five seconds.
_CONFIGURATION = """
listeners.tcp.default = {host}:{amqp}
management.tcp.ip = {host}
management.tcp.port = {management}
load_definitions = {definitions}
collect_statistics_interval = 1000
management.sample_retention_policies.global.120 = 1
management.sample_retention_policies.global.hour = 5
management.sample_retention_policies.basic.120 = 1
management.sample_retention_policies.basic.hour = 5
management.sample_retention_policies.detailed.120 = 1
log.console = true
log.console.level = info
log.file = false
"""
_TAGS = {"muses_app": [], "muses_reader": ["monitoring"], "muses_operator": ["monitoring", "policymaker"]}
_NOTHING, _EVERYTHING = "^$", ".*"
#: By the default exchange a message is put into a queue by its name: that is how dead letters go back.
_OURS = r"^(muses\..*|amq\.default)$"
# Reading the management API and declaring passively need no right on any queue.
_RIGHTS = {"muses_app": _EVERYTHING, "muses_reader": _NOTHING, "muses_operator": _OURS}
_ABSENT = (
    "no hay RabbitMQ en {root}: instálelo con «apt-get install rabbitmq-server»; sin ser root, desempaque los paquetes "
    "con «apt-get download …; dpkg -x … CARPETA» y diga " + RABBITMQ + "=CARPETA"
)


def prepare(place: Place) -> None:
    """Write the configuration, the users and the plugins. Raises LabError where RabbitMQ is not installed."""
    home = _home(place)
    home.mkdir(mode=0o700, exist_ok=True)
    _link_plugins(_newest(place, _SERVER) / "plugins", home / "plugins")
    definitions = home / "definitions.json"
    definitions.write_text(json.dumps(_definitions(place)))
    (home / "enabled_plugins").write_text("[rabbitmq_management].\n")
    ports = {"amqp": place.ports.amqp, "management": place.ports.management}
    (home / "rabbitmq.conf").write_text(_CONFIGURATION.format(host=LOOPBACK, definitions=definitions, **ports))


def program(place: Place) -> Command:
    """The server in the foreground. It is given two seconds to end: by then all is stored, the rest is waiting."""
    erlang = _newest(place, _ERLANG)
    node = ("-sname", _NODE, "-start_epmd", "false", "-erl_epmd_port", str(place.ports.distribution))
    listen = ("-kernel", "inet_dist_use_interface", "{127,0,0,1}", "prevent_overlapping_partitions", "false")
    boot = ("-boot", "start_sasl", "-s", "rabbit", "boot", "-noinput", "-shutdown_time", "2000")
    logging = ("-syslog", "logger", "[]", "syslog_error_logger", "false")
    emulator = ("+W", "w", "+B", "i", "+S", "2:2", *("+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none"))
    return Command(
        NAME,
        (str(erlang / "bin" / "erlexec"), *boot, *emulator, *node, *listen, *logging),
        _environment(place, erlang),
    )


def await_ready(place: Place, deadline: float) -> None:
    """Wait until it speaks AMQP, which it does last of all."""

    def speaks() -> bool:
        try:
            with socket.create_connection((LOOPBACK, place.ports.amqp), timeout=1) as connection:
                connection.sendall(b"AMQP\0\0\x09\x01")
                return connection.recv(1) == b"\x01"
        except OSError:
            return False

    await_(place, TITLE, speaks, deadline, NAME)


def furnish(place: Place) -> None:
    """The queues; those that stand stay as they are."""
    from lab.topology import declare

    declare(place)


#: Every minute the server starts an Erlang of its own to see to epmd, and that one would leave an epmd behind which
#: listens everywhere: these flags reach it by the environment.
_NO_EPMD = "-start_epmd false -kernel inet_dist_use_interface {127,0,0,1}"


def _link_plugins(installed: Path, linked: Path) -> None:
    """Only the plugins that are used, and all libraries: the server looks through all there are, 2 s longer."""
    shutil.rmtree(linked, ignore_errors=True)
    linked.mkdir()
    for library in installed.iterdir():
        name = library.name.partition("-")[0]
        if name in _PLUGINS or not name.startswith("rabbitmq_"):
            (linked / library.name).symlink_to(library)


def _environment(place: Place, erlang: Path) -> dict[str, str]:
    server, home = _newest(place, _SERVER), _home(place)
    emulator = {"ROOTDIR": erlang.parent, "BINDIR": erlang / "bin", "EMU": "beam", "PROGNAME": "erl"}
    files = {
        "CONFIG_FILE": home / "rabbitmq.conf",
        "ENABLED_PLUGINS_FILE": home / "enabled_plugins",
        "CONF_ENV_FILE": "/dev/null",
        "MNESIA_BASE": home / "data",
        "LOG_BASE": home / "log",
        "PLUGINS_DIR": home / "plugins",
        "HOME": server,
    }
    names = {"NODENAME": _NODE, "LOGS": "-"}
    rabbit = {f"RABBITMQ_{name}": value for name, value in {**files, **names}.items()}
    own = {"HOME": home, "ERL_LIBS": home / "plugins", "ERL_AFLAGS": _NO_EPMD}
    return {name: str(value) for name, value in {**emulator, **rabbit, **own}.items()}


def _definitions(place: Place) -> dict[str, object]:
    return {
        "vhosts": [{"name": VHOST}],
        "users": [_user(name, place.broker_password(name)) for name in BROKER_USERS],
        "permissions": [
            {"user": name, "vhost": VHOST, "configure": what, "write": what, "read": what}
            for name, what in _RIGHTS.items()
        ],
    }


def _user(name: str, password: str) -> dict[str, object]:
    """RabbitMQ keeps a password as base64 of a 4-byte salt and the SHA-256 of salt and password."""
    salt = secrets.token_bytes(4)
    hashed = base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()
    algorithm = "rabbit_password_hashing_sha256"
    return {"name": name, "password_hash": hashed, "hashing_algorithm": algorithm, "tags": _TAGS[name]}


def _newest(place: Place, pattern: str) -> Path:
    found = sorted((place.rabbitmq / "usr").glob(pattern))
    if not found:
        raise LabError(_ABSENT.format(root=place.rabbitmq))
    return found[-1]


def _home(place: Place) -> Path:
    return place.home / "rabbitmq"
