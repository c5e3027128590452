"""The index of the nights in the reader's language: worst first, counted, compared with the night before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from reports.clean import label
from reports.language import Language
from reports.nights import EnvironmentNights, Index, RowNights
from reports.nights.calendar import months
from reports.nights.geometry import line, strip
from reports.nights.shown import EnvironmentShown, IndexShown, RowShown
from reports.shown import Mark
from reports.words import SHAPES, STANDINGS, Standing, of_state
from runbook.model import Measure, worst

#: Nights in a row's strip: more are too thin to be seen. The calendar has them all.
STRIP = 120
NAME, TITLE = 80, 160
_GRAVITY = {standing.value: place for place, standing in enumerate(Standing)}
_CALM = ("ok", "skipped", "")


class Detail(msgspec.Struct, frozen=True):
    """How much is drawn: slices of a trend's line, and rows that were always in order, for each environment."""

    slices: int
    steady_slices: int
    steady: int


def view(index: Index, language: Language, detail: Detail) -> IndexShown:
    """The page's words and shapes."""
    last = [one.nights[-1].worst for one in index.environments if one.nights]
    gravest = _mark(of_state(worst(last)), language)
    return IndexShown(
        code=language.code,
        site=label(index.site, NAME),
        made=language.moment(index.made_at),
        made_iso=index.made_at.isoformat(timespec="seconds"),
        worst=gravest,
        headline=_headline(index, language),
        environments=tuple(
            _Environment(one, index, language, detail, place).shown() for place, one in enumerate(index.environments)
        ),
    )


def _headline(index: Index, language: Language) -> str:
    count = len(index.environments)
    bad = [one for one in index.environments if one.nights and one.nights[-1].worst.lower() not in _CALM]
    if not any(one.nights for one in index.environments):
        return language.word("There was no night yet")
    if not bad:
        return language.plural("{count} environment, in order", "{count} environments, all in order", count)
    return language.plural(
        "{count} of {all} environments is not in order",
        "{count} of {all} environments are not in order",
        len(bad),
        all=count,
    )


class _Environment:
    def __init__(self, of: EnvironmentNights, index: Index, language: Language, detail: Detail, place: int) -> None:
        self.of, self.index, self.language, self.detail, self.place = of, index, language, detail, place
        judged = [night for night, _ in enumerate(of.nights) if any(row.standings[night] for row in of.rows)]
        #: The night before the last one, of those on which rows were judged; None where there are no two to compare.
        self.compared: int | None = judged[-2] if len(judged) > 1 and judged[-1] == len(of.nights) - 1 else None

    def shown(self) -> EnvironmentShown:
        of, language = self.of, self.language
        last = of.nights[-1] if of.nights else None
        due = last.at + self.index.overdue if last else None
        rows = sorted(of.rows, key=_worst_first)
        steady, skipped = ([row for row in rows if _is_always(row, name)] for name in ("ok", "skipped"))
        return EnvironmentShown(
            anchor=f"e{self.place}",
            name=label(of.name, NAME),
            mark=_mark(of_state(last.worst) if last else Standing.UNKNOWN, language),
            counts=tuple(self.counts()),
            last=language.moment(last.at) if last else "",
            last_iso=last.at.isoformat(timespec="seconds") if last else "",
            due=language.moment(due) if due else "",
            due_iso=due.isoformat(timespec="seconds") if due else "",
            silent=self.silent(),
            late=due is None or due < self.index.made_at,
            said=language.say(last.said) if last else "",
            href=last.href if last else "",
            compared=self.compared is not None,
            changed=tuple(self.row(row, 0) for row in rows if self.was(row) is not None),
            months=months(of.nights, language),
            nights=min(len(of.nights), STRIP),
            troubled=tuple(self.row(row, self.detail.slices) for row in rows if not _is_calm(row)),
            skipped=tuple(self.row(row, 0) for row in skipped),
            steady=tuple(self.row(row, self.detail.steady_slices) for row in steady[: self.detail.steady]),
            unshown=max(0, len(steady) - self.detail.steady),
        )

    def silent(self) -> str:
        """What a reader is told when there is no newer run by the time the next one is due."""
        if not self.of.nights:
            return self.language.word("No nightly run was ever made here: nobody looks")
        span = self.language.duration(self.index.overdue)
        return self.language.word("No run for more than {span}: nobody looks", span=span)

    def counts(self) -> Iterator[tuple[Mark, int]]:
        """How many rows stand how, after the last night."""
        found = Counter(row.standings[-1] for row in self.of.rows)
        for standing in Standing:
            if found[standing.value]:
                yield _mark(standing, self.language), found[standing.value]

    def row(self, row: RowNights, slices: int) -> RowShown:
        language = self.language
        shown = row.standings[-STRIP:]
        return RowShown(
            row=label(row.row, NAME),
            title=label(language.say(row.title), TITLE),
            mark=self.marked(row.standings[-1]),
            was=self.was(row),
            words=self.words(row.standings),
            nights=len(shown),
            strip=strip(shown),
            value=self.value(row.measure),
            line=line(row.trend, row.measure, slices),
        )

    def value(self, measure: Measure | None) -> str:
        """The last night's worst object and its value; empty where there is none."""
        if measure is None or measure.value is None:
            return ""
        return f"{label(measure.object, NAME)}: {self.language.value(measure.value)}"

    def was(self, row: RowNights) -> Mark | None:
        """How the row stood the night before; None where it stands the same, or there is nothing to compare."""
        if self.compared is None or row.standings[self.compared] == row.standings[-1]:
            return None
        return self.marked(row.standings[self.compared])

    def marked(self, name: str) -> Mark:
        """The mark of one night of a row; of one on which it was not judged, a word."""
        return _mark(Standing(name), self.language) if name else Mark("skipped", "–", self.language.word("not judged"))

    def words(self, standings: Sequence[str]) -> str:
        """The strip in words: how many nights the row stood how, worst first."""
        found = Counter(standings)
        said = (f"{self.language.say(STANDINGS[one])} {found[one.value]}" for one in Standing if found[one.value])
        return ", ".join(said)


def _mark(of: Standing, language: Language) -> Mark:
    return Mark(of.value, SHAPES[of], language.say(STANDINGS[of]))


def _is_calm(row: RowNights) -> bool:
    return _is_always(row, "ok") or _is_always(row, "skipped")


def _is_always(row: RowNights, name: str) -> bool:
    """Whether the row stood so on every night on which it was judged, the last one among them."""
    return row.standings[-1] == name and all(standing in (name, "") for standing in row.standings)


def _worst_first(row: RowNights) -> tuple[int, int, str]:
    bad = sum(standing not in _CALM for standing in row.standings)
    return _GRAVITY.get(row.standings[-1], len(_GRAVITY)), -bad, row.row
