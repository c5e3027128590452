"""A daemon that keeps a Swarm's services and a Compose project's containers and answers as Docker's Engine API does.

There is no Docker here: this is a real HTTP server, on a Unix socket and on TCP, that holds to the API's documentation
(1.44: paths, filters, version index, states, statuses) as far as replicas need it. It has never seen a container.
"""

from __future__ import annotations

import json
import re
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

SERVICE = "servicio-procesamiento-inicial"
PROJECT = "muses"
_LABEL = "com.docker.compose."


class Daemon:
    """What the daemon keeps; each look at the tasks brings them one step nearer to what is asked for."""

    def __init__(self) -> None:
        self.guard = threading.RLock()
        self.reset()

    def reset(self) -> None:
        with self.guard:
            self.requests: list[str] = []
            self.answers: dict[str, tuple[int, dict[str, str]]] = {}
            self.swarm, self.never_ready, self.meddles = True, False, False
            self.fewest = 99
            self.tasks: list[dict[str, Any]] = []
            self.service: dict[str, Any] = {
                "ID": "s1d",
                "Version": {"Index": 100},
                "Spec": {
                    "Name": SERVICE,
                    "Labels": {"com.docker.stack.namespace": "muses"},
                    "TaskTemplate": {"ContainerSpec": {"Image": "muses/spi:1"}, "ForceUpdate": 0},
                    "Mode": {"Replicated": {"Replicas": 2}},
                    "EndpointSpec": {"Mode": "vip"},
                },
            }
            for slot in (1, 2):
                self._task(slot, "running")
            self.containers = {f"c{n}": _container(n, running=n <= 2) for n in range(1, 6)}
            self.containers["once"] = _container(9, running=True, oneoff=True)

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        with self.guard:
            self.requests.append(f"{method} {path}")
            for pattern, given in self.answers.items():
                if re.search(pattern, f"{method} {path}"):
                    return given
            if path == "/version":
                return 200, {"ApiVersion": "1.44", "MinAPIVersion": "1.24", "Version": "25.0.5"}
            if not path.startswith("/v1.44/"):
                return 400, {"message": "client version is not supported"}
            return self._routed(method, path.removeprefix("/v1.44"), query, body)

    def _routed(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        filters = json.loads(query.get("filters", "{}"))
        if path.startswith(("/services", "/tasks")) and not self.swarm:
            return 503, {"message": 'This node is not a swarm manager. Use "docker swarm init" to connect this node'}
        if (method, path) == ("GET", "/services"):
            name = self.service["Spec"]["Name"]
            other = {**self.service, "ID": "other", "Spec": {**self.service["Spec"], "Name": f"{SERVICE}-viejo"}}
            found = [s for s in (other, self.service) if any(s["Spec"]["Name"].startswith(n) for n in filters["name"])]
            assert name
            return 200, found
        if (method, path) == ("GET", "/tasks"):
            self._step()
            return 200, [t for t in self.tasks if t["ServiceID"] in filters["service"]]
        if (method, path) == ("POST", "/services/s1d/update"):
            return self._update(query, body)
        if (method, path) == ("GET", "/containers/json"):
            label = f"{_LABEL}project={PROJECT}"
            found = self.containers.values() if label in filters["label"] and query.get("all") else []
            return 200, [{"Id": c["Id"], "Names": [c["Name"]], "Labels": c["Config"]["Labels"]} for c in found]
        if at := re.fullmatch(r"/containers/([^/]+)/(json|start|stop)", path):
            return self._container(method, unquote(at[1]), at[2])
        return 404, {"message": "page not found"}

    def _update(self, query: dict[str, str], body: Any) -> tuple[int, Any]:
        if self.meddles:
            self.service["Version"]["Index"] += 1
        if int(query["version"]) != self.service["Version"]["Index"]:
            return 500, {"message": "rpc error: code = Unknown desc = update out of sequence"}
        forced = body["TaskTemplate"]["ForceUpdate"] != self.service["Spec"]["TaskTemplate"]["ForceUpdate"]
        assert {"Labels", "EndpointSpec"} <= body.keys(), "the whole spec is sent back"
        self.service = {**self.service, "Spec": body, "Version": {"Index": self.service["Version"]["Index"] + 1}}
        if forced:
            self.service["UpdateStatus"] = {"State": "updating", "Message": "update in progress"}
            self.older = [t["ID"] for t in self.tasks if t["DesiredState"] == "running"]
        return 200, {"Warnings": []}

    def _step(self) -> None:
        wanted = self.service["Spec"]["Mode"].get("Replicated", {}).get("Replicas", 2)
        for task in self.tasks:
            if task["DesiredState"] == "shutdown":
                task["Status"]["State"] = "shutdown"
            elif task["Slot"] > wanted:
                task["DesiredState"] = "shutdown"
            elif task["Status"]["State"] == "starting" and not self.never_ready:
                task["Status"] = {"State": "running", "Timestamp": _ago(0)}
            elif task["Status"]["State"] == "new":
                task["Status"]["State"] = "starting"
        there = {t["Slot"] for t in self.tasks if t["DesiredState"] == "running"}
        for slot in set(range(1, wanted + 1)) - there:
            self._task(slot, "new")
        self._roll()
        self.fewest = min(self.fewest, sum(t["Status"]["State"] == "running" for t in self.tasks))

    def _roll(self) -> None:
        """One task at a time: the next one once nothing is on its way."""
        if self.service.get("UpdateStatus", {}).get("State") != "updating":
            return
        going = [t for t in self.tasks if t["DesiredState"] == "running"]
        if all(t["Status"]["State"] == "running" for t in going):
            if not self.older:
                self.service["UpdateStatus"] = {"State": "completed", "Message": "update completed"}
                return
            old = next(t for t in self.tasks if t["ID"] == self.older[0])
            self.older.pop(0)
            old["DesiredState"] = "shutdown"

    def _task(self, slot: int, state: str) -> None:
        self.tasks.append(
            {
                "ID": f"t{len(self.tasks)}",
                "ServiceID": "s1d",
                "Slot": slot,
                "NodeID": f"node{slot % 2}",
                "DesiredState": "running",
                "CreatedAt": _ago(60),
                "Status": {"State": state, "Timestamp": _ago(60), "Message": state, "ContainerStatus": {"PID": 4}},
            }
        )

    def _container(self, method: str, name: str, verb: str) -> tuple[int, Any]:
        found = next((c for c in self.containers.values() if name in (c["Id"], c["Name"].strip("/"))), None)
        if found is None:
            return 404, {"message": f"No such container: {name}"}
        if (method, verb) == ("GET", "json"):
            return 200, found
        running = found["State"]["Running"]
        if running == (verb == "start"):
            return 304, None
        _set(found, running=not running)
        return 204, None


def _container(number: int, *, running: bool, oneoff: bool = False) -> dict[str, Any]:
    labels = {"project": PROJECT, "service": SERVICE, "container-number": str(number), "oneoff": str(oneoff)}
    made: dict[str, Any] = {
        "Id": f"{number:064x}",
        "Name": f"/{PROJECT}-{SERVICE}-{'run-' if oneoff else ''}{number}",
        "RestartCount": 0,
        "Config": {"Labels": {f"{_LABEL}{k}": v for k, v in labels.items()}, "StopTimeout": 3},
        "State": {"StartedAt": "0001-01-01T00:00:00Z", "FinishedAt": "0001-01-01T00:00:00Z"},
    }
    _set(made, running=running)
    if running:
        made["State"]["StartedAt"] = _ago(60)
    return made


def _set(container: dict[str, Any], *, running: bool) -> None:
    state = container["State"]
    state.update(Running=running, Status="running" if running else "exited", Pid=77 if running else 0, ExitCode=0)
    state["StartedAt" if running else "FinishedAt"] = _ago(0.2)


def _ago(seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%f") + "123Z"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)


class _UnixServer(_Server):
    address_family = socket.AF_UNIX


@contextmanager
def serving(answer: Any, path: Path | None = None) -> Iterator[int]:
    """A server of ``answer(method, path, query, body[, headers])`` on the socket, or on a port that is yielded."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 65536  # an answer in one piece

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            url = urlsplit(self.path)
            query = {k: v[0] for k, v in parse_qs(url.query).items()}
            status, said = answer(self.command, url.path, query, body, self.headers.get("Authorization", ""))
            sent = b"" if said is None else json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            if status not in (204, 304):
                self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = do_PUT = _serve

        def address_string(self) -> str:
            return "socket"

        def log_message(self, *_: object) -> None:
            pass

    server = _UnixServer(str(path), Handler) if path else _Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield 0 if path else server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def docker(path: Path | None = None) -> Iterator[tuple[Daemon, int]]:
    """The daemon on a Unix socket, or on a port."""
    daemon = Daemon()
    with serving(lambda method, at, query, body, _: daemon.answer(method, at, query, body), path) as port:
        yield daemon, port
