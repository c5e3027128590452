"""What a worker of a cluster does: judge some rows of a run, on targets that it opens itself.

Secrets do not travel: the settings say where they are, and the worker reads them there, under the reader's identity.
All tasks of one run that come to the same worker share its connections and readings.
"""

from __future__ import annotations

import contextlib
import importlib
import pickle
import threading
import time
import zoneinfo
from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

from runbook import judging
from runbook.history import History
from runbook.model import Environment, Reading, Verdict
from runbook.probes import Readings
from runbook.rows import find
from runbook.settings import EnvironmentSettings
from runbook.site import Site, default_state_folder
from runbook.targets.opening import KINDS, open_target

#: Targets that are the same from wherever they are asked. The others read this machine, or remember something on it.
EVERYWHERE = frozenset({"database", "scripts", "storage", "prometheus", "hosts"})
#: How long a run's connections outlive its reading.
AFTERWARDS = timedelta(seconds=5)


class Order(NamedTuple):
    """The run that tasks belong to; ``left`` are the seconds in which it still reads."""

    run: str
    environment: Environment
    settings: EnvironmentSettings
    left: float


class Judged(NamedTuple):
    """What came of some rows, in their order, and the readings they were judged by."""

    verdicts: tuple[tuple[Verdict, timedelta], ...]
    readings: tuple[Reading, ...]


def may_travel(name: str, target: Any, settings: EnvironmentSettings) -> bool:
    """Whether a worker may open and ask this target. One of a pack's own goes where its class says ``travels``."""
    if name not in KINDS and name != "scripts":
        return getattr(target, "travels", False) is True
    if name == "hosts" and settings.hosts is not None:
        return not any(address.startswith("local") for address in settings.hosts.addresses)
    return name in EVERYWHERE


def judge(order: Order, ids: tuple[str, ...], own: bytes) -> Judged:
    """Judge some rows, one after the other; ``own`` are the targets of packs among theirs, pickled, by name.

    Raises whatever opening the site raises here: then the rows are judged where they came from.
    """
    bench = _bench(order)
    bench.take(own)
    verdicts = tuple(bench.judge(id) for id in ids)
    used = {request for verdict, _took in verdicts for request in verdict.readings}
    return Judged(verdicts, tuple(r for r in bench.readings.taken() if f"{r.target}.{r.request}" in used))


class _Bench:
    """One run at this worker: its rows, targets and readings."""

    def __init__(self, order: Order) -> None:
        self.readings = Readings(ends_at=time.monotonic() + order.left)
        self._settings, self._guard = order.settings, threading.Lock()
        self._targets: dict[str, Any] = {}
        self._site = Site(
            environment=order.environment,
            settings=order.settings,
            zone=zoneinfo.ZoneInfo(order.environment.timezone),
            history=History(None, order.environment.name),
            state_folder=default_state_folder(),
            reports_folder=default_state_folder(),
        )
        importlib.import_module("runbook.commands.catalogue").load_rows(order.settings)

    def take(self, own: bytes) -> None:
        """Targets that came along: the first of each name stays, with its connections."""
        with self._guard:
            for name, target in pickle.loads(own).items():  # noqa: S301 - from the run that gave us this very function
                self._targets.setdefault(name, target)

    def judge(self, id: str) -> tuple[Verdict, timedelta]:
        row, began = find(id), time.monotonic()
        overrides = self._settings.limits.get(row.id, {})
        verdict = judging.judge(row, self._opened(row.targets), self.readings, overrides)
        return verdict, timedelta(seconds=time.monotonic() - began)

    def close(self) -> None:
        for target in self._targets.values():
            with contextlib.suppress(AttributeError):
                target.close()

    def _opened(self, names: Iterable[str]) -> Mapping[str, Any]:
        with self._guard:
            for name in names:
                if name not in self._targets:
                    self._targets[name] = open_target(name, self._site)
            return {name: self._targets[name] for name in names}


_benches: dict[str, _Bench] = {}
_guard = threading.Lock()


def _bench(order: Order) -> _Bench:
    """The run's bench, made by its first task and taken down a while after the run stopped reading."""
    with _guard:
        if order.run not in _benches:
            _benches[order.run] = _Bench(order)
            leaving = threading.Timer(order.left + AFTERWARDS.total_seconds(), partial(_leave, order.run))
            leaving.daemon = True
            leaving.start()
        return _benches[order.run]


def _leave(run: str) -> None:
    with _guard:
        bench = _benches.pop(run, None)
    if bench is not None:
        bench.close()
