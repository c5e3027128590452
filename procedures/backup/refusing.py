"""What forbids a backup or a restore before it begins."""

from __future__ import annotations

from runbook.errors import ActionError, RunbookError
from runbook.text import Text, text


class Refused(ActionError):
    """Something forbids to begin; nothing was changed. ``objections`` are all of them."""

    def __init__(self, target: str, operation: str, said: Text, objections: tuple[Text, ...]) -> None:
        self.objections = objections
        super().__init__(target, operation, said, refused=True)


def backup_refused(objections: tuple[Text, ...]) -> Refused:
    """No backup begins."""
    said = text("The backup does not begin: {reasons}", reasons=_all(objections))
    return Refused("backup", "backup", said, objections)


def restore_refused(objections: tuple[Text, ...]) -> Refused:
    """No restore begins."""
    said = text("The restore does not begin: {reasons}", reasons=_all(objections))
    return Refused("database", "restore-backup", said, objections)


def _all(objections: tuple[Text, ...]) -> str:
    return "; ".join(str(objection) for objection in objections)


def objections_to(failure: RunbookError | None, seen: tuple[Text, ...]) -> tuple[Text, ...]:
    """What forbids to begin: what it was refused for, else what was seen before."""
    return failure.objections if isinstance(failure, Refused) else seen
