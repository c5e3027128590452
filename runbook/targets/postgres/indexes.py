"""Indexes that would help the statements seen: only what the planner itself uses and finds cheaper is proposed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from runbook.targets.postgres.access import statement
from runbook.targets.postgres.activity import seeing
from runbook.targets.postgres.connection import Line
from runbook.targets.postgres.plannable import plannable
from runbook.targets.postgres.predicates import Lookups, lookups
from runbook.targets.postgres.structs import IndexProposal
from runbook.targets.postgres.trials import Answer, Candidate, Trial, trial
from runbook.targets.postgres.workload import unmasked
from runbook.targets.sql_text import normalised

#: An index is proven when the statement's cost falls at least this many times: less is not worth its upkeep. What
#: does not even halve it is not worth telling of.
PROVEN, _WORTH_TELLING = 5.0, 2.0
#: A longer index must be better by this much: each column costs at every insert.
_SHORTER_IS_BETTER = 1.1
_MOST_STATEMENTS, _MOST_CANDIDATES = 10, 6


@dataclass(frozen=True)
class Tables:
    """The tables that may get an index, and which column lists have one already."""

    facts: dict[str, dict[str, Any]]
    indexed: dict[int, list[list[str]]]

    def has(self, oid: int, columns: tuple[str, ...], equal: list[str]) -> bool:
        """Whether a valid index begins with these columns; in any order where all are compared by equality."""
        for index in self.indexed.get(oid, []):
            leading = index[: len(columns)]
            if leading == list(columns) or (set(leading) == set(columns) <= set(equal)):
                return True
        return False


def proposals(reader: Line, asked: tuple[str, ...]) -> tuple[IndexProposal, ...]:
    """The best index for each statement and table, the largest saving first; several statements may want the same."""
    seen = seeing(reader)
    tables = _known(reader)
    columns = {name: facts["columns"] for name, facts in tables.facts.items()}
    texts = list(_texts(reader, asked[:_MOST_STATEMENTS]))
    found: list[IndexProposal] = []
    with trial(reader, seen) as planner:
        for words in dict.fromkeys(texts):
            question = plannable(words, reader.access.settings.schema) or ""
            for table, used in lookups(question, columns).items():
                best = _proposal(reader, planner, (words, question), _candidates(reader, tables, table, used))
                found += [best] if best else []
    return tuple(sorted(found, key=lambda proposal: proposal.cost_after - proposal.cost_before))


def _proposal(
    reader: Line, planner: Trial, statement: tuple[str, str], candidates: list[Candidate]
) -> IndexProposal | None:
    words, question = statement
    answers = [(candidate, planner.offer(question, candidate)) for candidate in candidates]
    useful = [(candidate, answer) for candidate, answer in answers if answer and _helps(answer, _WORTH_TELLING)]
    if not useful:
        return None
    candidate, answer = _best(useful)
    return IndexProposal(
        table=candidate.table,
        table_oid=candidate.table_oid,
        columns=candidate.columns,
        name=candidate.name,
        statement=normalised(words),
        cost_before=answer.cost_before,
        cost_after=answer.cost_after,
        proven=_helps(answer, PROVEN),
        method=planner.method,
        bytes_estimate=answer.bytes,
    )


def _helps(answer: Answer, times: float) -> bool:
    return answer.uses_it and answer.cost_before >= times * answer.cost_after


def _best(useful: list[tuple[Candidate, Answer]]) -> tuple[Candidate, Answer]:
    """The shortest of those that are about as cheap as the cheapest."""
    limit = min(answer.cost_after for _, answer in useful) * _SHORTER_IS_BETTER
    near = [(candidate, answer) for candidate, answer in useful if answer.cost_after <= limit]
    return min(near, key=lambda pair: (len(pair[0].columns), pair[1].cost_after))


def _candidates(reader: Line, tables: Tables, table: str, used: Lookups) -> list[Candidate]:
    facts = tables.facts[table]
    oid, rows = facts["table_oid"], facts["rows"]
    parameters = {"schema": reader.access.settings.schema, "table": table, "rows": rows}
    distinct = {row["column"]: row["values"] for row in reader.rows(statement("distinct_values"), parameters)}
    lists = [columns for columns in used.candidates(distinct) if not tables.has(oid, columns, used.equal)]
    return [Candidate(table, oid, rows, columns) for columns in lists[:_MOST_CANDIDATES]]


def _known(reader: Line) -> Tables:
    rows = reader.rows(statement("proposable_tables"), {"schema": reader.access.settings.schema})
    facts = {row["table"]: row for row in rows}
    indexed: dict[int, list[list[str]]] = {}
    oids = [row["table_oid"] for row in rows]
    for row in reader.rows(statement("indexed_columns"), {"tables": oids}):
        indexed.setdefault(row["table_oid"], []).append(row["columns"])
    return Tables(facts, indexed)


def _texts(reader: Line, asked: tuple[str, ...]) -> Iterator[str]:
    """The statements in the order asked, as the server keeps them: what is shown of a statement is masked."""
    kept = unmasked(reader)
    for given in asked:
        yield kept.get(given, given)
