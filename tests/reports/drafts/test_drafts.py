"""A draft is the same in every form, is safe to open, and marks what people must complete."""

from __future__ import annotations

import io
import zipfile
from datetime import timedelta

import docx
import msgspec
import pytest

from reports import drafts
from reports.document.blocks import Trend
from reports.drafts import Draft, Section, gap, html, paragraph, parts, points, table
from reports.drafts.marks import mark
from reports.language import Language
from runbook.errors import ReportError
from runbook.model import State
from tests.reports import factory, markup

ENGLISH = Language("en")


def line_of(*days: int) -> Trend:
    at = factory.START
    return Trend("Latency", "2 of 5 days", tuple((at + timedelta(days=day), float(day)) for day in days), "s")


def draft(words: str = "hola") -> Draft:
    blocks = (
        paragraph(words),
        gap(ENGLISH, words),
        points([words]),
        *table(words, ("A", "B"), [(mark(State.CRITICAL, ENGLISH), words), (words, "")], words),
        line_of(0, 1, 4, 5, 6),
    )
    named = {"kind": words, "title": words, "site": words, "environment": words, "made": words, "note": words}
    return Draft(facts=((words, words),), sections=(Section(words, blocks),), **named)


def test_every_form_has_every_word() -> None:
    markdown = drafts.render(draft(), "markdown", ENGLISH).decode()
    page = markup.read(drafts.render(draft(), "html", ENGLISH)).words
    for said in (markdown.replace("\\", ""), page, _words(drafts.render(draft(), "docx", ENGLISH))):
        assert said.count("hola") >= 12
        assert "[Complete: hola]" in said
        assert "◆" in said
        assert "2 of 5 days" in said


def test_hostile_words_are_words_in_every_form() -> None:
    hostile = drafts.render(draft(factory.HOSTILE), "markdown", ENGLISH).decode()
    assert "<script" not in hostile.replace("\\<", "")
    page = markup.read(drafts.render(draft(factory.HOSTILE), "html", ENGLISH))
    assert "<script>alert(1)</script>" in page.words
    assert "script" not in {element.tag for element in page.elements}
    assert "<script>alert(1)</script>" in _words(drafts.render(draft(factory.HOSTILE), "docx", ENGLISH))


def test_the_page_loads_nothing_and_its_references_hold() -> None:
    page = markup.read(drafts.render(draft(), "html", ENGLISH))
    assert not {element.tag for element in page.elements} & {"script", "img", "link", "iframe", "object", "form"}
    ids = page.ids()
    assert len(ids) == len(set(ids))
    assert all(one.attributes["aria-labelledby"] in ids for one in page.named("section"))
    policy = next(m for m in page.named("meta") if m.attributes.get("http-equiv"))
    assert policy.attributes["content"] == "default-src 'none'; style-src 'unsafe-inline'"


def test_a_line_is_broken_where_days_are_missing() -> None:
    assert parts(line_of(0, 1, 4, 5, 6).points) == ((0, 1), (2, 3, 4))
    page = markup.read(html.render(draft(), ENGLISH))
    assert len(page.named("polyline")) == 2


@pytest.mark.parametrize(("days", "charts"), [((0, 1, 2, 3), 1), ((0, 1, 4, 5, 6), 0)])
def test_word_draws_no_line_over_a_gap(days: tuple[int, ...], charts: int) -> None:
    only = msgspec.structs.replace(draft(), sections=(Section("x", (line_of(*days),)),))
    with zipfile.ZipFile(io.BytesIO(drafts.render(only, "docx", ENGLISH))) as made:
        assert sum("charts/" in name for name in made.namelist()) == charts


def test_a_form_there_is_not_is_named() -> None:
    with pytest.raises(ReportError, match="No report format pptx: there are markdown, html, docx"):
        drafts.render(draft(), "pptx", ENGLISH)


def _words(content: bytes) -> str:
    document = docx.Document(io.BytesIO(content))
    cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    return "\n".join([*(paragraph.text for paragraph in document.paragraphs), *cells])
