"""The backups that this machine began, as its journal remembers them: by hand, by a timer, or as a row's remedy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from procedures.backup.facts import Attempt
from runbook.acting.journal import Entry, verify
from runbook.learnt import learnt
from runbook.text import Text

#: How many of the newest are told.
NEWEST = 5
_OUTCOMES = {"done": "done", "failed": "failed", "refused": "refused", "not run": "failed"}


def attempts(file: Path) -> tuple[Attempt, ...]:
    """The newest attempts, newest first. Raises JournalError where the journal cannot be trusted. Reads only."""
    return tuple(_attempts(verify(file)))[::-1][:NEWEST]


def _attempts(entries: list[Entry]) -> Iterator[Attempt]:
    results = {entry.body.get("intent"): entry.body for entry in entries if entry.kind == "result"}
    for entry in entries:
        if entry.kind == "intent" and entry.body.get("operation") == "backup":
            yield _attempt(entry, results.get(entry.number))


def _attempt(intent: Entry, result: dict[str, Any] | None) -> Attempt:
    outcome = _OUTCOMES.get(result.get("outcome", ""), "failed") if result else None
    given = {"run": intent.run, "began_at": intent.at, "outcome": outcome, "said": _said(result)}
    return msgspec.convert(given, learnt(Attempt))


def _said(result: dict[str, Any] | None) -> Text | None:
    """Why a row's remedy failed; a procedure keeps that in its report."""
    words = (result or {}).get("result")
    return msgspec.convert(words, learnt(Text)) if isinstance(words, dict) else None
