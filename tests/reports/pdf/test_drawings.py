"""A drawing takes with it what it had from its page: colours, lines and marks."""

from __future__ import annotations

from xml.etree.ElementTree import Element, fromstring

import pytest

pytest.importorskip("cssselect2")
drawings = pytest.importorskip("reports.pdf.drawings")

SVG = "{http://www.w3.org/2000/svg}"
CSS = """
:root{--red:#a00;--line:#123}
@media (prefers-color-scheme:dark){:root{--red:#fff}}
@media print{.thin{stroke-width:2}}
.critical{--state:var(--red)}
.shape{fill:var(--state);width:1em}
.trend path{stroke:var(--line)}
.later{fill:none} .cut{fill:none;stroke:var(--missing)}
details::details-content{fill:green}
"""


def page(body: str) -> Element:
    """A page's tree as it is before it is drawn."""
    return fromstring(f'<html xmlns:s="http://www.w3.org/2000/svg"><body>{body}</body></html>')


def test_looks_come_from_whatever_stands_around() -> None:
    root = page(
        '<p class="critical"><s:svg class="shape"><s:path class="thin"/></s:svg></p>'
        '<div class="trend"><s:svg><s:path/></s:svg></div>'
    )
    drawings.draw(root, CSS)
    first, second = root.iter(f"{SVG}svg")
    assert first.get("fill") == "#a00"
    assert "width" not in first.attrib
    assert next(first.iter(f"{SVG}path")).get("stroke-width") == "2"
    assert next(second.iter(f"{SVG}path")).get("stroke") == "#123"


def test_the_more_exact_rule_wins() -> None:
    root = page('<s:svg><s:path class="later" id="x"/></s:svg>')
    drawings.draw(root, CSS + "#x{fill:blue} path{fill:red}")
    assert next(root.iter(f"{SVG}path")).get("fill") == "blue"


def test_a_mark_is_put_where_it_is_used() -> None:
    root = page(
        '<s:svg><s:symbol id="m" viewBox="0 0 9 9"><s:path class="cut" d="M0 0"/></s:symbol></s:svg>'
        '<s:svg><s:use href="#m"/></s:svg><s:svg><s:use href="#none"/></s:svg>'
    )
    drawings.draw(root, CSS)
    marks, used, unknown = root.iter(f"{SVG}svg")
    assert marks.get("style") == "display:none"
    assert not list(marks.iter(f"{SVG}symbol"))
    assert used.get("viewBox") == "0 0 9 9"
    assert next(used.iter(f"{SVG}path")).attrib == {
        "class": "cut",
        "d": "M0 0",
        "fill": "none",
        "stroke": "currentColor",
    }
    assert unknown.find(f"{SVG}use") is not None


def test_a_drawing_is_called_what_the_page_calls_it() -> None:
    root = page('<s:svg aria-label="From 1 to 2"/><s:svg aria-hidden="true"/><s:svg><s:title>own</s:title></s:svg>')
    drawings.draw(root, CSS)
    assert [title.text for title in root.iter(f"{SVG}title")] == ["From 1 to 2", " ", "own"]
