"""One row on its way through a run, and who watches it go."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from runbook.model import BREACHED, Action, Decision, Finding, Plan, Record, Step, Verdict, Verification
from runbook.rows import Row


class Listener(Protocol):
    """Who watches the run: a terminal board, or nobody."""

    def started(self, rows: tuple[str, ...]) -> None:
        """These rows are being judged."""

    def judged(self, record: Record) -> None:
        """A row is judged, explained and planned for."""

    def acting(self, step: Step) -> None:
        """A step begins."""

    def acted(self, action: Action) -> None:
        """A step ended, one way or another."""

    def verifying(self, row: str) -> None:
        """A row is being judged again after an action."""

    def ask(self, row: str) -> bool | None:
        """A person's answer to "may this plan run?"; None where nobody can be asked."""


@dataclass(eq=False)
class Job:
    """One row on its way through the run."""

    row: Row
    targets: Mapping[str, Any]
    started: float = field(default_factory=time.monotonic)
    verdict: Verdict | None = None
    findings: tuple[Finding, ...] = ()
    plan: Plan | None = None
    decision: Decision | None = None
    actions: list[Action] = field(default_factory=list)
    verification: Verification | None = None
    took: timedelta = timedelta(0)

    @property
    def breached(self) -> bool:
        """Whether the row is breached as far as is known now."""
        latest = self.verification.verdict if self.verification else self.verdict
        return latest is not None and latest.state in BREACHED
