"""From a broken service to a proven fix: the lab's workers go down, and the command is run until it has fixed them."""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

import msgspec

from benchmarks.healthy_check import healthy
from benchmarks.measure import COMMAND, row
from lab.incidents import BREAKAGES
from lab.testing import running_lab
from runbook.model import Proven, Run


def main() -> None:
    """Seconds from the break to the verified fix, settling time included."""
    with tempfile.TemporaryDirectory() as folder, running_lab(Path(folder) / "lab") as place:
        check = [COMMAND, "check", "--settings", str(place.site_file)]
        healthy(check)
        started = time.perf_counter()
        BREAKAGES["worker-down"].apply(place)
        while time.perf_counter() - started < 60:
            done = subprocess.run([*check, "QUEUE-01", "--fix", "--json"], capture_output=True, check=False)
            run = msgspec.json.decode(done.stdout, type=Run)
            if any(r.verification and r.verification.proven is Proven.FIXED for r in run.records):
                break
        row("`lab break worker-down` to a verified fix", f"{time.perf_counter() - started:.1f} s", "< 30 s")


if __name__ == "__main__":
    main()
