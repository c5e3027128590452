"""The report as a PDF: the HTML's print form, tagged for screen readers, with nothing left to load.

WeasyPrint sets it; what that cannot do is prepared here: it knows no grid that fits ours, and a drawing of its knows
neither the page's styles nor the page's other drawings.
"""

from __future__ import annotations

import hashlib
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports import html
from reports.language import Language
from runbook.errors import ReportError
from runbook.model import Run
from runbook.text import text

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_PAPER = Path(__file__).parent.parent / "templates" / "paper.css"
#: A page of this many bytes is some fifty sheets: past it rows are told in brief, as nobody reads more on paper.
_LARGEST = 300_000
#: What WeasyPrint would not take, and what it takes instead: paragraphs below each other always read well.
_INSTEAD = ((re.compile(r"display:\s*grid"), "display:block"), (re.compile(r"font-weight:\s*6\d0"), "font-weight:600"))


def render(run: Run, language: Language) -> bytes:
    """A run on A4, the same bytes each time. Raises ReportError where the extra or the system's Pango is missing."""
    return of_page(html.render(run, language, _LARGEST), run.id)


def of_page(page: bytes, name: str) -> bytes:
    """Any page of ours on A4; ``name`` makes its identifier. Raises ReportError as ``render`` does."""
    weasyprint = _weasyprint()
    from reports.pdf.drawings import draw

    document = weasyprint.HTML(string=page.decode(), url_fetcher=weasyprint.urls.URLFetcher(allowed_protocols=()))
    root: Element = document.etree_element
    styles = list(root.iter("style"))
    css = "\n".join(_for_paper(style.text or "") for style in styles)
    draw(root, css)
    for style in styles:
        style.text = ""
    styles[0].text = css + _PAPER.read_text("utf-8")
    identifier = hashlib.sha256(name.encode("utf-8", "replace")).digest()[:16]
    content: bytes = document.write_pdf(pdf_variant="pdf/ua-1", pdf_identifier=identifier)
    return content


def _for_paper(css: str) -> str:
    for given, instead in _INSTEAD:
        css = given.sub(instead, css)
    return css


def _weasyprint() -> Any:
    try:
        import weasyprint
    except ModuleNotFoundError as error:
        raise ReportError(
            text("PDF reports need the extra {extra}: pip install 'muses-runbook[pdf]'", extra="pdf")
        ) from error
    except OSError as error:
        raise ReportError(
            text(
                "PDF reports need the system's Pango: apt-get install {packages}",
                packages="libpangoft2-1.0-0 libharfbuzz-subset0",
            )
        ) from error
    # What a browser knows and WeasyPrint does not is no news: we wrote the page for browsers first.
    logging.getLogger("weasyprint").setLevel(logging.CRITICAL)
    return weasyprint
