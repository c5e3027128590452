"""Why there is no young backup, and the one step that makes one. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from checks._found import confirmed, fact, ruled_out
from runbook import clock
from runbook.errors import RunbookError
from runbook.limits import Limits
from runbook.model import Effect, Evidence, Finding, Proof, Risk, State, Step
from runbook.rows import Findings, NoPlan
from runbook.text import Quantity, Text, size, text

if TYPE_CHECKING:
    from procedures.backup.facts import Attempt, BackingUp, Backups, Operating, Published, Unpublished

#: The name under which the age of the newest good backup is judged and remembered.
NEWEST = "sep_muses"
JOURNAL = "journal.jsonl"


def judge_newest(found: Backups, limits: Limits) -> None:
    """Judge the age of the newest good one, and a newer one that is none; tell what is not published."""
    good = found.newest_good
    if good is None:
        limits.hold(State.CRITICAL, of=NEWEST, summary=text("There is no verified backup"))
    else:
        age = clock.now() - good.finished_at
        said = text("The newest verified backup is {age} old: {key}", age=age, key=good.folder)
        limits.judge(age, of=NEWEST, summary=said)
    for newest in found.published[:1]:
        if (wrong := wrong_with(newest)) is not None:
            state = State.WARNING if newest.whole else State.CRITICAL
            limits.hold(state, of=newest.folder, summary=wrong)
    if found.unpublished:
        backups = Quantity(len(found.unpublished), "backups")
        said = text("{backups} are not published: on their way, or broken off", backups=backups)
        limits.hold(State.OK, of=f"{NEWEST} (unpublished)", value=backups, summary=said)


def wrong_with(one: Published) -> Text | None:
    """Why a published backup is no good; None where it is."""
    key = one.folder
    if one.manifest is None:
        reason = one.problem.values.get("reason") if one.problem else None
        return text("The manifest of backup {key} cannot be read: {reason}", key=key, reason=reason)
    if one.data_bytes is None:
        return text("The data of backup {key} is missing", key=key)
    if one.data_bytes != one.manifest.bytes:
        sizes = {"there": size(one.data_bytes), "published": size(one.manifest.bytes)}
        return text("Backup {key} has {there} instead of {published}", key=key, **sizes)
    if one.lost:
        return text("Of backup {key} is missing or cut: {object}", key=key, object=one.lost[0])
    if not one.manifest.verified:
        return text("Backup {key} was published without being verified", key=key)
    return None


def attempts(backup: BackingUp) -> tuple[Attempt, ...]:
    """What this machine's journal knows; nothing where it cannot be read, for what lies there says it too."""
    try:
        return backup.attempts()
    except RunbookError:
        return ()


def not_due(found: Backups, limits: Limits) -> Finding | None:
    """Where the newest good backup is young enough none is missing."""
    limit = limits.threshold.warning if limits.threshold else None
    if found.newest_good is None or not isinstance(limit, timedelta):
        return None
    age = clock.now() - found.newest_good.finished_at
    return ruled_out(text("The newest verified backup is {age} old: none was due", age=age)) if age <= limit else None


def begun(found: Backups, tried: Sequence[Attempt]) -> Finding | None:
    """Where there is a trace of a later one than the newest good, something did begin."""
    evidence = (*_traces(found, tried), *(_folder(one) for one in _in_making(found)))
    return ruled_out(text("A backup has begun since the newest good one"), *evidence) if evidence else None


def failed(found: Backups, tried: Sequence[Attempt]) -> Finding:
    """Whether something began after the newest good backup and became none."""
    traces = _traces(found, tried)
    if not traces:
        return ruled_out(text("Nothing was begun after the newest good backup that failed"))
    advice = text("`muses-runbook history` names the runs, `muses-runbook report RUN` says what ended one")
    return confirmed(traces[0].statement, *traces, advice=(advice,))


def forbidden(found: Operating) -> Finding:
    """Whether the storage would take a backup, as far as reading shows."""
    source = "s3"
    if found.denied is not None:
        return confirmed(text("The storage does not let the operator in"), fact(found.denied, source))
    if found.objections:
        return confirmed(found.objections[0], *(fact(one, source) for one in found.objections))
    return ruled_out(
        text("The storage lets the operator in, and nothing about it forbids a backup; a write was not tried")
    )


def at_work(found: Backups) -> Finding:
    """Whether somebody holds a lease on a backup that is not published."""
    making = _in_making(found)
    if not making:
        return ruled_out(text("Nobody holds a lease on a backup in the making"))
    said = text("A backup is being made just now: {folder}", folder=making[0])
    return confirmed(said, *(_folder(one) for one in making))


def steps(findings: Findings, fingerprint: dict[str, Any]) -> Iterator[Step]:
    """The backup, as one step. Raises NoPlan while one is being made, and where the storage would refuse it."""
    if findings["backup_is_being_made"].proof is Proof.CONFIRMED:
        raise NoPlan(text("A backup is being made just now: wait for its end"))
    storage = findings["storage_forbids_it"]
    if storage.proof is Proof.CONFIRMED:
        raise NoPlan(storage.summary)
    yield Step(
        what=text("Dump the database, encrypt it, store it, read it back, publish it; no older backup is touched"),
        target="backup",
        operation="backup",
        fingerprint=fingerprint,
        risk=Risk.LOW,
        effect=Effect.CHANGE,
    )


def _in_making(found: Backups) -> list[str]:
    published = {one.folder for one in found.published}
    return [folder for folder in found.leased if folder not in published]


def _traces(found: Backups, tried: Sequence[Attempt]) -> tuple[Evidence, ...]:
    """What began after the newest good backup and did not become one, each with its source."""
    since = found.newest_good.finished_at if found.newest_good else None
    bad = [one for one in found.published if wrong_with(one) and _after(one.finished_at, since)]
    broken = [one for one in found.unpublished if not one.leased and _after(one.last, since)]
    working = bool(_in_making(found))
    runs = [one for one in tried if _after(one.began_at, since) and _is_failed(one, working=working)]
    return (
        *(fact(_tried(one), JOURNAL) for one in runs),
        *(fact(_left(one), "s3") for one in broken),
        *(fact(wrong, "s3") for one in bad if (wrong := wrong_with(one)) is not None),
    )


def _is_failed(one: Attempt, *, working: bool) -> bool:
    """One without an end was killed, unless it is the one at work."""
    return one.outcome in ("failed", "refused") or (one.outcome is None and not working)


def _tried(one: Attempt) -> Text:
    at = {"run": one.run, "at": one.began_at}
    if one.said is not None:
        return text("The backup of run {run}, begun at {at}, failed: {reason}", **at, reason=str(one.said))
    if one.outcome is None:
        return text("The backup of run {run}, begun at {at}, never came to its end", **at)
    if one.outcome == "refused":
        return text("The backup of run {run} at {at} was refused", **at)
    return text("The backup of run {run}, begun at {at}, failed", **at)


def _left(one: Unpublished) -> Text:
    ago = clock.now() - one.last
    return text("{folder} was broken off {ago} ago, at {size}", folder=one.folder, ago=ago, size=size(one.bytes))


def _folder(name: str) -> Evidence:
    return fact(text("{folder} is leased", folder=name), "s3")


def _after(moment: datetime, since: datetime | None) -> bool:
    return since is None or moment > since
