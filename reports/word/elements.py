"""The few elements of WordprocessingML that a report is made of, in the order in which its schema wants them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from docx.oxml.ns import qn
from docx.oxml.parser import OxmlElement

from reports.clean import printable

#: The typeface of what is typed, its size in half points, and that of what stands in a table.
_TYPED, _TYPED_SIZE, _CELL_SIZE = "Consolas", 17, 18


def element(tag: str, *inner: Any, **attributes: object) -> Any:
    """An element of WordprocessingML with its attributes and what is in it."""
    made: Any = OxmlElement(tag)
    for name, value in attributes.items():
        made.set(qn(f"w:{name}"), str(value))
    made.extend(inner)
    return made


def run(words: str, *, bold: bool = False, code: bool = False, small: bool = False) -> Any:
    """Words of one look; they are never markup, and what XML cannot hold is gone."""
    looks = []
    if code:
        looks.append(element("w:rFonts", ascii=_TYPED, hAnsi=_TYPED, cs=_TYPED))
    if bold:
        looks.append(element("w:b"))
    if code:
        looks.append(element("w:noProof"))
    if code or small:
        looks.append(element("w:sz", val=_TYPED_SIZE if code else _CELL_SIZE))
    inner = [element("w:rPr", *looks)] if looks else []
    for place, part in enumerate(printable(words).split("\t")):
        inner += ([element("w:tab")] if place else []) + [_text(part)]
    return element("w:r", *inner)


def paragraph(
    runs: Iterable[Any],
    style: str | None = None,
    *,
    inset: int | None = None,
    next_: bool = False,
    shaded: bool = False,
    rule: bool = False,
) -> Any:
    """A paragraph of runs; ``next_`` keeps it with what follows, ``inset`` is in twentieths of a point."""
    looks = [element("w:pStyle", val=style)] if style else []
    if next_:
        looks.append(element("w:keepNext"))
    if rule:
        looks.append(element("w:pBdr", element("w:left", val="single", sz=24, space=8, color="8A5600")))
    if shaded:
        looks.append(element("w:shd", val="clear", color="auto", fill="F2F2F2"))
    if inset is not None:
        looks.append(element("w:ind", left=inset, hanging=0 if shaded else 280))
    return element("w:p", *([element("w:pPr", *looks)] if looks else []), *runs)


def _text(words: str) -> Any:
    made = element("w:t")
    made.text = words.replace("\n", " ")
    made.set("{http://www.w3.org/XML/1998/namespace}space", "preserve")
    return made
