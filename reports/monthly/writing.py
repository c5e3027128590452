"""The monthly report in the order in which the office hands it in, in the reader's language."""

from __future__ import annotations

from collections.abc import Iterator

from reports.clean import label
from reports.document.blocks import Block
from reports.drafts import Draft, Section, gap, paragraph
from reports.language import Language
from reports.monthly import tables, tables_of_deeds, tables_of_rows
from reports.monthly.figures import Figures
from reports.monthly.month import Month, newest
from reports.monthly.tables import NAME
from reports.monthly.thresholds import Contrast
from runbook.model import Measure


def report(month: Month, found: Figures, language: Language) -> Draft:
    """The whole document."""
    writer = _Writer(month, found, language)
    word = language.word
    return Draft(
        kind=word("Monthly report"),
        title=word("Monthly report, {month}", month=_named(month, language)),
        site=label(month.environment.site, NAME),
        environment=label(month.environment.name, NAME),
        made=language.moment(month.made_at),
        facts=tuple(writer.facts()),
        note=word(
            "Every number is what runs measured; a day without a run is a gap and counts for nothing. What only people "
            "know is marked and is theirs to complete."
        ),
        sections=tuple(
            Section(title, tuple(blocks))
            for title, blocks in (
                (word("Metrics"), writer.metrics()),
                (word("Thresholds contrasted"), writer.thresholds()),
                (word("Incidents"), writer.incidents()),
                (word("Procedures applied"), writer.procedures()),
                (word("Risks"), writer.risks()),
                (word("Next steps"), writer.next_steps()),
            )
        ),
    )


class _Writer:
    def __init__(self, month: Month, found: Figures, language: Language) -> None:
        self.month, self.found, self.language, self.word = month, found, language, language.word

    def facts(self) -> Iterator[tuple[str, str]]:
        month, found = self.month, self.found
        seen = sum(day.worst is not None for day in found.days)
        yield self.word("Site"), label(month.environment.site, NAME)
        yield self.word("Environment"), label(month.environment.name, NAME)
        yield self.word("Month"), _named(month, self.language)
        yield self.word("Runs"), self.language.value(len(month.kept))
        yield self.word("Days with data"), self.word("{seen} of {days}", seen=seen, days=len(found.days))
        yield self.word("Written"), self.language.moment(month.made_at)
        if month.until < month.end:
            yield self.word("Told up to"), self.language.moment(month.until)

    def metrics(self) -> Iterator[Block]:
        found, language = self.found, self.language
        yield from tables.levels(found.levels, language)
        if found.latencies:
            yield from tables.latencies(found.latencies, language)
        else:
            yield paragraph(self.word("No run measured the latency of the ETL in this month."))
        yield from tables.latency_line(found.latency_line, self._limits(), len(found.days), language)
        yield from tables.days(found.days, language)
        yield gap(self.language, self.word("how many records the subsystems sent, and what the month was like"))

    def _limits(self) -> Measure | None:
        record = newest(self.month).get("ETL-01")
        measures = record.verdict.measures if record else ()
        return next((one for one in measures if one.object == "tbae*"), None)

    def thresholds(self) -> Iterator[Block]:
        fired = [one for one in self.found.contrasts if one.fired]
        silent = sorted((one for one in self.found.contrasts if not one.fired and one.judged), key=_nearness)
        unseen = [one.row for one in self.found.contrasts if not one.judged and one.unknown]
        skipped = [one.row for one in self.found.contrasts if not one.judged and not one.unknown]
        if fired:
            yield from tables_of_rows.fired(fired, self.language)
        else:
            yield paragraph(self.word("No threshold fired in this month."))
        if silent:
            yield from tables_of_rows.silent(silent, self.language)
        if unseen:
            yield paragraph(self.word("Never seen, so nothing is known of them: {rows}", rows=", ".join(unseen)))
        if skipped:
            yield paragraph(self.word("Always skipped; each run's report says why: {rows}", rows=", ".join(skipped)))
        yield gap(self.language, self.word("which thresholds are to change, and why"))

    def incidents(self) -> Iterator[Block]:
        if self.found.incidents:
            yield from tables_of_rows.incidents(self.found.incidents, self.language)
        else:
            yield paragraph(self._none())
        yield gap(self.language, self.word("what each incident meant for the subsystems, and its post-mortem"))

    def _none(self) -> str:
        """No incident is only good news where somebody looked."""
        if not self.month.kept:
            return self.word("No run looked in this month: whether there was an incident is not known.")
        return self.word("The runs of this month saw no incident.")

    def procedures(self) -> Iterator[Block]:
        found, language = self.found, self.language
        if found.fixes:
            yield from tables_of_deeds.fixes(found.fixes, language)
        else:
            yield paragraph(self.word("No remedy was tried."))
        yield from tables_of_deeds.backups(found.backups, language)
        if found.purged:
            yield from tables_of_deeds.purged(found.purged, language)
        else:
            yield paragraph(self.word("No purge was carried out that this history knows of."))
        if found.procedures:
            yield from tables_of_deeds.procedures(found.procedures, language)
        if count := len(self.month.unread):
            lost = language.plural(
                "The report of {count} run is not kept any more: what it did is not told here.",
                "The reports of {count} runs are not kept any more: what they did is not told here.",
                count,
            )
            yield paragraph(lost)
        yield gap(self.language, self.word("procedures that were carried out by hand"))

    def risks(self) -> Iterator[Block]:
        yield from tables_of_deeds.growth(self.found.growth, self.language)
        if self.found.risks:
            yield tables_of_deeds.risks(self.found.risks, self.language)
        yield gap(self.language, self.word("risks that no run can see: people, suppliers, dates"))

    def next_steps(self) -> Iterator[Block]:
        if self.found.risks:
            yield from tables_of_deeds.next_steps(self.found.risks, self.language)
        yield gap(self.language, self.word("what else is planned for next month"))


def _nearness(one: Contrast) -> tuple[float, str]:
    """What came nearest to its warning stands first."""
    return -one.nearest.share if one.nearest else 0.0, one.row


def _named(month: Month, language: Language) -> str:
    """``nov 2026``: the date of its first day without the day."""
    return language.date(month.start).partition(" ")[2]
