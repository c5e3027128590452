"""Rows judged at the workers of a cluster, behind the interface of ``concurrent.futures``.

A task is a few rows: one by one, a cluster would spend its time on telling. What cannot travel is judged here, and so
is what a cluster fails at: a worker without the site's packs, or one that dies, costs time and no row.
"""

from __future__ import annotations

import contextlib
import importlib
import pickle
import threading
import time
from concurrent.futures import Executor, Future
from datetime import timedelta
from functools import partial
from typing import Any

import msgspec

from runbook.job import Job
from runbook.probes import Readings
from runbook.redact import masked
from runbook.settings import EnvironmentSettings
from runbook.site import Site
from runbook.spreading.away import Judged, Order, judge, may_travel
from runbook.spreading.home import Home
from runbook.targets.opening import KINDS
from runbook.text import Text, text

#: Rows of one task; and how many at the end go one by one, so that no worker has a long task left when others idle.
ROWS, SINGLY = 5, 60
#: How long a cluster may take to answer at first: a run has other things to do with its time.
PATIENCE = timedelta(seconds=3)


class Cluster:
    """The site's executor, for one run. Raises SettingsError where it is not there."""

    def __init__(self, site: Site, run: str, readings: Readings, home: Home) -> None:
        self._readings, self._home = readings, home
        self._settings = _found_anywhere(site.settings)
        self._order = partial(Order, run, site.environment, self._settings)
        self._guard, self._closed = threading.Lock(), False
        self._held: list[Job] = []
        self._stack = contextlib.ExitStack()
        self._executor: Executor = self._stack.enter_context(_executor(site))
        self.trouble: Text | None = None

    def begin(self, job: Job) -> None:
        """Send it with the next task, or begin it here."""
        if not all(may_travel(name, job.targets[name], self._settings) for name in job.row.targets):
            self._home.begin(job)
            return
        self._held.append(job)
        if len(self._held) == SINGLY + ROWS:
            batch, self._held = self._held[:ROWS], self._held[ROWS:]
            self._send(batch)

    def all_begun(self) -> None:
        """Send what is left, one by one."""
        held, self._held = self._held, []
        for job in held:
            self._send([job])

    def close(self) -> None:
        """Leave the cluster; what comes back from now on is not heard."""
        with self._guard:
            self._closed = True
        self._home.close()
        self._stack.close()

    def _send(self, batch: list[Job]) -> None:
        try:
            order = self._order(self._readings.left() or 0.0)
            future = self._executor.submit(judge, order, tuple(job.row.id for job in batch), _own(batch))
        except Exception as error:  # noqa: BLE001 - whatever a cluster raises: it is not the rows' fault
            self._stays(batch, error)
        else:
            future.add_done_callback(partial(self._came, batch))

    def _came(self, batch: list[Job], future: Future[Judged]) -> None:
        with self._guard:
            if self._closed:
                return
        try:
            judged = future.result()
        except Exception as error:  # noqa: BLE001 - the rows are judged here instead, and the run says why
            self._stays(batch, error)
            return
        self._readings.adopt(judged.readings)
        for job, (verdict, took) in zip(batch, judged.verdicts, strict=True):
            job.verdict, job.started = verdict, time.monotonic() - took.total_seconds()
            self._home.begin(job)

    def _stays(self, batch: list[Job], error: Exception) -> None:
        why = str(masked(f"{type(error).__name__}: {error}"))
        self.trouble = text("Rows were judged here, for the cluster failed: {error}", error=why)
        for job in batch:
            self._home.begin(job)


def _executor(site: Site) -> Any:
    """Procedures have it already; nothing in here may import them."""
    opened = importlib.import_module("procedures.executors").executor
    return opened(site.executor, site.rows_at_once, setting="site.executor", patience=PATIENCE)


def _own(batch: list[Job]) -> bytes:
    """The targets of packs among theirs: what workers cannot open by name."""
    targets = {name: job.targets[name] for job in batch for name in job.row.targets}
    return pickle.dumps({name: it for name, it in targets.items() if name not in KINDS and name != "scripts"})


def _found_anywhere(settings: EnvironmentSettings) -> EnvironmentSettings:
    """Folders by their whole path: workers have another working folder."""
    packs, scripts = settings.packs, settings.sql_rows
    return msgspec.structs.replace(
        settings,
        packs=msgspec.structs.replace(packs, folders=tuple(folder.absolute() for folder in packs.folders)),
        sql_rows=msgspec.structs.replace(scripts, folders=tuple(folder.absolute() for folder in scripts.folders)),
    )
