"""Whether a backup was restored, and whether the newest is as large and as quick as its forerunners. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from statistics import median
from typing import TYPE_CHECKING

from runbook import clock
from runbook.limits import Limits, Threshold
from runbook.model import State
from runbook.text import Text, percent, size, text

if TYPE_CHECKING:
    from procedures.backup.facts import Backups
    from runbook.targets.s3.backups import Manifest, Proof

#: The names under which the measures are judged and remembered.
RESTORED, SIZE, DURATION = "sep_muses", "sep_muses (size)", "sep_muses (duration)"
#: So many tables are named of those that differ.
_NAMED = 5


def judge(found: Backups, limits: Limits) -> None:
    """Judge the newest proof, and the age of the newest whole one that passed."""
    for one in found.proofs:
        if one.problem is not None:
            limits.hold(State.WARNING, of=one.folder, summary=one.problem)
    proofs = sorted((one.proof for one in found.proofs if one.proof), key=lambda proof: proof.finished_at, reverse=True)
    for newest in proofs[:1]:
        if not newest.passed:
            limits.hold(State.CRITICAL, of=newest.backup, summary=_failed(newest))
    made = {one.folder: one.finished_at for one in found.published}
    whole = [(made.get(one.backup, one.finished_at), one) for one in proofs if one.counts]
    if not whole:
        _judge_never(found, limits, any_failed=bool(proofs and not proofs[0].passed))
        return
    at, proof = max(whole, key=lambda pair: pair[0])
    age = clock.now() - at
    said = text(
        "The newest backup that was restored is {age} old: {backup}, {tables} tables as they were, in {took}",
        age=age,
        backup=proof.backup,
        tables=proof.tables_compared,
        took=timedelta(seconds=proof.seconds),
    )
    limits.judge(age, of=RESTORED, summary=said)


def judge_trend(found: Backups, limits: Limits) -> None:
    """Hold the newest good backup against the median of those before it."""
    good = [one.manifest for one in found.published if one.good and one.manifest is not None]
    newest = good[0] if good else None
    earlier = [one for one in good[1:] if newest and one.system_identifier == newest.system_identifier]
    earlier = earlier[: round(limits.number("samples"))]
    if newest is None or len(earlier) < limits.number("least_samples"):
        few = text(
            "There are {count} good backups before the newest; what is usual shows from {least} on",
            count=len(earlier),
            least=round(limits.number("least_samples")),
        )
        limits.skip(few)
        return
    _judge_size(newest, earlier, limits)
    _judge_duration(newest, earlier, limits)


def _judge_never(found: Backups, limits: Limits, *, any_failed: bool) -> None:
    """Nothing was due while the first backup is younger than the limit; then never is no matter of age."""
    oldest = min((one.finished_at for one in found.published if one.good), default=None)
    limit = limits.threshold.warning if limits.threshold else None
    since = None if oldest is None else clock.now() - oldest
    if since is None or (isinstance(limit, timedelta) and since <= limit):
        if not any_failed:
            said = text("No restore test was due yet: the first good backup is {age} old", age=since or timedelta(0))
            limits.skip(said)
        return
    said = text("No backup was ever proven by restoring it, and the oldest is {age} old", age=since)
    limits.hold(State.CRITICAL, of=RESTORED, summary=said)


def _failed(proof: Proof) -> Text:
    """What differed, else what ended it."""
    known = {"backup": proof.backup, "ago": clock.now() - proof.finished_at}
    if proof.differing:
        named = [f"{table} ({found} ≠ {expected})" for table, (expected, found) in proof.differing.items()]
        rest = f", … {len(named) - _NAMED}" if len(named) > _NAMED else ""
        return text(
            "The restore of {backup} {ago} ago lacks rows or has too many: {tables}",
            tables=", ".join(named[:_NAMED]) + rest,
            **known,
        )
    if proof.problem is not None:
        return text("{backup} could not be restored {ago} ago: {reason}", reason=proof.problem, **known)
    return text("The restore of {backup} {ago} ago has damaged tables or indexes, says amcheck", **known)


def _judge_size(newest: Manifest, earlier: Sequence[Manifest], limits: Limits) -> None:
    usual = median(one.bytes for one in earlier)
    share = 100 * newest.bytes / usual if usual else 100.0
    said = text(
        "The newest backup has {size}, {share} of what is usual ({usual})",
        size=size(newest.bytes),
        share=percent(round(share)),
        usual=size(usual),
    )
    if share > limits.number("largest"):
        most = Threshold(warning=limits.number("largest"), critical=None, unit="%")
        limits.judge(share, of=SIZE, summary=said, threshold=most)
    else:
        limits.judge(share, of=SIZE, summary=said)


def _judge_duration(newest: Manifest, earlier: Sequence[Manifest], limits: Limits) -> None:
    before = [took.total_seconds() for one in earlier if (took := _took(one)) is not None]
    took = _took(newest)
    if took is None or len(before) < limits.number("least_samples"):
        unknown = text("The manifests do not say how long the backups took")
        limits.hold(State.SKIPPED, of=DURATION, summary=unknown)
        return
    usual = timedelta(seconds=median(before))
    said = text("The newest backup took {took}; {usual} is usual", took=took, usual=usual)
    most = max(usual * limits.number("slower"), limits.span("least_duration"))
    limits.judge(took, of=DURATION, summary=said, threshold=Threshold(warning=most, critical=None))


def _took(one: Manifest) -> timedelta | None:
    return one.finished_at - one.started_at if one.started_at is not None else None
