"""The steps that bring the queue's consumers back. Pure: it describes, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from checks._capacity import arithmetic
from checks._found import told
from runbook.model import Effect, Finding, Proof, Risk, Step
from runbook.rows import NoPlan
from runbook.text import Quantity, Text, text

WORKERS = "workers"


def steps(findings: Mapping[str, Finding], service: str, most: int) -> Iterator[Step]:
    """Start and restart, or else scale, as the findings say. Raises NoPlan while the database refuses.

    A database that cannot be asked might refuse: then nothing is started either. Whether more replicas are needed is
    known only once those there are work.
    """
    door = findings["database_refuses_the_workers"]
    if door.proof is not Proof.RULED_OUT:
        raise NoPlan(_stay_away(door.proof))
    starts = [start(handle, most) for handle in told(findings, "initial_processing_is_down", "start")]
    starts += [scale(service, one, most) for one in told(findings, "initial_processing_is_down", "scale")]
    restarts = [restart(handle, most) for handle in told(findings, "worker_is_not_consuming", "restart")]
    restarts += [roll(service, one, most) for one in told(findings, "worker_is_not_consuming", "roll")]
    yield from (*starts, *restarts)
    few = findings["too_few_consumers"]
    if few.proof is Proof.CONFIRMED and not starts and not restarts:
        yield scale(service, few.data, most)


def start(handle: Mapping[str, Any], population: int | None) -> Step:
    """Start one replica."""
    return Step(
        what=text("Start {replica}", replica=handle["name"]),
        target=WORKERS,
        operation="start",
        arguments={"name": handle["name"]},
        fingerprint={"state": handle["state"]},
        risk=Risk.LOW,
        effect=Effect.CHANGE,
        undo=_stop(handle),
        population=population,
    )


def restart(handle: Mapping[str, Any], population: int | None) -> Step:
    """Restart one replica; what it had taken goes back to the queue. There is no way back to a stuck process."""
    return Step(
        what=text("Restart {replica}", replica=handle["name"]),
        target=WORKERS,
        operation="restart",
        arguments={"name": handle["name"]},
        fingerprint={"pid": handle["pid"], **({"life": handle["life"]} if handle.get("life") else {})},
        risk=Risk.MEDIUM,
        effect=Effect.CHANGE,
        population=population,
    )


def roll(service: str, asked: Mapping[str, Any], population: int | None) -> Step:
    """Restart all replicas in their turn, by the process manager's own means. There is no way back."""
    return Step(
        what=text("Restart all replicas of {service}, one at a time", service=service),
        target=WORKERS,
        operation="roll",
        arguments={"service": service},
        fingerprint=_fingerprint(asked),
        risk=Risk.MEDIUM,
        effect=Effect.CHANGE,
        touches=asked["running"],
        population=population,
    )


def scale(service: str, asked: Mapping[str, Any], population: int | None) -> Step:
    """Run more replicas. Raises NoPlan where the limits allow no more, or the number is somebody else's."""
    running, to = asked["running"], asked["to"]
    if owner := asked.get("owner"):
        raise NoPlan(
            text(
                "The number of replicas of {service} belongs to {owner}: change it there", service=service, owner=owner
            )
        )
    if to <= running:
        raise NoPlan(_no_more(running, asked.get("budget") or {}))
    return Step(
        what=text("Scale {service} from {running} to {to}", service=service, running=running, to=_n(to)),
        target=WORKERS,
        operation="scale",
        arguments={"service": service, "to": to},
        fingerprint=_fingerprint(asked),
        risk=Risk.MEDIUM,
        effect=Effect.CHANGE,
        undo=_scale_back(service, running, to),
        touches=to - running,
        population=population,
    )


def _fingerprint(asked: Mapping[str, Any]) -> dict[str, Any]:
    version = {"version": asked["version"]} if asked.get("version") else {}
    return {"running": asked["running"], **version}


def _no_more(running: int, budget: Mapping[str, Any]) -> Text:
    free = budget.get("free")
    if free is not None and budget["each"] > free:
        return arithmetic(budget["more"], budget["each"], free)
    return text("The limits allow no more than the {running} that run", running=_n(running))


def _stay_away(proof: Proof) -> Text:
    if proof is Proof.CONFIRMED:
        return text("Nothing is started or added while the database refuses it: mend that first (row DB-01)")
    return text("Whether the database would take more consumers cannot be seen: nothing is started or added")


def _stop(handle: Mapping[str, Any]) -> Step:
    return Step(
        what=text("Stop {replica}", replica=handle["name"]),
        target=WORKERS,
        operation="stop",
        arguments={"name": handle["name"]},
        effect=Effect.CHANGE,
    )


def _scale_back(service: str, running: int, to: int) -> Step:
    return Step(
        what=text("Scale {service} back to {running}", service=service, running=_n(running)),
        target=WORKERS,
        operation="scale",
        arguments={"service": service, "to": running},
        fingerprint={"running": to},
        effect=Effect.CHANGE,
    )


def _n(count: int) -> Quantity:
    return Quantity(count, "replicas")
