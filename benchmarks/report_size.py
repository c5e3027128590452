"""How long the report of a very large run takes, how big it is, and how soon Chromium shows it.

``python -m benchmarks.report_size``. Three of five rows are not in order, each with its causes, evidence and samples
of log lines.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import reports
from benchmarks.measure import row
from reports.language import Language
from runbook.model import (
    Choice,
    Decision,
    Environment,
    Event,
    Evidence,
    Finding,
    Measure,
    Plan,
    Proof,
    Reading,
    Record,
    Run,
    State,
    Step,
    Verdict,
)
from runbook.text import Quantity, text

START = datetime(2026, 11, 24, 14, 31, 5, tzinfo=UTC)
ROWS, FINDINGS = 500, 10
STATES = (State.CRITICAL, State.OK, State.WARNING, State.OK, State.UNKNOWN)
PROOFS = (Proof.CONFIRMED, Proof.RULED_OUT, Proof.RULED_OUT, Proof.UNKNOWN)
LINE = '{"timestamp": "2026-11-24T14:12:23Z", "level": "ERROR", "service": "servicio-procesamiento-inicial", "n": %d}'
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
#: Says in the title when the page was loaded and laid out, on the browser's own clock from the navigation's start.
TIMER = (
    "<script>addEventListener('load',()=>{document.body.offsetHeight;"
    "document.title='shown '+performance.now()})</script>"
)


def large_run(rows: int, findings: int) -> Run:
    """A run of so many rows with so many findings each."""
    records = tuple(_record(number, findings) for number in range(rows))
    return Run(
        id="large",
        environment=Environment(site="SEP-MUSES", name="bench", timezone="America/Mexico_City", language="es"),
        started_at=START,
        ended_at=START + timedelta(seconds=60),
        records=records,
        readings=tuple(_reading(number) for number in range(rows)),
        events=tuple(Event(at=START, kind=r.verdict.state.value, what=r.verdict.summary, row=r.row) for r in records),
    )


def _record(number: int, findings: int) -> Record:
    state = STATES[number % len(STATES)]
    value = Quantity(100.0 + number, "1/min")
    limits = Quantity(60, "1/min"), Quantity(120, "1/min")
    measures = tuple(
        Measure(object=f"muses.queue-{number}-{n}", value=value, state=state, warning=limits[0], critical=limits[1])
        for n in range(5)
    )
    step = Step(what=text("Start {name}", name=f"replica-{number}"), target="workers", operation="start")
    return Record(
        row=f"ROW-{number:03}",
        title=text("The queue number {n} does not grow without stopping", n=number),
        why=text("A queue that grows is work that students wait for: nothing behind it moves."),
        source="Guía de Operaciones §3",
        section=f"section{number % 8}",
        verdict=Verdict(
            state=state,
            summary=text("{queue} grows by {rate}", queue=f"muses.queue-{number}", rate=value),
            measures=measures,
            judged_at=START,
        ),
        findings=tuple(_finding(number, n) for n in range(findings)),
        plan=Plan(remedy="restore", steps=(step,)),
        decision=Decision(choice=Choice.ASK, reason=text("Needs a person's approval"), rule="policy.high"),
        breached_since=START - timedelta(minutes=number),
        trend=tuple((START - timedelta(minutes=n), float((n * 37) % 100)) for n in range(200, 0, -1)),
        trend_unit="1/min",
        took=timedelta(seconds=1),
    )


def _finding(number: int, place: int) -> Finding:
    evidence = Evidence(
        statement=text("{count} errors of one shape in {window}", count=place * 7 + 3, window=timedelta(minutes=5)),
        source="logs.errors('servicio-procesamiento-inicial')",
        sample=tuple(LINE % n for n in range(3)),
        count=120,
    )
    return Finding(
        proof=PROOFS[place % len(PROOFS)],
        name=f"cause_{place}",
        cause=text("The initial-processing service number {n} is down", n=place),
        summary=text("{running} of {wanted} replicas of {number} are running", running=0, wanted=2, number=number),
        evidence=(evidence, evidence),
        advice=(text("Ask who stopped the replicas"),),
    )


def _reading(number: int) -> Reading:
    return Reading(target="broker", request=f"queues({number})", value=1, taken_at=START, took=timedelta(seconds=0.1))


def shown_after(page: Path) -> float | None:
    """Milliseconds until Chromium has loaded and laid out the page; None where there is no Chromium."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        # The page forbids scripts by its own policy: only this copy may run the timer.
        copy = Path(folder) / "page.html"
        copy.write_text(re.sub(r'<meta http-equiv="Content-Security[^>]*>', TIMER, page.read_text("utf-8")), "utf-8")
        command = [browser, *FLAGS, f"--user-data-dir={folder}/profile", "--dump-dom", copy.as_uri()]
        dom = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout
    found = re.search(r"<title>shown ([\d.]+)", dom)
    return float(found[1]) if found else None


def main() -> None:
    """Print seconds and bytes of each format, and the time until a browser has the page."""
    run = large_run(ROWS, FINDINGS)
    with tempfile.TemporaryDirectory() as folder:
        for name in reports.FORMATS:
            began = time.perf_counter()
            path = reports.write(run, Path(folder), [name], Language("es"))[name]
            took, size = time.perf_counter() - began, path.stat().st_size / 1e6
            what = f"report of {ROWS} rows, {ROWS * FINDINGS:,} findings: {name}"
            row(what, f"{took:.2f} s, {size:.2f} MB", "< 1 s, < 2 MB" if name == "html" else "–")
            if name == "html" and (shown := shown_after(path)) is not None:
                row("the same page, loaded and laid out by Chromium", f"{shown / 1000:.2f} s", "< 1 s")


if __name__ == "__main__":
    main()
