"""How far a step at the process manager got, by what the replicas are like now. Reads only."""

from __future__ import annotations

from typing import Any

from runbook import traces
from runbook.model import Step
from runbook.targets.workers.replicas import DOWN, ProcessManager, Replica, Service
from runbook.targets.workers.waiting import named
from runbook.text import Text, text
from runbook.traces import Trace


def trace_of(manager: ProcessManager, step: Step) -> Trace:
    """Of ``start``, ``stop``, ``restart``, ``scale``; a ``roll`` that was killed may have got to any replica."""
    match step.operation:
        case "start" | "stop" | "restart":
            replica = named(manager, step.arguments["name"])
            return traces.unknown() if replica is None else _of_one(step, replica)
        case "scale":
            found = [one for one in manager.services() if one.name == step.arguments["service"]]
            return _number(found[0], step) if found else traces.unknown()
        case "roll":
            return traces.halfway(text("Some replicas of {service} may have been restarted", **step.arguments))
        case _:
            return traces.unknown()


def _of_one(step: Step, replica: Replica) -> Trace:
    said = text("{replica} is {state}", replica=replica.name, state=replica.state)
    if step.operation == "restart":
        return _renewed(step.fingerprint, replica, said)
    if replica.state == step.fingerprint.get("state") or (step.operation == "stop" and replica.running):
        return traces.not_done(said)
    reached = replica.running if step.operation == "start" else replica.state in DOWN
    return traces.done(said) if reached else traces.halfway(said)


def _renewed(fingerprint: dict[str, Any], replica: Replica, said: Text) -> Trace:
    """Another process than the plan knew is a new one; none at all was stopped and not started again."""
    known = {"pid": replica.pid, "life": replica.life}
    if all(known.get(name) == value for name, value in fingerprint.items() if name in known):
        return traces.not_done(said)
    return traces.done(said) if replica.running else traces.halfway(said)


def _number(service: Service, step: Step) -> Trace:
    said = text("{service} has {running} replicas", service=service.name, running=service.running)
    if service.wanted == step.arguments["to"]:
        return traces.done(said) if service.running == service.wanted else traces.halfway(said)
    return traces.not_done(said) if service.wanted == step.fingerprint.get("running") else traces.halfway(said)
