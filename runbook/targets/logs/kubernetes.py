"""Pods of a namespace, through the Kubernetes API: every container of every replica, and what ended in the window.

The API's ``limitBytes`` keeps the *oldest* bytes, so the newest lines are asked for by their number instead.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from runbook.errors import ProbeError, ProbeFailure
from runbook.settings import Secret
from runbook.settings.log_sources import Pods
from runbook.targets.logs.asking import Asked, replicas
from runbook.targets.logs.docker import MOST, SHORTEST_LINE, stamped
from runbook.targets.logs.files import Tail
from runbook.targets.web import Identity, Web
from runbook.text import text

#: Where a pod finds its own account.
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_LISTED = 16 * 1024**2


class _Named(msgspec.Struct, frozen=True):
    name: str


class _Ended(msgspec.Struct, frozen=True):
    at: datetime | None = msgspec.field(default=None, name="finishedAt")


class _State(msgspec.Struct, frozen=True):
    waiting: Any = None
    terminated: _Ended | None = None


class _Status(msgspec.Struct, frozen=True):
    name: str
    state: _State = _State()
    last: _State = msgspec.field(default=_State(), name="lastState")

    @property
    def never_ran(self) -> bool:
        return self.state.waiting is not None and self.last.terminated is None


class _Spec(msgspec.Struct, frozen=True):
    containers: tuple[_Named, ...] = ()


class _Statuses(msgspec.Struct, frozen=True):
    containers: tuple[_Status, ...] = msgspec.field(default=(), name="containerStatuses")


class _Pod(msgspec.Struct, frozen=True):
    metadata: _Named
    spec: _Spec = _Spec()
    status: _Statuses = _Statuses()


class _Pods(msgspec.Struct, frozen=True):
    items: tuple[_Pod, ...] = ()


def read_pods(source: Pods, asked: Asked) -> list[Tail]:
    """The newest lines of every container of the pods that the selector finds. Raises ProbeError."""
    web = asked.web(source.server) if source.server else _inside(asked)
    path = f"/api/v1/namespaces/{quote(source.namespace, safe='')}/pods"
    query = {"labelSelector": source.selector, "limit": str(MOST)}
    found = web.json(path, _Pods, query, most=_LISTED).items
    if not found:
        said = text(
            "{where} has no pod with {selector} in {namespace} ({setting})",
            where=web.address,
            selector=source.selector,
            namespace=source.namespace,
            setting=asked.setting,
        )
        raise ProbeError(asked.target, ProbeFailure.ABSENT, said)
    return replicas(lambda pod: list(_of_pod(web, path, pod, asked)), found, asked)


def _of_pod(web: Web, path: str, pod: _Pod, asked: Asked) -> Iterator[Tail]:
    path = f"{path}/{quote(pod.metadata.name, safe='')}/log"
    statuses = {status.name: status for status in pod.status.containers}
    for container in pod.spec.containers:
        status = statuses.get(container.name, _Status(container.name))
        name = f"{pod.metadata.name}/{container.name}" if len(pod.spec.containers) > 1 else pod.metadata.name
        ended = status.last.terminated.at if status.last.terminated else None
        if ended is not None and ended >= asked.since:
            yield _tail(web, path, container.name, name, asked, previous="true")
        if not status.never_ran:
            yield _tail(web, path, container.name, name, asked)


def _tail(web: Web, path: str, container: str, name: str, asked: Asked, **more: str) -> Tail:
    most = max(asked.most // SHORTEST_LINE, 1)
    since = asked.since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    query = {"container": container, "sinceTime": since, "timestamps": "true", "tailLines": str(most), **more}
    return stamped(web.end(path, query, most=asked.most), name, most)


def _inside(asked: Asked) -> Web:
    """The API as a pod finds it, as the pod's own account."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        said = text("this machine is no pod: name the server in {setting}, as in k8s+https://…", setting=asked.setting)
        raise ProbeError(asked.target, ProbeFailure.ABSENT, said)
    named = f"[{host}]" if ":" in host else host
    identity = Identity(token=Secret(file=ACCOUNT / "token"), cafile=ACCOUNT / "ca.crt")
    return Web(asked.target, f"https://{named}:{port}", identity)
