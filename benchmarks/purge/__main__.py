"""The purge, its limit and what people do, in one run: ``python -m benchmarks.purge --rows 1500000``.

All start from the same rows in the same places. ``--only ours`` purges the rows as they were made, without a copy:
with ``--rows 150000`` and ``--rows 15000000`` it shows that neither memory nor time per row grow with the table.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.measure import row
from benchmarks.purge import data, held_locks, limit, ours, peers, spent
from benchmarks.purge.ground import Ground, ground
from benchmarks.purge.latency import Clients, Latency, between
from benchmarks.purge.outcome import Outcome
from lab.place import DATABASE

#: Contestants by the name that ``--only`` takes, in the order in which they run.
NAMES = ("limit", "ours", "cursor_csv", "pt_archiver", "commit_each", "latency")
#: Ours must be so many times as fast.
RATIOS = {"limit": 0.8, "pt_archiver": 3.0, "cursor_csv": 2.0, "commit_each": 20.0}
MOST_MEMORY, LONGEST_LOCK, WORSE = 200 << 20, 250.0, 2.0


class Result(msgspec.Struct):
    """All that one run measured. ``outcomes`` by contestant, ``latency`` by client and by whether a purge ran."""

    rows: int
    bytes_a_row: int = 0
    outcomes: dict[str, Outcome] = {}
    peak_bytes: int = 0
    latency: dict[str, dict[str, Latency]] = {}
    held: held_locks.Held | None = None

    def ratio(self, other: str) -> float | None:
        """How many times as fast ours is; None where either was not measured."""
        if "ours" not in self.outcomes or other not in self.outcomes:
            return None
        return self.outcomes["ours"].rate / self.outcomes[other].rate


def main() -> None:
    """Measure what was asked for and print it; what was measured before something failed, too."""
    options = _options()
    result = Result(options.rows)
    try:
        with ground(options.at) as place:
            data.fill(place, options.rows)
            _measure(place, options, result)
    except KeyboardInterrupt:
        raise SystemExit("interrupted; the servers and their folder are gone") from None
    finally:
        for what, value, must in _table(result):
            row(what, value, must)
        if options.json:
            options.json.write_bytes(msgspec.json.format(msgspec.json.encode(_said(result))))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.purge", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_500_000, help="rows of tbae001_inscripcion")
    parser.add_argument("--only", action="append", choices=NAMES, help="measure this (may be given several times)")
    parser.add_argument("--slice", type=int, default=30_000, help="rows of each table that get a commit each")
    parser.add_argument("--quiet", type=int, default=40, help="seconds of the latency without a purge")
    parser.add_argument("--statements", action="store_true", help="show what took the database's time")
    parser.add_argument("--at", type=Path, help="a folder on the disk to measure, in place of the temporary one")
    parser.add_argument("--json", type=Path, help="write all that was measured to this file, too")
    parser.add_argument(
        "--purge", action="append", default=[], metavar="KEY=VALUE", help="a setting of the purge, such as workers=1"
    )
    options = parser.parse_args()
    options.settings = {key: json.loads(value) for key, _, value in (given.partition("=") for given in options.purge)}
    return options


def _measure(place: Ground, options: argparse.Namespace, result: Result) -> None:
    before, chosen = data.cutoff(place), options.only or list(NAMES)
    result.bytes_a_row = data.bytes_a_row(place, options.rows)
    contestants: dict[str, Callable[[str], None]] = {
        "limit": lambda database: _kept(result, "limit", limit.measure(place, database, before)),
        "ours": lambda database: _ours(place, database, before, options.settings, result),
        "cursor_csv": lambda database: _kept(result, "cursor_csv", peers.cursor_csv(place, database, before)),
        "pt_archiver": lambda database: _kept(result, "pt_archiver", peers.pt_archiver(place, database, before)),
        "commit_each": lambda database: _kept(
            result, "commit_each", peers.commit_each(place, database, before, options.slice)
        ),
        "latency": lambda database: _latency(place, database, before, options, result),
    }
    for name in (name for name in NAMES if name in chosen):
        alone = len(chosen) == 1
        kept: AbstractContextManager[str] = nullcontext(DATABASE) if alone else place.copy(f"bench_{name}")
        with kept as database:
            data.say(f"{name}: {data.overdue(place, database, before)} to go")
            os.sync()  # what others wrote is not this one's to wait for
            spent.forget_statements(place)
            before_it = spent.processor(place)
            contestants[name](database)
            if name in result.outcomes:
                result.outcomes[name].processor = spent.since(before_it, place)
                data.say(f"{name}: processor seconds {result.outcomes[name].processor}")
            if options.statements:
                data.say("\n".join(spent.statements(place, database)))


def _kept(result: Result, name: str, outcome: Outcome) -> None:
    result.outcomes[name] = outcome
    data.say(f"{name}: {outcome.rows:,} rows in {outcome.seconds:.1f} s, {outcome.rate:,.0f} a second {outcome.parts}")


def _ours(place: Ground, database: str, before: str, settings: dict[str, Any], result: Result) -> None:
    outcome, result.peak_bytes = ours.measure(place, database, before, settings)
    _kept(result, "ours", outcome)


def _latency(place: Ground, database: str, before: str, options: argparse.Namespace, result: Result) -> None:
    with held_locks.logged(place), Clients(place, database) as clients:
        calm = time.monotonic(), time.monotonic() + options.quiet
        time.sleep(options.quiet)
        purge = ours.Purge(place, database, before, options.settings)
        start = time.monotonic()
        purge.wait()
        spans = {"without": calm, "during": (start, time.monotonic())}
        seen = clients.stop()
    result.latency = {
        client: {span: between(requests, *spans[span]) for span in spans} for client, requests in seen.items()
    }
    result.held = held_locks.held(place.place.logs, database)


def _table(result: Result) -> Iterator[tuple[str, str, str]]:
    yield f"{result.rows:,} rows of 58 columns with their answers and errors", f"{result.bytes_a_row} bytes a row", "–"
    for outcome in result.outcomes.values():
        what = outcome.name + (f" ({outcome.note})" if outcome.note else "")
        used = ", ".join(f"{name} {seconds:.1f}" for name, seconds in outcome.processor.items())
        yield what, f"{outcome.seconds:.1f} s, {outcome.rate:,.0f} rows/s (processor seconds: {used})", "–"
    for part, seconds in result.outcomes["limit"].parts.items() if "limit" in result.outcomes else ():
        yield f"– of the limit: {part}", f"{seconds:.1f} s", "–"
    for other, least in RATIOS.items():
        if (ratio := result.ratio(other)) is not None:
            yield f"the purge's rate ÷ {other}'s", f"{ratio:.2f}", f"≥ {least:g}"
    if result.peak_bytes:
        yield "peak memory of the purge", f"{result.peak_bytes / (1 << 20):.0f} MiB", f"≤ {MOST_MEMORY >> 20} MiB"
    yield from _usable(result)


def _usable(result: Result) -> Iterator[tuple[str, str, str]]:
    for client, spans in result.latency.items():
        calm, during = spans["without"], spans["during"]
        for span, seen in spans.items():
            shown = f"p50 {seen.p50:.1f} ms, p99 {seen.p99:.1f} ms, worst {seen.worst:.0f} ms"
            sent = f"from its sending p50 {seen.sent_p50:.1f}, p99 {seen.sent_p99:.1f} ms"
            yield f"{client}, {seen.requests} requests, {span}{' the purge' if span == 'during' else ''}", shown, sent
        yield f"{client}: p99 during ÷ without", f"{during.p99 / calm.p99:.2f}", f"≤ {WORSE:g}"
        yield f"{client}: the same from its sending", f"{during.sent_p99 / calm.sent_p99:.2f}", f"≤ {WORSE:g}"
    if result.held:
        longest = f"{result.held.longest:.0f} ms (median {result.held.median:.0f} ms of {result.held.transactions})"
        yield "longest a purge's transaction held locks", longest, f"≤ {LONGEST_LOCK:.0f} ms"


def _said(result: Result) -> dict[str, Any]:
    ratios = {other: ratio for other in RATIOS if (ratio := result.ratio(other)) is not None}
    rates = {name: {"seconds": o.seconds, "rows_a_second": o.rate} for name, o in result.outcomes.items()}
    return {**msgspec.to_builtins(result), "rates": rates, "ratios": ratios, "command": sys.argv[1:]}


if __name__ == "__main__":
    main()
