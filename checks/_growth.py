"""How a queue moves: growth that lasts, growth that is over, a queue that stands still. Pure.

Growth between bursts is normal, and a queue that grew and drains now is on its way to being well. What is wrong is
growth that lasts over the window and up to now, with messages waiting.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from runbook.limits import Limits, Threshold
from runbook.model import State
from runbook.targets.rates import Samples, slope, span
from runbook.text import Quantity, per_minute, text

if TYPE_CHECKING:
    from runbook.targets.rabbitmq.broker import Queue

#: With fewer samples than this of its own (plain AMQP gives two), a queue's earlier runs are looked at too.
FEW = 3
Earlier = tuple[tuple[datetime, float], ...]


class Pace(NamedTuple):
    """Messages a minute: ``now`` over the last third of the window, ``lasting`` since the queue was at its lowest.

    ``lasting`` is never more than ``now``: a burst that is over does not last. Where the lowest point is younger than
    the last third, growth has not lasted yet and is taken over the whole window.
    """

    lasting: float
    now: float


def pace(queue: Queue, earlier: Earlier = ()) -> Pace | None:
    """How fast the queue grows (drains where negative). None with fewer than two samples: blind, not zero."""
    samples = queue.samples
    if len(samples) < FEW:
        samples = (*((at, round(count)) for at, count in earlier), *samples)
    whole = slope(samples)
    if whole is None:
        return None
    recent = samples[-1][0] - span(samples) / 3
    now = _slope_since(recent, samples, whole)
    lowest = min(reversed(samples), key=lambda sample: sample[1])[0]
    lasting = _slope_since(lowest, samples, whole) if lowest <= recent else whole
    return Pace(lasting=60 * min(lasting, now), now=60 * now)


def _slope_since(start: datetime, samples: Samples, whole: float) -> float:
    last = slope(tuple(sample for sample in samples if sample[0] >= start))
    return whole if last is None else last


def depth_of(queue: str) -> str:
    """The name under which a queue's depth is judged and remembered, beside its growth."""
    return f"{queue} (messages)"


def judge(queue: Queue, earlier: Earlier, limits: Limits) -> None:
    """Judge one queue: taken by nobody, standing still, growing, too deep."""
    moving = pace(queue, earlier)
    _judge_growth(queue, moving, limits)
    _judge_depth(queue, moving, limits)


def time_to_empty(messages: float, now: float) -> timedelta | None:
    """How long the queue takes to drain at this pace (messages a minute); None while it does not drain."""
    return timedelta(minutes=messages / -now) if now < 0 else None


def _judge_growth(queue: Queue, moving: Pace | None, limits: Limits) -> None:
    shown = {"queue": queue.name, "messages": _messages(queue)}
    growth = per_minute(moving.lasting) if moving else None
    waits = queue.messages >= limits.number("least_messages")
    if queue.ready and not queue.consumers:
        nobody = text("{queue} holds {messages} and nobody takes them", **shown)
        limits.hold(State.CRITICAL, of=queue.name, value=growth, summary=nobody)
    elif moving is None:
        limits.cannot_see(text("Whether {queue} grows is not known: there are too few samples of it", queue=queue.name))
    elif waits and moving.now >= 0 and queue.acknowledge_rate == 0:
        still = text("{queue} stands still: {messages} wait and none was finished", **shown)
        limits.hold(State.CRITICAL, of=queue.name, value=growth, summary=still)
    elif waits:
        grows = text("{queue} grows by {growth}, {messages} wait", **shown, growth=growth)
        drains = text("{queue} holds {messages} and does not grow", **shown)
        limits.judge(moving.lasting, of=queue.name, summary=grows if moving.lasting > 0 else drains)
    else:
        little = text("{queue} holds {messages}: nothing piles up", **shown)
        limits.hold(State.OK, of=queue.name, value=growth, summary=little)


def _judge_depth(queue: Queue, moving: Pace | None, limits: Limits) -> None:
    """A deep queue that will be empty in time is work in progress; any other is late."""
    empties = time_to_empty(queue.messages, moving.now) if moving and queue.consumers else None
    if queue.messages and empties is not None and empties <= limits.span("drains_within"):
        draining = text(
            "{queue} holds {messages} and will be empty in {time}",
            queue=queue.name,
            messages=_messages(queue),
            time=empties,
        )
        limits.hold(State.OK, of=depth_of(queue.name), value=_messages(queue), summary=draining)
        return
    limits.judge(
        queue.messages,
        of=depth_of(queue.name),
        summary=text("{queue} holds {messages}", queue=queue.name, messages=_messages(queue)),
        threshold=Threshold(limits.number("depth_warning"), limits.number("depth_critical"), unit="messages"),
    )


def _messages(queue: Queue) -> Quantity:
    return Quantity(queue.messages, "messages")
