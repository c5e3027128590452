"""The tables and lists of a post-mortem."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reports.clean import label, shortened
from reports.document.blocks import Block
from reports.drafts import paragraph, points, table
from reports.drafts.marks import mark
from reports.language import Language
from reports.postmortem.causes import Cause, Detection
from reports.postmortem.course import Happened
from reports.postmortem.deeds import Deed
from reports.postmortem.impact import Most, Unmet
from reports.words import OUTCOMES, PROOFS, PROVENS, Standing
from runbook.model import Evidence, Proof

NAME, SENTENCE = 120, 400
#: Facts shown of one cause, lines of one fact, and objects of the impact: the runs' own reports have the rest.
_FACTS, _LINES, _OBJECTS = 4, 3, 20


def levels(results: Sequence[Unmet], language: Language) -> Iterator[Block]:
    """How long each service level was not met, and how much of its budget that was."""
    word = language.word
    headings = (word("Service level"), word("Rows"), word("Not met for"), word("Not seen for"), word("Of the budget"))
    caption = word("Against the service levels, from the first run that saw it to the last")
    yield from table(caption, headings, tuple(_level(one, language) for one in results))
    yield paragraph(
        word(
            "Not met is the time from a judgement that found the level's row critical to the next one that did not; "
            "the budget is that of thirty days."
        )
    )
    yield from (
        paragraph(word("{promise}: judged against the site's own limit, {limit}.",
                       promise=language.say(one.promise), limit=one.own_limit))
        for one in results if one.own_limit
    )  # fmt: skip


def _level(one: Unmet, language: Language) -> tuple[str, ...]:
    budget = language.duration(one.budget)
    share = one.bad / one.budget * 100 if one.budget else None
    spent = language.word("{share} % of {budget}", share=round(share, 1), budget=budget) if share is not None else "—"
    return (
        language.say(one.promise),
        ", ".join(label(row, NAME) for row in one.rows),
        language.duration(one.bad),
        language.duration(one.gap),
        spent,
    )


def most_waiting(found: Sequence[Most], language: Language) -> Iterator[Block]:
    """The records and messages that waited at once, each with the sentence that says so."""
    word = language.word
    if not found:
        yield paragraph(word("No breached row counted records or messages."))
        return
    headings = (word("Row"), word("Object"), word("Most at once"), word("In the row's own words"), word("At"))
    rows = (_most(one, language) for one in found[:_OBJECTS])
    left = len(found) - _OBJECTS
    more = word("and {count} more", count=left) if left > 0 else ""
    yield from table(word("Records and messages that waited"), headings, rows, more)
    yield paragraph(word("The counts are not to be added up: the same record may wait in a queue and then in a table."))


def _most(one: Most, language: Language) -> tuple[str, ...]:
    said = shortened(language.say(one.said), SENTENCE)
    return (
        label(one.row, NAME),
        label(one.object, NAME) or "—",
        language.value(one.amount),
        said,
        language.moment(one.at),
    )


def causes(found: Sequence[Cause], language: Language) -> Iterator[Block]:
    """The confirmed ones and those not known with their evidence; those ruled out in one line each."""
    for one in found:
        if one.proof is not Proof.RULED_OUT:
            head = f"{label(one.row, NAME)} — {language.say(PROOFS[one.proof])}: {language.say(one.cause)}"
            yield paragraph(f"{head}. {shortened(language.say(one.summary), SENTENCE)}")
            if facts := tuple(_fact(fact, language) for fact in one.finding.evidence[:_FACTS]):
                yield points(facts)
    out = [one for one in found if one.proof is Proof.RULED_OUT]
    if out:
        yield paragraph(language.word("Ruled out by the evidence:"))
        yield points(tuple(f"{label(one.row, NAME)}: {language.say(one.cause)}" for one in out))


def _fact(fact: Evidence, language: Language) -> str:
    lines = " · ".join(label(line, SENTENCE) for line in fact.sample[:_LINES])
    source = f" ({label(fact.source, NAME)})" if fact.source else ""
    said = shortened(language.say(fact.statement), SENTENCE)
    return f"{said}{source}" + (f": {lines}" if lines else "")


def detections(found: Sequence[Detection], language: Language) -> tuple[Block, ...]:
    """Which run found which row, and how long that can have taken."""
    word = language.word
    headings = (
        word("Row"),
        word("First seen breached"),
        word("Last seen in order"),
        word("Unseen at most"),
        word("Run"),
    )
    rows = tuple(
        (
            label(one.row, NAME),
            language.moment(one.at),
            language.moment(one.in_order_at) if one.in_order_at else word("not known"),
            language.duration(one.delay) if one.delay is not None else word("not known"),
            label(one.run, NAME) or "—",
        )
        for one in found
    )
    return table(word("How each breach was found"), headings, rows)


def course(lines: Sequence[Happened], language: Language, most: int) -> tuple[Block, ...]:
    """The timeline; the newest lines are kept where there are too many."""
    word = language.word
    shown = lines if len(lines) <= most else [*lines[: most // 2], *lines[-most // 2 :]]
    left = len(lines) - len(shown)
    more = word("{count} lines in the middle are left out", count=left) if left else ""
    rows = tuple(
        (
            language.moment(line.at),
            mark(Standing(line.mark), language) if line.mark else "",
            label(line.row, NAME),
            shortened(language.say(line.what), SENTENCE),
        )
        for line in shown
    )
    return table("", (word("When"), word("State"), word("Row"), word("What happened")), rows, more)


def deeds(found: Sequence[Deed], language: Language) -> tuple[Block, ...]:
    """The steps that were tried."""
    word = language.word
    headings = (word("When"), word("Row"), word("Step"), word("Outcome"), word("Let by"), word("Did it help?"))
    rows = tuple(
        (
            language.moment(one.at),
            label(one.row, NAME),
            shortened(language.say(one.what), SENTENCE),
            _outcome(one, language),
            label(one.by, NAME) or "—",
            language.say(PROVENS[one.proven]) if one.proven else word("Not proven"),
        )
        for one in found
    )
    return table("", headings, rows)


def _outcome(one: Deed, language: Language) -> str:
    result = f": {shortened(language.say(one.result), SENTENCE)}" if one.result else ""
    return f"{language.say(OUTCOMES[one.outcome])} ({language.duration(one.took)}){result}"
