"""The tables of what was done, of what grows, and of what is to be done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reports.clean import label, shortened
from reports.document.blocks import Block
from reports.drafts import paragraph, points, table
from reports.language import Language
from reports.monthly.growth import AHEAD, LEAST_DAYS, Forecast
from reports.monthly.procedures import Backups, Fix, Procedure, Purged
from reports.monthly.risks import Risk
from reports.monthly.tables import NAME
from reports.monthly.tables_of_rows import SENTENCE
from reports.words import OUTCOMES, PROVENS

#: Lines of a list past which it is no page of a report any more.
_LISTED = 40


def fixes(found: Sequence[Fix], language: Language) -> tuple[Block, ...]:
    """The remedies that were tried."""
    word = language.word
    headings = (word("When"), word("Row"), word("Steps"), word("Outcome"), word("Did it help?"))
    rows = tuple(
        (
            language.moment(one.at),
            label(one.row, NAME),
            shortened("; ".join(map(language.say, one.steps)), SENTENCE),
            language.say(OUTCOMES[one.outcome]),
            language.say(PROVENS[one.proven]) if one.proven else word("Not proven"),
        )
        for one in found[-_LISTED:]
    )
    return table(word("Remedies"), headings, rows, _more(len(found) - _LISTED, language))


def procedures(found: Sequence[Procedure], language: Language) -> tuple[Block, ...]:
    """The procedures that were carried out, the newest where there are too many."""
    word = language.word
    headings = (word("When"), word("Procedure"), word("Outcome"), word("Result"))
    rows = tuple(
        (
            language.moment(one.at),
            language.say(one.title),
            language.say(OUTCOMES[one.outcome]),
            shortened(language.say(one.result), SENTENCE),
        )
        for one in found[-_LISTED:]
    )
    return table(word("Procedures carried out"), headings, rows, _more(len(found) - _LISTED, language))


def _more(left: int, language: Language) -> str:
    return language.word("and {count} more, earlier", count=left) if left > 0 else ""


def backups(found: Backups, language: Language) -> Iterator[Block]:
    """How many days have a backup that was read back, and which was proven by restoring it."""
    word = language.word
    known = len(found.days_with) + len(found.days_without)
    yield paragraph(
        word(
            "{count} of {known} days that are known have a verified backup; of {unknown} days nothing is known.",
            count=len(found.days_with),
            known=known,
            unknown=len(found.days_unknown),
        )
    )
    if found.days_without:
        yield paragraph(word("Without one: {days}", days=", ".join(map(language.day, found.days_without))))
    if found.restored_at:
        times = ", ".join(map(language.moment, found.restored_at[-_LISTED:]))
        yield paragraph(word("Proven by restoring: {times}", times=times))
    else:
        yield paragraph(word("None was proven by restoring it in this month."))


def purged(found: Sequence[Purged], language: Language) -> tuple[Block, ...]:
    """What the purges deleted."""
    word = language.word
    headings = (word("Table"), word("Deleted after being read back"), word("Changed meanwhile, kept"), word("Purges"))
    rows = tuple(
        (label(one.table, NAME), *(language.value(count) for count in (one.deleted, one.changed, one.purges)))
        for one in found
    )
    return table(word("Purges"), headings, rows)


def growth(found: Sequence[Forecast], language: Language) -> Iterator[Block]:
    """What grows, and how much of it too little is known of."""
    word, known = language.word, [one for one in found if one.per_day is not None]
    head = (
        *(word("Object"), word("Days"), word("First value"), word("Last value"), word("A day")),
        *(word("In {span}", span=AHEAD), word("Limit"), word("Reached on")),
    )
    left = len(known) - _LISTED
    more = word("and {count} more", count=left) if left > 0 else ""
    if known:
        yield from table(word("Growth"), head, (_grows(one, language) for one in known[:_LISTED]), more)
    if young := len(found) - len(known):
        few = word("Of {count} objects there are fewer than {days} days: no forecast.", count=young, days=LEAST_DAYS)
        yield paragraph(few)
    if not found:
        yield paragraph(word("Nothing that grows was measured: there is no forecast."))


def _grows(one: Forecast, language: Language) -> tuple[str, ...]:
    value = language.value
    return (
        f"{label(one.row, NAME)} {label(one.object, NAME)}",
        value(one.days),
        value(one.first),
        value(one.last),
        value(one.per_day),
        value(one.ahead),
        value(one.limit),
        language.date(one.reached_at) if one.reached_at else "—",
    )


def risks(found: Sequence[Risk], language: Language) -> Block:
    """What may go wrong."""
    return points(tuple(_risk(one, language) for one in found))


def next_steps(found: Sequence[Risk], language: Language) -> tuple[Block, ...]:
    """What to do, with the place for who does it and by when."""
    word = language.word
    who = word("[Complete: {what}]", what=word("who, and by when"))
    rows = tuple((language.say(one.next), _risk(one, language), who) for one in found)
    return table("", (word("Next step"), word("Because"), word("Who and when")), rows)


def _risk(one: Risk, language: Language) -> str:
    said = language.say(one.what)
    return f"{language.say(one.about)}: {said}" if one.about else said
