"""What a script gave, held against its limits and told as evidence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from runbook.errors import ProbeError
from runbook.limits import Limits
from runbook.model import Evidence, Finding, Proof, State
from runbook.text import Quantity, Text, text

if TYPE_CHECKING:
    from runbook.targets.scripts.script import Asked
    from runbook.targets.scripts.scripts import Scripts
    from runbook.targets.scripts.structs import Failure, Listing, Result, SlowStatement

#: Rows that are judged one by one and rows that are shown: all that were kept are in the CSV.
_JUDGED, _SHOWN = 50, 20


def judge(asked: Asked, scripts: Scripts, limits: Limits) -> None:
    """Hold what the script gives against the limits; what failed is said, and then the row is not in order.

    Raises ProbeError where the script cannot be run at all.
    """
    result = scripts.result(asked)
    for failure in result.failures:
        limits.cannot_see(_with_help(asked, scripts, failure) if failure.too_slow else failure.reason)
    if asked.column is None:
        _judge_count(asked, result, limits)
    else:
        _judge_rows(asked, asked.column, result, limits)
    for listing in _slow(result, limits):
        words = text("The statement at line {line} took {took}", line=listing.line, took=listing.took)
        place = f"{asked.script.file}:{listing.line}"
        limits.hold(State.WARNING, of=place, value=Quantity(listing.took.total_seconds(), "s"), summary=words)


def tell(asked: Asked, scripts: Scripts, limits: Limits) -> Finding:
    """What was found, line by line, and how what was slow could be quicker."""
    result = scripts.result(asked)
    advice: list[Text] = []
    evidence = [*_listed(asked, result), *_said(result)]
    for listing in _slow(result, limits):
        found = _planned(asked, scripts, listing.line)
        words = text("How the planner goes about line {line}, which took {took}", line=listing.line, took=listing.took)
        evidence.append(Evidence(statement=words, sample=found.plan[:_SHOWN], count=len(found.plan)))
        advice += [text("An index would help: {command}", command=command) for command in found.indexes]
        advice += [found.unknown] if found.unknown else []
    summary = text("{count} found by {file}", count=Quantity(result.found, "row"), file=asked.script.file)
    return Finding(proof=Proof.CONFIRMED, summary=summary, evidence=tuple(evidence), advice=tuple(advice))


def _judge_count(asked: Asked, result: Result, limits: Limits) -> None:
    """How many were found, unless nothing could be looked at."""
    if result.failures and not result.listings and not result.notices:
        return
    if not asked.script.looks:
        limits.cannot_see(text("The script looks at nothing: no statement of it gives rows"))
        return
    words = text("{count} found by {file}", count=Quantity(result.found, "row"), file=asked.script.file)
    limits.judge(result.found, of=asked.script.file, summary=words)


def _judge_rows(asked: Asked, column: str, result: Result, limits: Limits) -> None:
    """Every row by the number in its column, the worst first."""
    for listing in result.listings:
        for row, value in list(zip(listing.rows, listing.values or (), strict=False))[:_JUDGED]:
            limits.judge(value, of=_name(listing, row, column))
        if listing.without_value:
            count = Quantity(listing.without_value, "row")
            limits.cannot_see(
                text("Line {line}: {count} without a number in {column}", line=listing.line, count=count, column=column)
            )
        if not listing.count:
            limits.hold(
                State.OK, of=asked.script.file, summary=text("No row was found by {file}", file=asked.script.file)
            )
    for notice in result.notices:
        if notice.found:
            limits.hold(
                State.WARNING, of=f"{asked.script.file}:{notice.line}", summary=text("{words}", words=notice.words)
            )


def _name(listing: Listing, row: tuple[str | None, ...], column: str) -> str:
    """A row by its first columns beside the one that decides."""
    others = [value or "" for name, value in zip(listing.columns, row, strict=True) if name.lower() != column.lower()]
    return " · ".join(others[:2]) or column


def _slow(result: Result, limits: Limits) -> list[Listing]:
    return [listing for listing in result.listings if listing.took > limits.span("slow")]


def _listed(asked: Asked, result: Result) -> Iterator[Evidence]:
    for listing in result.listings:
        if listing.count:
            count = Quantity(listing.count, "row")
            yield Evidence(
                statement=text("Line {line} found {count}", line=listing.line, count=count),
                source=f"{asked.script.file}:{listing.line}",
                sample=tuple(_line(listing, row) for row in listing.rows[:_SHOWN]),
                count=len(listing.rows) if listing.counted else listing.count,
            )


def _said(result: Result) -> Iterator[Evidence]:
    for line in dict.fromkeys(notice.line for notice in result.notices):
        said = tuple(notice.words for notice in result.notices if notice.line == line)
        words = text("The block at line {line} said", line=line)
        yield Evidence(statement=words, sample=said[:_SHOWN], count=len(said))


def _line(listing: Listing, row: tuple[str | None, ...]) -> str:
    return " · ".join(
        f"{name}={'∅' if value is None else value}" for name, value in zip(listing.columns, row, strict=True)
    )


def _with_help(asked: Asked, scripts: Scripts, failure: Failure) -> Text:
    """Why a statement did not end, with the index that would help it where that can be found out."""
    indexes = _planned(asked, scripts, failure.line).indexes
    if not indexes:
        return failure.reason
    line, command = failure.line, indexes[0]
    return text(
        "Line {line}: the statement did not end in time; this would help: {command}", line=line, command=command
    )


def _planned(asked: Asked, scripts: Scripts, line: int) -> SlowStatement:
    """The plan of a statement; that there is none must not hide what was found."""
    from runbook.targets.scripts.structs import SlowStatement

    try:
        return scripts.slow(asked, line)
    except ProbeError as error:
        return SlowStatement(plan=(), indexes=(), unknown=error.said)
