"""The ticket: complete, small enough, and hostile words stay words when GitHub's Markdown is rendered."""

from __future__ import annotations

import msgspec
import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from reports import markdown
from reports.document.blocks import Item as Entry
from reports.document.blocks import Items, Listing, Paragraph, line
from reports.language import Language
from reports.markdown import github
from tests.reports import factory

replace = msgspec.structs.replace
ES = Language("es")


def tokens(document: bytes) -> list[Token]:
    """The document as GitHub reads it, flat."""
    flat: list[Token] = []
    for token in MarkdownIt("gfm-like", {"linkify": False}).parse(document.decode()):
        flat += [token, *(token.children or [])]
    return flat


@pytest.mark.parametrize("code", ["es", "en"])
def test_the_summary_comes_first_and_tables_are_whole(code: str) -> None:
    found = tokens(markdown.render(factory.incident(), Language(code)))
    kinds = [token.type for token in found]
    assert kinds.index("table_open") < [t.tag for t in found].index("h2", kinds.index("table_open"))
    columns = 0
    for token in found:
        if token.type == "thead_open":
            columns = 0
        if token.type == "th_open":
            columns += 1
    assert columns == 4


def test_every_row_and_every_cause_is_told() -> None:
    run, page = factory.incident(), markdown.render(factory.incident(), ES).decode()
    for record in run.records:
        assert record.row in page
        for finding in record.findings:
            assert ES.say(finding.cause) in page


def test_hostile_words_become_no_markup() -> None:
    calm = tokens(markdown.render(factory.hostile("calm"), ES))
    wild = tokens(markdown.render(factory.hostile(), ES))
    shape = [token.type for token in calm if token.type not in ("text", "text_special")]
    assert [token.type for token in wild if token.type not in ("text", "text_special")] == shape
    assert {token.content for token in wild if token.type == "html_inline"} == {"<br>"}
    assert not [token for token in wild if token.type in ("link_open", "image", "html_block")]


def test_a_line_of_a_listing_cannot_end_it() -> None:
    lines = Listing(("```", "one\n```\n# two", "````"))
    page = github.written((Items((Entry(line("item"), (lines,)),)), Paragraph(line("after"))))
    found = tokens(page.encode())
    assert [token.content for token in found if token.type == "fence"] == ["```\none\n```\n# two\n````\n"]
    assert not [token for token in found if token.type == "heading_open"]


def test_escape_sequences_mentions_and_issue_links_are_gone() -> None:
    page = markdown.render(factory.hostile(), ES).decode()
    assert not set("\x1b\x07\x00\u202e") & set(page)
    outside_code = "".join(t.content for t in tokens(page.encode()) if t.type == "text")
    assert "@team" not in outside_code
    assert "#1" not in outside_code


@pytest.mark.parametrize(
    ("words", "written"),
    [
        ("tbae001_inscripcion", "tbae001_inscripcion"),
        ("_x_", "\\_x\\_"),
        ("# no heading", "\\# no heading"),
        ("- no item", "\\- no item"),
        ("1. no list", "1\\. no list"),
        ("0.4/min", "0.4/min"),
        ("08:31:05", "08:31:05"),
        ("a|b\n<c>", "a\\|b \\<c>"),
        (":fire:", ":\u200bfire:"),
        ("**[x](http://y)**", "\\*\\*\\[x\\](http:\u200b//y)\\*\\*"),
    ],
)
def test_only_what_would_be_markup_is_escaped(words: str, written: str) -> None:
    assert markdown.escaped(words) == written


@pytest.mark.parametrize(("words", "written"), [("a`b", "``a`b``"), ("`x`", "`` `x` ``"), ("a|b", "`a\\|b`"), ("", "")])
def test_code_spans_hold_anything(words: str, written: str) -> None:
    assert markdown.code(words) == written


def test_a_long_run_fits_into_a_ticket_and_says_what_is_missing() -> None:
    many = tuple(replace(factory.etl(), row=f"ROW-{n}") for n in range(150))
    page = markdown.render(replace(factory.incident(), records=many), ES).decode()
    assert markdown.LARGEST * 0.9 < len(page) <= markdown.LARGEST
    assert page.rstrip().endswith("El resto no cupo: está en el HTML y el JSON de esta corrida.**")


def test_what_is_cut_is_cut_between_rows_of_a_table() -> None:
    many = tuple(replace(factory.healthy("DB-01"), row=f"ROW-{n}") for n in range(500))
    found = tokens(markdown.render(replace(factory.incident(), records=many), ES))
    cells = [token for token in found if token.type == "td_open"]
    assert len(cells) % 4 == 0
    assert len(cells) > 4 * 100


def test_personal_data_is_masked_again() -> None:
    assert b"PEGJ850101HDFRRN09" not in markdown.render(factory.hostile("curp PEGJ850101HDFRRN09"), ES)
