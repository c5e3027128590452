"""The past of what a row judges: that of earlier runs, or of Prometheus where those are too few.

Only where both measure the same: what Prometheus keeps is never mixed with what earlier runs measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from runbook.errors import NotConfigured, ProbeError
from runbook.limits import Limits
from runbook.model import State
from runbook.redact import masked_text
from runbook.text import Quantity, Text, text

if TYPE_CHECKING:
    from runbook.history import History

Samples = tuple[tuple[datetime, float], ...]


class Past(NamedTuple):
    """The samples, oldest first; ``said`` tells where they are from when it is not from earlier runs, or why not."""

    samples: Samples
    said: Text | None = None


def of(
    history: History, own: Sequence[tuple[datetime, float]], least: float, quantity: str, object: str, since: timedelta
) -> Past:
    """Earlier runs' samples where they are at least so many, else those of Prometheus where it is configured."""
    own = tuple(own)
    elsewhere = history.elsewhere if len(own) < least else None
    if elsewhere is None:
        return Past(own)
    try:
        found = elsewhere.past(quantity, object, since)
    except NotConfigured:
        return Past(own)
    except ProbeError as error:
        return Past(own, text("Prometheus does not tell of the past: {problem}", problem=masked_text(str(error.said))))
    if len(found) <= len(own):
        return Past(own)
    return Past(found, text("The past is Prometheus's: {samples} since {since}", samples=_n(found), since=found[0][0]))


def tell(past: Past, object: str, limits: Limits) -> None:
    """Keep beside the judgement where its past is from. That judges nothing: alone it must not make a row OK."""
    if past.said is not None:
        limits.hold(State.SKIPPED, of=f"{object} (past)", value=_n(past.samples), summary=past.said)


def _n(samples: Samples) -> Quantity:
    return Quantity(len(samples), "samples")
