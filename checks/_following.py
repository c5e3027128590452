"""What the rows of replication and of the archive say of what they judge. Pure but for the past."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from checks import _counting
from runbook.limits import Limits, Threshold
from runbook.model import State
from runbook.text import Quantity, size, text

if TYPE_CHECKING:
    from runbook.history import History
    from runbook.targets.postgres.health_structs import Archive
    from runbook.targets.postgres.load_structs import Slot, Standby

#: What the server says of a slot that has lost WAL, or is about to.
_LOSING = ("lost", "unreserved")


def judge_standbys(standbys: Sequence[Standby], wanted: int, limits: Limits) -> None:
    """Each by time and by bytes; fewer than the site names is a breach of its own."""
    following = [standby for standby in standbys if standby.state != "backup"]
    for standby in following:
        name = standby.application or standby.client
        behind = standby.flush_bytes if standby.replay_bytes is None else standby.replay_bytes  # some only store it
        if behind is None:
            limits.cannot_see(text("{standby} does not say how far it is ({state})", standby=name, state=standby.state))
        else:
            _judge_lag(standby, name, behind, limits)
    if len(following) < wanted:
        said = text("{count} of {wanted} standbys follow", count=len(following), wanted=wanted)
        limits.hold(State.CRITICAL, of="*", summary=said)


def _judge_lag(standby: Standby, name: str, behind: int, limits: Limits) -> None:
    if standby.replay_lag is not None and behind:
        said = text("{standby} is {lag} and {bytes} behind", standby=name, lag=standby.replay_lag, bytes=size(behind))
        limits.judge(standby.replay_lag, of=name, summary=said)
    in_bytes = Threshold(limits.number("bytes_warning"), limits.number("bytes_critical"), unit="B")
    said = text("{standby} is {bytes} behind", standby=name, bytes=size(behind))
    limits.judge(behind, of=f"{name} (bytes)", summary=said, threshold=in_bytes)


def judge_slot(slot: Slot, limits: Limits) -> None:
    """By what is kept for it; one that nobody fetches is a warning at least, one whose WAL is lost is of no use."""
    kept = slot.kept_bytes or 0
    given = {"slot": slot.name, "size": size(kept), "status": slot.wal_status or "—"}
    if slot.wal_status in _LOSING or slot.reason:
        said = text(
            "Replication slot {slot} has lost WAL or is about to ({status}): who fetches it must start anew", **given
        )
        limits.hold(State.CRITICAL, of=slot.name, summary=said)
    elif slot.active:
        said = text("The server keeps {size} of WAL for slot {slot}, which is fetched", size=size(kept), slot=slot.name)
        limits.judge(kept, of=slot.name, summary=said)
    else:
        said = text("Nobody fetches replication slot {slot}: the server keeps {size} of WAL for it ({status})", **given)
        state = limits.judge(kept, of=slot.name, summary=said)
        if state is State.OK and not _is_new(slot, limits):
            limits.hold(State.WARNING, of=f"{slot.name} (inactive)", summary=said)


def _is_new(slot: Slot, limits: Limits) -> bool:
    """Whether it keeps nothing yet, or its follower has only just gone."""
    return slot.kept_bytes is None or (slot.inactive_for is not None and slot.inactive_for < limits.span("patience"))


def judge_archive(archive: Archive, history: History, limits: Limits) -> None:
    """By what waits, by what fails now, and by what has failed since the last check."""
    said = text(
        "{files} of WAL ({size}) wait for the archive",
        files=Quantity(archive.ready, "files"),
        size=size(archive.ready * archive.segment_bytes),
    )
    limits.judge(archive.ready, of="backlog", summary=said)
    past = _counting.of("DB-14", "failures", archive.failed, history, limits)
    given = {"file": archive.last_failed, "time": archive.last_failed_at}
    if fails_now(archive):
        words = text("The archive fails: {file} could not be archived at {time}, and nothing has been since", **given)
        limits.hold(State.WARNING, of="failing", summary=words)
    elif past is not None and past.grown:
        words = text(
            "{count} attempts to archive failed in {span}, the last at {time} ({file})",
            count=past.grown,
            span=past.span,
            **given,
        )
        limits.hold(State.WARNING, of="failures", summary=words)


def fails_now(archive: Archive) -> bool:
    """Whether the last attempt failed."""
    failed, done = archive.last_failed_at, archive.last_archived_at
    return failed is not None and (done is None or failed > done)
