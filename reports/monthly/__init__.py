"""The monthly report of an environment, from its history and its stored runs, in the order the office hands it in."""

from __future__ import annotations

from pathlib import Path

import msgspec

from reports import drafts
from reports.clean import outgoing
from reports.language import Language
from reports.monthly.figures import figures
from reports.monthly.month import Month
from reports.monthly.writing import report


def render(month: Month, form: str, language: Language, template: Path | None = None) -> bytes:
    """The report in one form. Raises ReportError for a form there is not, and where its extra is missing."""
    return drafts.render(report(month, figures(month), language), form, language, template)


def facts(month: Month) -> bytes:
    """Its numbers as JSON, masked."""
    found = outgoing(figures(month))
    return msgspec.json.format(msgspec.json.encode(found, enc_hook=str), indent=2) + b"\n"
