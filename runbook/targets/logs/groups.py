"""Thousands of errors as a few groups that a person can read: by shape, by replica, with what they share. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from runbook.redact import masked, masked_text
from runbook.targets.logs.correlation import Shared, Tally, shared
from runbook.targets.logs.files import Tail
from runbook.targets.logs.records import Entry, entries
from runbook.targets.logs.shapes import LONGEST, Kind, kind_of, shape

SAMPLES = 3


class ErrorGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Errors of one shape. ``replicas`` are the logs they stand in, ``sample`` the newest ones, masked.

    ``kind`` is ``"database"`` when PostgreSQL refused or could not be reached, ``"message"`` when the record itself
    is bad. ``by_replica`` counts them; ``shared`` is what they have in common and the rest of the log has not.
    """

    shape: str
    count: int
    first: datetime
    last: datetime
    replicas: tuple[str, ...]
    kind: Kind
    sample: tuple[str, ...]
    by_replica: dict[str, int] = {}
    shared: tuple[Shared, ...] = ()


class ErrorGroups(msgspec.Struct, frozen=True, kw_only=True):
    """A service's errors between ``since`` and ``until``, the most frequent shape first.

    ``last_line_at`` tells a silent log from a healthy one; None where nothing was ever written. ``whole`` is False
    where the window holds more than may be read: counts are then of its newest part, which ``since`` says.
    ``unseen`` says why one of several sources could not be read: no error in the others is then no proof.
    """

    service: str
    lines: int
    errors: int
    since: datetime
    until: datetime
    last_line_at: datetime | None
    groups: tuple[ErrorGroup, ...]
    whole: bool = True
    unseen: tuple[str, ...] = ()


@dataclass
class _Group:
    """One shape while it is being counted; entries come newest first within a log."""

    kind: Kind
    first: datetime
    last: datetime
    replicas: Counter[str] = field(default_factory=Counter)
    newest: list[Entry] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)

    def add(self, entry: Entry, replica: str) -> None:
        self.first, self.last = min(self.first, entry.at), max(self.last, entry.at)
        self.replicas[replica] += 1
        self.tally.add(entry.fields)
        if len(self.newest) < SAMPLES or entry.at > self.newest[-1].at:
            self.newest = sorted((*self.newest, entry), key=lambda e: e.at, reverse=True)[:SAMPLES]


class _Counting:
    """The groups and the whole of what was read so far."""

    def __init__(self, since: datetime, until: datetime, names: tuple[str, ...]) -> None:
        self._since, self._until, self._names = since, until, names
        self.groups: dict[str, _Group] = {}
        self.everything = Tally()
        self.lines, self.reached = 0, since
        self.last: datetime | None = None

    def read(self, log: Tail) -> None:
        moments = [self._count(log, entry) for entry in entries(log, self._since, self._names)]
        self.lines += sum(self._since <= at <= self._until for at in moments)
        written = max(moments, default=log.modified if log.size else None)
        self.last = max(filter(None, (self.last, written)), default=None)
        if not log.whole:
            self.reached = max(self.reached, min(moments, default=self._until))

    def _count(self, log: Tail, entry: Entry) -> datetime:
        if self._since <= entry.at <= self._until:
            self.everything.add(entry.fields)
            if entry.error:
                form = shape(entry.error)
                group = self.groups.get(form)
                if group is None:
                    group = self.groups[form] = _Group(kind_of(entry.error), entry.at, entry.at)
                group.add(entry, log.replica)
        return entry.at


def grouped(
    service: str,
    tails: Iterable[Tail],
    since: datetime,
    until: datetime,
    *,
    names: tuple[str, ...] = (),
    unseen: Sequence[str] = (),
) -> ErrorGroups:
    """The errors of all a service's logs between two moments; ``names`` are the fields by which lots are recognised."""
    counting = _Counting(since, until, names)
    for log in tails:
        counting.read(log)
    found = sorted(counting.groups.items(), key=lambda item: -item[1].replicas.total())
    return ErrorGroups(
        service=service,
        lines=counting.lines,
        errors=sum(group.replicas.total() for _, group in found),
        since=counting.reached,
        until=until,
        last_line_at=counting.last,
        groups=tuple(_told(form, group, counting.everything) for form, group in found),
        whole=counting.reached == since,
        unseen=tuple(map(masked_text, unseen)),
    )


def _told(form: str, group: _Group, everything: Tally) -> ErrorGroup:
    return ErrorGroup(
        shape=masked(form),
        count=group.replicas.total(),
        first=group.first,
        last=group.last,
        replicas=tuple(sorted(group.replicas)),
        kind=group.kind,
        sample=tuple(entry.sample[:LONGEST] for entry in group.newest),
        by_replica=dict(sorted(group.replicas.items())),
        shared=shared(group.tally, everything),
    )
