"""A guide against the rows: each thing it states with the rows that stand for it, and the rows it says nothing of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from runbook.coverage.drifting import Numbers, procedure_drift, threshold_drift
from runbook.coverage.guide import Guide, Item
from runbook.coverage.matching import Matcher
from runbook.coverage.procedures import Procedure
from runbook.rows import Row
from runbook.text import Text, text


class Mapped(msgspec.Struct, frozen=True, kw_only=True):
    """One thing of the guide: the rows and the procedures (``run purge``) that stand for it, and what drifted.

    ``nearest`` is the row that comes nearest where nothing stands for it: a hint for a person, no more.
    """

    item: Item
    rows: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    drifts: tuple[Text, ...] = ()
    nearest: str | None = None

    @property
    def covered(self) -> bool:
        """Whether anything stands for it."""
        return bool(self.rows or self.runs)


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """The whole comparison. ``unwritten`` are the rows that the guide says nothing of, in the order of the rows."""

    mapped: tuple[Mapped, ...]
    unwritten: tuple[str, ...]
    other_tables: tuple[int, ...] = ()

    @property
    def gaps(self) -> tuple[Mapped, ...]:
        """What has no row."""
        return tuple(one for one in self.mapped if not one.covered)

    @property
    def drifted(self) -> tuple[Mapped, ...]:
        """What has a row, and other numbers than it."""
        return tuple(one for one in self.mapped if one.drifts)


def compare(
    guide: Guide, rows: Sequence[Row], numbers: Mapping[str, Numbers], procedures: Sequence[Procedure]
) -> Coverage:
    """Map everything; ``numbers`` are what each row judges by where the guide is to hold."""
    comparing = _Comparing(Matcher(rows), numbers, procedures)
    mapped = tuple(comparing.map(item) for item in guide.items)
    written = {row for one in mapped for row in one.rows}
    return Coverage(
        mapped=mapped,
        unwritten=tuple(row.id for row in rows if row.id not in written),
        other_tables=guide.other_tables,
    )


class _Comparing:
    def __init__(self, matcher: Matcher, numbers: Mapping[str, Numbers], procedures: Sequence[Procedure]) -> None:
        self._matcher, self._numbers, self._procedures = matcher, numbers, procedures
        self._symptoms: dict[str, tuple[str, ...]] = {}

    def map(self, item: Item) -> Mapped:
        """An item with what stands for it, or with the row that comes nearest."""
        mapped = self._mapped(item)
        if mapped.covered:
            return mapped
        return msgspec.structs.replace(mapped, nearest=self._matcher.nearest(item.words))

    def _mapped(self, item: Item) -> Mapped:
        pinned, strange = self._matcher.pinned(item.words)
        drifts = [text("there is no row {row}", row=id) for id in strange]
        if item.kind == "procedure":
            return self._procedure(item, pinned, drifts)
        rows = pinned or self._likely(item)
        if item.kind == "symptom":
            self._symptoms[item.words] = rows
        if item.kind == "metric":
            written = {"warning": item.warning, "critical": item.critical}
            found = sorted((threshold_drift(written, self._numbers[row]) for row in rows), key=len)
            drifts += found[0] if found else ()  # of several rows the one is meant that agrees best
        return Mapped(item=item, rows=rows, drifts=tuple(drifts))

    def _likely(self, item: Item) -> tuple[str, ...]:
        of = self._symptoms.get(item.under, ())
        match item.kind:
            case "cause":
                return self._matcher.causing(item.words, of)
            case "step":
                return self._matcher.stepping(item.words, of)
            case _:
                return self._matcher.titled(item.words) or self._matcher.titled(f"{item.words} {item.more}")

    def _procedure(self, item: Item, pinned: tuple[str, ...], drifts: list[Text]) -> Mapped:
        whole = f"{item.words}. {item.more}"
        named = {one.command: one.words for one in self._procedures}
        run = self._matcher.closest(item.words, named) or self._matcher.closest(whole, named)
        found = next((one for one in self._procedures if one.command == run), None)
        if found is None:
            return Mapped(item=item, rows=pinned or self._matcher.titled(item.words), drifts=tuple(drifts))
        drifts += procedure_drift(whole, found)
        rows = pinned or (self._matcher.citing(found.number) if found.number else self._matcher.titled(item.words))
        return Mapped(item=item, rows=rows, runs=(f"run {found.command}",), drifts=tuple(drifts))
