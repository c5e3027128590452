"""The report as a Word document: our template's or the site's own, filled with what a run says.

The template keeps its header, its styles, its signature block and whatever else it has; only its tags are filled, and
the blocks of the report stand where it says ``{{ report }}``, in the template's own styles.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from reports.document.blocks import Block
from reports.document.page import Page
from reports.language import Language
from reports.panel import IN_A_LINE, IN_BRIEF
from reports.view import FULL
from runbook.errors import ReportError
from runbook.model import Run
from runbook.text import text

__all__ = ["OURS", "filled", "render", "signatures"]

OURS = Path(__file__).parent.parent / "templates" / "word" / "report.docx"
#: What a template may say, whatever document is made from it.
TAGS = (
    "kind",
    "title",
    "headline",
    "state",
    "site",
    "environment",
    "run",
    "date",
    "started",
    "ended",
    "took",
    "mode",
    "interrupted",
)
#: Rows of a run from which on a document tells most of them in brief, and from which on it tells all of them in a line.
_LONG, _LONGEST = 120, 400


def render(run: Run, language: Language, template: Path | None = None) -> bytes:
    """A run in a template, ours where none is given.

    Raises ReportError where the extra is not installed, and for a template that cannot be read or filled.
    """
    rows = len(run.records)
    full, rest = (FULL, IN_BRIEF) if rows < _LONG else (8, IN_BRIEF) if rows < _LONGEST else (0, IN_A_LINE)
    told = Page(run, language, full=full, rest=rest)
    return filled(template, fields(told, run, language), (told.states(), *told.body()), language)


def filled(template: Path | None, fields: Mapping[str, str], blocks: Iterable[Block], language: Language) -> bytes:
    """A template with its tags filled by ``fields`` and the blocks in the place of ``{{ report }}``.

    ``title`` among the fields is also the document's own. One of TAGS that is not given is empty; a tag that is none of
    them and no field is an error that names it.
    The same document gives the same bytes. Raises ReportError as ``render`` does.
    """
    try:
        from reports.word.template import Opened
    except ModuleNotFoundError as error:
        raise ReportError(
            text("Word documents need the extra {extra}: pip install 'muses-runbook[docx]'", extra="docx")
        ) from error
    opened = Opened(template or OURS, {**dict.fromkeys(TAGS, ""), **signatures(language), **fields})
    opened.put(blocks, language)
    return opened.content()


def fields(told: Page, run: Run, language: Language) -> dict[str, str]:
    """What a template may say of a run: the names of its tags and their words."""
    report, word = told.report, language.word
    headline = ", ".join(report.headline)
    return {
        "kind": word("Incident report"),
        "title": f"{report.site} · {report.environment}: {headline}",
        "headline": f"{headline}.",
        "state": report.standing.word,
        "site": report.site,
        "environment": report.environment,
        "run": report.run,
        "date": language.date(run.started_at),
        "started": report.started,
        "ended": language.moment(run.ended_at),
        "took": word("took {span}", span=report.took),
        "mode": report.mode,
        "interrupted": report.interrupted,
    }


def signatures(language: Language) -> dict[str, str]:
    """The words of our template's signature block."""
    word = language.word
    return {"prepared": word("Prepared by"), "reviewed": word("Reviewed by"), "approved": word("Authorized by")}
