"""What the rows of the runbook are told of the backups: frozen facts, times aware and in UTC, sizes bytes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec

from procedures.backup.retention import Retention
from runbook.errors import ProbeFailure
from runbook.slots import Slot
from runbook.targets.hosts.timers import Standing
from runbook.targets.s3.backups import Manifest, Proof
from runbook.targets.s3.promised import Promise
from runbook.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """A published backup: what its manifest says, without the counts of its tables, and what of it lies there.

    ``data_bytes`` is None where the data are gone; ``lost`` are the other objects that the manifest names and that are
    not there, whole. ``problem`` says why there is no ``manifest``; ``written_at`` is when that was written.
    """

    folder: str
    written_at: datetime
    manifest: Manifest | None = None
    data_bytes: int | None = None
    lost: tuple[str, ...] = ()
    problem: Text | None = None

    @property
    def finished_at(self) -> datetime:
        """By its manifest, else when that was written."""
        return self.manifest.finished_at if self.manifest else self.written_at

    @property
    def whole(self) -> bool:
        """Whether all that the manifest names lies there, by its size."""
        return self.manifest is not None and not self.lost and self.data_bytes == self.manifest.bytes

    @property
    def good(self) -> bool:
        """Whether it was read back when it was made, and is still all there."""
        return self.whole and self.manifest is not None and self.manifest.verified


class Unpublished(msgspec.Struct, frozen=True, kw_only=True):
    """A folder without a manifest: on its way while ``leased``, else broken off. ``last`` is its newest object's."""

    folder: str
    last: datetime
    bytes: int
    leased: bool = False


class Proven(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a restore test; ``problem`` says why it cannot be read."""

    folder: str
    written_at: datetime
    proof: Proof | None = None
    problem: Text | None = None


class Backups(msgspec.Struct, frozen=True, kw_only=True):
    """The newest published backups and the newest proofs, newest first, and all folders that are not published.

    ``unread`` older manifests were left out, the youngest of them written at ``unread_since``. ``skew`` is how far this
    machine's clock is off the storage's.
    """

    published: tuple[Published, ...] = ()
    unpublished: tuple[Unpublished, ...] = ()
    proofs: tuple[Proven, ...] = ()
    leased: tuple[str, ...] = ()
    unread: int = 0
    unread_since: datetime | None = None
    skew: timedelta = timedelta(0)

    @property
    def newest_good(self) -> Published | None:
        """The newest that was verified and is whole."""
        return next((one for one in self.published if one.good), None)


class Guarded(msgspec.Struct, frozen=True, kw_only=True):
    """What the storage says of a backup's data now; ``proven``: it says that they are encrypted as was asked."""

    encryption: str | None
    proven: bool
    locked_until: datetime | None


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """What guards the bucket. ``transport`` refuses who comes without TLS; ``loopback``: it is on this machine."""

    private: Promise
    versioning: Promise
    default_encryption: Promise
    transport: Promise
    tls: bool
    loopback: bool


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the site file asks of backups."""

    encryption: str
    sealed: bool
    lock_days: int
    keep: timedelta
    prefix: str


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """A backup that this machine began, by its journal; ``outcome`` is None where it never came to an end."""

    run: str
    began_at: datetime
    outcome: Literal["done", "failed", "refused"] | None = None
    said: Text | None = None


class Operating(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the storage lets the operator in, and what about it forbids a backup, as far as reading shows."""

    denied: Text | None = None
    objections: tuple[Text, ...] = ()


class HostTimers(msgspec.Struct, frozen=True, kw_only=True):
    """The timers of the jobs on one host, or the ``problem`` that kept them from being read."""

    host: str
    standings: tuple[Standing, ...] = ()
    problem: Text | None = None
    failure: ProbeFailure | None = None


class BackingUp(Protocol):
    """What rows ask of the target ``backup``; they never see the procedure that stands behind it."""

    @property
    def wanted(self) -> Wanted:
        """What the site file asks of backups."""

    @property
    def slots(self) -> Mapping[str, Slot]:
        """When which job is planned."""

    def today(self) -> str:
        """The day of the site's calendar."""

    def day_of(self, one: Published) -> str:
        """The day of the site's calendar that a backup is for."""

    def backups(self) -> Backups:
        """The backups as they lie there."""

    def guarded(self, key: str, version: str | None) -> Guarded:
        """What the storage says of one object."""

    def bucket(self) -> Bucket:
        """What guards the bucket."""

    def identifier(self) -> str:
        """Who the database system is."""

    def retention(self) -> Retention:
        """What retention would keep and remove."""

    def attempts(self) -> tuple[Attempt, ...]:
        """The newest backups that this machine began, newest first."""

    def operating(self) -> Operating:
        """Whether the storage would take a backup."""

    def timers(self) -> tuple[HostTimers, ...]:
        """The timers of all hosts."""

    def fingerprint(self) -> dict[str, Any]:
        """What must still be so when the backup begins."""
