"""Time whole processes: medians of several runs, and ratios taken side by side in one run."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

COMMAND = str(Path(sys.executable).with_name("muses-runbook"))


def seconds(command: Sequence[str], **variables: str) -> float:
    """Wall seconds of one run of a process; its output goes nowhere."""
    started = time.perf_counter()
    subprocess.run(
        command,
        env=os.environ | variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return time.perf_counter() - started


def side_by_side(commands: dict[str, Sequence[str]], runs: int = 9, **variables: str) -> dict[str, float]:
    """The median seconds of each command, run in turn so that a slow moment hits all; one warm-up each."""
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(runs + 1):
        for name, command in commands.items():
            took = seconds(command, **variables)
            if turn:
                taken[name].append(took)
    return {name: statistics.median(values) for name, values in taken.items()}


def row(what: str, value: str, limit: str) -> None:
    """One line of the table in docs/benchmarks.md."""
    print(f"| {what} | {value} | {limit} |", flush=True)
