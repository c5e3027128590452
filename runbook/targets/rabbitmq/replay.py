"""Putting dead letters back where they were rejected, so that none is lost whatever fails.

A message is published, the broker confirms that its queue has it, that is written down, and only then is it taken
from the dead letters. A run that is killed in between leaves a message in both places, never in none.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from runbook.errors import ActionError
from runbook.settings.broker import ReplaySettings
from runbook.targets.rabbitmq import dead_letter
from runbook.targets.rabbitmq.ledger import Ledger
from runbook.text import Text, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pika.adapters.blocking_connection import BlockingChannel
    from pika.spec import BasicProperties

#: Seconds between two looks at what the canary does.
_LOOK = 0.1


class _Depth(NamedTuple):
    ready: int
    consumers: int


class Replay:
    """One replay of one dead-letter queue by the operator's ``channel``.

    It stops, and says why, as soon as a message cannot be put back, a new one comes to the dead letters, somebody
    else takes from them, or nobody consumes any more. Messages that must stay are held until the end, unacknowledged:
    the broker then puts them where they were.
    """

    def __init__(
        self,
        target: str,
        channel: BlockingChannel,
        ledger: Ledger,
        queue: str,
        targets: Collection[str],
        settings: ReplaySettings,
        stopped: Callable[[], bool],
    ) -> None:
        self._target, self._channel, self._ledger, self._queue = target, channel, ledger, queue
        self._targets, self._settings, self._stopped = targets, settings, stopped
        self._before = self._got = self._put = self._finished = 0
        self._held = Counter[str]()
        self._into = set[str]()
        self._proven = False

    def run(self, fingerprint: Mapping[str, Any], most: int) -> dict[str, Any]:
        """Put back at most ``most`` messages, and hold no more; the first few alone. Raises ActionError where it
        stopped by itself."""
        with self._told_plainly():
            self._compare(fingerprint)
            doubtful = self._ledger.doubtful
            self._channel.confirm_delivery()
            for _ in range(self._before):
                if max(self._put, self._held.total()) >= most or self._stopped() or not self._next():
                    break
                if self._put == self._settings.canary and not self._proven:
                    self._prove_canary()
            if self._put and not self._proven and not self._stopped():
                self._prove_canary()
            if self._held and not self._put and not self._finished:
                self._stop(text("None can be put back: {reasons}", reasons=", ".join(self._held)))
            return self._result(doubtful)

    def _compare(self, fingerprint: Mapping[str, Any]) -> None:
        self._before = self._depth(self._queue).ready
        planned = fingerprint.get("messages")
        if planned != self._before:
            said = text(
                "{queue} holds {now} messages and held {then} when the plan was made",
                queue=self._queue,
                now=self._before,
                then=planned,
            )
            raise ActionError(self._target, "replay", said, refused=True)

    def _next(self) -> bool:
        """Deal with the next message; False when there is none."""
        began = time.monotonic()
        method, properties, body = self._channel.basic_get(self._queue)
        if method is None or properties is None or body is None:
            return False
        self._got += 1
        message = dead_letter.digest(properties, body)
        if self._is_finished(properties, message, bool(method.redelivered)):
            self._take_away(method.delivery_tag, message)
            self._finished += 1
            return True
        reason = dead_letter.held_because(properties, self._queue, self._targets, self._settings)
        if reason is not None:
            self._held[str(reason)] += 1
            return True
        self._put_back(properties, body, message)
        self._take_away(method.delivery_tag, message)
        self._sleep(began + 1 / self._settings.per_second - time.monotonic())
        return True

    def _is_finished(self, properties: BasicProperties, message: str, redelivered: bool) -> bool:
        """Whether a killed run put it back already. Only what bears a name of its own can be known to be the same."""
        return redelivered and self._ledger.is_confirmed(message) and dead_letter.is_identified(properties)

    def _put_back(self, properties: BasicProperties, body: bytes, message: str) -> None:
        """Publish it to the queue it died in, and to no other; returns when the broker has it for good."""
        into = dead_letter.origin(properties) or ""
        if self._depth(into).consumers == 0:
            self._stop(text("nobody consumes {queue}", queue=into))
        self._into.add(into)
        self._ledger.write("sending", message)
        self._channel.basic_publish("", into, body, dead_letter.put_back(properties), mandatory=True)
        self._put += 1
        self._ledger.write("confirmed", message)

    def _take_away(self, tag: int | None, message: str) -> None:
        """Acknowledge it; asking for the depth on the same channel makes sure that the broker has dealt with that."""
        self._channel.basic_ack(tag or 0)
        ready = self._depth(self._queue).ready
        self._ledger.write("closed", message)
        self._prove_quiet(ready)

    def _prove_quiet(self, ready: int) -> None:
        """Stop where the dead letters are not as many as they must be after what was got."""
        expected = self._before - self._got
        if ready > expected:
            self._stop(text("{count} new ones came to {queue}", count=ready - expected, queue=self._queue))
        if ready < expected:
            self._stop(text("somebody else takes messages from {queue}", queue=self._queue))

    def _prove_canary(self) -> None:
        """Wait until the first messages were taken, and see for a while that none of them comes back."""
        self._look_on(self._settings.patience, until=self._taken)
        if not self._taken():
            self._stop(text("the first ones were not taken in time from {queue}", queue=", ".join(self._into)))
        self._look_on(self._settings.watch, until=self._stopped)
        self._proven = not self._stopped()

    def _look_on(self, span: timedelta, until: Callable[[], bool]) -> None:
        """See that nothing comes back for so long, or until it is over."""
        ends = time.monotonic() + span.total_seconds()
        while not until() and time.monotonic() < ends:
            self._sleep(_LOOK)
            self._prove_quiet(self._depth(self._queue).ready)

    def _taken(self) -> bool:
        """Whether nothing waits any more before or behind the messages that were put back."""
        return all(self._depth(into).ready == 0 for into in self._into)

    def _depth(self, queue: str) -> _Depth:
        told = self._channel.queue_declare(queue, passive=True).method
        return _Depth(told.message_count, told.consumer_count)

    def _sleep(self, seconds: float) -> None:
        """Rest, and let the connection show that it lives."""
        self._channel.connection.sleep(max(seconds, 0))

    def _closed(self, code: int) -> Text:
        match code:
            case 403:
                return text("the operator lacks a right: read on {queue} and write on amq.default", queue=self._queue)
            case 404:
                return text("the queue that they came from is gone")
        return text("the broker closed the channel ({code})", code=code)

    def _result(self, doubtful: int) -> dict[str, Any]:
        return {
            "before": {"messages": self._before},
            "after": {"messages": self._before - self._put - self._finished},
            "put_back": self._put,
            "finished_from_before": self._finished,
            "perhaps_twice": doubtful,
            "held": dict(self._held),
            "asked_to_stop": self._stopped(),
        }

    def _stop(self, reason: Text) -> NoReturn:
        said = text(
            "Stopped after {put} of {messages} were put back: {reason}. None is lost: the others are still in {queue}",
            put=self._put,
            messages=self._before,
            reason=str(reason),
            queue=self._queue,
        )
        raise ActionError(self._target, "replay", said)

    @contextmanager
    def _told_plainly(self) -> Iterator[None]:
        """What the driver raises, with how far it went."""
        from pika.exceptions import AMQPError, ChannelClosedByBroker, NackError, UnroutableError

        try:
            yield
        except UnroutableError:
            self._stop(text("the queue that they came from is gone"))
        except NackError:
            self._stop(text("the queue that they came from takes no more"))
        except ChannelClosedByBroker as error:
            self._stop(self._closed(error.reply_code))
        except (AMQPError, OSError) as error:
            self._stop(text("the connection was lost ({error})", error=type(error).__name__))
