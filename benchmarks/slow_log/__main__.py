"""pgBadger and ours on the same logs, in turn: ``python -m benchmarks.slow_log --megabytes 300``.

``--memory 3000`` also writes a stderr log of so many megabytes and measures our processes' memory on it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.measure import COMMAND, row
from benchmarks.slow_log import workload
from runbook.targets.slow_log import grammar

MUST = {"stderr": 10, "csv": 20, "json": 15}
PREFIX = "%m [%p] %u@%d "
MOST_MEMORY = 400 << 20
_TOP = 20


class Spent(NamedTuple):
    """What one run took; on a busy machine the processor's seconds say more than the wall's."""

    wall: float
    processor: float


def main() -> None:
    """Write the logs, let both read them in turn, compare their findings."""
    options = _options()
    with tempfile.TemporaryDirectory(dir=options.at) as folder:
        for form in options.form or workload.FORMS:
            log = workload.written(Path(folder), form, options.megabytes)
            _race(form, log, options.turns)
            log.unlink()
        if options.memory:
            log = workload.written(Path(folder), "stderr", options.memory)
            peak = _peak([COMMAND, "slow-queries", str(log), "--json"])
            row(f"slow-queries on {options.memory} MB, memory", f"{peak / (1 << 20):.0f} MiB", "≤ 400 MiB")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.slow_log", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=300, help="size of each log")
    parser.add_argument("--memory", type=int, default=0, metavar="MEGABYTES", help="measure memory on such a log, too")
    parser.add_argument("--turns", type=int, default=1, help="how often pgBadger and ours take turns")
    parser.add_argument("--form", action="append", choices=workload.FORMS, help="only this form (may be repeated)")
    parser.add_argument("--at", type=Path, help="a folder for the logs")
    return parser.parse_args()


def _race(form: str, log: Path, turns: int) -> None:
    theirs, ours = log.with_suffix(".pgbadger.json"), log.with_suffix(".ours.json")
    taken: list[tuple[Spent, Spent]] = []
    command = [COMMAND, "slow-queries", str(log), "--json", "--jobs", "2", "--top", "1000"]
    for _ in range(turns):
        badger = _spent(_pgbadger(form, log, theirs), Path(os.devnull))
        taken.append((badger, _spent(command, ours)))
    walls, processors = zip(*[[one / other for one, other in zip(*pair, strict=True)] for pair in taken], strict=True)
    shown = ", ".join(f"{badger.wall:.1f} s / {mine.wall:.2f} s" for badger, mine in taken)
    row(f"slow log, {form}, {log.stat().st_size / 1e6:.0f} MB: pgBadger -j 2 / ours", shown, "–")
    row(f"– times faster ({form})", f"{statistics.median(walls):.1f}", f"≥ {MUST[form]}")
    shown = ", ".join(f"{badger.processor:.1f} s / {mine.processor:.2f} s" for badger, mine in taken)
    row(f"– processor time ({form}): pgBadger / ours", f"{shown}: {statistics.median(processors):.1f} times", "–")
    row(f"– the same {_TOP} statements ({form})", _compared(theirs, ours), "the same")


def _spent(command: list[str], out: Path) -> Spent:
    """Wall seconds and those of the processors, of a process and its children."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with out.open("wb") as output:
        subprocess.run(command, stdout=output, stderr=subprocess.DEVNULL, check=True)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Spent(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def _pgbadger(form: str, log: Path, out: Path) -> list[str]:
    kind = ["-f", "stderr", "-p", PREFIX] if form == "stderr" else ["-f", f"{form}log" if form == "json" else form]
    alone = ["--pid-dir", str(log.parent)]  # its lock is one for the whole machine else
    return ["pgbadger", "-j", "2", "-q", *alone, *kind, "-x", "json", "-o", str(out), str(log)]


def _compared(theirs: Path, ours: Path) -> str:
    """Whether both found the same statements first, and with the same calls and times."""
    badger, mine = _of_pgbadger(json.loads(theirs.read_text())), _of_ours(json.loads(ours.read_text()))
    first = [sorted(found, key=lambda name: -found[name][1])[:_TOP] for found in (badger, mine)]
    if first[0] == first[1] and all(_alike(badger[name], mine[name]) for name in first[0]):
        return "the same, in the same order, with the same calls and total times"
    missing = [name for name in first[0] if name not in first[1]]
    different = [
        f"{name}: {badger[name]} / {mine.get(name)}" for name in first[0] if not _alike(badger[name], mine.get(name))
    ]
    return f"DIFFERENT: {missing} {different}"


def _alike(one: tuple[int, float], other: tuple[int, float] | None) -> bool:
    return other is not None and one[0] == other[0] and abs(one[1] - other[1]) <= 1e-4 * one[1]


def _of_pgbadger(report: dict[str, Any]) -> dict[str, tuple[int, float]]:
    """Calls and milliseconds by the grammar's fingerprint, as ours are."""
    found: dict[str, tuple[int, float]] = {}
    for shapes in report["normalyzed_info"].values():
        for query, told in shapes.items():
            if float(told.get("duration") or 0):
                # pgBadger writes ``?`` for a value and ``...`` for a list of them
                name = grammar.fingerprint(re.sub(r"\.\.\.|\?", "$1", query)) or query
                calls, spent = found.get(name, (0, 0.0))
                found[name] = calls + int(told["count"]), spent + float(told["duration"])
    return found


def _of_ours(report: dict[str, Any]) -> dict[str, tuple[int, float]]:
    return {
        statement["fingerprint"] or statement["query"]: (statement["count"], statement["total_ms"])
        for statement in report["statements"]
    }


def _peak(command: list[str]) -> int:
    """The greatest sum of what a process and its children hold in memory of their own while they run."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    done = threading.Event()
    watcher = threading.Thread(target=lambda: (process.wait(), done.set()))
    watcher.start()
    while not done.wait(0.05):
        peak = max(peak, sum(map(_held, (process.pid, *_children(process.pid)))))
    watcher.join()
    return peak


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _held(pid: int) -> int:
    """The resident memory of a process, shared pages counted in full; 0 where it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


if __name__ == "__main__":
    main()
