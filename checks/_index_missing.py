"""Which statements are heavy, what an index would save of their time, and which foreign keys need one. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from checks import _index_building
from checks._found import confirmed, ruled_out
from runbook.model import Finding
from runbook.text import Quantity, Text, percent, text

if TYPE_CHECKING:
    from runbook.targets.postgres.stored import ForeignKey
    from runbook.targets.postgres.structs import IndexProposal, Statement

_OURS = re.compile(r"\btb(?:ae|mu)\d", re.IGNORECASE)
_EXCHANGE = re.compile(r"tbae\d", re.IGNORECASE)
#: A statement that takes this share of all the time is heavy even when a call is short, but not below a millisecond.
_SHARE, _LEAST = 0.05, timedelta(milliseconds=1)


@dataclass(frozen=True)
class Missing:
    """An index that is proven to help and the share of all statements' time that it would save, 0 to 100."""

    proposal: IndexProposal
    percent: float

    @property
    def said(self) -> Text:
        """For people."""
        return text(
            "An index on {table} ({columns}) would save {share} of the time of all statements",
            table=self.proposal.table,
            columns=", ".join(self.proposal.columns),
            share=percent(self.percent),
        )


def heavy(statements: Sequence[Statement], mean: timedelta, most: int) -> tuple[Statement, ...]:
    """Those on the exchange and core tables whose calls are long, or which take much of all the time in short calls."""
    total = sum((one.total for one in statements), timedelta(0))
    ours = [one for one in statements if _OURS.search(one.query)]
    found = [one for one in ours if one.mean >= mean or (one.mean >= _LEAST and one.total >= _SHARE * total)]
    return tuple(sorted(found, key=lambda one: -one.total))[:most]


def missing(statements: Sequence[Statement], proposals: Iterable[IndexProposal]) -> tuple[Missing, ...]:
    """What the proven ones would save, most first, by the time of the statements that each serves."""
    total = sum((one.total for one in statements), timedelta(0))
    found = [Missing(one, 100 * _saved(statements, one) / total) for one in proposals if one.proven and total]
    return tuple(sorted(found, key=lambda one: -one.percent))


def _saved(statements: Sequence[Statement], proposal: IndexProposal) -> timedelta:
    shares = {
        query: 1 - after / max(before, 1e-9)
        for query, (before, after) in zip(proposal.serves, proposal.costs, strict=True)
    }
    return sum((one.total * shares[one.query] for one in statements if one.query in shares), timedelta(0))


def lacking(keys: Iterable[ForeignKey], least_deleted: float) -> tuple[ForeignKey, ...]:
    """Foreign keys without an index whose parent loses rows: by the purge, or as the server counted."""
    return tuple(
        key
        for key in keys
        if key.index is None and (_EXCHANGE.match(key.parent) or key.parent_deleted >= least_deleted)
    )


def of_key(key: ForeignKey) -> Text:
    """What deleting from the parent costs."""
    return text(
        "{table}.{column} leads to {parent} and has no index: each row that is deleted there reads {rows}",
        table=key.table,
        column=key.column,
        parent=key.parent,
        rows=Quantity(key.rows, "rows"),
    )


def explained(proposals: Sequence[IndexProposal], nothing: Text) -> Finding:
    """The cause as it is proven: the planner finds the statements far cheaper with the indexes."""
    proven = [one for one in proposals if one.proven]
    evidence = tuple(map(_index_building.evidence, proposals))
    if not proven:
        return ruled_out(nothing, *evidence)
    said = text("{indexes} would help, as the planner proves", indexes=Quantity(len(proven), "indexes"))
    advice = [note for one in proven for note in _index_building.notes(one)]
    return confirmed(said, *evidence, advice=advice, indexes=[_index_building.handle(one) for one in proven])
