"""The report a director reads: one HTML file, no network, under two megabytes, complete where no script runs.

Everything in it is set by templates with autoescape on; nothing is put together by hand. Its one script searches and
filters the rows; the page's own policy names it by its hash, so that nothing else in the page can ever run.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from reports.language import Language
from reports.panel import IN_A_LINE, IN_BRIEF
from reports.view import FULL, Report, view
from runbook.model import Run

if TYPE_CHECKING:
    from jinja2 import Environment, FileSystemBytecodeCache
    from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"
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


def _hash(script: str) -> str:
    """The script's name in a Content-Security-Policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _compiled_before() -> FileSystemBytecodeCache | None:
    """Templates as compiled by an earlier run, in a folder of the user's own: compiling costs a tenth of a second.

    None where there can be no such folder; the page is then made all the same.
    """
    from jinja2 import FileSystemBytecodeCache

    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "muses-runbook" / "templates"
    try:
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        ours = cache.stat().st_uid == os.geteuid() and os.access(cache, os.W_OK)
    except (OSError, RuntimeError):
        return None
    return FileSystemBytecodeCache(str(cache)) if ours else None


@functools.lru_cache(maxsize=4)
def _environment(language: Language) -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    script = (TEMPLATES / "report.js").read_text("utf-8")
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        bytecode_cache=_compiled_before(),
    )
    environment.filters["ticked"] = _ticked
    # Our own file, and the only text that is not escaped.
    environment.globals.update({"_": language.word, "script": Markup(script), "script_hash": _hash(script)})  # noqa: S704
    return environment
