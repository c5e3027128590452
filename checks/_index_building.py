"""The step that builds an index, how a diagnosis tells of it, and what a person would type. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from checks._found import fact
from runbook.model import Effect, Evidence, Risk, Step
from runbook.targets.postgres.candidates import where_of
from runbook.text import Quantity, Text, size, text

if TYPE_CHECKING:
    from runbook.targets.postgres.structs import IndexProposal

#: A build that may take longer is not begun by a machine: the step would be left behind in the middle of it.
LONGEST = timedelta(minutes=5)


def handle(proposal: IndexProposal) -> dict[str, Any]:
    """What the remedy needs of a proposal."""
    return {
        "arguments": proposal.arguments | {"serves": list(proposal.serves)},
        "fingerprint": proposal.fingerprint,
        "bytes": proposal.bytes_estimate,
        "seconds": proposal.build_estimate.total_seconds(),
    }


def steps(handles: Iterable[Mapping[str, Any]]) -> Iterator[Step]:
    """One for each index that is built in reasonable time."""
    return (step(one) for one in handles if not is_long(one))


def is_long(told: Mapping[str, Any]) -> bool:
    """Whether a person should choose the hour."""
    return bool(told.get("seconds", 0.0) > LONGEST.total_seconds())


def step(told: Mapping[str, Any]) -> Step:
    """Build it without blocking writers; undone by dropping it."""
    made = told["arguments"]
    return Step(
        what=text(
            "Create index {name} on {table} ({columns}) without blocking writers, about {size}",
            name=made["name"],
            table=made["table"],
            columns=_columns(made["columns"], made.get("where")),
            size=size(told["bytes"]),
        ),
        target="database",
        operation="create_index",
        arguments=made,
        fingerprint=told["fingerprint"],
        risk=Risk.MEDIUM,
        effect=Effect.CHANGE,
        undo=_drop(made["name"]),
    )


def evidence(proposal: IndexProposal) -> Evidence:
    """What the planner says with it, what it costs to have it, and the statements it is for."""
    said = text(
        "With an index on {table} ({columns}) the planner's cost falls from {before} to {after} ({method}); "
        "it takes about {size}, {build} to build and {entries} entries to keep",
        table=proposal.table,
        columns=_columns(proposal.columns, proposal.where),
        before=proposal.cost_before,
        after=proposal.cost_after,
        method=proposal.method,
        size=size(proposal.bytes_estimate),
        build=proposal.build_estimate,
        entries=Quantity(proposal.entries_per_hour or 0.0, "1/h"),
    )
    return fact(said, "EXPLAIN", proposal.serves or (proposal.statement,))


def notes(proposal: IndexProposal) -> Iterator[Text]:
    """What a person should know before it is built."""
    if proposal.assumed:
        yield text(
            "The statement is taken to look for the statuses {statuses}: the server keeps no values",
            statuses=", ".join(map(str, proposal.assumed)),
        )
    if proposal.hot_lost:
        yield text("Updates of {table} that touch no index now will write into every one", table=proposal.table)
    if proposal.build_estimate > LONGEST:
        yield text(
            "Building it takes about {build}: a person runs it in a quiet hour: {command}",
            build=proposal.build_estimate,
            command=proposal.command,
        )


def _columns(columns: Iterable[str], where: Mapping[str, Any] | None) -> str:
    listed = ", ".join(columns)
    return listed if where is None else f"{listed} WHERE {where_of(where)}"


def _drop(name: str) -> Step:
    return Step(
        what=text("Drop index {name} without blocking writers", name=name),
        target="database",
        operation="drop_index",
        arguments={"name": name},
        effect=Effect.CHANGE,
    )
