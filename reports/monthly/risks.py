"""What the month leaves at risk, each with the step that takes it away. Nothing is here that nothing was seen of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from datetime import timedelta

import msgspec

from reports.levels import Held, LevelResult
from reports.monthly.growth import AHEAD, Forecast
from reports.monthly.metrics import Day
from reports.monthly.month import Month, newest
from reports.monthly.procedures import Backups, Fix
from reports.monthly.thresholds import Contrast
from reports.words import Standing, is_open, standing
from runbook.model import is_waived
from runbook.text import Text, text

#: The same remedy so often in a month treats a symptom.
_OFTEN = 3
#: Waivers that end so soon after the month are a risk of the next one.
_SOON = timedelta(days=31)


class Risk(msgspec.Struct, frozen=True):
    """What may go wrong, and what to do; ``about`` is what it is about, where the sentence does not say it itself."""

    what: Text
    next: Text
    rows: tuple[str, ...] = ()
    about: Text | None = None


def of_levels(found: Sequence[LevelResult]) -> Iterator[Risk]:
    """Levels that were missed, and those that nothing proves."""
    for one in found:
        rows, promise = one.level.rows, one.level.promise
        if one.held is Held.MISSED:
            agree = text("Agree on what brings it back, and on what waits until its budget is whole again")
            yield Risk(text("this service level was missed"), agree, rows, promise)
        elif one.level.own_limit:
            own = text("it is judged by the site's own limit, {limit}", limit=one.level.own_limit)
            yield Risk(own, text("Agree on one limit, here and in the promise"), rows, promise)
        elif one.held is Held.NOT_PROVEN and (one.gap > one.budget or one.good):
            often = text("Have {rows} judged at least every {budget}", rows=", ".join(rows), budget=one.budget)
            yield Risk(text("it is not proven that this was kept: seen too seldom, or not"), often, rows, promise)


def of_incidents(month: Month) -> Iterator[Risk]:
    """Those that still last."""
    for one in month.incidents:
        if one.ended is None or one.ended > month.until:
            lasts = text("Incident {id} still lasts, since {began}", id=one.id, began=one.began)
            draft = text("Bring it to its end, then: muses-runbook postmortem {id}", id=one.id)
            yield Risk(lasts, draft, one.rows)


def of_rows(month: Month, told: Collection[str]) -> Iterator[Risk]:
    """Rows that the newest run has broken, unknown or waived, where nothing else tells of them."""
    for row, record in sorted(newest(month).items()):
        stands = standing(record)
        if row in told:
            continue
        if stands is Standing.UNKNOWN:
            unseen = text("The newest run could not see {row}", row=row)
            yield Risk(unseen, text("Make it readable: muses-runbook doctor says what is missing"), (row,))
        elif is_open(stands):
            yield Risk(
                text("{row} is breached in the newest run", row=row), text("Mend it, or waive it until a day"), (row,)
            )
        if is_waived(record):
            yield from _ending(row, month)


def _ending(row: str, month: Month) -> Iterator[Risk]:
    """Waivers that end soon: on the day after, the row alerts again."""
    for waiver in newest(month)[row].waivers:
        if waiver.holds and waiver.expires <= (month.until + _SOON).date():
            ends = text("The waiver of {row} ends on {day}", row=row, day=waiver.expires.isoformat())
            yield Risk(ends, text("{owner} mends it before that day", owner=waiver.owner), (row,))


def of_days(days: Sequence[Day]) -> Iterator[Risk]:
    """Days of which nothing is known."""
    silent = [day.day.isoformat() for day in days if day.worst is None]
    if silent:
        said = text("No run judged anything on {count} of {days} days", count=len(silent), days=len(days))
        yield Risk(said, text("See whether the schedule is installed and fires: muses-runbook schedule status"))


def of_backups(found: Backups) -> Iterator[Risk]:
    """Days without a backup, and no restore in the month."""
    if found.days_without:
        days = ", ".join(day.isoformat() for day in found.days_without[:5])
        without = text("{count} days without a verified backup: {days}", count=len(found.days_without), days=days)
        yield Risk(without, text("Find out why none was made on those days"), ("BACKUP-01",))
    if found.failed_at:
        failed = text("A restore test failed on {at}", at=found.failed_at[-1])
        yield Risk(failed, text("Make a new backup, prove it, and keep the older ones"), ("BACKUP-02",))
    if not found.restored_at:
        unproven = text("No backup was restored in this month: none of them is proven")
        yield Risk(unproven, text("Prove the newest one: muses-runbook run restore-test --execute"), ("BACKUP-02",))


def of_growth(found: Sequence[Forecast], month: Month) -> Iterator[Risk]:
    """What reaches its limit within ninety days at this pace."""
    for one in found:
        if one.reached_at is not None and one.reached_at <= month.until + AHEAD:
            full = text(
                "At this pace {object} reaches {limit} on {at}", object=one.object, limit=one.limit, at=one.reached_at
            )
            yield Risk(full, text("Make room, or ask for more of it in time"), (one.row,))


def of_fixes(found: Sequence[Fix]) -> Iterator[Risk]:
    """The same remedy again and again: the cause remains."""
    for row, count in sorted(Counter(one.row for one in found).items()):
        if count >= _OFTEN:
            often = text("{row} was treated {count} times: the symptom goes, the cause remains", row=row, count=count)
            yield Risk(often, text("Look for the cause and mend it: write a post-mortem of these runs"), (row,))


def blind(found: Sequence[Contrast]) -> tuple[str, ...]:
    """Rows that were never seen the whole month."""
    return tuple(one.row for one in found if not one.judged and one.unknown)


def of_blind(rows: tuple[str, ...]) -> Iterator[Risk]:
    """They protect nobody."""
    if rows:
        said = text("Never seen in this month: {rows}", rows=", ".join(rows))
        yield Risk(said, text("Make it readable: muses-runbook doctor says what is missing"), rows)
