"""Rows on threads of this process: as many at a time as the site says, and none left behind."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from pathlib import Path

from runbook.engine import Engine
from runbook.job import Job
from runbook.model import State
from runbook.spreading.home import Home
from tests.runbook.fakes import Quiet, Tank, site_at, tank_row


class Turnstile:
    """Counts who is inside at once; lets nobody out before ``wanted`` are in."""

    def __init__(self, wanted: int) -> None:
        self._guard, self._full = threading.Lock(), threading.Barrier(wanted)
        self.inside = self.most = 0
        self.threads: set[threading.Thread] = set()

    def __call__(self, job: Job) -> None:
        with self._guard:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.threads.add(threading.current_thread())
        self._full.wait(10)
        with self._guard:
            self.inside -= 1


def begun(find_out: Callable[[Job], None], *, jobs: int, most: int) -> Home:
    home = Home(find_out, most)
    for _number in range(jobs):
        home.begin(Job(tank_row(), {}))
    return home


def test_as_many_at_once_as_the_site_says_and_no_thread_stays() -> None:
    turnstile = Turnstile(4)
    begun(turnstile, jobs=12, most=4)
    for thread in list(turnstile.threads):
        thread.join(10)
    assert (turnstile.most, turnstile.inside) == (4, 0)
    assert not any(thread.is_alive() for thread in turnstile.threads)


def test_what_waits_when_the_run_stops_reading_is_not_begun() -> None:
    in_it, leave, seen = threading.Event(), threading.Event(), []

    def find_out(job: Job) -> None:
        seen.append((job, threading.current_thread()))
        in_it.set()
        leave.wait(10)

    home = begun(find_out, jobs=3, most=1)
    assert in_it.wait(10)
    home.close()
    leave.set()
    seen[0][1].join(10)
    assert len(seen) == 1


def test_more_rows_than_places_are_all_judged(tmp_path: Path) -> None:
    site = dataclasses.replace(site_at(tmp_path, fixing=False), rows_at_once=2)
    engine = Engine(site, Quiet(), run="R1")
    for number in range(9):
        engine.begin(tank_row(id=f"TANK-{number:02}"), {"tank": Tank(1)})
    engine.settle()
    assert [record.verdict.state for record in engine.finish().records] == [State.OK] * 9
