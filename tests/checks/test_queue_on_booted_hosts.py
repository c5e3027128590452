"""``check QUEUE-01 --fix`` on a running lab whose replicas are template units of two booted hosts, over real SSH.

Everything is real: the lab's queue grows, the hosts' units consume it over the network, the row proves the fix.
"""

from __future__ import annotations

import base64
import io
import json
import socket
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pika
import pytest

from lab.incidents import BREAKAGES, queue
from lab.place import Place
from lab.services import PROCESSING
from lab.topology import QUEUE
from runbook.model import Outcome, Proof, Proven
from tests.booted_hosts import BootedHost
from tests.checks.commands import OVERRIDE, breached, check, check_until, healthy, proofs, record_of, told
from tests.runbook.targets.workers.grounds import own_connections

pytestmark = pytest.mark.soak
CONSUMER = """import sys, pika
def taken(channel, method, properties, body):
    channel.basic_ack(method.delivery_tag)
parameters = pika.URLParameters(sys.argv[1])
parameters.client_properties = {"connection_name": sys.argv[2]}
channel = pika.BlockingConnection(parameters).channel()
channel.basic_qos(prefetch_count=20)
channel.basic_consume(sys.argv[3], taken)
channel.start_consuming()
"""
UNIT = """[Unit]
Description=Initial processing, replica %i
[Service]
Environment=PYTHONPATH=/opt/muses
ExecStart=/usr/bin/python3 /opt/muses/consume.py {url} %H:%p@%i {queue}
"""


@pytest.fixture
def lab(lab_place: Place, booted_hosts: tuple[BootedHost, ...]) -> Iterator[Place]:
    """The session's lab, in which the replicas of supervisor are down and the hosts can reach the queue."""
    check_until(lab_place, healthy)
    with reachable(booted_hosts[0], lab_place.ports.amqp) as (address, port):
        url = lab_place.amqp_url("muses_app").replace(f"127.0.0.1:{lab_place.ports.amqp}", f"{address}:{port}")
        for host in booted_hosts:
            host.write("/opt/muses/pika.b64", packed(Path(pika.__file__).parent))
            host.run("cd /opt/muses && base64 -d pika.b64 | tar xz")
            host.write("/opt/muses/consume.py", CONSUMER)
            unit = UNIT.format(url=url.replace("%", "%%"), queue=QUEUE)
            host.write(f"/etc/systemd/system/{PROCESSING}@.service", unit)
            host.run("systemctl daemon-reload")
        with own_connections():
            yield lab_place
        for host in booted_hosts:
            host.run(f"systemctl stop '{PROCESSING}@*.service'; rm -f /etc/systemd/system/{PROCESSING}@.service")
            host.run("systemctl daemon-reload")
    BREAKAGES["worker-down"].heal(lab_place)
    check_until(lab_place, healthy, within=120)


def test_what_is_down_on_the_hosts_is_started_there_and_proven(
    lab: Place, booted_hosts: tuple[BootedHost, ...]
) -> None:
    settings = overridden(booted_hosts)
    BREAKAGES["worker-down"].apply(lab)
    run = check_until(lab, lambda run: "QUEUE-01" in breached(run), within=60)
    assert proofs(record_of(run, "QUEUE-01"))["initial_processing_is_down"] is Proof.CONFIRMED
    treated = check(lab, "QUEUE-01", "--fix", **settings)
    record = record_of(treated, "QUEUE-01")
    assert [action.outcome for action in record.actions] == [Outcome.DONE], told(treated)
    assert record.actions[0].step.arguments["name"] == f"host1:{PROCESSING}@1"
    assert record.verification is not None
    assert record.verification.proven is Proven.FIXED, told(treated)
    assert queue.consumers(lab) == 1


def overridden(hosts: tuple[BootedHost, ...]) -> dict[str, str]:
    """The lab's site file with systemd on the hosts instead of supervisor."""
    addresses = json.dumps([host.address for host in hosts])
    words: dict[str, Any] = {
        "WORKERS__KIND": "systemd",
        "WORKERS__URL": "",
        "WORKERS__SYSTEMD__HOSTS": addresses,
        "HOSTS__SSH_CONFIG": str(hosts[0].ssh_config),
    }
    return {f"{OVERRIDE}{name}": value for name, value in words.items()}


def packed(folder: Path) -> str:
    """A package as a tar file in base64."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        tar.add(folder, folder.name, filter=lambda one: None if "__pycache__" in one.name else one)
    return base64.encodebytes(made.getvalue()).decode()


@contextmanager
def reachable(host: BootedHost, port: int) -> Iterator[tuple[str, int]]:
    """A port of this machine's end of the hosts' network that passes on to one of ours."""
    address = host.ip.rpartition(".")[0] + ".254"
    listener = socket.create_server((address, 0))

    def accept() -> None:
        with suppress(OSError):
            while True:
                outside, _ = listener.accept()
                inside = socket.create_connection(("127.0.0.1", port))
                for ends in ((outside, inside), (inside, outside)):
                    threading.Thread(target=pump, args=ends, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield address, listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def pump(source: socket.socket, sink: socket.socket) -> None:
    with source, suppress(OSError):
        while part := source.recv(65536):
            sink.sendall(part)
        sink.shutdown(socket.SHUT_RDWR)
