"""The matrix as every format shows it: one frozen view model, worst first, in the reader's language.

Times are each environment's own zone's. A row that is in order wherever it was judged is named, not drawn.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import msgspec

from reports.clean import file_stem, label
from reports.language import Language
from reports.matrix import Column
from reports.shown import Mark
from reports.story import headline
from reports.words import SHAPES, STANDINGS, Standing, rank, standing
from runbook.model import Record, final

#: Cells of the table: past these the page is none that a browser opens at once.
MOST_CELLS = 7_000
NAME, TITLE, VALUE, REASON = 60, 160, 40, 600
_ORDER = {of: place for place, of in enumerate(Standing)}
_ANCHOR = re.compile(r"[A-Za-z0-9_.:-]+")
_OPEN = (Standing.CRITICAL, Standing.WARNING, Standing.UNKNOWN)
#: Where the worst object's value says something: what could not be read has none to go by.
_MEASURED = (Standing.CRITICAL, Standing.WARNING, Standing.WAIVED, Standing.FIXED)


class Cell(msgspec.Struct, frozen=True):
    """How a row stands in one environment; ``value`` is its worst object's where something is open."""

    mark: Mark
    value: str = ""
    href: str = ""


class Head(msgspec.Struct, frozen=True):
    """One environment: how it stands, in a sentence, and since when that is known. ``name`` has the site's where there
    are several.
    """

    name: str
    mark: Mark
    words: str
    at: str
    iso: str
    took: str
    href: str
    judged: bool


class Line(msgspec.Struct, frozen=True):
    """One row in every environment; a cell is None where the environment has no such row."""

    row: str
    title: str
    mark: Mark
    cells: tuple[Cell | None, ...]


class Matrix(msgspec.Struct, frozen=True):
    """The whole of it. ``healthy`` and ``skipped`` are the ids of the rows that are so wherever they were judged."""

    language: Language
    sites: str
    headline: tuple[str, ...]
    heads: tuple[Head, ...]
    lines: tuple[Line, ...]
    more: str
    healthy: tuple[str, ...]
    skipped: tuple[str, ...]


