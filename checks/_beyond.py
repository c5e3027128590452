"""The row's own limits, for what is only worth a closer look, or only touched, beyond them. Pure."""

from __future__ import annotations

from datetime import timedelta

from runbook.limits import Amount, Limits
from runbook.model import State


def beyond(limits: Limits, value: Amount) -> bool:
    """Whether a value breaches the row's threshold."""
    return limits.threshold is not None and limits.threshold.state(value) is not State.OK


def first(limits: Limits) -> timedelta:
    """The span from which on the row is breached; for ever where the site has taken both limits away."""
    threshold = limits.threshold
    given = (threshold.warning, threshold.critical) if threshold else ()
    return min((_span(limit) for limit in given if limit is not None), default=timedelta.max)


def last(limits: Limits) -> timedelta:
    """The critical limit as a span; for ever where the site has taken it away."""
    critical = limits.threshold.critical if limits.threshold else None
    return timedelta.max if critical is None else _span(critical)


def _span(limit: Amount) -> timedelta:
    return limit if isinstance(limit, timedelta) else timedelta(seconds=limit)
