"""Whether the backups are kept from strangers' eyes and hands: the bucket, the objects, the way to them. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from runbook.limits import Limits
from runbook.model import State
from runbook.text import text

if TYPE_CHECKING:
    from procedures.backup.facts import Backups, Bucket, Guarded, Published, Wanted
    from runbook.targets.s3.promised import Promise

#: So many of the newest manifests are looked at: what lies there longer cannot be changed any more.
NEWEST = 5
#: A lock is set when a backup begins, for whole days.
_SLACK = timedelta(days=1)


def judge_bucket(bucket: Bucket, limits: Limits) -> None:
    """What is configured, and the way there."""
    _judge("private", bucket.private, State.CRITICAL, limits)
    _judge("versioning", bucket.versioning, State.WARNING, limits)
    _judge("default encryption", bucket.default_encryption, State.WARNING, limits)
    if bucket.loopback:
        limits.hold(State.OK, of="TLS", summary=text("The storage is on this machine: nothing goes over a network"))
        return
    if not bucket.tls:
        plain = text("Backups go over the network without TLS: set storage.endpoint_url to https")
        limits.hold(State.CRITICAL, of="TLS", summary=plain)
    _judge("policy", bucket.transport, State.WARNING, limits)


def judge_manifests(found: Backups, wanted: Wanted, limits: Limits) -> None:
    """How the newest backups were encrypted when they were made, as was proven then."""
    for one in [one for one in found.published if one.manifest is not None][:NEWEST]:
        encrypted = one.manifest.encryption  # type: ignore[union-attr]
        if wanted.encryption != "none" and encrypted.server is None:
            said = text("{folder} was made without proof that the storage encrypts it", folder=one.folder)
        elif wanted.sealed and encrypted.client is None:
            said = text("{folder} was not encrypted before it was sent (backup.age_recipients)", folder=one.folder)
        else:
            continue
        limits.hold(State.WARNING, of=f"{one.folder} (manifest)", summary=said)


def judge_newest(newest: Published, guarded: Guarded, wanted: Wanted, limits: Limits) -> None:
    """What the storage says of the newest good backup now."""
    _judge_encryption(newest, guarded, wanted, limits)
    if wanted.lock_days:
        _judge_lock(newest, guarded, wanted, limits)


def _judge_encryption(newest: Published, guarded: Guarded, wanted: Wanted, limits: Limits) -> None:
    sealed = newest.manifest is not None and newest.manifest.encryption.client is not None
    known = {"folder": newest.folder, "algorithm": guarded.encryption or "–"}
    if guarded.proven or (wanted.encryption == "none" and guarded.encryption is not None):
        limits.hold(
            State.OK, of=newest.folder, summary=text("{folder} is encrypted by the storage with {algorithm}", **known)
        )
    elif sealed:
        state = State.OK if wanted.encryption == "none" else State.WARNING
        said = text("{folder} is encrypted with age; the storage says: {algorithm}", **known)
        limits.hold(state, of=newest.folder, summary=said)
    else:
        known["asked"] = wanted.encryption
        said = text("{folder} is not encrypted as asked ({asked}): the storage says {algorithm}", **known)
        limits.hold(State.CRITICAL, of=newest.folder, summary=said)


def _judge_lock(newest: Published, guarded: Guarded, wanted: Wanted, limits: Limits) -> None:
    due = newest.finished_at + timedelta(days=wanted.lock_days) - _SLACK
    name, until = f"{newest.folder} (lock)", guarded.locked_until
    if until is None:
        limits.hold(State.WARNING, of=name, summary=text("{folder} is not locked", folder=newest.folder))
    else:
        said = text("{folder} is locked until {until}", folder=newest.folder, until=until)
        limits.hold(State.OK if until >= due else State.WARNING, of=name, summary=said)


def _judge(name: str, promise: Promise, broken: State, limits: Limits) -> None:
    """What the server does not know is no proof, and no fault either; what we may not ask, we cannot see."""
    if promise.denied:
        limits.cannot_see(text("The store denies the reader {promise}", promise=name))
        return
    state = {"kept": State.OK, "broken": broken}.get(promise.state.value, State.SKIPPED)
    limits.hold(state, of=name, summary=promise.words)
