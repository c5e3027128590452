"""Who may approve a plan, and whether its approvals count now: names, signatures, how many, and until when."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

import msgspec

from runbook.errors import PlanError, SettingsError
from runbook.model import Risk
from runbook.plans import signatures
from runbook.plans.plan_file import Approval, Claim, PlanFile
from runbook.policy import LARGEST_SKEW, soundness
from runbook.redact import masked
from runbook.settings import PolicySettings
from runbook.site import Site
from runbook.text import Text, text

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
LONGEST_REASON = 500
_RISKS = [risk.value for risk in Risk]


@dataclass(frozen=True)
class Standing:
    """What the approvals of a plan are worth now. ``objections`` has a line for each that does not count."""

    counting: tuple[Approval, ...]
    objections: tuple[Text, ...]
    needed: int

    @property
    def is_approved(self) -> bool:
        """Whether as many persons approved as the site asks for."""
        return len(self.counting) >= self.needed

    @property
    def names(self) -> str:
        """Who approved."""
        return ", ".join(approval.claim.name for approval in self.counting)


def needed(plan: PlanFile, settings: PolicySettings) -> int:
    """How many different persons must approve it."""
    two = settings.approval.two_persons
    return 2 if two is not None and _RISKS.index(plan.plan.risk.value) >= _RISKS.index(two) else 1


def prove_usable(plan: PlanFile, site: Site, now: datetime) -> None:
    """Raise PlanError where the plan is of another place or time, or empty; SettingsError for an unsound policy."""
    content = plan.plan
    if (content.site, content.environment) != (site.environment.site, site.environment.name):
        raise PlanError(
            text(
                "The plan is for {place}, this is {here}: choose with --env",
                place=f"{content.site} {content.environment}",
                here=f"{site.environment.site} {site.environment.name}",
            )
        )
    if not content.rows:
        raise PlanError(text("The plan has no steps: there is nothing to approve or apply"))
    if content.made_at > now + LARGEST_SKEW:
        raise PlanError(text("The plan was made in the future ({at}): a clock is wrong", at=content.made_at))
    if now >= min(content.expires_at, content.made_at + site.settings.policy.approval.plan_valid_for):
        raise PlanError(text("The plan of {at} has expired: make a new one", at=content.made_at))
    for setting, fault in soundness.faults(site.settings.policy, now.astimezone(site.zone)):
        raise SettingsError(fault, key=setting)


def approve(plan: PlanFile, site: Site, signed: Approval) -> PlanFile:
    """The plan with one more approval, proven as it will be when the plan is applied. Raises PlanError."""
    more = msgspec.structs.replace(plan, approvals=(*plan.approvals, signed))
    standing = standing_of(more, site, signed.claim.at)
    if signed not in standing.counting:
        raise PlanError(standing.objections[-1])
    return more


def claim(plan: PlanFile, site: Site, name: str, reason: str, now: datetime) -> Claim:
    """What the person signs. Raises PlanError where the name or the reason cannot stand."""
    _prove_name(name)
    if not reason.strip() or len(reason) > LONGEST_REASON or not reason.isprintable():
        raise PlanError(text("Give a reason: one line of at most {longest} characters", longest=LONGEST_REASON))
    if masked(reason) != reason:
        raise PlanError(text("The reason names a secret or a personal datum: say it without"))
    valid_for = site.settings.policy.approval.valid_for
    until = min(now + valid_for, plan.plan.expires_at)
    return Claim(hash=plan.hash, name=name, reason=reason.strip(), at=now, expires_at=until)


def standing_of(plan: PlanFile, site: Site, now: datetime) -> Standing:
    """Look at every approval of a plan; what cannot be proven does not count."""
    settings = site.settings.policy
    counting: dict[str, Approval] = {}
    objections: list[Text] = []
    keys: set[str] = set()
    for approval in plan.approvals:
        try:
            key = _counts(approval, plan, site, now)
            if approval.claim.name in counting or key in keys:
                raise PlanError(text("{name} has approved already", name=approval.claim.name))
        except PlanError as error:
            objections.append(error.said)
            continue
        counting[approval.claim.name] = approval
        keys.add(key)
    return Standing(tuple(counting.values()), tuple(objections), needed(plan, settings))


def prove_may(claim: Claim, plan: PlanFile, site: Site) -> None:
    """Raise PlanError where the site does not let this person approve a plan of this risk."""
    may, risk = site.settings.policy.approval.people.get(claim.name), plan.plan.risk.value
    if may is None:
        raise PlanError(text("{name} may not approve here: see policy.approval.people", name=claim.name))
    if _RISKS.index(may) < _RISKS.index(risk):
        raise PlanError(
            text("{name} may approve up to {may} risk, this is {risk}", name=claim.name, may=may, risk=risk)
        )


def _counts(approval: Approval, plan: PlanFile, site: Site, now: datetime) -> str:
    """Which key signed an approval that counts. Raises PlanError for one that does not."""
    claim, rules = approval.claim, site.settings.policy.approval
    _prove_name(claim.name)
    if claim.hash != plan.hash:
        raise PlanError(text("The approval of {name} is for another plan", name=claim.name))
    prove_may(claim, plan, site)
    if claim.at > now + LARGEST_SKEW or claim.expires_at < claim.at:
        raise PlanError(text("The approval of {name} is from the future: a clock is wrong", name=claim.name))
    if now >= min(claim.expires_at, claim.at + rules.valid_for):
        raise PlanError(text("The approval of {name} has expired ({at})", name=claim.name, at=claim.expires_at))
    return signatures.verify(approval, rules)


def _prove_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise PlanError(text("{name} is no name: letters, digits and . _ @ -", name=name[:80]))


def expires_at(standing: Standing, plan: PlanFile) -> datetime:
    """Until when an approved plan may be applied."""
    return min([plan.plan.expires_at, *(approval.claim.expires_at for approval in standing.counting)])
