"""The draft itself: the case in the reader's language, in the order in which a post-mortem is read."""

from __future__ import annotations

from collections.abc import Iterator

from reports.clean import label, shortened
from reports.document.blocks import Block
from reports.drafts import Draft, Section, gap, paragraph, points
from reports.drafts.marks import mark
from reports.language import Language
from reports.postmortem import causes, deeds, impact, sections
from reports.postmortem.case import Case, titles
from reports.postmortem.causes import Detection
from reports.postmortem.course import course
from reports.postmortem.sections import NAME, SENTENCE
from reports.story import tell
from reports.words import CHOICES, Standing
from runbook.model import Proof, final
from runbook.text import Quantity

#: Lines of the timeline: past these a draft is a log.
_LINES = 150


def draft(case: Case, language: Language) -> Draft:
    """The whole document."""
    writer = _Writer(case, language)
    word = language.word
    return Draft(
        kind=word("Post-mortem"),
        title=word("Post-mortem of {incident}", incident=case.id),
        site=label(case.environment.site, NAME),
        environment=label(case.environment.name, NAME),
        made=language.moment(case.made_at),
        facts=tuple(writer.facts()),
        note=word(
            "A draft: every sentence is a fact that a run recorded. What only people know is marked and is theirs to "
            "complete; nothing was guessed."
        ),
        sections=tuple(
            Section(title, tuple(blocks))
            for title, blocks in (
                (word("Summary"), writer.summary()),
                (word("Impact"), writer.impact()),
                (word("Causes"), writer.causes()),
                (word("Trigger"), writer.trigger()),
                (word("Detection"), writer.detection()),
                (word("Timeline"), writer.timeline()),
                (word("What was done"), writer.done()),
                (word("What is open"), writer.open()),
                (word("Lessons"), writer.lessons()),
                (word("Sources"), writer.sources()),
            )
        ),
    )


