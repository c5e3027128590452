"""The tables of what rows found: thresholds held against the month, and incidents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reports.clean import label, shortened
from reports.document.blocks import Block
from reports.drafts import table
from reports.drafts.marks import mark
from reports.language import Language
from reports.monthly.cases import Told
from reports.monthly.tables import NAME
from reports.monthly.thresholds import Contrast
from runbook.text import Text

SENTENCE = 300


def fired(found: Sequence[Contrast], language: Language) -> tuple[Block, ...]:
    """The rows whose thresholds fired."""
    word = language.word
    headings = (
        word("Row"),
        word("Title"),
        word("Judged"),
        word("Warning"),
        word("Critical"),
        word("First fired"),
        word("Nearest"),
    )
    rows = tuple(
        (
            label(one.row, NAME),
            language.say(one.title),
            *(language.value(count) for count in (one.judged, one.warnings, one.criticals)),
            language.moment(one.first_at) if one.first_at else "—",
            _nearest(one, language),
        )
        for one in found
    )
    return table(word("Thresholds that fired"), headings, rows)


def silent(found: Sequence[Contrast], language: Language) -> tuple[Block, ...]:
    """The rows whose thresholds never fired, with how near they came."""
    word = language.word
    headings = (word("Row"), word("Title"), word("Judged"), word("Not seen"), word("Nearest"))
    rows = tuple(
        (
            label(one.row, NAME),
            language.say(one.title),
            language.value(one.judged),
            language.value(one.unknown),
            _nearest(one, language),
        )
        for one in found
    )
    return table(word("Thresholds that never fired"), headings, rows)


def _nearest(one: Contrast, language: Language) -> str:
    near = one.nearest
    if near is None:
        return "—"
    return language.word(
        "{object}: {value}, {share} % of the warning {warning}",
        object=label(near.object, NAME),
        value=near.value,
        share=near.share,
        warning=near.warning,
    )


def incidents(found: Sequence[Told], language: Language) -> tuple[Block, ...]:
    """The incidents of the month."""
    word = language.word
    headings = (
        *(word("Incident"), word("Began"), word("Lasted"), word("Rows")),
        *(word("Worst state"), word("Confirmed causes"), word("Fixed by")),
    )
    rows = tuple(
        (
            label(one.id, NAME),
            language.moment(one.began),
            language.duration(one.ended - one.began) if one.ended else word("not ended"),
            ", ".join(label(row, NAME) for row in one.rows),
            mark(one.worst, language),
            _listed(one.causes, language, read=one.read),
            _listed(one.fixed_by, language, read=one.read),
        )
        for one in found
    )
    return table("", headings, rows)


def _listed(said: Iterable[Text], language: Language, *, read: bool) -> str:
    words = shortened("; ".join(map(language.say, said)), SENTENCE)
    return words or (language.word("none") if read else language.word("the reports are not kept any more"))
