"""Jira's wiki markup: whatever words from outside hold, the marks that count are ours."""

from __future__ import annotations

import re

import pytest

import reports
from reports.language import Language
from reports.markdown import jira
from tests.reports import factory

ES = Language("es")
WORDS = (
    "{color:red}{NoFormat}x{color} {code} {noformat} [~admin] [x|http://evil] !http://evil/x.png! ||a|| |b| *b* _i_"
    " -s- +u+ ^s^ ~s~ ??c?? \\\\ \\{ h1. x bq. # - --- (x) (!) :) ;) &#123; &amp; {{m}} --fix"
)
#: What is escaped, and what is no markup: letters, digits and everything that never opens anything.
ESCAPED = re.compile(r"\\[{}\[\]|*^~!?_+-]|&#92;|&amp;")
MARKS = re.compile(r"[{}\[\]|*^~!]|\\\\|\?\?|(?<!\w)_|(?<!\w)\+")


def marks(page: str) -> list[str]:
    """Every mark that Jira would see, in order."""
    outside = re.sub(r"^\{noformat\}.*?^\{noformat\}", "", page, flags=re.MULTILINE | re.DOTALL)
    lines = (ESCAPED.sub("x", line.replace("\u200b", "")) for line in outside.splitlines())
    return [found for line in lines for found in MARKS.findall(line)]


def page(words: str) -> str:
    """A run whose every word from outside is this."""
    return reports.render(factory.hostile(words), "markdown:jira", ES).decode()


def test_the_marks_are_those_of_calm_words() -> None:
    calm = marks(page("calm"))
    assert len(calm) > 300
    assert marks(page(WORDS)) == calm


def test_a_listing_cannot_be_left() -> None:
    assert page(WORDS).lower().count("{noformat}") == page("calm").count("{noformat}") > 0


@pytest.mark.parametrize(
    ("words", "written"),
    [
        ("tbae001_inscripcion 12-3", "tbae001_inscripcion 12-3"),
        ("{color}", "\\{color\\}"),
        ("C:\\{x}", "C:&#92;\\{x\\}"),
        ("a -- b --fix", "a \\-\\- b \\-\\-fix"),
        ("h1. x", "\u200bh1. x"),
        ("- x", "\u200b- x"),
        ("(x) :)", "(\u200bx) :\u200b)"),
        ("&#123; & Co", "&amp;#123; & Co"),
        ("_x_ a|b [c]", "\\_x\\_ a\\|b \\[c\\]"),
    ],
)
def test_only_what_would_be_markup_is_escaped(words: str, written: str) -> None:
    assert jira.escaped(words) == written


def test_tables_are_whole_and_lists_have_depth() -> None:
    lines = reports.render(factory.incident(), "markdown:jira", ES).decode().splitlines()
    heads = [line for line in lines if line.startswith("||")]
    assert {line.count("||") for line in heads} == {5, 7}
    rows = [re.sub(r"\\\|", "", line) for line in lines if re.match(r"\|[^|]", line)]
    assert {line.count("|") for line in rows} == {5, 7}
    assert any(line.startswith("** ") for line in lines)
    assert lines[0].startswith("h1. SEP-MUSES")


def test_the_whole_fits_into_one_field() -> None:
    from benchmarks.report_size import large_run

    whole = reports.render(large_run(rows=100, findings=4), "markdown:jira", ES).decode()
    assert len(whole) <= jira.LARGEST
    assert "El resto no cupo" in whole.splitlines()[-1]
