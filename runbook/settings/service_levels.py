"""The service levels that reports hold the judgements against."""

from __future__ import annotations

from datetime import timedelta

from runbook.settings.words import Strict


class ServiceLevelSettings(Strict, frozen=True, kw_only=True):
    """How much of the time each level must hold (percent), and which rows tell.

    The service is not available while any of ``available_rows`` is CRITICAL. No tolerance is agreed for latency, pace
    and the notice to SIGED: that of the availability counts unless ``others`` says another. A judgement speaks until
    the next one of its row, and no longer than ``stands_for``: what comes after is a gap, and never counts as kept.
    """

    availability: float = 99.9
    others: float = 99.9
    available_rows: tuple[str, ...] = ("DB-02", "BROKER-01", "HOST-02")
    stands_for: timedelta = timedelta(hours=26)

    def __post_init__(self) -> None:
        for name in ("availability", "others"):
            if not 0 < getattr(self, name) <= 100:
                raise ValueError(f"{name} is a percentage above 0 and up to 100, not {getattr(self, name):g}")
        if not self.available_rows:
            raise ValueError("available_rows names no row: then nothing tells whether the service is available")
        if self.stands_for <= timedelta(0):
            raise ValueError("stands_for of no time lets no judgement count")
