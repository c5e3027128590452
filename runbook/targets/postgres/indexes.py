"""Indexes that would help the statements seen: the fewest that serve them, each used by the planner and far cheaper."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

from runbook.targets.postgres.activity import seeing
from runbook.targets.postgres.candidates import Candidate, command
from runbook.targets.postgres.connection import Line
from runbook.targets.postgres.counting import Count, counted
from runbook.targets.postgres.indexable import Known, wishes
from runbook.targets.postgres.planner import plan
from runbook.targets.postgres.questions import Asked, Counted, asked
from runbook.targets.postgres.selection import WORTH, Load, Priced, chosen
from runbook.targets.postgres.structs import IndexProposal
from runbook.targets.postgres.trials import Trial, trial
from runbook.targets.postgres.workload import unmasked
from runbook.targets.sql_text import normalised

#: An index is proven when the statement's cost falls at least this many times: less is not worth its upkeep.
PROVEN = 5.0
#: Planner's units below which a call is quick whatever it reads: about 100 pages.
QUICK = 100.0
#: One entry written into one index, in the planner's units: some microseconds for the descent, the leaf and the log.
ENTRY = 0.5
#: Seconds of counting below which writes are not weighed against reads: a lot that was just loaded is no habit.
_HABIT = 3600.0
#: How fast an index is built, stated for the estimate and cautious: both scans of the table, bytes a second, and
#: sorting, entries a second.
SCANNED, SORTED = 100e6, 400e3
_MOST_STATEMENTS, _MOST_CANDIDATES = 10, 8
#: A call that gives this many times the rows that the unfinished statuses have looks for other ones.
_OTHER_STATUS = 20


def proposals(reader: Line, given: tuple[str, ...]) -> tuple[IndexProposal, ...]:
    """The smallest set of indexes for these statements, the one that saves most first."""
    seen = seeing(reader)
    count = counted(reader, seen)
    known = Known.of(reader, count)
    statements = list(_statements(reader, known, count, given[:_MOST_STATEMENTS]))
    with trial(reader, seen) as planner:
        wanted = {one.statement: wishes(known, one)[:_MOST_CANDIDATES] for one in statements}
        candidates = list(dict.fromkeys(one for found in wanted.values() for one in found))
        if not candidates:
            return ()
        planner.prepare(candidates)
        return tuple(_chosen(planner, known, statements, candidates, wanted))


def _chosen(
    planner: Trial,
    known: Known,
    statements: Sequence[Asked],
    candidates: Sequence[Candidate],
    wanted: dict[str, list[Candidate]],
) -> Iterator[IndexProposal]:
    loads, sizes = _loads(planner, statements, candidates, wanted)
    priced = _priced(known, statements, candidates, wanted)
    places = chosen(loads, priced)
    together = [candidates[place] for place in places]
    with planner.offered(together) as offer:
        answers = [
            offer.cost(one.questions) if offer and load.after else None
            for one, load in zip(statements, loads, strict=True)
        ]
    for number, place in enumerate(places):
        helped = [
            (one, load.before, answer.cost)
            for one, load, answer in zip(statements, loads, answers, strict=True)
            if answer and number in answer.used and load.before >= WORTH * answer.cost
        ]
        if helped:
            yield _proposal(planner, known, candidates[place], sizes[place], helped)


def _priced(
    known: Known, statements: Sequence[Asked], candidates: Sequence[Candidate], wanted: dict[str, list[Candidate]]
) -> list[Priced]:
    """Upkeep counts only against calls that were counted: a statement from a log has none to weigh it with."""
    brief = any(table.counted_seconds < _HABIT for table in known.tables.values())
    free = {wish for one in statements if brief or not one.counted.calls for wish in wanted[one.statement]}
    return [Priced(one, 0.0 if one in free else ENTRY * known.entries(one) * known.share) for one in candidates]


def _loads(
    planner: Trial, statements: Sequence[Asked], candidates: Sequence[Candidate], wanted: dict[str, list[Candidate]]
) -> tuple[list[Load], dict[int, int]]:
    """Each statement's cost as things stand and with each candidate alone, and the candidates' sizes."""
    before = [planner.cost(one.questions) for one in statements]
    after: list[dict[int, float]] = [{} for _ in statements]
    sizes: dict[int, int] = {}
    tables = [{wish.table for wish in wanted[one.statement]} for one in statements]
    for place, candidate in enumerate(candidates):
        with planner.offered([candidate]) as offer:
            if offer is None:
                continue
            (sizes[place],) = offer.bytes
            for number, one in enumerate(statements):
                if candidate.table in tables[number] and (before[number] or 0.0) >= QUICK:
                    answer = offer.cost(one.questions)
                    if answer and answer.used:
                        after[number][place] = answer.cost
    return [
        Load(float(one.counted.calls or 1), before[number] or 0.0, after[number])
        for number, one in enumerate(statements)
    ], sizes


def _proposal(
    planner: Trial, known: Known, candidate: Candidate, size: int, helped: list[tuple[Asked, float, float]]
) -> IndexProposal:
    most, before, after = max(helped, key=lambda one: (one[0].counted.calls or 1) * (one[1] - one[2]))
    table = known.tables[candidate.table]
    return IndexProposal(
        table=candidate.table,
        table_oid=candidate.table_oid,
        columns=candidate.columns,
        where=candidate.where.plain() if candidate.where else None,
        name=candidate.name,
        statement=normalised(most.statement),
        serves=tuple(normalised(one.statement) for one, _, _ in helped),
        costs=tuple((then, now) for _, then, now in helped),
        cost_before=before,
        cost_after=after,
        proven=before >= PROVEN * after,
        assumed=most.assumed,
        method=planner.method,
        bytes_estimate=size,
        build_estimate=timedelta(seconds=2 * table.bytes / SCANNED + table.rows / SORTED),
        entries_per_hour=3600 * known.entries(candidate) / table.counted_seconds if table.counted_seconds else None,
        hot_lost=known.hot_lost(candidate),
        command=command(known.schema, candidate),
    )


def _statements(reader: Line, known: Known, count: Count, given: Iterable[str]) -> Iterator[Asked]:
    """The statements in the order given, as the server keeps them: what is shown of a statement is masked."""
    kept = unmasked(reader)
    for words in dict.fromkeys(kept.get(one, one) for one in given):
        numbers = count.statements.get(words, Counted())
        found = asked(words, reader.access.settings.schema, numbers, known.statuses, known.keys)
        if found and found.assumed and _refuted(reader, found):
            found = asked(words, reader.access.settings.schema, numbers, (), known.keys)
        if found:
            yield found


def _refuted(reader: Line, one: Asked) -> bool:
    """Whether a call gives far more rows than the unfinished records are: then it looks for others."""
    with reader.connection.transaction(force_rollback=True):
        found = plan(reader, one.question)
    rows = one.counted.rows_a_call
    return found is not None and rows is not None and rows > _OTHER_STATUS * max(found.rows, 1.0) + 100
