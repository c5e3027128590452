"""The steps that make the consolidation quick again. Pure: it describes, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from checks import _index_building, _sessions
from checks._found import told
from checks._restoring import restart, start
from runbook.model import Effect, Finding, Proof, Risk, Step
from runbook.rows import NoPlan
from runbook.text import Text, text

DATABASE = "database"


def steps(findings: Mapping[str, Finding]) -> Iterator[Step]:
    """Start or restart what does not work, end what blocks, create what is missing, analyse what is stale.

    Raises NoPlan for a large lot (it only takes its time) and for a blocker that is at work.
    """
    planned = [*_starts(findings), *_endings(findings), *_indexes(findings), *_analyses(findings)]
    if not planned:
        raise NoPlan(_reason(findings))
    yield from planned


def _starts(findings: Mapping[str, Finding]) -> Iterator[Step]:
    cause = "consolidation_is_not_working"
    yield from (start(handle, None) for handle in told(findings, cause, "start"))
    yield from (restart(handle, None) for handle in told(findings, cause, "restart"))


def _endings(findings: Mapping[str, Finding]) -> Iterator[Step]:
    """The first blocker only: when it goes, the others may go with it, and the next judgement says so."""
    roots = [root for root in told(findings, "database_is_overloaded", "roots") if root["may_be_ended"]]
    return (_sessions.end(root) for root in roots[:1])


def _indexes(findings: Mapping[str, Finding]) -> Iterator[Step]:
    return _index_building.steps(told(findings, "queries_are_slow", "indexes"))


def _analyses(findings: Mapping[str, Finding]) -> Iterator[Step]:
    for stale in told(findings, "queries_are_slow", "stale"):
        yield Step(
            what=text("Renew the planner's statistics of {table}", table=stale["table"]),
            target=DATABASE,
            operation="analyze",
            arguments={"table": stale["table"]},
            fingerprint=stale["fingerprint"],
            risk=Risk.LOW,
            effect=Effect.CHANGE,
        )


def _reason(findings: Mapping[str, Finding]) -> Text:
    if findings["consolidation_is_not_working"].proof is Proof.CONFIRMED:
        return text("The consolidation fails at what it takes: a restart would meet the same error")
    if findings["database_is_overloaded"].proof is Proof.CONFIRMED:
        return text("What blocks is at work or not a client's session: a person decides whether to end it")
    large = findings["batch_is_very_large"]
    if large.proof is Proof.CONFIRMED:
        done_at = datetime.fromisoformat(large.data["done_at"])
        return text("There is nothing to mend: the large lot will be done by {done_at}", done_at=done_at)
    if findings["queries_are_slow"].proof is Proof.CONFIRMED:
        return text("No index is proven to help and no statistics are stale: a person must look at the plans")
    return text("No cause is confirmed: there is nothing to do that would not be a guess")
