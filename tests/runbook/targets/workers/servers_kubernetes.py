"""An API server that keeps one Deployment, its pods and its autoscaler and answers as Kubernetes' API reference says.

There is no cluster here: this is a real HTTPS server that holds to the reference (apps/v1, autoscaling/v1, policy/v1,
authorization.k8s.io/v1: fields, Status objects, resourceVersion conflicts) as far as replicas need it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.runbook.targets.servers_network import tls_in_front_of
from tests.runbook.targets.workers.servers_docker import SERVICE, serving

NAMESPACE = "muses"
READER, OPERATOR = "ficha-de-lectura", "ficha-de-operador"
_APPS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{SERVICE}"
_PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
_SCALERS = f"/apis/autoscaling/v1/namespaces/{NAMESPACE}/horizontalpodautoscalers"


class Cluster:
    """What the server keeps; each look at the pods brings them one step nearer to what is asked for."""

    def __init__(self) -> None:
        self.guard = threading.RLock()
        self.reset()

    def reset(self) -> None:
        with self.guard:
            self.requests: list[str] = []
            self.replicas, self.generation, self.version, self.made = 2, 7, 5000, 0
            self.autoscaler: tuple[str, int, int] | None = None
            self.hidden, self.budget, self.page = False, False, 500
            self.busy, self.meddles, self.crashing = 0, False, False
            self.fewest = 99
            self.pods: list[dict[str, Any]] = []
            self.conditions: list[dict[str, str]] = []
            for _ in range(2):
                self._pod(ready=True)

    def answer(self, method: str, path: str, query: dict[str, str], body: Any, login: str) -> tuple[int, Any]:
        with self.guard:
            self.requests.append(f"{method} {path}")
            who = login.removeprefix("Bearer ")
            if who not in (READER, OPERATOR):
                return _status(401, "Unauthorized", "Unauthorized")
            if path.endswith("selfsubjectaccessreviews"):
                changes = body["spec"]["resourceAttributes"]["verb"] in ("update", "create")
                return 201, {"kind": "SelfSubjectAccessReview", "status": {"allowed": not changes or who == OPERATOR}}
            if method != "GET" and who != OPERATOR:
                return _status(403, "Forbidden", f'{SERVICE} is forbidden: User "lector" cannot update')
            return self._routed(method, path, query, body)

    def _routed(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        if (method, path) == ("GET", _APPS):
            return 200, self._deployment()
        if (method, path) == ("PUT", f"{_APPS}/scale"):
            return self._scale(body)
        if (method, path) == ("GET", _PODS):
            return self._listed(query)
        if (method, path) == ("GET", _SCALERS):
            return self._scalers()
        if method == "POST" and (at := re.fullmatch(rf"{_PODS}/([^/]+)/eviction", path)):
            return self._evict(at[1], body)
        return _status(404, "NotFound", f'"{path.rpartition("/")[2]}" not found')

    def _deployment(self) -> dict[str, Any]:
        meta = {"name": SERVICE, "uid": "u-1", "generation": self.generation, "resourceVersion": str(self.version)}
        return {
            "kind": "Deployment",
            "metadata": meta,
            "spec": {"replicas": self.replicas, "selector": {"matchLabels": {"app": SERVICE}}, "template": {}},
            "status": {"observedGeneration": self.generation, "conditions": self.conditions},
        }

    def _scale(self, body: Any) -> tuple[int, Any]:
        if self.meddles:
            self.generation += 1
        if self.busy:
            self.busy -= 1
            self.version += 1  # a pod came or went
        if body["metadata"]["resourceVersion"] != str(self.version) or self.meddles:
            self.version += self.meddles
            said = f'Operation cannot be fulfilled on deployments.apps "{SERVICE}": the object has been modified'
            return _status(409, "Conflict", said)
        self.replicas = body["spec"]["replicas"]
        self.generation += 1
        self.version += 1
        return 200, {"kind": "Scale", "spec": {"replicas": self.replicas}}

    def _listed(self, query: dict[str, str]) -> tuple[int, Any]:
        assert query["labelSelector"] == f"app={SERVICE}"
        start = int(query.get("continue", 0))
        if not start:
            self._step()
        end = start + min(self.page, int(query["limit"]))
        more = {"continue": str(end)} if end < len(self.pods) else {}
        return 200, {"kind": "PodList", "metadata": more, "items": self.pods[start:end]}

    def _scalers(self) -> tuple[int, Any]:
        if self.hidden:
            return _status(403, "Forbidden", "horizontalpodautoscalers.autoscaling is forbidden")
        items = []
        if self.autoscaler:
            name, least, most = self.autoscaler
            target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": SERVICE}
            spec = {"scaleTargetRef": target, "minReplicas": least, "maxReplicas": most}
            items.append({"metadata": {"name": name}, "spec": spec, "status": {"currentReplicas": 2}})
        return 200, {"kind": "HorizontalPodAutoscalerList", "metadata": {}, "items": items}

    def _evict(self, name: str, body: Any) -> tuple[int, Any]:
        pod = next((p for p in self.pods if p["metadata"]["name"] == name), None)
        if pod is None:
            return _status(404, "NotFound", f'pods "{name}" not found')
        if body["deleteOptions"]["preconditions"]["uid"] != pod["metadata"]["uid"]:
            return _status(409, "Conflict", "the UID in the precondition does not match")
        if self.budget:
            said = "Cannot evict pod as it would violate the pod's disruption budget."
            return _status(429, "TooManyRequests", said)
        pod["metadata"]["deletionTimestamp"] = _ago(0)
        return 201, _status(201, "", "")[1]

    def _step(self) -> None:
        self.pods = [pod for pod in self.pods if "deletionTimestamp" not in pod["metadata"]]
        for pod in self.pods:
            if pod["status"]["phase"] == "Pending":
                _runs(pod, ready=False, crashing=self.crashing)
            elif not self.crashing:
                _runs(pod, ready=True)
        for pod in self.pods[self.replicas :]:
            pod["metadata"]["deletionTimestamp"] = _ago(0)
        while len(self.pods) < self.replicas:
            self._pod(ready=False)
        self.fewest = min(self.fewest, sum(_is_ready(p) for p in self.pods))

    def _pod(self, *, ready: bool) -> None:
        self.made += 1
        age = 60.0 if ready else 0.0
        pod: dict[str, Any] = {
            "metadata": {
                "name": f"{SERVICE}-5d-{self.made}",
                "uid": f"pod-{self.made}",
                "creationTimestamp": _ago(age),
            },
            "spec": {"nodeName": f"node{self.made % 2}"},
            "status": {"phase": "Pending", "startTime": _ago(age), "conditions": []},
        }
        if ready:
            _runs(pod, ready=True)
        self.pods.append(pod)


def _runs(pod: dict[str, Any], *, ready: bool, crashing: bool = False) -> None:
    state: dict[str, Any] = {"running": {"startedAt": pod["status"]["startTime"]}}
    last: dict[str, Any] = {}
    if crashing:
        state = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container"}}
        last = {"terminated": {"exitCode": 3, "reason": "Error"}}
    container = {"name": "spi", "ready": ready, "restartCount": 4 if crashing else 0, "state": state, "lastState": last}
    pod["status"].update(
        phase="Running",
        conditions=[{"type": "Ready", "status": "True" if ready and not crashing else "False"}],
        containerStatuses=[container],
    )


def _is_ready(pod: dict[str, Any]) -> bool:
    return (
        any(c["status"] == "True" for c in pod["status"]["conditions"]) and "deletionTimestamp" not in pod["metadata"]
    )


def _status(code: int, reason: str, message: str) -> tuple[int, Any]:
    kind = "Success" if code < 400 else "Failure"
    return code, {
        "kind": "Status",
        "apiVersion": "v1",
        "status": kind,
        "reason": reason,
        "message": message,
        "code": code,
    }


def _ago(seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def kubernetes(folder: Path) -> Iterator[tuple[Cluster, str, Path]]:
    """The server's cluster, url and certificate authority."""
    cluster = Cluster()
    with serving(cluster.answer) as port, tls_in_front_of(port, folder) as (secure, authority):
        yield cluster, f"https://localhost:{secure}", authority
