"""The backup, its limit and what people do, in one run: ``python -m benchmarks.backup --rows 3000000``.

The limit and ours take turns, so that a slow moment of the machine hits both; ratios are medians over the turns.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from benchmarks import paired
from benchmarks.backup import ours, peers
from benchmarks.backup.pipes import Pipes
from benchmarks.backup.processes import Measured
from benchmarks.purge import data, spent
from benchmarks.purge.ground import Ground
from lab.place import BACKUP_BUCKET, DATABASE

#: Contestants by the name that ``--only`` takes, in the order in which they run; the first two in every turn.
NAMES = ("limit", "ours", "people", "file_first", "barman", "barman_gzip")
MOST_MEMORY, MOST_OF_LIMIT, LEAST_OF_PEOPLE = 200 << 20, 1.15, 3.0


class Result(msgspec.Struct):
    """All that one run measured, a list of turns by contestant; ``bytes`` of the tables without indexes."""

    rows: int
    bytes: int = 0
    dump_bytes: int = 0
    stored_bytes: int = 0
    turns: dict[str, list[Measured]] = {}


def main() -> None:
    """Measure what was asked for and print it."""
    options = _options()
    result = Result(options.rows)
    paired.run(options, lambda place: _measure(place, options, result), lambda: _table(result), lambda: _said(result))


def _options() -> argparse.Namespace:
    parser = paired.parser("benchmarks.backup", __doc__, NAMES, rows=3_000_000)
    parser.add_argument("--turns", type=int, default=3, help="how often the limit and ours are measured, in turn")
    return parser.parse_args()


def _measure(place: Ground, options: argparse.Namespace, result: Result) -> None:
    result.bytes, pipes = _bytes(place), Pipes(place)
    contestants: dict[str, Callable[[], Measured]] = {
        "limit": pipes.limit,
        "ours": lambda: _ours(place, result),
        "people": pipes.people,
        "file_first": pipes.file_first,
        "barman": lambda: peers.barman_cloud(place),
        "barman_gzip": lambda: peers.barman_cloud(place, "--gzip"),
    }
    for turn in range(options.turns):
        for name in options.only or NAMES:
            if turn == 0 or name in NAMES[:2]:
                _take_turn(place, name, contestants[name], result)


def _take_turn(place: Ground, name: str, contestant: Callable[[], Measured], result: Result) -> None:
    os.sync()  # what others wrote is not this one's to wait for
    before = spent.processor(place)
    outcome = contestant()
    servers = {server: seconds for server, seconds in spent.since(before, place).items() if server in place.pids}
    outcome.processor = {**outcome.processor, **servers}
    result.turns.setdefault(name, []).append(outcome)
    _empty(place)
    data.say(f"{name}: {outcome.seconds:.1f} s {_rounded(outcome.parts)} {_rounded(outcome.processor)}")


def _ours(place: Ground, result: Result) -> Measured:
    outcome = ours.measure(place, {"encryption": "sse-s3"})
    manifest = ours.manifest(place)
    result.dump_bytes, result.stored_bytes = manifest.dump_bytes, manifest.bytes
    if not manifest.verified or sum(manifest.tables.values()) < result.rows:
        raise SystemExit(f"the manifest does not say what was dumped: {manifest}")
    return outcome


def _empty(place: Ground) -> None:
    """Take all versions of all objects away: the object store keeps them in memory."""
    s3 = place.s3()
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=BACKUP_BUCKET):
        for one in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
            s3.delete_object(Bucket=BACKUP_BUCKET, Key=one["Key"], VersionId=one["VersionId"])


def _bytes(place: Ground) -> int:
    with place.admin() as admin:
        names = "(VALUES ('tbae001_inscripcion'), ('tbae009_respuesta'), ('tbae010_error')) AS t(name)"
        found = admin.execute(f"SELECT sum(pg_table_size(name::regclass))::bigint FROM {names}").fetchone()
        return int(found[0])  # type: ignore[index]  # one row, always


def _table(result: Result) -> Iterator[paired.Row]:
    sizes = f"{result.bytes / 1e9:.2f} GB of tables, {result.dump_bytes / 1e9:.2f} GB dumped"
    yield f"{result.rows:,} rows of {DATABASE}", f"{sizes}, {result.stored_bytes / 1e9:.2f} GB stored", "–"
    for turns in result.turns.values():
        middle = sorted(turns, key=lambda turn: turn.seconds)[len(turns) // 2]
        what = middle.name + (f" ({middle.note})" if middle.note else "")
        yield what, f"{middle.seconds:.1f} s: {_rounded(middle.parts)}", "–"
        yield "– processor seconds, peak memory", f"{_rounded(middle.processor)}; {_megabytes(middle.peaks)}", "–"
    yield from _ratios(result.turns)


def _ratios(turns: dict[str, list[Measured]]) -> Iterator[paired.Row]:
    mine = turns.get("ours", [])
    if not mine:
        return
    if limits := turns.get("limit"):
        all_turns = [one.seconds / other.seconds for one, other in zip(mine, limits, strict=False)]
        shown = f"{statistics.median(all_turns):.2f} ({', '.join(f'{ratio:.2f}' for ratio in all_turns)})"
        yield "published and verified ÷ the limit", shown, f"≤ {MOST_OF_LIMIT:g}"
    for name in NAMES[2:]:
        if other := turns.get(name):
            ratio = other[0].seconds / ours.uploaded(mine[0])  # both of the first turn
            yield f"{name} ÷ ours, to uploaded", f"{ratio:.1f}", f"≥ {LEAST_OF_PEOPLE:g}" if name == "people" else "–"
    peak = max(turn.peaks.get(ours.NAME, 0) for turn in mine)
    yield "peak memory of ours", f"{peak / (1 << 20):.0f} MiB", f"≤ {MOST_MEMORY >> 20} MiB"


def _rounded(parts: dict[str, float]) -> str:
    return ", ".join(f"{name} {seconds:.1f}" for name, seconds in parts.items())


def _megabytes(peaks: dict[str, int]) -> str:
    return ", ".join(f"{name} {peak / (1 << 20):.0f} MiB" for name, peak in peaks.items())


def _said(result: Result) -> dict[str, Any]:
    return {**msgspec.to_builtins(result), "table": list(_table(result)), "command": sys.argv[1:]}


if __name__ == "__main__":
    main()
