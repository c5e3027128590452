"""How fast the exchange tables grow, and when the disk they lie on is full at that pace. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from checks import _past
from checks._latency import trend
from runbook.limits import Limits
from runbook.model import State
from runbook.text import Quantity, Text, percent, size, text

if TYPE_CHECKING:
    from procedures.purge.facts import Staged
    from runbook.history import History
    from runbook.targets.hosts.hosts import Disk, HostDisks

#: The names under which all tables together, and the forecast of their disk, are remembered.
TOTAL, DISK = "tbae* (bytes)", "tbae* (disk)"
#: Later than this is no forecast any more, and no warning either.
HORIZON = timedelta(days=3650)
DAY = timedelta(days=1).total_seconds()

#: Where the site says the size of the disk that no host tells.
SETTING = "limits.STAGE-02.disk"
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost", "local"})

Samples = Sequence[tuple[datetime, float]]


class Room(NamedTuple):
    """A disk: how many bytes of it may be used, and how many are."""

    usable: float
    used: float


def bytes_of(table: str) -> str:
    """The name under which a table's size is remembered."""
    return f"{table} (bytes)"


def rows_of(table: str) -> str:
    """The name under which a table's number of rows is remembered."""
    return f"{table} (rows)"


def growth(samples: Samples) -> float | None:
    """Bytes or rows a second, over samples that are enough; None where they do not rise."""
    found = trend(samples)
    return found.slope if found.rises and found.slope > 0 else None


def past(history: History, limits: Limits) -> _past.Past:
    """The size of all tables together so far. Raises HistoryError."""
    since = limits.span("look_back")
    own = history.samples("STAGE-02", TOTAL, since)
    return _past.of(history, own, limits.number("least_samples") - 1, "staging_bytes", TOTAL, since)


def tell(staged: Staged, paces: Mapping[str, float | None], state: State, limits: Limits) -> None:
    """Keep the size of every table and of all, which later runs forecast from. ``state`` is OK, or SKIPPED."""
    for table in staged.tables:
        pace = paces.get(bytes_of(table.table))
        said = text("{table}: about {rows}, {size}", table=table.table, rows=_n(table.rows), size=size(table.bytes))
        if pace is not None:
            said = text(
                "{table}: about {rows}, {size}, and {growth} more every day",
                table=table.table,
                rows=_n(table.rows),
                size=size(table.bytes),
                growth=size(pace * DAY),
            )
        limits.hold(state, of=bytes_of(table.table), value=size(table.bytes), summary=said)
        limits.hold(state, of=rows_of(table.table), value=_n(table.rows), summary=said)
    together = text("The exchange tables take {size}", size=size(staged.bytes))
    limits.hold(state, of=TOTAL, value=size(staged.bytes), summary=together)


def judge(pace: float, room: Room, now: datetime, limits: Limits) -> None:
    """Judge how long it takes until the disk is too full, at this pace (bytes a second)."""
    full = limits.number("full")
    left = full / 100 * room.usable - room.used
    known = {"growth": size(pace * DAY), "full": percent(full), "disk": size(room.usable)}
    if left <= 0:
        said = text("More than {full} of the disk of {disk} is taken, and {growth} are added every day", **known)
        limits.judge(timedelta(0), of=DISK, summary=said)
        return
    if left / pace > HORIZON.total_seconds():
        far = text("At this rate, {growth} a day, {full} of the disk of {disk} is years away", **known)
        limits.hold(State.OK, of=DISK, summary=far)
        return
    until = timedelta(seconds=left / pace)
    said = text(
        "At this rate, {growth} a day, {full} of the disk of {disk} is reached on {date}", **known, date=now + until
    )
    limits.judge(until, of=DISK, summary=said)


def told_disk(staged: Staged, limits: Limits) -> Room | None:
    """The disk by the row's setting, of which at least the database is used; None where the site does not say it."""
    told = limits.number("disk")
    return Room(told, staged.database_bytes) if told else None


def host_of(staged: Staged, hosts: Iterable[HostDisks]) -> HostDisks | None:
    """The database's host among those whose disks are read."""
    return next((host for host in hosts if _is(staged.host, host.host)), None)


def found_disk(staged: Staged, host: HostDisks | None, limits: Limits) -> Room | None:
    """The disk that the data lie on: the mount with the longest path above them. Says why where it is not known."""
    if host is None:
        limits.skip(text("How large the disk of the database is, is not known: set {setting}", setting=SETTING))
    elif host.problem is not None:
        limits.cannot_see(text("{host} cannot be read: {problem}", host=host.host, problem=host.problem))
    elif staged.data_directory is None:
        limits.cannot_see(text("The reader is not shown where the data lie: GRANT pg_monitor TO it"))
    elif (disk := _below(host, staged.data_directory)) is None:
        limits.cannot_see(text("{host} has no disk for {path}", host=host.host, path=staged.data_directory))
    else:
        return _room(disk)
    return None


def too_young(limits: Limits) -> Text:
    """Why there is no forecast yet."""
    least = Quantity(limits.number("least_samples"), "samples")
    return text(
        "There is not enough history yet: a trend takes {samples} over {span}",
        samples=least,
        span=limits.span("least_span"),
    )


def _is(reached_at: str, named: str) -> bool:
    """Whether a host of the settings is the one that the database is reached at."""
    here = reached_at in _LOOPBACK or reached_at.startswith("/")  # a socket
    return reached_at == named or (here and named in _LOOPBACK)


def _below(host: HostDisks, path: str) -> Disk | None:
    above = [disk for disk in host.disks if PurePosixPath(path).is_relative_to(disk.mount)]
    return max(above, key=lambda disk: len(disk.mount), default=None)


def _room(disk: Disk) -> Room:
    """What the file system keeps for root counts for neither side, as in ``df``."""
    share = disk.used_percent / 100
    usable = disk.free / (1 - share) if share < 1 else float(disk.bytes)
    return Room(usable, usable - disk.free)


def _n(count: int) -> Quantity:
    return Quantity(count, "rows")