class _Writer:
    def __init__(self, case: Case, language: Language) -> None:
        self.case, self.language, self.word, self.say = case, language, language.word, language.say
        self.titles, self.causes_found = titles(case), causes.causes(case)

    def facts(self) -> Iterator[tuple[str, str]]:
        case, moment = self.case, self.language.moment
        yield self.word("Site"), label(case.environment.site, NAME)
        yield self.word("Environment"), label(case.environment.name, NAME)
        yield self.word("Incident"), label(case.id, NAME)
        yield self.word("Began"), moment(case.began)
        yield self.word("Ended"), moment(case.ended) if case.ended else self.word("not yet")
        yield self.word("Drafted"), moment(case.made_at)

    def summary(self) -> Iterator[Block]:
        yield gap(self.language, self.word("the incident in two sentences, for who was not there"))
        yield paragraph(self._how_long())
        yield points(tuple(f"{label(row, NAME)}: {self.say(title)}" for row, title in self.titles.items()))
        confirmed = [self.say(one.cause) for one in self.causes_found if one.proof is Proof.CONFIRMED]
        yield paragraph(
            self.word("Confirmed causes: {causes}.", causes="; ".join(dict.fromkeys(confirmed)))
            if confirmed
            else self.word("No probable cause is confirmed.")
        )
        yield paragraph(self._how_it_stands())

    def _how_long(self) -> str:
        case = self.case
        told = {"span": self.language.duration(case.until - case.began), "worst": mark(case.worst, self.language).word}
        if case.ended:
            return self.language.plural(
                "As the runs saw it, {count} row was breached for {span}; at worst: {worst}.",
                "As the runs saw it, {count} rows were breached for {span}; at worst: {worst}.",
                len(case.rows),
                **told,
            )
        return self.language.plural(
            "As the runs see it, {count} row has been breached for {span}; at worst: {worst}.",
            "As the runs see it, {count} rows have been breached for {span}; at worst: {worst}.",
            len(case.rows),
            **told,
        )

    def _how_it_stands(self) -> str:
        left = sum(one.standing is not Standing.WAIVED for one in deeds.still_open(self.case))
        steps = Quantity(len(deeds.deeds(self.case)), "steps")
        return self.language.plural(
            "Tried by muses-runbook: {steps}. At the end {count} row was not in order.",
            "Tried by muses-runbook: {steps}. At the end {count} rows were not in order.",
            left,
            steps=steps,
        )

    def impact(self) -> Iterator[Block]:
        yield from sections.levels(impact.against_levels(self.case), self.language)
        yield from sections.most_waiting(impact.most_waiting(self.case), self.language)
        yield gap(self.language, self.word("which subsystems and how many students were affected, and who was told"))

    def causes(self) -> Iterator[Block]:
        if not self.causes_found:
            yield paragraph(self.word("No run that is kept looked for causes of these rows."))
        yield from sections.causes(self.causes_found, self.language)
        yield gap(self.language, self.word("the root cause: why what is confirmed above could come about"))

    def trigger(self) -> Iterator[Block]:
        found = causes.detections(self.case)
        yield points(map(self._began, found)) if found else self._nothing_kept()
        yield gap(
            self.language,
            self.word("what changed in that time: a deployment, a large lot, maintenance, a change at somebody else's"),
        )

    def _began(self, one: Detection) -> str:
        row, after = label(one.row, NAME), self.language.moment(one.at)
        if one.in_order_at is None:
            return self.word(
                "{row}: no earlier judgement in order is kept; it was breached by {after}", row=row, after=after
            )
        before = self.language.moment(one.in_order_at)
        return self.word("{row}: in order on {before}, breached by {after}", row=row, before=before, after=after)

    def detection(self) -> Iterator[Block]:
        found = causes.detections(self.case)
        if found:
            yield from sections.detections(found, self.language)
        else:
            yield self._nothing_kept()
        yield gap(self.language, self.word("who noticed it first, when, and how; who was on call"))

    def _nothing_kept(self) -> Block:
        return paragraph(self.word("No judgement that saw it is kept."))

    def timeline(self) -> Iterator[Block]:
        yield from sections.course(course(self.case), self.language, _LINES)
        yield gap(self.language, self.word("what people did and decided, with the time"))

    def done(self) -> Iterator[Block]:
        found, left = deeds.deeds(self.case), deeds.left(self.case)
        if found:
            yield from sections.deeds(found, self.language)
        else:
            yield paragraph(self.word("Nothing was changed by muses-runbook."))
        if left:
            yield paragraph(self.word("Plans that did not run:"))
            yield points(tuple(self._left(one) for one in left))
        yield gap(self.language, self.word("what was done by hand, by whom, and whether it helped"))

    def _left(self, one: deeds.Left) -> str:
        choice = self.say(CHOICES[one.choice])
        return f"{label(one.row, NAME)}: {self.say(one.what)} — {choice}: {self.say(one.reason)}"

    def open(self) -> Iterator[Block]:
        found, unseen = deeds.still_open(self.case), deeds.not_seen(self.case)
        if found:
            yield points(tuple(self._open(one) for one in found))
        for row in unseen:
            yield paragraph(
                self.word(
                    "{row}: its newest judgement is not in order, and that report is not kept.", row=label(row, NAME)
                )
            )
        if not found and not unseen:
            yield paragraph(self.word("No row of the incident is breached or unknown any more."))
        if advised := tuple(f"{label(row, NAME)}: {self.say(words)}" for row, words in deeds.advice(self.case)):
            yield paragraph(self.word("What the confirmed causes advise:"))
            yield points(advised)
        yield gap(self.language, self.word("each follow-up with who does it and by when"))

    def _open(self, one: deeds.Open) -> str:
        story = tell(one.record, one.at, self.language)
        state = mark(one.standing, self.language).word
        summary = shortened(self.say(final(one.record).summary), SENTENCE)
        return " ".join((f"{label(one.row, NAME)}: {state}. {summary}.", *story.next))

    def lessons(self) -> Iterator[Block]:
        yield gap(self.language, self.word("what went well"))
        yield gap(self.language, self.word("what went badly, and where it was luck"))

    def sources(self) -> Iterator[Block]:
        case = self.case
        yield paragraph(
            self.word(
                "Drafted from {read} of {count} runs.", read=len(case.runs), count=len(case.runs) + len(case.unread)
            )
        )
        yield points(tuple(label(run.id, NAME) for run in case.runs[:60]))
        if case.unread:
            yield paragraph(
                self.word(
                    "Not read, because they changed nothing or their reports are not kept any more: {runs}",
                    runs=", ".join(label(run, NAME) for run in case.unread[:20])
                    + (" …" if len(case.unread) > 20 else ""),
                )
            )
