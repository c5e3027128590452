"""May this plan run here, now, at this size? Pure: everything that is looked at is handed over."""

from runbook.policy.guards import (
    GUARDS,
    LARGEST_SKEW,
    SIGNATURE,
    Circumstances,
    Guard,
    decide,
    leave,
    permission,
    too_large,
)

__all__ = [
    "GUARDS",
    "LARGEST_SKEW",
    "SIGNATURE",
    "Circumstances",
    "Guard",
    "decide",
    "leave",
    "permission",
    "too_large",
]
