"""All queues of the virtual host at once, without statistics, and what becomes of what they reject. Reads only.

Asked so (``disable_stats``, ``enable_queue_totals``) the broker answers for thousands of queues in a second, where its
full list takes five. What is kept of them is what a row can use: the deepest, the ones that are not well, and counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import msgspec

from runbook.errors import ProbeError, ProbeFailure
from runbook.targets.rabbitmq.api import ManagementApi
from runbook.targets.rabbitmq.cluster_rows import BindingRow, PolicyRow, TotalsRow
from runbook.text import text

#: How many queues of a kind are named; how many there were is always said.
NAMED = 20
#: How many different ways of dead letters are followed; a site has a handful.
FOLLOWED = 20
#: Seconds that the list of the queues may take.
LONGEST = 6.0
#: States in which a queue does its work; a quorum queue without a majority is in "minority".
_WELL = frozenset({"running", "live", "idle", "flow"})


class QueueTotal(msgspec.Struct, frozen=True, kw_only=True):
    """One queue: ready + unacknowledged = messages, None where nobody can tell them."""

    name: str
    kind: str
    state: str
    messages: int | None
    ready: int | None
    unacknowledged: int | None


class Quorum(msgspec.Struct, frozen=True, kw_only=True):
    """A quorum queue or stream, by how many nodes have it and how many of those are there."""

    name: str
    members: int
    online: int

    @property
    def majority(self) -> int:
        """How many must be there for it to work."""
        return self.members // 2 + 1


class DeadLetterWay(msgspec.Struct, frozen=True, kw_only=True):
    """Where so many queues send what they reject. ``leads`` is False where nothing takes it there: it is lost.

    None: it was not followed, because there are more ways than :data:`FOLLOWED`.
    """

    exchange: str
    routing_key: str | None
    queues: int
    sample: tuple[str, ...]
    leads: bool | None


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """One policy of the virtual host and how many queues it is in force for."""

    name: str
    pattern: str
    definition: dict[str, Any]
    queues: int


class Inventory(msgspec.Struct, frozen=True, kw_only=True):
    """The virtual host's queues. ``broken``, ``without_dead_letters`` and ``thin`` name :data:`NAMED` of as many as
    their count says. ``policy_of`` is which policy is in force for each queue that the site names."""

    queues: int
    messages: int
    deepest: tuple[QueueTotal, ...]
    most_unacknowledged: tuple[QueueTotal, ...]
    broken: tuple[QueueTotal, ...]
    broken_count: int
    thin: tuple[Quorum, ...]
    thin_count: int
    without_dead_letters: tuple[str, ...]
    without_count: int
    ways: tuple[DeadLetterWay, ...]
    policies: tuple[Policy, ...]
    policy_of: dict[str, str | None]


def read_inventory(api: ManagementApi, named: Sequence[str], dead_letters: Sequence[str]) -> Inventory:
    """What there is. Raises ProbeError(BLIND) where a policy is in force that the reader is not shown."""
    policies = policies_of(api)  # first: one that is silent is found out sooner by a small question
    rows = totals(api)
    known = {policy.name: policy for policy in policies}
    hidden = next((row for row in rows if row.policy and row.policy not in known), None)
    if hidden is not None:
        said = text("the policy {policy} of queue {queue} is not shown to us", policy=hidden.policy, queue=hidden.name)
        raise ProbeError(api.target, ProbeFailure.BLIND, said)
    every = [_total(row) for row in rows]
    broken = [queue for queue in every if queue.state not in _WELL]
    quorums = [Quorum(name=r.name, members=len(r.members), online=len(r.online)) for r in rows if len(r.members) > 1]
    thin = sorted((q for q in quorums if q.online <= q.majority), key=lambda q: q.online - q.majority)
    ways, taking = _ways(api, rows, known)
    taken = {*dead_letters, *taking}
    without = [row.name for row in rows if _rejects(row, named, taken) and way_of(row, known) is None]
    in_force = Counter(row.policy for row in rows if row.policy)
    return Inventory(
        queues=len(rows),
        messages=sum(queue.messages or 0 for queue in every),
        deepest=_most(every, lambda queue: queue.messages or 0),
        most_unacknowledged=_most(every, lambda queue: queue.unacknowledged or 0),
        broken=tuple(broken[:NAMED]),
        broken_count=len(broken),
        thin=tuple(thin[:NAMED]),
        thin_count=len(thin),
        without_dead_letters=tuple(sorted(without, key=lambda name: name not in named)[:NAMED]),
        without_count=len(without),
        ways=ways,
        policies=tuple(
            Policy(name=p.name, pattern=p.pattern, definition=p.definition, queues=in_force[p.name]) for p in policies
        ),
        policy_of={row.name: row.policy for row in rows if row.name in named or row.name in dead_letters},
    )


def totals(api: ManagementApi) -> tuple[TotalsRow, ...]:
    """Every queue of the virtual host. Raises ProbeError(ABSENT) where there is no such virtual host."""
    columns = ",".join(TotalsRow.__struct_fields__)
    asked = {"disable_stats": "true", "enable_queue_totals": "true", "columns": columns}
    return api.get(api.within("queues"), tuple[TotalsRow, ...], asked, patience=LONGEST)


def policies_of(api: ManagementApi) -> tuple[PolicyRow, ...]:
    """Every policy of the virtual host."""
    return api.get(api.within("policies"), tuple[PolicyRow, ...])


def way_of(row: TotalsRow, policies: dict[str, PolicyRow]) -> tuple[str, str | None] | None:
    """Exchange and routing key of what a queue rejects; None where that is thrown away. What it was declared with
    counts before its policy."""
    policy = policies[row.policy].definition if row.policy else {}
    exchange = row.argument.get("x-dead-letter-exchange", policy.get("dead-letter-exchange"))
    key = row.argument.get("x-dead-letter-routing-key", policy.get("dead-letter-routing-key"))
    return None if exchange is None else (str(exchange), None if key is None else str(key))


def _ways(
    api: ManagementApi, rows: Iterable[TotalsRow], known: dict[str, PolicyRow]
) -> tuple[tuple[DeadLetterWay, ...], frozenset[str]]:
    """Where dead letters go, the most used way first, and the queues that take them."""
    using: dict[tuple[str, str | None], list[str]] = {}
    names = set()
    for row in rows:
        names.add(row.name)
        if (way := way_of(row, known)) is not None:
            using.setdefault(way, []).append(row.name)
    found, taking = [], set[str]()
    for number, (way, queues) in enumerate(sorted(using.items(), key=lambda item: -len(item[1]))):
        ends = _ends(api, way, names) if number < FOLLOWED else None
        taking.update(ends or ())
        leads = None if ends is None else bool(ends)
        sample = tuple(queues[:NAMED])
        found.append(DeadLetterWay(exchange=way[0], routing_key=way[1], queues=len(queues), sample=sample, leads=leads))
    return tuple(found[: 2 * FOLLOWED]), frozenset(taking)


def _ends(api: ManagementApi, way: tuple[str, str | None], names: set[str]) -> set[str]:
    """What takes dead letters that go this way; nothing where the exchange is not there or is bound to nothing."""
    exchange, key = way
    if not exchange:
        return {key} if key in names and key is not None else set()
    try:
        bound = api.get(api.within("exchanges", exchange, "/bindings/source"), tuple[BindingRow, ...])
    except ProbeError as error:
        if error.kind is not ProbeFailure.ABSENT:
            raise
        return set()
    return {binding.destination for binding in bound}


def _rejects(row: TotalsRow, named: Collection[str], taken: Collection[str]) -> bool:
    """Whether what it rejects is worth keeping: not of a client's own queue, nor of one that takes dead letters."""
    of_a_client = row.exclusive or row.auto_delete or row.durable is False or row.type == "stream"
    return row.name not in taken and (row.name in named or not of_a_client)


def _total(row: TotalsRow) -> QueueTotal:
    return QueueTotal(
        name=row.name,
        kind=row.type,
        state=row.state,
        messages=row.messages,
        ready=row.messages_ready,
        unacknowledged=row.messages_unacknowledged,
    )


def _most(queues: Iterable[QueueTotal], size: Callable[[QueueTotal], int]) -> tuple[QueueTotal, ...]:
    return tuple(sorted((queue for queue in queues if size(queue)), key=size, reverse=True)[:NAMED])
