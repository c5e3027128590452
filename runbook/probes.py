"""All reading goes through ``@probe``: one reading per request and run, under one deadline, masked, recordable.

A row's functions call a target's probes like plain methods. While a run judges, a :class:`Readings` stands behind
them: the first to ask takes the reading on a daemon thread of its own, everybody else who asks the same waits for
it, and a target that never answers costs its deadline once. Outside a run (a test, a REPL) the method just runs.
"""

from __future__ import annotations

import functools
import threading
import time
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ParamSpec, Protocol, TypeVar, get_type_hints

import msgspec

from runbook import clock
from runbook.errors import ProbeError, ProbeFailure
from runbook.learnt import learnt
from runbook.model import Reading
from runbook.redact import masked

P = ParamSpec("P")
R = TypeVar("R")

#: How long one probe may take unless it says otherwise.
DEADLINE = timedelta(seconds=5)


class Readable(Protocol):
    """What a target must have for its probes to be read: its name in the site file."""

    name: str


@dataclass(frozen=True)
class ProbeSpec:
    """What a probe declares about itself: ``needs`` names the rights it cannot see without."""

    name: str
    needs: str
    deadline: timedelta
    channel: str


def probe(
    *, needs: str = "", deadline: timedelta = DEADLINE, channel: str = ""
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a target's method a reading.

    Its return annotation must be a type that msgspec can take apart and put together again, because the value is
    masked on the way in and may be served from a record. ``channel`` names a connection of its own within the target
    (such as ``"amqp"`` beside the broker's HTTP): when one falls silent the other is still asked.
    """

    def declare(method: Callable[P, R]) -> Callable[P, R]:
        spec = ProbeSpec(method.__name__, needs, deadline, channel)

        @functools.wraps(method)
        def read(*args: P.args, **kwargs: P.kwargs) -> R:
            readings = _readings.get()
            if readings is None:
                return method(*args, **kwargs)
            target: Any = args[0]
            request = _request(method.__name__, args[1:], kwargs)
            take = functools.partial(method, *args, **kwargs)
            return typing.cast(R, readings.read(target, spec, request, take, _returned(method)))

        read.__probe__ = spec  # type: ignore[attr-defined]
        return read

    return declare


class Readings:
    """The readings of one judgement: taken once each, or served from a record of an earlier run."""

    def __init__(
        self,
        *,
        ends_at: float | None = None,
        record: tuple[Reading, ...] | None = None,
        taken_at: datetime | None = None,
    ) -> None:
        """``ends_at`` is the run's end on the monotonic clock; ``record`` replaces the live targets.

        A record is judged at the moment it was taken: ``taken_at``.
        """
        self._ends_at, self.taken_at = ends_at, taken_at
        self._record = None if record is None else {(r.target, r.request): r for r in record}
        self._slots: dict[tuple[str, str], _Slot] = {}
        self._adopted: dict[tuple[str, str], Reading] = {}
        self._fallen: dict[tuple[str, str], ProbeError] = {}
        self._guard = threading.Lock()

    def left(self) -> float | None:
        """Seconds until the run ends; None when it has no end."""
        return None if self._ends_at is None else max(self._ends_at - time.monotonic(), 0.0)

    def taken(self) -> tuple[Reading, ...]:
        """Every reading that is complete, oldest first; of a record all that it holds."""
        with self._guard:
            done = [s.reading for s in self._slots.values() if s.reading is not None]
            done += (reading for request, reading in self._adopted.items() if request not in self._slots)
        done += (self._record or {}).values()
        return tuple(sorted(done, key=lambda r: r.taken_at))

    def adopt(self, readings: Iterable[Reading]) -> None:
        """Take over what was read elsewhere for the same run: who asks the same is served from it."""
        with self._guard:
            for reading in readings:
                self._adopted.setdefault((reading.target, reading.request), reading)

    def read(self, target: Readable, spec: ProbeSpec, request: str, take: Callable[[], Any], kind: Any) -> Any:
        """The value of one request. Raises ProbeError when it cannot be had in time."""
        _note_use(f"{target.name}.{request}")
        if self._record is not None:
            return _replayed(self._record, target.name, request, kind)
        if (target.name, request) in self._adopted:
            return _replayed(self._adopted, target.name, request, kind)
        slot, first = self._slot(target.name, request, spec.deadline)
        if first:
            self._start(slot, (target.name, spec.channel), take, kind)
        try:
            return slot.wait(self._ends_at)
        except ProbeError as error:
            if error.kind.whole_target:
                self._fallen.setdefault((target.name, spec.channel), error)
            raise

    def _slot(self, target: str, request: str, deadline: timedelta) -> tuple[_Slot, bool]:
        with self._guard:
            key = (target, request)
            if key in self._slots:
                return self._slots[key], False
            self._slots[key] = slot = _Slot(target, request, deadline)
            return slot, True

    def _start(self, slot: _Slot, channel: tuple[str, str], take: Callable[[], Any], kind: Any) -> None:
        fallen = self._fallen.get(channel)
        if fallen is not None:
            slot.fail(fallen)
            return

        def run() -> None:
            try:
                slot.succeed(take(), kind)
            except BaseException as error:  # noqa: BLE001 - handed to the row; the engine calls one of its own broken
                slot.fail(error)

        threading.Thread(target=run, name=f"probe {slot.target}.{slot.request}", daemon=True).start()


class _Slot:
    """One reading in the making: whoever asked waits on it until its deadline."""

    def __init__(self, target: str, request: str, deadline: timedelta) -> None:
        self.target, self.request, self._deadline = target, request, deadline
        self._taken_at, self._clock = datetime.now(UTC), time.monotonic()
        self._done = threading.Event()
        self._value: Any = None
        self._error: BaseException | None = None
        self.reading: Reading | None = None

    def succeed(self, value: Any, kind: Any) -> None:
        plain = masked(msgspec.to_builtins(value, builtin_types=(datetime, timedelta)))
        self._value = msgspec.convert(plain, learnt(kind)) if kind is not Any else plain
        self._finish(value=msgspec.to_builtins(plain))

    def fail(self, error: BaseException) -> None:
        self._error = error
        if isinstance(error, ProbeError):
            self._finish(error=masked(str(error)), failure=error.kind.value)
        else:
            self._finish(error=masked(f"{type(error).__name__}: {error}"), failure=ProbeFailure.BROKEN.value)

    def wait(self, ends_at: float | None) -> Any:
        left = self._clock + self._deadline.total_seconds() - time.monotonic()
        if ends_at is not None:
            left = min(left, ends_at - time.monotonic())
        if not self._done.wait(max(left, 0.0)):
            waited = time.monotonic() - self._clock
            message = f"{self.request} gave no answer within {waited:.1f} s"
            self.fail(ProbeError(self.target, ProbeFailure.SILENT, message))
        if self._error is not None:
            raise self._error
        return self._value

    def _finish(self, **outcome: Any) -> None:
        if self._done.is_set():
            return
        self.reading = Reading(
            target=self.target,
            request=self.request,
            taken_at=self._taken_at,
            took=timedelta(seconds=time.monotonic() - self._clock),
            **outcome,
        )
        self._done.set()


_readings: ContextVar[Readings | None] = ContextVar("readings", default=None)
_uses: ContextVar[list[str] | None] = ContextVar("uses", default=None)


@contextmanager
def reading_through(readings: Readings) -> Iterator[list[str]]:
    """Send this thread's probes through ``readings``; yields the list of requests used, as it grows."""
    uses: list[str] = []
    source, used = _readings.set(readings), _uses.set(uses)
    try:
        with clock.standing_at(readings.taken_at):
            yield uses
    finally:
        _readings.reset(source)
        _uses.reset(used)


def _replayed(record: Mapping[tuple[str, str], Reading], target: str, request: str, kind: Any) -> Any:
    reading = record.get((target, request))
    if reading is None:
        raise ProbeError(target, ProbeFailure.ABSENT, f"the record holds no reading of {request}")
    if reading.error is not None:
        raise ProbeError(target, ProbeFailure(reading.failure or ProbeFailure.BROKEN), reading.error)
    return msgspec.convert(reading.value, learnt(kind))


def _note_use(request: str) -> None:
    uses = _uses.get()
    if uses is not None and request not in uses:
        uses.append(request)


def _request(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    given = [*map(repr, args), *(f"{k}={v!r}" for k, v in sorted(kwargs.items()))]
    return f"{name}({', '.join(given)})"


@functools.cache
def _returned(method: Callable[..., Any]) -> Any:
    return get_type_hints(method).get("return", Any)