def view(columns: Sequence[Column], language: Language, beside: Path | None) -> Matrix:
    """The environments in one language; ``beside`` is the folder that links start from, None makes none."""
    links = [_link(column, beside) for column in columns]
    found = [{r.row: r for r in column.run.records} if column.run else None for column in columns]
    titles = {row: record for rows in reversed(found) for row, record in (rows or {}).items()}
    named = _named(columns)
    lines = sorted(
        (_line(record, found, links, language) for record in titles.values()),
        key=lambda line: (_ORDER[Standing(line.mark.name)], line.row),
    )
    alike = {line.row: _alike(line, found) for line in lines}
    drawn = [line for line in lines if alike[line.row] not in ("ok", "skipped")]
    room = max(MOST_CELLS // max(len(columns), 1), 20)
    return Matrix(
        language=language,
        sites=", ".join(dict.fromkeys(label(column.site, NAME) for column in columns)),
        headline=tuple(_headline(columns, language)),
        heads=tuple(_head(*one, language) for one in zip(columns, named, links, strict=True)),
        lines=tuple(drawn[:room]),
        more=_more(len(drawn) - room, language),
        healthy=tuple(line.row for line in lines if alike[line.row] == "ok"),
        skipped=tuple(line.row for line in lines if alike[line.row] == "skipped"),
    )


def _named(columns: Sequence[Column]) -> list[str]:
    several = len({column.site for column in columns}) > 1
    return [label(f"{one.site} · {one.environment}" if several else one.environment, NAME) for one in columns]


def _alike(line: Line, found: Sequence[Mapping[str, Record] | None]) -> str:
    """The state that the row has wherever it was judged; empty where the environments differ."""
    names = {cell and cell.mark.name for cell, rows in zip(line.cells, found, strict=True) if rows is not None}
    return (names.pop() or "") if len(names) == 1 else ""


def _line(of: Record, found: Sequence[Mapping[str, Record] | None], links: Sequence[str], language: Language) -> Line:
    records = [rows.get(of.row) if rows is not None else None for rows in found]
    worst = min((standing(record) for record in records if record), key=_ORDER.__getitem__)
    cells = tuple(
        _mark_only(Standing.UNKNOWN, language) if rows is None else _cell(record, link, language)
        for rows, record, link in zip(found, records, links, strict=True)
    )
    return Line(label(of.row, NAME), label(language.say(of.title), TITLE), _mark(worst, language), cells)


def _cell(record: Record | None, link: str, language: Language) -> Cell | None:
    if record is None:
        return None
    how, measures = standing(record), final(record).measures
    worst = measures[0].value if how in _MEASURED and measures else None
    value = "" if worst is None else label(language.value(worst), VALUE)
    anchor = f"#row-{record.row}" if link and _ANCHOR.fullmatch(record.row) else ""
    return Cell(_mark(how, language), value, link + anchor)


def _mark_only(of: Standing, language: Language) -> Cell:
    return Cell(_mark(of, language))


def _mark(of: Standing, language: Language) -> Mark:
    return Mark(of.value, SHAPES[of], language.say(STANDINGS[of]))


def _head(column: Column, name: str, link: str, language: Language) -> Head:
    how = standing_of(column)
    if column.run is None or not column.run.records:
        reason = language.say(column.error) or language.word("No row was judged")
        return Head(name, _mark(how, language), label(reason, REASON), "", "", "", "", judged=False)
    run = column.run
    there = msgspec.structs.replace(language, timezone=run.environment.timezone)
    words = ", ".join((*headline(run.records, language), *_stopped(column, language)))
    at, took = there.moment(run.ended_at), there.duration(run.ended_at - run.started_at)
    return Head(name, _mark(how, language), words, at, run.ended_at.isoformat(), took, link, judged=True)


def standing_of(column: Column) -> Standing:
    """How an environment stands: as its worst row; UNKNOWN where none was judged."""
    if column.run is None or not column.run.records:
        return Standing.UNKNOWN
    return standing(min(column.run.records, key=rank))


def _stopped(column: Column, language: Language) -> Iterator[str]:
    if column.run and column.run.interrupted:
        yield language.word("the run was interrupted")
    if column.error is not None:
        yield label(language.say(column.error), REASON)


def _headline(columns: Iterable[Column], language: Language) -> Iterator[str]:
    columns = tuple(columns)
    unjudged = sum(column.run is None for column in columns)
    counts = Counter(standing_of(column) for column in columns if column.run is not None)
    plural = language.plural
    if count := counts[Standing.CRITICAL]:
        yield plural("{count} environment is critical", "{count} environments are critical", count)
    if count := counts[Standing.WARNING]:
        yield plural("{count} environment has warnings", "{count} environments have warnings", count)
    if count := counts[Standing.UNKNOWN]:
        yield plural("{count} environment has checks not made", "{count} environments have checks not made", count)
    if unjudged:
        yield plural("{count} environment was not judged", "{count} environments were not judged", unjudged)
    if count := len(columns) - unjudged - sum(counts[of] for of in _OPEN):
        yield plural("{count} environment has nothing open", "{count} environments have nothing open", count)


def _more(count: int, language: Language) -> str:
    if count <= 0:
        return ""
    return language.plural(
        "and {count} more row, in the reports of the environments",
        "and {count} more rows, in the reports of the environments",
        count,
    )


def _link(column: Column, beside: Path | None) -> str:
    """Where an environment's own page lies, as seen from the matrix; empty where it was not written."""
    if column.run is None or column.folder is None or beside is None:
        return ""
    page = column.folder / f"{file_stem(column.run.id)}.html"
    return quote(os.path.relpath(page, beside)) if page.is_file() else ""
