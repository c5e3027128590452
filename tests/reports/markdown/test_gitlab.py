"""GitLab: its own references and commands are words too, and its limit is larger."""

from __future__ import annotations

import re

import pytest
from markdown_it import MarkdownIt

import reports
from reports.language import Language
from reports.markdown import gitlab
from tests.reports import factory

ES = Language("es")
WORDS = '/close !12 $3 %"milestone" ~bug &4 ^alert#5 @all #6 {+ added +} {- gone -} [[wiki]] :fire: `x` | <b>'
#: What GitLab takes for a reference: a sign and what it names, outside code.
REFERENCE = re.compile(r'(?<![\w&])[@#!$%~&^](?=[\w"])')


def outside_code(page: bytes) -> str:
    """The text that is looked through for references, a line for each block."""
    found = MarkdownIt("gfm-like", {"linkify": False}).parse(page.decode())
    return "\n".join("".join(c.content for c in t.children or () if c.type != "code_inline") for t in found)


def test_the_shape_is_that_of_calm_words() -> None:
    pages = [reports.render(factory.hostile(words), "markdown:gitlab", ES).decode() for words in ("calm", WORDS)]
    calm, wild = ([t.type for t in MarkdownIt("gfm-like", {"linkify": False}).parse(page)] for page in pages)
    assert wild == calm


def test_nothing_refers_to_anything_and_nothing_is_a_command() -> None:
    page = reports.render(factory.hostile(WORDS), "markdown:gitlab", ES)
    assert "milestone" in outside_code(page)
    assert not REFERENCE.search(outside_code(page))
    assert not re.search(r"^/\w", page.decode(), re.MULTILINE)


@pytest.mark.parametrize(
    ("words", "written"),
    [
        ("/close", "\\/close"),
        ("a /close", "a /close"),
        ("{+ x +}", "\\{+ x +}"),
        ("!1", "!\u200b1"),
        ("50 %", "50 %"),
        ("tbae001_inscripcion", "tbae001_inscripcion"),
    ],
)
def test_only_what_would_mean_something_is_escaped(words: str, written: str) -> None:
    assert gitlab.escaped(words) == written


def test_more_fits_than_into_github() -> None:
    from benchmarks.report_size import large_run

    page = reports.render(large_run(rows=120, findings=4), "markdown:gitlab", ES).decode()
    assert reports.markdown.LARGEST < len(page) <= gitlab.LARGEST
