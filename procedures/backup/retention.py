"""Which backups may go. Pure: everything it looks at is handed to it, so that every history can be tried.

What is kept is always more than one rule's worth: the young ones, the newest good ones however old, the newest that was
proven by restoring, the newest of those past their age, and whatever is on hold. What is not understood freezes all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Self

import msgspec

from runbook.settings import BackupSettings
from runbook.targets.s3.backups import Manifest
from runbook.text import Text, text

#: Nothing goes while the newest verified backup is older than this: backups fail, and the old ones are all there is.
FRESH = timedelta(hours=48)
LARGEST_SKEW = timedelta(seconds=60)
#: More than this at once is not retention's daily work, and needs a person's word.
MOST = 3


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A published backup as retention knows it; the time is the manifest's. ``proven``: by a restore of all data."""

    folder: str
    finished_at: datetime
    system_identifier: str
    verified: bool = True
    proven: bool = False
    leased: bool = False
    locked_until: datetime | None = None

    @classmethod
    def of(cls, folder: str, manifest: Manifest, *, proven: bool, leased: bool) -> Self:
        """By its manifest, and by what lies beside it."""
        return cls(
            folder=folder,
            finished_at=manifest.finished_at,
            system_identifier=manifest.system_identifier,
            verified=manifest.verified,
            proven=proven,
            leased=leased,
            locked_until=manifest.locked_until,
        )


class Circumstances(msgspec.Struct, frozen=True, kw_only=True):
    """What retention must know beside the backups. ``unread`` are manifests that could not be read.

    ``system_identifier`` is the server's that backups are made of, None where it could not be asked.
    """

    now: datetime
    skew: timedelta | None
    system_identifier: str | None
    unread: tuple[str, ...] = ()
    confirmed: bool = False


class Kept(msgspec.Struct, frozen=True):
    """A backup that stays, and why."""

    folder: str
    reasons: tuple[Text, ...]


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """What stays and what may go, oldest first; ``frozen``: why nothing goes, whatever ``removable`` says."""

    keep: tuple[Kept, ...]
    removable: tuple[str, ...]
    frozen: tuple[Text, ...]

    @property
    def remove(self) -> tuple[str, ...]:
        """What is to be removed now."""
        return () if self.frozen else self.removable


def decide(backups: Sequence[Known], rules: BackupSettings, now: Circumstances) -> Retention:
    """Keep by the rules, remove the rest; nothing at all where something is not as it should be."""
    reasons = {one.folder: tuple(_reasons(one, backups, rules, now)) for one in backups}
    by_age = sorted(backups, key=lambda one: one.finished_at)
    removable = tuple(one.folder for one in by_age if not reasons[one.folder])
    return Retention(
        keep=tuple(Kept(one.folder, reasons[one.folder]) for one in by_age if reasons[one.folder]),
        removable=removable,
        frozen=tuple(_frozen(backups, removable, now)),
    )


def _reasons(one: Known, backups: Sequence[Known], rules: BackupSettings, now: Circumstances) -> Iterator[Text]:
    age = now.now - one.finished_at
    verified = _newest_first([other for other in backups if other.verified])
    old = [other for other in verified if now.now - other.finished_at >= rules.keep]
    if age < rules.keep:
        yield text("{folder} stays: younger than {age}", folder=one.folder, age=rules.keep)
    if one in verified[: rules.keep_newest]:
        yield text("{folder} stays: among the newest {count} verified", folder=one.folder, count=rules.keep_newest)
    if one in [other for other in verified if other.proven][:1]:
        yield text("{folder} stays: the newest that was proven by restoring it", folder=one.folder)
    if one in old[:1]:
        yield text("{folder} stays: the newest of those older than {age}", folder=one.folder, age=rules.keep)
    if one.folder.strip("/").rpartition("/")[2] in rules.holds or one.folder in rules.holds:
        yield text("{folder} stays: on hold (backup.holds)", folder=one.folder)
    if one.system_identifier != now.system_identifier:
        identifier = one.system_identifier or "–"
        yield text("{folder} stays: of another database system ({id})", folder=one.folder, id=identifier)
    if one.leased:
        yield text("{folder} stays: in use just now", folder=one.folder)
    if one.locked_until is not None and one.locked_until > now.now:
        yield text("{folder} stays: locked until {until}", folder=one.folder, until=one.locked_until)


def _frozen(backups: Sequence[Known], removable: Sequence[str], now: Circumstances) -> Iterator[Text]:
    if now.unread:
        yield text("The manifest of {folder} cannot be read: nothing is removed", folder=now.unread[0])
    if now.skew is None or abs(now.skew) > LARGEST_SKEW:
        yield text("This machine's clock and the storage's differ: ages mean nothing, and nothing is removed")
    if now.system_identifier is None:
        yield text("The database cannot be asked who it is: nothing is removed")
    strangers = [one for one in backups if one.system_identifier != now.system_identifier]
    if strangers and now.system_identifier is not None:
        yield text(
            "{folder} is of another database system ({identifier}): nothing is removed until it lies elsewhere",
            folder=strangers[0].folder,
            identifier=strangers[0].system_identifier or "–",
        )
    newest = next(iter(_newest_first([one for one in backups if one.verified])), None)
    if newest is None or now.now - newest.finished_at > FRESH:
        yield text("No verified backup is younger than {limit}: backups fail, and nothing is removed", limit=FRESH)
    if any(one.finished_at > now.now + LARGEST_SKEW for one in backups):
        yield text("A backup is from the future: a clock was wrong, and nothing is removed")
    if len(removable) > MOST and not now.confirmed:
        yield text(
            "{count} backups would go at once; more than {limit} only with --confirm-many",
            count=len(removable),
            limit=MOST,
        )


def _newest_first(backups: Sequence[Known]) -> list[Known]:
    return sorted(backups, key=lambda one: one.finished_at, reverse=True)
