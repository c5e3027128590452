"""Which of the three forms a log has, seen by looking at it."""

from __future__ import annotations

from runbook.targets.slow_log.csv_form import CSV_LINE, Csv
from runbook.targets.slow_log.form import Bounds, Form, UnknownPrefix
from runbook.targets.slow_log.json_form import Json
from runbook.targets.slow_log.prefix import guessed
from runbook.targets.slow_log.text_form import Stderr

__all__ = ["Bounds", "UnknownPrefix", "form_of"]


def form_of(head: bytes, prefix: str | None, bounds: Bounds) -> Form | None:
    """The form of a log by its first bytes; None where they hold nothing. Raises UnknownPrefix."""
    start = head.lstrip(b"\r\n\0 ")
    if not start:
        return None
    if start.startswith(b'{"'):
        return Json(bounds)
    if CSV_LINE.search(start):
        return Csv(bounds)
    if prefix is None:
        prefix = guessed(start.decode("latin-1").split("\n"))
    if prefix is None:
        raise UnknownPrefix
    return Stderr(bounds, prefix)
