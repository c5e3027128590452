"""The report a director reads: one HTML file, no network, under two megabytes, complete where no script runs.

Everything in it is set by templates with autoescape on; nothing is put together by hand. Its one script searches and
filters the rows; the page's own policy names it by its hash, so that nothing else in the page can ever run.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import msgspec

from reports.language import Language
from reports.pages import TEMPLATES, environment, script_hash
from reports.panel import IN_A_LINE, IN_BRIEF
from reports.view import FULL, Report, view
from runbook.model import Run

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

#: What a browser opens at once and a ticket takes.
LARGEST = 2_000_000
#: How many rows are shown in full, and how the others are, from the fullest page to the smallest.
_LEVELS = ((FULL, msgspec.structs.replace(IN_BRIEF, slices=10)), (8, IN_BRIEF), (3, IN_BRIEF), (0, IN_A_LINE))


def render(run: Run, language: Language, largest: int = LARGEST) -> bytes:
    """The whole page, UTF-8. Rows are shown in less detail until the page is small enough to open."""
    language = msgspec.structs.replace(language, space="\u00a0")
    for full, rest in _LEVELS:
        page = _page(view(run, language, full=full, rest=rest), language)
        if len(page) <= largest:
            break
    return page


def _page(report: Report, language: Language) -> bytes:
    template = _environment(language).get_template("report.html.j2")
    return template.render(report=report).encode("utf-8", "replace")


def _ticked(words: str) -> Markup:
    """The words, what stands in backticks set as code; a last one without a partner is a character."""
    from markupsafe import Markup, escape

    parts = [escape(part) for part in words.split("`")]
    if len(parts) % 2 == 0:
        parts[-2:] = [escape("`").join(parts[-2:])]
    return Markup("").join(Markup("<code>{}</code>").format(p) if n % 2 else p for n, p in enumerate(parts))


@functools.lru_cache(maxsize=4)
def _environment(language: Language) -> Environment:
    from markupsafe import Markup

    script = (TEMPLATES / "report.js").read_text("utf-8")
    made = environment(language)
    made.filters["ticked"] = _ticked
    # Our own file, and the only text that is not escaped.
    made.globals.update({"script": Markup(script), "script_hash": script_hash(script)})  # noqa: S704
    return made
