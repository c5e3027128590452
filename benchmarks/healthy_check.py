"""A full healthy check of the lab, beside what it cannot do without: interpreter, drivers, slowest probe."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from benchmarks.measure import COMMAND, row, side_by_side
from lab.testing import running_lab
from runbook.model import Run, State

#: What a check of all rows imports, whoever writes it: the drivers, pytest, and the templates of the report.
IMPORTS = (
    "import pytest, psycopg, boto3, testinfra, jinja2, rich.live, click, msgspec; boto3.client('s3', region_name='x')"
)


def main() -> None:
    """The median of nine, each beside the bare imports."""
    with tempfile.TemporaryDirectory() as folder, running_lab(Path(folder) / "lab") as place:
        check = [COMMAND, "check", "--settings", str(place.site_file)]
        healthy(check)
        took = side_by_side({"check": check, "imports": [sys.executable, "-c", IMPORTS]})
        slowest = statistics.median(_slowest_probe(healthy(check)) for _turn in range(5))
    floor = took["imports"] + slowest
    row("healthy `check` of the lab, all rows and reports", f"{took['check']:.2f} s", "≤ 1.5 s")
    row("interpreter + imports of the drivers used", f"{took['imports']:.2f} s", "–")
    row("slowest single probe", f"{slowest * 1000:.0f} ms", "–")
    row("ratio of the check to both together", f"{took['check'] / floor:.2f}", "≤ 1.3")


def _slowest_probe(run: Run) -> float:
    return max(reading.took.total_seconds() for reading in run.readings)


def healthy(check: list[str]) -> Run:
    """The lab's verdict once it is healthy: right after its start the queue's rates are not known yet."""
    for _attempt in range(20):
        done = subprocess.run([*check, "--json"], capture_output=True, check=False)
        run = msgspec.json.decode(done.stdout, type=Run)
        if all(record.verdict.state in (State.OK, State.SKIPPED) for record in run.records):
            return run
    raise SystemExit(f"the lab does not become healthy: {[(r.row, r.verdict.state) for r in run.records]}")


if __name__ == "__main__":
    main()
