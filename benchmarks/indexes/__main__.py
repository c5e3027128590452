"""The index set that is proposed for ten statements, built for real: ``python -m benchmarks.indexes --rows 1500000``.

Promised is the share of a statement's cost that the planner says the set takes away, before anything is built. Real are
two numbers after building: the share of the plan's cost, and the share of the time that a call takes (the median of
some calls, as the services send them, before and after). Real must be at least 0.9 of what was promised. For four
statements that need no index nothing may be proposed.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from benchmarks.indexes import shapes
from benchmarks.indexes.ground import database, filled
from benchmarks.indexes.shapes import HELPED, NEEDLESS, Shape, Values
from benchmarks.measure import row
from runbook.targets.postgres.database import Database
from runbook.targets.postgres.structs import IndexProposal
from runbook.targets.sql_text import normalised

MUST = 0.9
HYPOPG = Path("/usr/lib/postgresql/15/bin")


class Seen(msgspec.Struct):
    """One statement: milliseconds a call, the cost of its plan, both before and after; what was promised (0 to 1)."""

    milliseconds: list[float] = []
    cost: list[float] = []
    promised: float | None = None

    @property
    def faster(self) -> float:
        """The share of the time that is gone."""
        return 1 - self.milliseconds[1] / self.milliseconds[0]

    @property
    def cheaper(self) -> float:
        """The share of the plan's cost that is gone."""
        return 1 - self.cost[1] / self.cost[0]


def main() -> None:
    """Fill, measure, propose, build, measure again."""
    options = _options()
    with (
        filled(options.rows, options.postgres and options.postgres.absolute()) as ground,
        ground.service("sep_muses") as service,
    ):
        known = shapes.values(service)
        seen = {shape.name: Seen() for shape in HELPED}
        _measure(service, known, seen, options.calls)
        target = database(ground)
        try:
            started = time.perf_counter()
            proposals = _proposed(target, HELPED)
            took = time.perf_counter() - started
            _promise(seen, proposals)
            needless = _proposed(target, NEEDLESS, service, known)
            built = list(_built(target, proposals))
        finally:
            target.close()
        _measure(service, known, seen, options.calls)
    for what, value, must in _table(options.rows, seen, proposals, needless, built, took):
        row(what, value, must)
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode({"seen": seen, "built": built})))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.indexes", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_500_000, help="rows of tbae001_inscripcion")
    parser.add_argument("--calls", type=int, default=7, help="calls of each statement before, and after")
    parser.add_argument(
        "--postgres",
        type=Path,
        default=HYPOPG if (HYPOPG / "postgres").exists() else None,
        help="the server's programs; with HypoPG beside them it proves, else a sample does",
    )
    parser.add_argument("--json", type=Path, help="write all that was measured to this file, too")
    return parser.parse_args()


def _measure(service: psycopg.Connection[Any], known: Values, seen: dict[str, Seen], calls: int) -> None:
    for shape in HELPED:
        dice = random.Random(shape.name)
        times = [_call(service, shape, shape.given(dice, known)) for _ in range(calls)]
        seen[shape.name].milliseconds.append(statistics.median(times))
        seen[shape.name].cost.append(_cost(service, shape, shape.given(dice, known)))


def _call(service: psycopg.Connection[Any], shape: Shape, given: list[Any]) -> float:
    with service.transaction(force_rollback=shape.changes):
        started = time.perf_counter()
        found = service.execute(shape.words, given)
        if not shape.changes:
            found.fetchall()
        return (time.perf_counter() - started) * 1000


def _cost(service: psycopg.Connection[Any], shape: Shape, given: list[Any]) -> float:
    """The planner's cost of the statement itself; for a deletion, of the look for children that each row costs."""
    words = "SELECT 1 FROM ONLY tbae010_error x WHERE id_respuesta = %s" if shape.changes else shape.words
    with psycopg.ClientCursor(service) as cursor:
        ((plan,),) = cursor.execute(f"EXPLAIN (FORMAT JSON) {words}", given).fetchall()
    return float(plan[0]["Plan"]["Total Cost"])


def _proposed(
    target: Database,
    wanted: tuple[Shape, ...],
    service: psycopg.Connection[Any] | None = None,
    known: Values | None = None,
) -> tuple[IndexProposal, ...]:
    """As the row asks: by the ids under which the server counted the statements."""
    for shape in wanted if service and known else ():
        _call(service, shape, shape.given(random.Random(1), known))
    texts = {_comparable(shape.words.replace("%s", "$1")) for shape in wanted}
    ids = {found: one.id for one in target.statements() if (found := _comparable(one.query)) in texts}
    if missing := texts - set(ids):
        raise SystemExit(f"the server did not count {missing}")
    return tuple(one for one in target.index_proposals(tuple(ids.values())) if one.proven)


def _comparable(words: str) -> str:
    """As shown of a statement: its values are gone."""
    return normalised(words)


def _promise(seen: dict[str, Seen], proposals: tuple[IndexProposal, ...]) -> None:
    for shape in HELPED:
        words = _comparable(shape.words.replace("%s", "$1"))
        shares = [
            1 - after / before
            for proposal in proposals
            for served, (before, after) in zip(proposal.serves, proposal.costs, strict=True)
            if served == words
        ]
        seen[shape.name].promised = max(shares, default=None)


def _built(target: Database, proposals: tuple[IndexProposal, ...]) -> Iterator[dict[str, Any]]:
    for proposal in proposals:
        done = target.create_index(fingerprint=proposal.fingerprint, **proposal.arguments)
        yield {
            "name": f"{proposal.table} ({', '.join(proposal.columns)}) {proposal.where or ''}".strip(),
            "bytes": (proposal.bytes_estimate, done["after"]["bytes"]),
            "seconds": (proposal.build_estimate.total_seconds(), done["after"]["seconds"]),
        }


def _table(
    rows: int,
    seen: dict[str, Seen],
    proposals: tuple[IndexProposal, ...],
    needless: tuple[IndexProposal, ...],
    built: list[dict[str, Any]],
    took: float,
) -> Iterator[tuple[str, str, str]]:
    method = proposals[0].method if proposals else "–"
    yield (
        f"{rows:,} rows: the set for {len(seen)} statements ({method})",
        f"{len(proposals)} indexes, {took:.1f} s",
        "–",
    )
    for name, one in seen.items():
        times = f"{one.milliseconds[0]:.2f} → {one.milliseconds[1]:.2f} ms, cost {one.cost[0]:.0f} → {one.cost[1]:.0f}"
        if one.promised is None:
            yield name, f"{times}; nothing was proposed", "promised"
            continue
        real = f"promised −{one.promised:.2%}, real −{one.faster:.2%} of the time, −{one.cheaper:.2%} of the cost"
        kept = min(one.faster, one.cheaper) / one.promised
        yield name, f"{times}; {real}; real ÷ promised {kept:.3f}", f"≥ {MUST}"
    for index in built:
        sizes = "{:.1f} MB, really {:.1f}".format(*(size / 1e6 for size in index["bytes"]))
        times = "{:.1f} s, really {:.1f}".format(*index["seconds"])
        yield f"– estimated: {index['name']}", f"{sizes}; {times}", "–"
    yield f"proposals for {len(NEEDLESS)} statements that need none", str(len(needless)), "0"


if __name__ == "__main__":
    main()
