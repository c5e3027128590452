"""QUEUE-03 to QUEUE-09: healthy, at the limit, beyond it, and blind."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from checks import deliveries as rows
from runbook.errors import ProbeFailure
from runbook.model import State
from runbook.rows import Check, of
from tests.checks import fakes
from tests.checks.brokers import DEAD, Broker, inventory, total, way
from tests.checks.fakes import queue

OK, W, C, U = State.OK, State.WARNING, State.CRITICAL, State.UNKNOWN
EVERY = [check for name, check in vars(rows).items() if name.startswith("check_")]
MINUTE = timedelta(minutes=1)


def judged(check: Check, *earlier: tuple[Any, float], **told: Any) -> Any:
    given: dict[str, Any] = {"broker": Broker(**told)}
    if "history" in of(check).targets:
        given["history"] = fakes.NoHistory(*earlier)
    return fakes.judged(check, **given)


def one(**changes: Any) -> dict[str, Any]:
    return {"queues": (queue(**{"ready": 0, **changes}),)}


def deep(messages: int, name: str = "otra") -> dict[str, Any]:
    return {"inventory": inventory(deepest=(total(name, messages),), messages=messages)}


def held(messages: int) -> dict[str, Any]:
    return {"inventory": inventory(most_unacknowledged=(total("q", messages, unacknowledged=messages),))}


def without(*names: str, count: int | None = None) -> dict[str, Any]:
    return {"inventory": inventory(without_dead_letters=names, without_count=count or len(names))}


CASES: list[tuple[Check, dict[str, Any], State, str]] = [
    (rows.check_no_other_queue_piles_up, {}, OK, "2 queues hold 0 messages"),
    (rows.check_no_other_queue_piles_up, deep(25_000), OK, ""),
    (rows.check_no_other_queue_piles_up, deep(25_001), W, "otra holds 25001 messages"),
    (rows.check_no_other_queue_piles_up, deep(50_001), C, ""),
    (rows.check_no_other_queue_piles_up, deep(90_000, fakes.QUEUE), OK, ""),
    (rows.check_no_other_queue_piles_up, deep(90_000, DEAD), OK, ""),
    (rows.check_consumers_hold_few, {}, OK, "No consumer holds a message"),
    (rows.check_consumers_hold_few, held(1_000), OK, ""),
    (rows.check_consumers_hold_few, held(1_001), W, "The consumers of q hold"),
    (rows.check_consumers_hold_few, held(10_001), C, ""),
    (rows.check_messages_do_not_wait_long, one(), OK, "No message waits"),
    (rows.check_messages_do_not_wait_long, one(ready=900, arrival_rate=1.0), OK, "came in within 900 s"),
    (rows.check_messages_do_not_wait_long, one(ready=901, arrival_rate=1.0), W, ""),
    (rows.check_messages_do_not_wait_long, one(ready=1801, arrival_rate=1.0), C, ""),
    (rows.check_messages_do_not_wait_long, one(ready=1, head_at=fakes.now() - 16 * MINUTE), W, "was sent"),
    (rows.check_messages_do_not_wait_long, one(ready=1, head_at=fakes.now() - 31 * MINUTE), C, "was sent"),
    (rows.check_messages_do_not_wait_long, one(ready=1, arrival_rate=0.0), U, "is not told"),
    (rows.check_messages_do_not_wait_long, one(ready=1, arrival_rate=None), U, "is not told"),
    (rows.check_queues_have_consumers, one(), OK, "2 consumers"),
    (rows.check_queues_have_consumers, one(consumers=0), W, "has no consumer"),
    (rows.check_queues_have_consumers, one(consumers=0, ready=1), C, "has no consumer"),
    (rows.check_queues_have_consumers, one(ready=4_999, capacity=0.0), OK, ""),
    (rows.check_queues_have_consumers, one(ready=5_000, capacity=0.5), OK, ""),
    (rows.check_queues_have_consumers, one(ready=5_000, capacity=0.49), W, "are free 49%"),
    (rows.check_queues_have_consumers, one(ready=5_000, capacity=0.19), C, ""),
    (rows.check_queues_have_consumers, one(ready=5_000, capacity=None), U, "is not told"),
    (rows.check_messages_are_delivered_once, one(delivery_rate=20.0, redelivery_rate=2.0), OK, "10%"),
    (rows.check_messages_are_delivered_once, one(delivery_rate=20.0, redelivery_rate=2.1), W, ""),
    (rows.check_messages_are_delivered_once, one(delivery_rate=20.0, redelivery_rate=10.1), C, ""),
    (rows.check_messages_are_delivered_once, one(delivery_rate=0.9, redelivery_rate=0.9), OK, "too little"),
    (rows.check_messages_are_delivered_once, one(delivery_rate=None, redelivery_rate=None), U, "management API"),
    (rows.check_rejected_messages_are_kept, {}, OK, ""),
    (rows.check_rejected_messages_are_kept, without(fakes.QUEUE), C, "throws away what it rejects"),
    (rows.check_rejected_messages_are_kept, without("otra"), W, "1 queues without a dead-letter exchange: otra"),
    (rows.check_rejected_messages_are_kept, without("otra", count=4_000), W, "4000 queues"),
    (rows.check_rejected_messages_are_kept, {"inventory": inventory(ways=(way(leads=False),))}, C, "leads nowhere"),
    (rows.check_rejected_messages_are_kept, {"inventory": inventory(ways=(way(leads=None),))}, U, "not followed"),
]


@pytest.mark.parametrize(("check", "told", "state", "said"), CASES)
def test_state(check: Check, told: dict[str, Any], state: State, said: str) -> None:
    verdict = judged(check, **told)
    assert verdict.state is state, verdict
    assert said in str(verdict.summary), str(verdict.summary)


@pytest.mark.parametrize("check", EVERY, ids=lambda check: of(check).id)
def test_what_cannot_be_seen_is_never_ok(check: Check) -> None:
    error = fakes.failing(ProbeFailure.DENIED, "broker")
    with pytest.raises(type(error)):
        judged(check, **dict.fromkeys(("inventory", "queues", "dead_letters"), error))


def test_a_queue_that_grew_since_the_last_hour_warns_before_it_is_deep() -> None:
    before = ((fakes.now() - 50 * MINUTE, 100.0),)
    assert judged(rows.check_no_other_queue_piles_up, *before, **deep(10_100)).state is OK
    verdict = judged(rows.check_no_other_queue_piles_up, *before, **deep(10_101))
    assert verdict.state is W
    assert "10001 more than at" in str(verdict.summary)


def test_redeliveries_are_skipped_where_the_site_has_no_management_api() -> None:
    broker = Broker()
    broker.managed = False
    assert fakes.judged(rows.check_messages_are_delivered_once, broker=broker).state is State.SKIPPED


class TestNewDeadLetters:
    """QUEUE-08."""

    @pytest.mark.parametrize(
        ("growth", "earlier", "messages", "state"),
        [
            pytest.param(0.0, (), 9, OK, id="old ones only"),
            pytest.param(0.5, (), 9, W, id="the broker sees them come"),
            pytest.param(10.1, (), 9, C, id="many come"),
            pytest.param(None, (), 9, U, id="nobody can tell"),
            pytest.param(0.0, (9.0,), 9, OK, id="as many as before"),
            pytest.param(None, (8.0,), 9, W, id="one more than before"),
            pytest.param(0.0, (25.0, 0.0), 0, OK, id="taken away"),
            pytest.param(0.0, (25.0, 0.0), 3, W, id="taken away, and new ones came"),
            pytest.param(0.0, (0.0,), 200, C, id="many since the last run"),
        ],
    )
    def test_state(self, growth: float | None, earlier: tuple[float, ...], messages: int, state: State) -> None:
        past = tuple((fakes.now() - (9 - n) * MINUTE, count) for n, count in enumerate(earlier))
        told = {"dead_letters": (queue(messages=messages, growth_per_minute=growth, name=DEAD),)}
        assert judged(rows.check_no_new_dead_letters, *past, **told).state is state
