"""A watch as lines of a terminal: one row's line, its sparkline and its cause, cut to the width there is. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec

from reports.clean import label, one_line
from reports.language import Language
from reports.picture import COLOURS
from reports.story import worst_measure
from reports.words import SHAPES, STANDINGS, Standing, is_open, rank, standing
from runbook.model import Proof, Record, final

if TYPE_CHECKING:
    from rich.text import Text as Line

#: Columns of a row's name, its state, its value and its timer; what is left draws the sparkline.
NAME, STATE, VALUE, TIMER = 12, 11, 14, 16
#: From the least to the most; the second for a terminal that has no such signs.
RAMP, PLAIN_RAMP = "▁▂▃▄▅▆▇█", "._-=+*%#"
#: The row's sign, and a blank behind each column.
_BLANKS = 7
_WIDEST_SPARK = 40


class RowSeen(msgspec.Struct, frozen=True):
    """What the board shows of a row: all words are said and harmless, ``values`` are those of this watch's looks."""

    row: str
    standing: Standing
    state: str
    value: str
    why: str
    values: tuple[float, ...]
    smaller_is_worse: bool
    since: datetime | None


def seen(
    record: Record, values: Sequence[tuple[datetime, float]], since: datetime | None, language: Language
) -> RowSeen:
    """A row as it stands at this look."""
    how, worst = standing(record), worst_measure(final(record))
    return RowSeen(
        row=label(record.row, 40),
        standing=how,
        state=language.say(STANDINGS[how]),
        value=language.value(worst.value) if worst and worst.value is not None else "",
        why=_why(record, language),
        values=tuple(value for _at, value in values),
        smaller_is_worse=worst is not None and worst.direction == "below",
        since=since if is_open(how) or how is Standing.WAIVED else None,
    )


def in_order(records: Sequence[Record]) -> list[str]:
    """The rows, worst first."""
    return [record.row for record in sorted(records, key=rank)]


def spark(values: Sequence[float], columns: int, *, low_peaks: bool = False, ramp: str = RAMP) -> str:
    """The values as one character each; where they are more than there are columns, the worst of each few."""
    if len(values) < 2 or columns < 2:
        return ""
    worst, count = min if low_peaks else max, min(len(values), columns)
    edges = [place * len(values) // count for place in range(count + 1)]
    groups = [worst(values[start:end]) for start, end in pairwise(edges)]
    low, high = min(0.0, *groups), max(0.0, *groups)
    if high == low:
        return ramp[0] * len(groups)
    return "".join(ramp[round((value - low) / (high - low) * (len(ramp) - 1))] for value in groups)


def lines(rows: Sequence[RowSeen], now: datetime, language: Language, width: int, height: int, ramp: str) -> list[Line]:
    """As many rows as there is height for: the broken ones with their causes, then the others, at last by name only."""
    found = {how: [row for row in rows if row.standing is how] for how in (Standing.OK, Standing.SKIPPED)}
    groups = {how: group for how, group in found.items() if group}
    broken = [row for row in rows if row.standing not in groups]
    shown = _broken(broken, now, language, width, height - len(groups), ramp)
    fine, room = groups.get(Standing.OK, []), height - len(shown) - (Standing.SKIPPED in groups)
    if len(fine) <= room:
        shown += [_row(row, now, language, width, ramp) for row in groups.pop(Standing.OK, [])]
    return shown + [_named(how, group, language, width) for how, group in groups.items()]


def plain(row: RowSeen, now: datetime, language: Language) -> str:
    """A row on one line of its own, for a terminal that only prints."""
    parts = (f"{SHAPES[row.standing]} {row.state.upper()}", row.row, row.value, _timer(row, now, language), row.why)
    return "  ".join(part for part in parts if part)


def counted(rows: Sequence[RowSeen], language: Language) -> str:
    """How many rows stand how, worst first: ``◆ Critical 1 · ✓ In order 40``."""
    return " · ".join(_counts(rows, language))


def cut(words: str, style: str, width: int) -> Line:
    """One line of at most so many cells."""
    from rich.text import Text as Line

    line = Line(words, style=style)
    line.truncate(width, overflow="ellipsis")
    return line


def _counts(rows: Sequence[RowSeen], language: Language) -> Iterator[str]:
    for how in Standing:
        if count := sum(row.standing is how for row in rows):
            yield f"{SHAPES[how]} {language.say(STANDINGS[how])} {count}"


def _row(row: RowSeen, now: datetime, language: Language, width: int, ramp: str) -> Line:
    from rich.text import Text as Line

    colour = COLOURS[row.standing]
    columns = max(min(width - NAME - STATE - VALUE - TIMER - _BLANKS, _WIDEST_SPARK), 0)
    line = Line.assemble(
        (f"{SHAPES[row.standing]} ", colour),
        _cell(row.row, NAME, "bold"),
        _cell(row.state.upper() if is_open(row.standing) else row.state, STATE, colour),
        _cell(row.value, VALUE, "", right=True),
        _cell(spark(row.values, columns, low_peaks=row.smaller_is_worse, ramp=ramp), columns, colour),
        _cell(_timer(row, now, language), TIMER, "", right=True),
    )
    line.truncate(width, overflow="ellipsis")
    line.rstrip()
    return line


def _broken(
    rows: Sequence[RowSeen], now: datetime, language: Language, width: int, height: int, ramp: str
) -> list[Line]:
    """With their causes where there is height for that; those there is none for are counted."""
    if 2 * len(rows) <= height:
        return [line for row in rows for line in (_row(row, now, language, width, ramp), _cause(row, width))]
    if len(rows) <= height:
        return [_row(row, now, language, width, ramp) for row in rows]
    shown = [_row(row, now, language, width, ramp) for row in rows[: max(height - 1, 0)]]
    return [*shown, cut(language.word("and {count} more", count=len(rows) - len(shown)), "bold", width)]


def _named(how: Standing, rows: Sequence[RowSeen], language: Language, width: int) -> Line:
    names = "  ".join(row.row for row in rows)
    return cut(f"{SHAPES[how]} {language.say(STANDINGS[how])} {len(rows)}: {names}", COLOURS[how], width)


def _cell(words: str, cells: int, style: str, *, right: bool = False) -> Line:
    """Words in a column of their own, with a blank behind."""
    from rich.text import Text as Line

    cell = Line(words, style=style)
    cell.truncate(cells, overflow="ellipsis")
    cell.align("right" if right else "left", cells)
    return cell.append(" ")


def _cause(row: RowSeen, width: int) -> Line:
    return cut(f"  {row.why}", "dim", width)


def _timer(row: RowSeen, now: datetime, language: Language) -> str:
    return "" if row.since is None else language.duration(timedelta(seconds=round((now - row.since).total_seconds())))


def _why(record: Record, language: Language) -> str:
    """The cause that is proven, else what was found."""
    for finding in record.findings:
        if finding.proof is Proof.CONFIRMED and finding.cause is not None:
            return one_line(f"{language.say(finding.cause)}: {language.say(finding.summary)}")
    return one_line(language.say(final(record).summary))
