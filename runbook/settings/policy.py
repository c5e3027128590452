"""What may act by itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from runbook.settings.words import Strict

Permission = Literal["act", "ask", "never"]


class PolicySettings(Strict, frozen=True, kw_only=True):
    """May a remedy act by itself? By risk, by row, and within guards. What is not said is ``ask``."""

    low: Permission = "ask"
    medium: Permission = "ask"
    high: Permission = "ask"
    rows: dict[str, Permission] = {}
    attempts: int = 3
    attempts_window: timedelta = timedelta(hours=24)
    cooldown: timedelta = timedelta(minutes=10)
    max_touched: int = 8
    max_percent: float = 100.0
    hours: str | None = None
