"""Run ``muses-runbook check`` on a lab as a person would, and read the run it prints."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from lab.place import Place
from runbook.model import Proof, Record, Run, State, final

COMMAND = Path(sys.executable).with_name("muses-runbook")
OVERRIDE = "MUSES_RUNBOOK__ENVIRONMENTS__LAB__"
PAUSE = 1.0
BREACHED = (State.WARNING, State.CRITICAL)


def check(place: Place, *arguments: str, site: Path | None = None, **variables: str) -> Run:
    """One run of all rows, or of those named; by the lab's own site file unless another one is given."""
    done = subprocess.run(
        [COMMAND, "check", "--settings", site or place.site_file, "--json", *arguments],
        env=os.environ | variables,
        capture_output=True,
        check=False,
        timeout=180,
    )
    assert done.stdout, done.stderr.decode()
    return msgspec.json.decode(done.stdout, type=Run)


def check_until(
    place: Place, wanted: Callable[[Run], bool], *arguments: str, within: float = 60, site: Path | None = None
) -> Run:
    """Run after run until one is as wanted; fails with the last one's verdicts.

    Between them is a pause as long as a run: the lab, and the tests beside this one, get on with what is waited for.
    """
    deadline = time.monotonic() + within
    while True:
        run = check(place, *arguments, site=site)
        if wanted(run):
            return run
        assert time.monotonic() < deadline, told(run)
        time.sleep(PAUSE)


def states(run: Run) -> dict[str, State]:
    """Row → its state at the end of the run."""
    return {record.row: final(record).state for record in run.records}


def breached(run: Run) -> set[str]:
    """The rows that are breached at the end of the run."""
    return {row for row, state in states(run).items() if state in BREACHED}


def healthy(run: Run) -> bool:
    """Whether nothing is breached or unseen."""
    return all(state in (State.OK, State.SKIPPED) for state in states(run).values())


def record_of(run: Run, row: str) -> Record:
    """The record of one row."""
    [record] = [record for record in run.records if record.row == row]
    return record


def proofs(record: Record) -> dict[str, Proof]:
    """Cause → how far the evidence goes."""
    return {finding.name: finding.proof for finding in record.findings}


def told(run: Run) -> str:
    """The run in a few lines, for a failing test."""
    return "\n".join(
        f"{r.row} {final(r).state} {final(r).summary}\n"
        + "".join(f"    {f.name} {f.proof}: {f.summary}\n" for f in r.findings)
        for r in run.records
        if final(r).state is not State.OK
    )
