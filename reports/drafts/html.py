"""A draft as one HTML page: no network, no scripts, prints to A4; set by a template with autoescape on."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from reports.document.blocks import Line, Trend
from reports.drafts import Draft, parts
from reports.figures import HEIGHT, WIDTH, Spark, spark
from reports.language import Language
from reports.pages import environment
from reports.words import SHAPES

if TYPE_CHECKING:
    from jinja2 import Template

#: Characters up to which a cell is kept on one line.
_SHORT = 16
#: The shape that a mark begins with → the name of its colour.
_NAMES = {shape: standing.value for standing, shape in SHAPES.items()}


def render(draft: Draft, language: Language) -> bytes:
    """The whole page, UTF-8."""
    given = {"kind": _kind, "tone": _tone, "drawn": _drawn, "is_short": _is_short, "box": (WIDTH, HEIGHT)}
    page = _template().render(draft=draft, code=language.code, **given)
    return page.encode("utf-8", "replace")


def _kind(given: object) -> str:
    """Which block or piece it is: the template chooses how to set it by its name."""
    return type(given).__name__


def _tone(line: Line) -> str:
    """The colour of a line that begins with the shape of a standing."""
    words = getattr(line[0], "words", "") if len(line) > 1 else ""
    return _NAMES.get(words.strip(), "")


def _is_short(line: Line) -> bool:
    """An id or an amount: it is not broken over two lines."""
    return sum(len(getattr(piece, "words", "")) for piece in line) <= _SHORT


def _drawn(trend: Trend) -> tuple[Spark, tuple[str, ...]] | None:
    """The box of a line, and its parts: a lone point is drawn as a line of no length."""
    found = spark(trend.points, trend.measure)
    if found is None:
        return None
    places = found.points.split(" ")
    if len(places) != len(trend.points):  # thinned: too many points for gaps to be seen
        return found, (found.points,)
    return found, tuple(
        " ".join(places[at] for at in (part if len(part) > 1 else part * 2)) for part in parts(trend.points)
    )


@functools.cache
def _template() -> Template:
    return environment().get_template("draft.html.j2")
