"""What is judged of all queues at once: their states, their policies, and where what they reject goes. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from runbook.limits import Limits
from runbook.model import State
from runbook.text import Quantity, Text, text

if TYPE_CHECKING:
    from runbook.settings.broker import DeclaredPolicy
    from runbook.targets.rabbitmq.cluster import Cluster
    from runbook.targets.rabbitmq.inventory import DeadLetterWay, Inventory, Policy

#: Keys of a policy that do nothing since RabbitMQ 4.0.
MIRRORING = "ha-"


def states(inventory: Inventory, limits: Limits) -> None:
    """Judge whether every queue is at work."""
    for queue in inventory.broken:
        said = text("{queue} is {state}", queue=queue.name, state=queue.state)
        limits.hold(State.CRITICAL, of=queue.name, value=queue.state, summary=said)
    if not inventory.broken:
        limits.hold(
            State.OK,
            of="*",
            value=inventory.queues,
            summary=text("{queues} work", queues=Quantity(inventory.queues, "queues")),
        )
    elif inventory.broken_count > len(inventory.broken):
        said = text(
            "{count} of {queues} do not work", count=inventory.broken_count, queues=Quantity(inventory.queues, "queues")
        )
        limits.hold(State.CRITICAL, of="*", value=inventory.broken_count, summary=said)


def policies(declared: Mapping[str, DeclaredPolicy], cluster: Cluster, inventory: Inventory, limits: Limits) -> None:
    """Judge each declared policy by what differs, and each that only seems to do something."""
    found = {policy.name: policy for policy in inventory.policies}
    for name, wanted in declared.items():
        wrong = list(_differences(name, wanted, found.get(name), inventory.policy_of))
        for said in wrong:
            limits.hold(State.CRITICAL, of=name, summary=said)
        if not wrong:
            limits.hold(State.OK, of=name, summary=text("The policy {policy} is as declared", policy=name))
    for policy in inventory.policies:
        if cluster.major >= 4 and any(key.startswith(MIRRORING) for key in policy.definition):
            idle = text(
                "The policy {policy} mirrors nothing: RabbitMQ {version} ignores it",
                policy=policy.name,
                version=cluster.version,
            )
            limits.hold(State.WARNING, of=policy.name, summary=idle)
    if not declared:
        limits.skip(text("The site declares no policy: set broker.policies in the site file"))


def _differences(
    name: str, wanted: DeclaredPolicy, found: Policy | None, in_force: Mapping[str, str | None]
) -> Iterator[Text]:
    if found is None:
        yield text("There is no policy {policy}", policy=name)
        return
    if wanted.pattern is not None and found.pattern != wanted.pattern:
        yield text(
            "The policy {policy} is for {found}, declared is {wanted}",
            policy=name,
            found=found.pattern,
            wanted=wanted.pattern,
        )
    for key, value in wanted.definition.items():
        if found.definition.get(key) != value:
            told = str(found.definition.get(key, "—"))
            yield text(
                "The policy {policy} has {key} {found}, declared is {wanted}",
                policy=name,
                key=key,
                found=told,
                wanted=value,
            )
    for queue in wanted.queues:
        if in_force.get(queue) != name:
            other = in_force.get(queue) or "—"
            yield text(
                "The policy {policy} is not in force for {queue}: {other} is", policy=name, queue=queue, other=other
            )


def dead_letter_ways(inventory: Inventory, watched: tuple[str, ...], limits: Limits) -> None:
    """Judge whether what a queue rejects is kept: a watched one critically, the others by how many they are."""
    for way in inventory.ways:
        _way(way, limits)
    lacking = [name for name in inventory.without_dead_letters if name in watched]
    for name in lacking:
        lost = text("{queue} throws away what it rejects: it has no dead-letter exchange", queue=name)
        limits.hold(State.CRITICAL, of=name, summary=lost)
    count = inventory.without_count - len(lacking)
    others = [name for name in inventory.without_dead_letters if name not in watched]
    sample = {"queues": Quantity(count, "queues"), "sample": ", ".join(others[:5])}
    some = text("{queues} without a dead-letter exchange: {sample}", **sample)
    limits.judge(count, of="*", summary=some if count else text("Every other queue has a dead-letter exchange"))


def _way(way: DeadLetterWay, limits: Limits) -> None:
    exchange = way.exchange or way.routing_key or "(default)"
    shown = {"exchange": exchange, "queues": Quantity(way.queues, "queues")}
    if way.leads is None:
        limits.cannot_see(text("Where {exchange} leads was not followed; it takes what {queues} reject", **shown))
    elif way.leads:
        limits.hold(State.OK, of=exchange, summary=text("{exchange} takes what {queues} reject", **shown))
    else:
        lost = text(
            "{exchange} leads nowhere: what {queues} reject is lost, {queue} among them", queue=way.sample[0], **shown
        )
        limits.hold(State.CRITICAL, of=exchange, summary=lost)
