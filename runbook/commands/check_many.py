"""One check over many environments: each judged apart, several at once.

pytest runs once in a process, and rows, packs and connections are a process's own: so each environment is a process
(docs/adr/0021). What one of them does wrong is an outcome with an error, and hides no other.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from runbook.commands.apart import FIXING, STARTING, Apart
from runbook.commands.places import Place, places_of
from runbook.model import Run
from runbook.settings import Settings
from runbook.text import Text
from runbook.tongue import asked_for


class Outcome(NamedTuple):
    """What came of one environment: its run and where its reports lie, or why there is none."""

    environment: str
    run: Run | None = None
    error: Text | None = None
    folder: Path | None = None
    site: str = ""


class Asked(NamedTuple):
    """What is asked of every environment alike. ``options`` are words of ``muses-runbook check``.

    ``output`` replaces each site's own folder of reports; ``patience`` what is waited for a run altogether.
    """

    options: tuple[str, ...] = ()
    fix: bool = False
    deadline: timedelta | None = None
    output: Path | None = None
    patience: timedelta | None = None


def judge_all(
    settings: Settings,
    environments: Iterable[str],
    *,
    rows: Iterable[str] = (),
    formats: Iterable[str] = (),
    fix: bool = False,
    deadline: timedelta | None = None,
    output: Path | None = None,
    patience: timedelta | None = None,
) -> tuple[Outcome, ...]:
    """Judge environments of one site, several at once, each with its own identity, policy and deadline.

    In their order. Each run keeps its own reports and history; one that crashes, hangs for longer than ``patience`` or
    cannot be begun is an Outcome with an error. Raises KeyboardInterrupt after all runs have ended, and SettingsError
    for an environment there is not.
    """
    options = (*(word for name in formats for word in ("--format", name)), "--", *rows)
    asked = Asked(options, fix, deadline, output, patience)
    return judge_places(places_of(settings, tuple(environments)), asked)


def judge_places(
    wanted: Sequence[Place], asked: Asked, tell: Callable[[Outcome], None] = lambda outcome: None
) -> tuple[Outcome, ...]:
    """As :func:`judge_all`, over several sites; ``tell`` hears of each outcome as it comes."""
    folders = _folders(wanted, asked.output)
    running = [
        Apart(*_told(place, asked, folder)) if place.settings and not place.error else None
        for place, folder in zip(wanted, folders, strict=True)
    ]

    def judge(place: Place, apart: Apart | None, folder: Path | None) -> Outcome:
        run, error = apart.run() if apart else (None, place.error)
        lies = folder or (place.reports / run.id if run and place.reports else None)
        outcome = Outcome(place.environment, run, error, lies if run else None, place.site)
        tell(outcome)
        return outcome

    with ThreadPoolExecutor(max_workers=at_once()) as pool:
        futures = [pool.submit(judge, *one) for one in zip(wanted, running, folders, strict=True)]
        interrupted = _interrupted(futures, [apart for apart in running if apart])
    outcomes = tuple(future.result() for future in futures)
    if interrupted:
        raise Interrupted(outcomes)
    return outcomes


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, once every run has ended: what they came to is not lost."""

    def __init__(self, outcomes: tuple[Outcome, ...]) -> None:
        self.outcomes = outcomes
        super().__init__()


def at_once() -> int:
    """How many processes run at a time: starting one takes a processor half a second, then it waits for its targets."""
    return max(4, 2 * (os.cpu_count() or 1))


def _told(place: Place, asked: Asked, folder: Path | None) -> tuple[list[str], timedelta]:
    """The words for one environment's process, and how long it may take."""
    words = ["check", "--json", "--env", place.environment]
    words += ["--settings", str(place.settings.file)] if place.settings and place.settings.file else []
    words += ["--lang", asked_for() or ""] if asked_for() else []
    words += ["--fix"] if asked.fix else []
    words += ["--deadline", f"{asked.deadline.total_seconds():g}s"] if asked.deadline else []
    words += ["--output", str(folder)] if folder else []
    patience = asked.patience or (asked.deadline or place.deadline) + STARTING + (FIXING if asked.fix else timedelta(0))
    return [*words, *asked.options], patience


def _folders(wanted: Sequence[Place], output: Path | None) -> list[Path | None]:
    """A folder of its own in ``output`` for each; None where each site knows where its reports go."""
    if output is None:
        return [None] * len(wanted)
    stem = importlib.import_module("reports.clean").file_stem
    several = len({place.site for place in wanted}) > 1
    names = [stem(f"{place.site}-{place.environment}" if several else place.environment) for place in wanted]
    again = [names[:number].count(name) for number, name in enumerate(names)]
    return [output / (f"{name}-{count + 1}" if count else name) for name, count in zip(names, again, strict=True)]


def _interrupted(futures: Sequence[Future[Outcome]], running: Sequence[Apart]) -> bool:
    """Wait for all; at a Ctrl-C ask each to end, and wait for what they leave. Whether there was one."""
    try:
        wait(futures)
        return False
    except KeyboardInterrupt:
        for apart in running:
            apart.stop()
        wait(futures)
        return True
