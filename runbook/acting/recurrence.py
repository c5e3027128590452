"""The same fix again and again: the symptom is treated, the cause remains, and a person gets the history. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

import msgspec

from runbook.history import Attempt
from runbook.model import Decision, Proven
from runbook.settings import PolicySettings
from runbook.text import Text, text

#: The rule of policy that a row's attempts have reached their limit.
LIMIT = "policy.attempts"


def escalated(decision: Decision, ledger: Sequence[Attempt], settings: PolicySettings, zone: tzinfo) -> Decision:
    """The decision, with the history in it where it is that there were too many attempts."""
    if decision.rule != LIMIT or not ledger:
        return decision
    return msgspec.structs.replace(decision, reason=_history(ledger, settings, zone))


def _history(ledger: Sequence[Attempt], settings: PolicySettings, zone: tzinfo) -> Text:
    fixed = sum(attempt.outcome == Proven.FIXED for attempt in ledger)
    told = "; ".join(f"{attempt.at.astimezone(zone):%d %b %H:%M} {_outcome(attempt)}" for attempt in ledger)
    given = {"window": settings.attempts_window, "history": told, "targets": _targets(ledger)}
    if fixed == len(ledger):
        return text(
            "Fixed {count} times in {window} on {targets}: the symptom is treated, the cause remains. A person must "
            "look ({history})",
            count=fixed,
            **given,
        )
    return text(
        "Tried {count} times in {window} on {targets}, {fixed} times it helped: the cause remains. A person must look "
        "({history})",
        count=len(ledger),
        fixed=fixed,
        **given,
    )


def _outcome(attempt: Attempt) -> str:
    return attempt.outcome or "?"


def _targets(ledger: Sequence[Attempt]) -> str:
    return ", ".join(sorted({target for attempt in ledger for target in attempt.targets})) or "—"
