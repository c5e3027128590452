"""The index as a file: the template with everything that shows put in, and no larger than a browser opens at once."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import msgspec

from reports.language import Language
from reports.nights import Index
from reports.nights.view import Detail, view
from reports.pages import TEMPLATES, environment, script_hash

if TYPE_CHECKING:
    from jinja2 import Environment

#: What a page may weigh: it is opened from a bucket, on a telephone, at three in the morning.
LARGEST = 1_000_000
_EVERYTHING = 1_000_000
_LEVELS = (
    Detail(slices=30, steady_slices=30, steady=_EVERYTHING),
    Detail(slices=30, steady_slices=12, steady=_EVERYTHING),
    Detail(slices=15, steady_slices=6, steady=_EVERYTHING),
    Detail(slices=12, steady_slices=0, steady=_EVERYTHING),
    Detail(slices=12, steady_slices=0, steady=0),
    Detail(slices=0, steady_slices=0, steady=0),
)


def page(index: Index, language: Language) -> bytes:
    """The whole page, UTF-8. What it leaves out to stay small it counts."""
    language = msgspec.structs.replace(language, space="\u00a0")
    for detail in _LEVELS:
        made = _page(index, language, detail)
        if len(made) <= LARGEST:
            break
    return made


def _page(index: Index, language: Language, detail: Detail) -> bytes:
    template = _environment(language).get_template("nights.html.j2")
    script = (TEMPLATES / "nights.js").read_text("utf-8")
    shown = view(index, language, detail)
    return template.render(index=shown, script=script, script_hash=script_hash(script)).encode("utf-8", "replace")


@functools.lru_cache(maxsize=4)
def _environment(language: Language) -> Environment:
    return environment(language)
