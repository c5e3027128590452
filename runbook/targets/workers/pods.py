"""What a pod is in our words. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from runbook.targets.workers.objects import ContainerStatus, Pod, Selector
from runbook.targets.workers.replicas import Replica

#: Phases of pods that have ended and are only kept to be looked at.
_ENDED = frozenset({"Succeeded", "Failed"})
#: Reasons of a container that is only on its way; any other is one that does not get there by itself.
_ON_ITS_WAY = frozenset({"", "ContainerCreating", "PodInitializing"})


def counts(pod: Pod) -> bool:
    """Whether it is one of the replicas: those that have ended are replaced already."""
    return pod.status.phase not in _ENDED


def selector(given: Selector) -> str:
    """A workload's selector in the words of a query."""
    parts = [f"{key}={value}" for key, value in (given.match_labels or {}).items()]
    for one in given.match_expressions or ():
        values = ",".join(one.values or ())
        word = {"In": f"{one.key} in ({values})", "NotIn": f"{one.key} notin ({values})"}
        parts.append({**word, "Exists": one.key, "DoesNotExist": f"!{one.key}"}[one.operator])
    return ",".join(parts)


def replica(service: str, pod: Pod, now: datetime) -> Replica:
    """The pod as a replica: ``healthy`` is its readiness, ``since`` the start of its youngest container."""
    containers = pod.status.container_statuses or ()
    state, problem = _state(pod), _problem(pod)
    started = [c.state.running.started_at for c in containers if c.state.running and c.state.running.started_at]
    begun = max(started, default=pod.status.start_time) if state == "RUNNING" else pod.status.start_time
    return Replica(
        service=service,
        name=pod.metadata.name,
        running=state == "RUNNING",
        state=state,
        since=None if begun is None else max(timedelta(0), now - begun),
        declared=False,
        problem=problem,
        healthy=_ready(pod),
        restarts=sum(container.restart_count for container in containers),
        host=pod.spec.node_name,
        life=pod.metadata.uid,
        keeper="Kubernetes",
    )


def _state(pod: Pod) -> str:
    if pod.metadata.deleted is not None:
        return "STOPPING"
    if any(_waits(c) not in _ON_ITS_WAY for c in _all(pod)):
        return "BACKOFF"
    containers = pod.status.container_statuses or ()
    if pod.status.phase == "Running" and containers and all(c.state.running for c in containers):
        return "RUNNING"
    if pod.status.phase in ("Pending", "Running"):
        return "STARTING"
    return "UNKNOWN"


def _ready(pod: Pod) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions or ())


def _problem(pod: Pod) -> str:
    for container in _all(pod):
        if (reason := _waits(container)) not in _ON_ITS_WAY:
            return f"{container.name}: {reason}{_last(container)}"
    for condition in pod.status.conditions or ():
        if condition.type == "PodScheduled" and condition.status == "False":
            return f"{condition.reason}: {condition.message}"
    return "" if _ready(pod) or pod.status.phase != "Running" else "not ready"


def _waits(container: ContainerStatus) -> str:
    return container.state.waiting.reason if container.state.waiting else ""


def _last(container: ContainerStatus) -> str:
    """How the container ended before, which is why it waits now."""
    ended = container.last_state.terminated
    if ended is not None:
        return f" ({ended.reason or 'ended'}, exit code {ended.exit_code}, {container.restart_count} restarts)"
    said = container.state.waiting.message if container.state.waiting else ""
    return f" ({said})" if said else ""


def _all(pod: Pod) -> tuple[ContainerStatus, ...]:
    return (*(pod.status.init_container_statuses or ()), *(pod.status.container_statuses or ()))
