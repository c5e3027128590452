"""What a run's report says of its plan file: where it lies, who must approve it, and what to type."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from runbook.model import Choice, PlanNotice, Record, Run
from runbook.plans.approving import Standing, expires_at, standing_of
from runbook.plans.plan_file import PlanFile, made_from, save
from runbook.settings import ApprovalSettings
from runbook.site import Site
from runbook.text import Text, text


def planned(run: Run, site: Site, file: Path | None) -> Run:
    """The run with its plan written down, in the state folder unless said. Raises PlanError.

    In the state folder only where there is something to approve.
    """
    plan = made_from(run, site.settings.policy.approval.plan_valid_for)
    if file is None and not plan.plan.rows:
        return run
    file = file or site.state_folder / "plans" / f"{run.id}.json"
    save(plan, file)
    return msgspec.structs.replace(run, plan_file=waiting(plan, file, site, run.ended_at))


def waiting(plan: PlanFile, file: Path, site: Site, now: datetime) -> PlanNotice:
    """A plan that was made, with what is still missing before it runs."""
    standing = standing_of(plan, site, now)
    approval = site.settings.policy.approval
    told = _notice(plan, file, standing)
    if not plan.plan.rows:
        return msgspec.structs.replace(told, note=text("The plan has no steps: there is nothing to approve or apply"))
    commands = tuple(_commands(file.absolute(), standing, approval)) if approval.method else ()
    return msgspec.structs.replace(told, commands=commands, note=_note(approval))


def applied(plan: PlanFile, file: Path, standing: Standing, run: Run) -> PlanNotice:
    """A plan that a run carried out, with the rows that it refused."""
    told = {record.row: _refusal(record) for record in run.records}
    absent = text("The row was not found: nothing of it ran")
    refused = {row.row: told.get(row.row, absent) for row in plan.plan.rows}
    left = {row: reason for row, reason in refused.items() if reason is not None}
    return msgspec.structs.replace(_notice(plan, file, standing), applied=True, refused=left)


def _refusal(record: Record) -> Text | None:
    decision = record.decision
    return decision.reason if decision is not None and decision.choice is Choice.LEAVE else None


def _notice(plan: PlanFile, file: Path, standing: Standing) -> PlanNotice:
    return PlanNotice(
        file=str(file.absolute()),
        hash=plan.hash,
        rows=tuple(row.row for row in plan.plan.rows),
        steps=sum(len(row.plan.steps) for row in plan.plan.rows),
        risk=plan.plan.risk,
        expires_at=expires_at(standing, plan),
        needed=standing.needed,
        approvals=tuple(f"{one.claim.name}: {one.claim.reason}" for one in standing.counting),
    )


def _commands(file: Path, standing: Standing, approval: ApprovalSettings) -> Iterator[str]:
    """One command where one person is enough: it signs and applies. Otherwise all but the last only sign."""
    place = shlex.quote(str(file))
    signing = "--as NAME --reason 'WHY'" + (" --key ~/.ssh/id_ed25519" if approval.method == "ssh" else "")
    missing = standing.needed - len(standing.counting)
    for _person in range(missing - 1):
        yield f"muses-runbook approve {place} {signing}"
    yield f"muses-runbook apply {place}" + (f" {signing}" if missing > 0 else "")


def _note(approval: ApprovalSettings) -> Text | None:
    if approval.method is None:
        return text("Nobody can approve it: set policy.approval in the site file (docs/how-to/approve.md)")
    if approval.method == "hmac":
        return text("One key signs for all: it proves that somebody who can read it approved, not who")
    return None
