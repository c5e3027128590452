"""A plan file: the steps of a run with their fingerprints, a hash over all of it, and the approvals that name the hash.

The hash covers every word of the plan. A file whose plan was changed by one character is refused when it is read.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from runbook.errors import PlanError
from runbook.model import Choice, Decision, Plan, Proof, Record, Risk, Run, State, Step
from runbook.redact import masked, masked_words
from runbook.text import Text, text

#: Version of the form; a file of a newer one is refused.
SCHEMA = 1
#: Guards and permissions that stand whoever approves.
_FINAL = frozenset(
    {
        "cause",
        "effect",
        "waivers",
        "policy.max_touched",
        "policy.max_percent",
        *(f"policy.{risk.value}" for risk in Risk),
    }
)
#: Larger than any plan: what is larger is something else.
LARGEST = 16 * 1024**2


class PlannedRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One breached row: what was found, what its remedy would do, and what policy said of it at that time."""

    row: str
    title: Text
    state: State
    summary: Text
    causes: tuple[Text, ...] = ()
    plan: Plan
    decision: Decision | None = None


class LeftOut(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A breached row whose steps are not in the plan, and why."""

    row: str
    reason: Text


class Content(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is approved: the plan of one run in one environment, until ``expires_at``."""

    schema: int = SCHEMA
    site: str
    environment: str
    run: str
    made_at: datetime
    expires_at: datetime
    rows: tuple[PlannedRow, ...]
    left_out: tuple[LeftOut, ...] = ()

    @property
    def risk(self) -> Risk:
        """The highest risk of its rows: what decides who may approve it."""
        return max((row.plan.risk for row in self.rows), key=list(Risk).index, default=Risk.LOW)


class Claim(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person signs: that the plan with this hash may run, why, and until when."""

    hash: str
    name: str
    reason: str
    at: datetime
    expires_at: datetime


class Approval(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A signed claim."""

    claim: Claim
    method: str
    signature: str


class PlanFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file. ``hash`` is that of ``plan`` as it is written."""

    hash: str
    plan: Content
    approvals: tuple[Approval, ...] = ()


def made_from(run: Run, valid_for: timedelta) -> PlanFile:
    """The plan of a run that changed nothing: every breached row whose remedy has steps that policy does not forbid."""
    rows: list[PlannedRow] = []
    left_out: list[LeftOut] = []
    for record in run.records:
        reason = _left_out_because(record)
        if reason is not None:
            left_out.append(LeftOut(row=record.row, reason=masked_words(reason)))
        elif record.plan is not None and record.plan.steps:
            rows.append(_planned(record, record.plan))
    content = Content(
        site=run.environment.site,
        environment=run.environment.name,
        run=run.id,
        made_at=run.ended_at,
        expires_at=run.ended_at + valid_for,
        rows=tuple(rows),
        left_out=tuple(left_out),
    )
    # As it will be read back: a whole number where a float may stand is one then, and has another hash.
    content = msgspec.json.decode(msgspec.json.encode(content), type=Content)
    return PlanFile(hash=hash_of(content), plan=content)


def hash_of(content: Content) -> str:
    """SHA-256 of the plan's canonical JSON, in hexadecimal."""
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()


def plain(step: Step) -> dict[str, Any]:
    """A step as JSON has it."""
    built: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(step))
    return built


def load(file: Path) -> PlanFile:
    """Read a plan file. Raises PlanError for what is none, is of a newer form, or was changed after it was made."""
    try:
        data = _bytes_of(file)
        found = msgspec.json.decode(data, type=PlanFile)
    except OSError as error:
        why = error.strerror or error
        raise PlanError(text("{file} cannot be read: {error}", file=file, error=why)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PlanError(text("{file} is no plan file: {error}", file=file, error=masked(str(error)))) from error
    if found.plan.schema != SCHEMA:
        raise PlanError(
            text("{file} is a plan of form {form}, not {known}", file=file, form=found.plan.schema, known=SCHEMA)
        )
    if hash_of(found.plan) != found.hash:
        raise PlanError(text("{file} was changed after it was made: nothing of it may run", file=file))
    return found


def save(plan: PlanFile, file: Path) -> None:
    """Write it whole or not at all, for its owner and group only. Raises PlanError."""
    draft = file.with_name(f".{file.name}.{os.getpid()}.new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        draft.touch(0o640)
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(plan, order="sorted"), indent=2) + b"\n")
        draft.replace(file)
    except OSError as error:
        why = error.strerror or error
        raise PlanError(text("{file} cannot be written: {error}", file=file, error=why)) from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _bytes_of(file: Path) -> bytes:
    with file.open("rb") as stream:
        data = stream.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise PlanError(text("{file} is too large to be a plan", file=file))
    return data


def _left_out_because(record: Record) -> Text | None:
    """Why a row's steps may not be in a plan file; None where they may, or where there are none."""
    if record.plan is None:
        return None
    if not record.plan.steps:
        return record.plan.reason
    if any(_hides(step) for step in record.plan.steps):
        return text("A step would have to name a secret or a personal datum: it is not written down")
    decision = record.decision
    return decision.reason if decision is not None and _is_final(decision) else None


def _is_final(decision: Decision) -> bool:
    """Whether approval could not change it; an hour, a cooldown or a freeze passes."""
    never = decision.rule in _FINAL or decision.rule.startswith("policy.rows.")
    return decision.choice is Choice.LEAVE and never


def _hides(step: Step) -> bool:
    """Whether the step cannot be written down as it is: what is masked could not be compared, nor done."""
    bare = plain(step)
    told = ("what", "undo")
    kept = {key: value for key, value in bare.items() if key not in told}
    return bool(masked(kept) != kept) or (step.undo is not None and _hides(step.undo))


def _planned(record: Record, plan: Plan) -> PlannedRow:
    confirmed = (f.cause or f.summary for f in record.findings if f.proof is Proof.CONFIRMED)
    return PlannedRow(
        row=record.row,
        title=record.title,
        state=record.verdict.state,
        summary=masked_words(record.verdict.summary),
        causes=tuple(map(masked_words, confirmed)),
        plan=msgspec.structs.replace(plan, steps=tuple(map(_told_masked, plan.steps))),
        decision=record.decision,
    )


def _told_masked(step: Step) -> Step:
    undo = None if step.undo is None else _told_masked(step.undo)
    return msgspec.structs.replace(step, what=masked_words(step.what), undo=undo)
