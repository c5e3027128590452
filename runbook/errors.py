"""The error tree: everything the product raises on purpose, with fields a caller can act on.

A message may be plain words or a :class:`Text`, which people are shown in their language.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from runbook.text import Text, text, verbatim


class RunbookError(Exception):
    """Something that the user of the runbook must be told, in words that name the way out."""

    def __init__(self, message: Text | str) -> None:
        self.said = verbatim(message) if isinstance(message, str) else message
        super().__init__(str(message))


class SettingsError(RunbookError):
    """A setting is missing, unknown or bad; says the file, the line and the key where known."""

    def __init__(
        self,
        message: Text | str,
        *,
        key: str | None = None,
        file: Path | None = None,
        line: int | None = None,
        nearest: str | None = None,
    ) -> None:
        self.key, self.file, self.line, self.nearest = key, file, line, nearest
        super().__init__(message)

    def __str__(self) -> str:
        return "".join((self.place, str(self.said), f" — did you mean {self.nearest!r}?" if self.nearest else ""))

    @property
    def place(self) -> str:
        """``file:line: key: ``, as far as known."""
        where = f"{self.file}:{self.line}: " if self.file and self.line else f"{self.file}: " if self.file else ""
        return where + (f"{self.key}: " if self.key else "")


class ProbeFailure(StrEnum):
    """Why a reading could not be taken."""

    REFUSED = "refused"
    SILENT = "silent"
    DENIED = "denied"
    LIMIT = "limit"
    TLS = "tls"
    DNS = "dns"
    SLOW = "slow"
    BLIND = "blind"
    ABSENT = "absent"
    BROKEN = "broken"
    NOT_CONFIGURED = "not configured"

    @property
    def whole_target(self) -> bool:
        """Whether the target as a whole failed, so that asking it again in the same run is a waste of time."""
        return self in _WHOLE_TARGET


_WHOLE_TARGET = frozenset(
    {
        ProbeFailure.REFUSED,
        ProbeFailure.SILENT,
        ProbeFailure.DENIED,
        ProbeFailure.LIMIT,
        ProbeFailure.TLS,
        ProbeFailure.DNS,
    }
)


class ProbeError(RunbookError):
    """A reading could not be taken: the row that asked is UNKNOWN, never OK and never failed.

    ``kind`` lets diagnosis tell a refusal from silence; ``code`` is the protocol's own (an SQLSTATE, an HTTP status).
    """

    def __init__(self, target: str, kind: ProbeFailure, message: Text | str, *, code: str | None = None) -> None:
        self.target, self.kind, self.code = target, kind, code
        super().__init__(f"{target}: {message}" if isinstance(message, str) else message)


class NotConfigured(ProbeError):
    """The site file says nothing of this target: the row is SKIPPED with the reason, visibly."""

    def __init__(self, target: str, setting: str) -> None:
        self.setting = setting
        words = text("{target} is not configured: set {setting} in the site file", target=target, setting=setting)
        super().__init__(target, ProbeFailure.NOT_CONFIGURED, words)


class ActionError(RunbookError):
    """A step of a plan did not happen, or not as planned; later steps do not run.

    ``refused`` says that nothing was changed, because the target was not as the plan knew it.
    """

    def __init__(self, target: str, operation: str, message: Text | str, *, refused: bool = False) -> None:
        self.target, self.operation, self.refused = target, operation, refused
        super().__init__(f"{target}.{operation}: {message}" if isinstance(message, str) else message)


class PlanError(RunbookError):
    """A plan file cannot be used: it was changed, has expired or is not approved. Nothing of it runs."""


class LockError(RunbookError):
    """Another acting run holds the target, or the lock could not be proven to be ours."""


class JournalError(RunbookError):
    """The journal cannot be written or its chain is broken: nothing may act."""


class HistoryError(RunbookError):
    """The history cannot be read or written."""


class ReportError(RunbookError):
    """A report could not be written; the records it would have shown are not lost."""


class DeliveryError(ReportError):
    """A report or a message did not reach those it is for; it was made and is kept, and may be sent again."""
