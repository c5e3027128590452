"""The rows of RabbitMQ's management API, as it sends them.

It writes ``[]`` where a nested object is empty, and leaves out what it does not know (yet): nothing here is required
but names.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import msgspec

from runbook.targets.rates import Samples, rise

#: Milliseconds without a report after which a queue is quiet: at work it reports every five seconds, or more often.
QUIET = 6_000


class Sample(msgspec.Struct, frozen=True):
    """One value at one time (milliseconds since 1970)."""

    sample: float
    timestamp: int


class Series(msgspec.Struct, frozen=True):
    """The samples of one number, newest first as the API gives them; none where statistics are off."""

    samples: tuple[Sample, ...] = ()

    def known(self, moments: set[int]) -> Samples:
        """Oldest first, only at moments from which the queue's statistics are real."""
        kept = (s for s in reversed(self.samples) if s.timestamp in moments)
        return tuple((datetime.fromtimestamp(s.timestamp / 1000, UTC), round(s.sample)) for s in kept)


class Traffic(msgspec.Struct, frozen=True):
    """What went in and out of a queue; a part is absent until it happened once."""

    publish_details: Series = Series()
    ack_details: Series = Series()
    deliver_no_ack_details: Series = Series()
    get_no_ack_details: Series = Series()
    deliver_get_details: Series = Series()
    redeliver_details: Series = Series()


class ChannelOf(msgspec.Struct, frozen=True):
    """Where a consumer sits."""

    name: str = ""
    connection_name: str = ""
    user: str = ""
    peer_host: str | None = None
    peer_port: int | None = None


class ConsumerRow(msgspec.Struct, frozen=True):
    """One consumer of a queue."""

    consumer_tag: str
    channel_details: ChannelOf | list[Any] = ChannelOf()
    prefetch_count: int = 0

    @property
    def channel(self) -> ChannelOf:
        """The channel, with empty fields when it is just closing."""
        return self.channel_details if isinstance(self.channel_details, ChannelOf) else ChannelOf()


class QueueRow(msgspec.Struct, frozen=True):
    """One queue. ``messages`` is None until the broker has statistics of it."""

    name: str
    state: str = "running"
    messages: int | None = None
    messages_ready: int | None = None
    messages_unacknowledged: int | None = None
    messages_details: Series = Series()
    reductions_details: Series = Series()
    message_stats: Traffic | list[Any] = Traffic()
    consumer_details: tuple[ConsumerRow, ...] = ()
    consumer_capacity: float | None = None
    head_message_timestamp: int | str | None = None

    @property
    def has_statistics(self) -> bool:
        """Whether lengths and rates can be told: not in the first seconds after the broker's start."""
        return self.messages is not None and len(self.moments) >= 2

    @property
    def arrivals(self) -> float | None:
        """Messages per second that came in; None where unknown."""
        return self._rate(self._traffic.publish_details)

    @property
    def departures(self) -> float | None:
        """Messages per second that consumers were done with; taking without acknowledging counts as done."""
        stats = self._traffic
        rates = [self._rate(s) for s in (stats.ack_details, stats.deliver_no_ack_details, stats.get_no_ack_details)]
        return sum(rate or 0.0 for rate in rates) if None not in rates else None

    @property
    def deliveries(self) -> float | None:
        """Messages per second that were given to somebody, for the first time or again."""
        return self._rate(self._traffic.deliver_get_details)

    @property
    def redeliveries(self) -> float | None:
        """Messages per second that were given out again, because somebody gave them back or went away with them."""
        return self._rate(self._traffic.redeliver_details)

    @property
    def head_at(self) -> datetime | None:
        """The time that its publisher wrote on the oldest message; None where it wrote none."""
        told = self.head_message_timestamp
        return datetime.fromtimestamp(told, UTC) if isinstance(told, int) else None

    @property
    def moments(self) -> set[int]:
        """When the samples are true: at each report of the queue, which moves the count of its process's work
        (reductions), and while it is quiet, because then nothing changes.

        The API fills the time before a queue's first report with zeros: after a restart of the broker an old backlog
        would seem to have come in within one interval. Between two reports it repeats the last one.
        """
        worked = self.reductions_details.samples[::-1]
        told = worked[0].timestamp if worked and worked[0].sample else None
        moments = set()
        for old, new in pairwise(worked):
            if new.sample != old.sample:
                told = new.timestamp
                moments.add(told)
            elif told is not None and new.timestamp - told > QUIET:
                moments.add(new.timestamp)
        return moments

    @property
    def _traffic(self) -> Traffic:
        return self.message_stats if isinstance(self.message_stats, Traffic) else Traffic()

    def _rate(self, series: Series) -> float | None:
        if not series.samples and self.has_statistics:
            return 0.0  # the broker counts, and this never happened
        return rise(series.known(self.moments))


class ChannelRow(msgspec.Struct, frozen=True):
    """One channel; ``messages_unacknowledged`` is None until the broker has statistics of it."""

    name: str = ""
    messages_unacknowledged: int | None = None


class ConnectionRow(msgspec.Struct, frozen=True):
    """One client's connection; ``connected_at`` in milliseconds since 1970."""

    name: str = ""
    user: str = ""
    user_provided_name: str = ""
    state: str = ""
    channels: int = 0
    connected_at: int | None = None


class Whoami(msgspec.Struct, frozen=True):
    """The user that asks, and its tags (one string with commas before RabbitMQ 3.9)."""

    name: str
    tags: list[str] | str
