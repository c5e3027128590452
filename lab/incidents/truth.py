"""What is true of a breakage, in the words of the runbook's records: by it a diagnosis and a remedy are judged.

Only names: the lab knows nothing of the engine, so the truth does not change when a row does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

#: No cause is right: the row only shows what its neighbour explains.
NONE: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Truth:
    """``row`` must be breached and one of ``causes`` confirmed there; no other cause is right.

    ``operations``: what a remedy may do about it → a word that its step must name, so that nothing healthy is
    touched. ``fixed``: whether the lab's policy lets it be done without a person. ``also``: rows that it may breach
    beside its own → the causes that are right there.
    """

    row: str
    causes: frozenset[str]
    fixed: bool = True
    operations: Mapping[str, str] = field(default_factory=dict)
    also: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def right(self, row: str, cause: str) -> bool:
        """Whether it is right to confirm the cause at that row."""
        return cause in (self.causes if row == self.row else self.also.get(row, ()))

    def allows(self, operation: str, named: str) -> bool:
        """Whether a step may be done about it: the operation, on an object whose description is ``named``."""
        return operation in self.operations and self.operations[operation] in named

    @property
    def rows(self) -> frozenset[str]:
        """All rows that may be breached by it."""
        return frozenset({self.row, *self.also})
