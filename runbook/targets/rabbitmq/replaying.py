"""What must be true of the queues before dead letters are put back, and putting them back as the operator."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any

from runbook.errors import ActionError, ProbeError
from runbook.settings import BrokerSettings, Login
from runbook.targets.rabbitmq.amqp import channel_of
from runbook.targets.rabbitmq.api import ManagementApi
from runbook.targets.rabbitmq.cluster_rows import OverviewRow, PolicyRow, TotalsRow
from runbook.targets.rabbitmq.inventory import policies_of, totals, way_of
from runbook.targets.rabbitmq.ledger import Ledger
from runbook.targets.rabbitmq.replay import Replay
from runbook.text import Text, text

#: Since 4.0 a quorum queue drops what was given out and came back so often, unless it is told otherwise.
_DELIVERIES_OF_4 = 20
#: Seconds between two signs of life of the connection: putting back waits for the disk now and then.
_HEARTBEAT = 10
_BOUNDS = ("max-length", "max-length-bytes")


def replay(
    target: str,
    settings: BrokerSettings,
    state: Path | None,
    queue: str,
    most: int,
    fingerprint: Mapping[str, Any],
    stopped: Callable[[], bool],
) -> dict[str, Any]:
    """Put dead letters back. Raises ActionError: refused before anything was done, or with how far it went."""
    if settings.operator is None or settings.management_url is None or state is None:
        said = text("putting messages back needs broker.operator and broker.management_url in the site file")
        raise ActionError(target, "replay", said, refused=True)
    try:
        _prove_safe(target, settings, settings.operator, settings.management_url, queue)
        with (
            closing(Ledger(target, state / "replays", settings.vhost, queue)) as ledger,
            channel_of(target, settings, settings.operator, heartbeat=_HEARTBEAT) as channel,
        ):
            put_back = Replay(target, channel, ledger, queue, settings.queues, settings.replay, stopped)
            return put_back.run(fingerprint, min(most, settings.replay.most))
    except ProbeError as error:
        raise ActionError(target, "replay", error.said) from error


def _prove_safe(target: str, settings: BrokerSettings, operator: Login, url: str, queue: str) -> None:
    with ManagementApi(target, url, settings, operator) as api:
        version = api.get("overview", OverviewRow).rabbitmq_version
        rows = {row.name: row for row in totals(api)}
        policies = policies_of(api)
        above = api.get(api.within("operator-policies"), tuple[PolicyRow, ...])
    known = {policy.name: policy for policy in policies}
    objections = chain(
        _hidden([rows[name] for name in (queue, *settings.queues) if name in rows], known),
        _unsafe_source(rows.get(queue), queue, known, above, version),
        _unsafe(settings, rows, known, above),
    )
    for said in objections:
        raise ActionError(target, "replay", said, refused=True)


def _hidden(rows: Iterable[TotalsRow], known: Mapping[str, PolicyRow]) -> Iterator[Text]:
    """What a policy that we are not shown says cannot be judged."""
    for row in rows:
        if row.policy is not None and row.policy not in known:
            yield text("the policy {policy} of queue {queue} is not shown to us", policy=row.policy, queue=row.name)


def _unsafe_source(
    row: TotalsRow | None, queue: str, known: Mapping[str, PolicyRow], above: Iterable[PolicyRow], version: str
) -> Iterator[Text]:
    """A message that stays is given out and comes back: a queue that counts that would drop it one day."""
    if row is None:
        yield text("there is no queue {queue}", queue=queue)
    elif row.type == "stream":
        yield text("{queue} is a stream: what is read from it stays in it", queue=queue)
    elif row.type == "quorum":
        told = list(_values(row, "delivery-limit", known, above))
        if not told and version.startswith("3."):
            return
        if any(limit >= 0 for limit in told or [_DELIVERIES_OF_4]):
            yield text(
                "{queue} drops what was looked at too often; first: {command}",
                queue=queue,
                command=f"rabbitmqctl set_policy -p VHOST NAME '^{re.escape(queue)}$' "
                "'{\"delivery-limit\": -1}' --apply-to queues",
            )


def _unsafe(
    settings: BrokerSettings, rows: Mapping[str, TotalsRow], known: Mapping[str, PolicyRow], above: Iterable[PolicyRow]
) -> Iterator[Text]:
    """A queue that is full and throws its oldest away would lose one for each that is put back."""
    for row in (rows[name] for name in settings.queues if name in rows):
        bounded = any(limit >= 0 for bound in _BOUNDS for limit in _values(row, bound, known, above))
        overflow = row.argument.get("x-overflow") or _policy(row, known).get("overflow")
        if bounded and overflow in (None, "drop-head") and way_of(row, dict(known)) is None:
            yield text("{queue} throws its oldest message away when it is full", queue=row.name)


def _values(row: TotalsRow, key: str, known: Mapping[str, PolicyRow], above: Iterable[PolicyRow]) -> Iterator[float]:
    """Every number that the queue's declaration, its policy and the operator's policies give for a key."""
    own = _policy(row, known)
    theirs = (policy.definition.get(key) for policy in above if _fits(policy.pattern, row.name))
    for value in (row.argument.get(f"x-{key}"), own.get(key), *theirs):
        if isinstance(value, int | float):
            yield value


def _policy(row: TotalsRow, known: Mapping[str, PolicyRow]) -> Mapping[str, Any]:
    return known[row.policy].definition if row.policy is not None and row.policy in known else {}


def _fits(pattern: str, name: str) -> bool:
    """Whether a policy may be meant for a queue; one whose pattern we cannot read may."""
    try:
        return re.search(pattern, name) is not None
    except re.error:
        return True
