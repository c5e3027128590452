"""Who keeps the server busy, with which statement, and what they wait for. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from checks._found import SHOWN, fact
from checks._lock_tree import cut
from runbook.model import Evidence
from runbook.text import Quantity, Text, percent, size, text

if TYPE_CHECKING:
    from runbook.targets.postgres.load_structs import Load, Waits, WaitShare

ACTIVITY, COUNTERS = "pg_stat_activity", "pg_stat_database"
#: What burdens nobody: the client has the turn, or the statement sleeps on purpose.
_HARMLESS = frozenset({"Client", "Timeout", "Activity", "Extension"})
#: A cache that misses more than this during a look is too small for what is asked now.
LOW_HITS = 90.0
#: Checkpoints that the WAL forces, in percent of all, from which on max_wal_size is too small.
FORCED = 50.0


def busy(waits: Waits) -> float:
    """Sessions at work on average that burden the server; those that wait for a lock are behind somebody."""
    return sum(share.sessions for share in waits.shares if share.kind not in _HARMLESS and share.kind != "Lock")


def locked(waits: Waits) -> float:
    """Sessions that wait for a lock, on average."""
    return sum(share.sessions for share in waits.shares if share.kind == "Lock")


def summary(waits: Waits) -> Text:
    """Which application and statement burdens the server most, and with what."""
    counted = [share for share in waits.shares if share.kind not in _HARMLESS]
    (application, query), most = _sums(counted)[0]
    kind = Counter[str]()
    for share in counted:
        if (service(share), share.query) == (application, query):
            kind[share.kind] += round(share.sessions * waits.looks)
    given = {
        "sessions": Quantity(round(sum(share.sessions for share in counted), 1), "sessions"),
        "application": application or "—",
        "share": percent(100 * most / sum(share.sessions for share in counted)),
        "statement": cut(query) or "—",
    }
    return _by_kind(kind.most_common(1)[0][0], given)


def _by_kind(kind: str, given: dict[str, object]) -> Text:
    if kind == "CPU":
        return text(
            "{sessions} are at work at once; {application} is {share} of that and computes: {statement}", **given
        )
    if kind == "IO":
        return text(
            "{sessions} are at work at once; {application} is {share} of that and waits for the disk: {statement}",
            **given,
        )
    if kind == "Lock":
        return text(
            "{sessions} are at work at once; {application} is {share} of that and waits for locks that change hands "
            "all the time: {statement}",
            **given,
        )
    return text(
        "{sessions} are at work at once; {application} is {share} of that and waits for the others inside the server "
        "({kind}): {statement}",
        kind=kind,
        **given,
    )


def service(share: WaitShare) -> str:
    """The application without the number of its replica, which follows a colon."""
    return share.application.partition(":")[0]


def evidence(load: Load) -> Iterator[Evidence]:
    """The waits, then what a person would look at next: temporary files, the cache, the checkpoints."""
    yield _waits(load.waits)
    if load.waits.hidden:
        hidden = Quantity(load.waits.hidden, "sessions")
        yield fact(text("{sessions} do not show what they do: track_activities is off", sessions=hidden), ACTIVITY)
    yield from _counters(load)
    yield from _checkpoints(load)


def _waits(waits: Waits) -> Evidence:
    said = text(
        "{looks} looks in {span}: {sessions} at work on average",
        looks=waits.looks,
        span=waits.span,
        sessions=Quantity(round(waits.sessions, 1), "sessions"),
    )
    lines = (
        f"{s.sessions:.1f} {s.application or '—'} · {':'.join(filter(None, (s.kind, s.event)))} · {cut(s.query)}"
        for s in waits.shares
    )
    return fact(said, ACTIVITY, lines)


def _counters(load: Load) -> Iterator[Evidence]:
    done = load.throughput
    if done.temp_bytes:
        said = text(
            "{size} went to temporary files in {span}: work_mem is small", size=size(done.temp_bytes), span=done.span
        )
        yield fact(said, COUNTERS)
    if done.hit_percent is not None and done.hit_percent < LOW_HITS:
        said = text("Only {share} of what was read was in the server's cache", share=percent(done.hit_percent))
        yield fact(said, COUNTERS)


def _checkpoints(load: Load) -> Iterator[Evidence]:
    found = load.checkpoints
    count = found.timed + found.requested
    apart = found.apart
    if count >= SHOWN and apart is not None and 100 * found.requested > FORCED * count and apart < found.timeout:
        said = text(
            "{share} of the checkpoints came because the WAL was full, one every {apart}: raise max_wal_size ({size})",
            share=percent(100 * found.requested / count),
            apart=apart,
            size=size(found.max_wal_size),
        )
        yield fact(said, "pg_stat_bgwriter")


def _sums(shares: list[WaitShare]) -> list[tuple[tuple[str, str], float]]:
    sums: dict[tuple[str, str], float] = {}
    for share in shares:
        key = service(share), share.query
        sums[key] = sums.get(key, 0.0) + share.sessions
    return sorted(sums.items(), key=lambda item: -item[1])
