"""Ending a session of the database: how a plan names one, and the step. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from runbook.model import Effect, Risk, Step
from runbook.text import text

if TYPE_CHECKING:
    from runbook.targets.postgres.structs import Session


def handle(session: Session) -> dict[str, Any]:
    """What a step needs of a session: which it is, what it was when the plan was made, and its name for people."""
    return {
        "arguments": session.identity,
        "fingerprint": session.fingerprint,
        "application": session.application or session.role,
    }


def end(named: Mapping[str, Any], population: int | None = None) -> Step:
    """End one session; its open transaction is rolled back. It cannot be undone."""
    return Step(
        what=text(
            "End session {pid} of {application}", pid=str(named["arguments"]["pid"]), application=named["application"]
        ),
        target="database",
        operation="end_session",
        arguments=named["arguments"],
        fingerprint=named["fingerprint"],
        risk=Risk.MEDIUM,
        effect=Effect.CHANGE,
        population=population,
    )
