"""Whether the backups that should be there are, and those that should not are gone. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from checks._backing import wrong_with
from runbook import clock
from runbook.errors import NotConfigured, ProbeError
from runbook.limits import Limits
from runbook.model import State
from runbook.text import Quantity, size, text

if TYPE_CHECKING:
    from procedures.backup.facts import BackingUp, Backups

#: The names under which the measures are judged and remembered.
MISSING, TOO_MANY, FROZEN = "sep_muses (missing)", "sep_muses (overdue)", "sep_muses (retention)"


def judge_days(found: Backups, backup: BackingUp, limits: Limits) -> None:
    """Count the days without a good backup, from the oldest one on: today's is row BACKUP-01's."""
    days = {date.fromisoformat(backup.day_of(one)) for one in found.published if one.good}
    if not days:
        limits.hold(State.CRITICAL, of=MISSING, summary=text("There is no verified backup"))
        return
    today = date.fromisoformat(backup.today())
    since = max(min(days), today - backup.wanted.keep + timedelta(days=1))  # of an older day it may be gone already
    missing, first = [day for day in _between(since, today) if day not in days], since.isoformat()
    said = text("Every day since {first} has its verified backup", first=first)
    if missing:
        listed, count = ", ".join(day.isoformat() for day in missing), Quantity(len(missing), "days")
        said = text("{days} since {first} have no verified backup: {listed}", days=count, first=first, listed=listed)
    limits.judge(len(missing), of=MISSING, summary=said)


def judge_pieces(found: Backups, limits: Limits) -> None:
    """A manifest without its data, and data without their manifest. The newest backup is row BACKUP-01's."""
    for one in found.published[1:]:
        if (wrong := wrong_with(one)) is not None:
            limits.hold(State.WARNING, of=one.folder, summary=wrong)
    now = clock.now() - found.skew
    for left in found.unpublished:
        age = now - left.last
        if not left.leased and age > limits.span("left_behind"):
            known = {"folder": left.folder, "size": size(left.bytes), "age": age}
            said = text("{folder} holds {size} without a manifest, left behind {age} ago", **known)
            limits.hold(State.WARNING, of=left.folder, summary=said)


def judge_retention(found: Backups, backup: BackingUp, limits: Limits) -> None:
    """What may go and lies there all the same, and why nothing goes."""
    try:
        retention = backup.retention()
    except NotConfigured as absent:
        limits.hold(State.SKIPPED, of=FROZEN, summary=absent.said)
        return
    except ProbeError as error:
        limits.cannot_see(error.said)
        return
    for number, reason in enumerate(retention.frozen, 1):
        limits.hold(State.WARNING, of=f"{FROZEN} {number}", summary=reason)
    ends = {one.folder: one.finished_at + backup.wanted.keep for one in found.published}
    patience = clock.now() - limits.span("overdue")
    late = [folder for folder in retention.removable if ends[folder] < patience]
    kept = Quantity(len(late), "backups")
    said = text("No backup lies there past its time without a reason")
    if late:
        said = text(
            "{backups} may go and were not removed, the oldest since {since}: {folder}",
            backups=kept,
            since=ends[late[0]],
            folder=late[0],
        )
    limits.hold(State.WARNING if late else State.OK, of=TOO_MANY, value=kept, summary=said)
    _tell_unread(found, patience - backup.wanted.keep, limits)


def _tell_unread(found: Backups, patience: datetime, limits: Limits) -> None:
    """More than a check reads: those behind are past their time, or somebody makes a great many."""
    if found.unread and found.unread_since is not None:
        count, since = Quantity(found.unread, "backups"), found.unread_since
        said = text(
            "{backups} written up to {since} were not read: `muses-runbook run retention` reads all",
            backups=count,
            since=since,
        )
        state = State.WARNING if since < patience else State.OK
        limits.hold(state, of=f"{TOO_MANY} (unread)", value=count, summary=said)


def _between(first: date, end: date) -> Iterator[date]:
    while first < end:
        yield first
        first += timedelta(days=1)
