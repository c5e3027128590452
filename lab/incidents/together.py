"""Several breakages at once: which can be, in which order they are applied, and in which they are healed."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from lab.incidents import BREAKAGES, Breakage

#: From the first applied to the last, which is the first healed. What takes a lock or ends a service comes after what
#: needs the table or the service, and what refuses sessions after what needs one.
ORDER = (
    "slow-query",
    "staging-overgrown",
    "big-batch",
    "backup-missing",
    "poison-messages",
    "transaction-forgotten",
    "database-overload",
    "consolidation-down",
    "too-few-consumers",
    "worker-stuck",
    "worker-down",
    "database-refuses",
)
#: The same replicas cannot hang and be stopped.
IMPOSSIBLE = frozenset({frozenset({"worker-stuck", "worker-down"})})


def pairs() -> tuple[tuple[str, str], ...]:
    """All pairs that can be in effect at once, each in the order of applying."""
    return tuple(pair for pair in itertools.combinations(ORDER, 2) if frozenset(pair) not in IMPOSSIBLE)


def in_order(names: Iterable[str]) -> tuple[Breakage, ...]:
    """The breakages of those names, in the order of applying; healing goes the other way."""
    return tuple(BREAKAGES[name] for name in sorted(names, key=ORDER.index))
