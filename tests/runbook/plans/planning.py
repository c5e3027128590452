"""A plan of two tanks, a site that signs, and people with keys of their own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from runbook.engine import Engine
from runbook.model import Run
from runbook.plans import approving, signatures
from runbook.plans.mandate import Mandate
from runbook.plans.plan_file import PlanFile, hash_of, made_from
from runbook.rows import Row
from runbook.settings import ApprovalSettings, PolicySettings, Secret
from runbook.site import Site
from tests.runbook.fakes import Quiet, Tank, site_at, tank_row

KEY = "invented-key-of-the-site-0123456789"
DAY = timedelta(hours=24)
#: One look is proof enough of a tank.
SOON = timedelta(seconds=0.1)


def policy(approval: ApprovalSettings, **more: Any) -> PolicySettings:
    return PolicySettings(**{"low": "act", "medium": "ask", "cooldown": timedelta(0), "approval": approval} | more)


def by_hmac(folder: Path, **more: Any) -> ApprovalSettings:
    """A site with one key for all."""
    file = folder / "site.key"
    file.touch(0o600)
    file.write_text(KEY)
    return ApprovalSettings(**{"method": "hmac", "key": Secret(file=file), "people": {"ana": "high"}} | more)


def by_ssh(folder: Path, *people: str, **more: Any) -> ApprovalSettings:
    """A site whose people have SSH keys: the private one of each is ``folder/NAME``."""
    lines = []
    for name in people:
        make_key(folder / name)
        lines.append(f"{name} {(folder / f'{name}.pub').read_text()}")
    (folder / "signers").write_text("".join(lines))
    given = {"method": "ssh", "signers": folder / "signers", "people": dict.fromkeys(people, "high")}
    return ApprovalSettings(**given | more)


def make_key(file: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file], check=True)
    return file


def two_tanks() -> dict[str, Tank]:
    return {"TANK-01": Tank(25), "TANK-02": Tank(30)}


def run_of(site: Site, tanks: dict[str, Tank], rows: Iterable[Row] | None = None, *, run: str = "R1") -> Run:
    """One run of the engine over rows that each have a tank of their own."""
    engine = Engine(site, Quiet(), run=run)
    for row in rows or [tank_row(id=id, settles=SOON) for id in tanks]:
        engine.begin(row, {"tank": tanks[row.id]})
    engine.settle()
    if site.fixing:
        engine.treat()
    return engine.finish()


def planned(site: Site, tanks: dict[str, Tank], rows: Iterable[Row] | None = None, **content: Any) -> PlanFile:
    """The plan of a run that changes nothing; ``content`` changes the plan before it has its hash."""
    plan = made_from(run_of(replace(site, fixing=False), tanks, rows, run="R0"), DAY)
    return rehashed(plan, **content) if content else plan


def rehashed(plan: PlanFile, **content: Any) -> PlanFile:
    changed = msgspec.structs.replace(plan.plan, **content)
    return PlanFile(hash=hash_of(changed), plan=changed)


def approved(
    plan: PlanFile, site: Site, name: str = "ana", key: Path | None = None, at: datetime | None = None
) -> PlanFile:
    """The plan with one more signed approval, whether or not it counts."""
    claim = approving.claim(plan, site, name, "ticket 4711", at or datetime.now(UTC))
    signed = signatures.sign(claim, site.settings.policy.approval, key)
    return msgspec.structs.replace(plan, approvals=(*plan.approvals, signed))


def applied(
    plan: PlanFile, site: Site, tanks: dict[str, Tank], rows: Iterable[Row] | None = None, *, run: str = "R1"
) -> Run:
    """The run of the engine under the plan's mandate."""
    standing = approving.standing_of(plan, site, datetime.now(UTC))
    mandate = Mandate(plan, standing, site.settings.policy)
    return run_of(replace(site, fixing=True, mandate=mandate), tanks, rows, run=run)


def site_for(folder: Path, approval: ApprovalSettings, **more: Any) -> Site:
    return site_at(folder, policy=policy(approval, **more))
