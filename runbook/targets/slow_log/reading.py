"""Logs read by several processes at once, each its own part."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from typing import Any

from runbook.targets.slow_log.form import Bounds
from runbook.targets.slow_log.forms import UnknownPrefix
from runbook.targets.slow_log.parts import Piece, read, shared
from runbook.targets.slow_log.sources import Source
from runbook.targets.slow_log.tally import Tally, counted

#: Less than this is read before another process has started.
_WORTH_SHARING = 24 << 20
_MOMENT = 0.1  # seconds between two looks at how far the readers are


class UnreadableLog(Exception):
    """A log that cannot be read: which, and why."""

    def __init__(self, name: str, reason: str) -> None:
        self.name, self.reason = name, reason
        super().__init__(f"{name}: {reason}")


class UnknownForm(Exception):
    """A log in text form whose prefix is not known."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(name)


def tallied(
    logs: list[Source], prefix: str | None, bounds: Bounds, jobs: int, note: Callable[[int], None] = lambda count: None
) -> Tally:
    """What the logs hold, oldest first. ``note`` is told how many bytes of log were read since it was told last.

    Raises UnreadableLog, UnknownForm.
    """
    lots = _lots(logs, jobs, prefix)
    if len(lots) <= 1:
        return counted([_lot(lot, prefix, bounds, note) for lot in lots] or [Tally()])
    # a fork is ready at once, but must not be made of a process with several threads
    context = multiprocessing.get_context("fork" if threading.active_count() == 1 else "spawn")
    done = context.RawArray("Q", len(lots))
    readers = [_Reader(context, number, lot, prefix, bounds, done) for number, lot in enumerate(lots)]
    try:
        return counted(_awaited(readers, done, note))
    finally:
        for reader in readers:
            reader.process.kill()
            reader.process.join()


def _lots(logs: list[Source], jobs: int, prefix: str | None) -> list[list[Piece]]:
    try:
        worth = sum(log.weight for log in logs) >= _WORTH_SHARING
        return shared(logs, jobs if worth else 1, prefix)
    except OSError as error:
        raise UnreadableLog(str(error.filename or ""), error.strerror or str(error)) from error
    except UnknownPrefix as error:
        raise UnknownForm(str(error)) from error


def _lot(lot: list[Piece], prefix: str | None, bounds: Bounds, note: Callable[[int], None]) -> Tally:
    tally = Tally()
    for piece in lot:
        try:
            read(piece, prefix, bounds, tally, note)
        except OSError as error:
            raise UnreadableLog(piece.source.name, error.strerror or str(error)) from error
        except UnknownPrefix as error:
            raise UnknownForm(piece.source.name) from error
    return tally


class _Reader:
    """One process and the way its counts come back."""

    def __init__(
        self, context: Any, number: int, lot: list[Piece], prefix: str | None, bounds: Bounds, done: Any
    ) -> None:
        self.answer, theirs = context.Pipe(duplex=False)
        self.process = context.Process(
            target=_read_apart, args=(theirs, lot, prefix, bounds, done, number), daemon=True
        )
        self.process.start()
        theirs.close()


def _awaited(readers: list[_Reader], done: Any, note: Callable[[int], None]) -> list[Tally]:
    answers: dict[Connection, Any] = {}
    open_ones = {reader.answer for reader in readers}
    told = 0
    while open_ones:
        for answer in wait(open_ones, _MOMENT):
            answers[answer] = _received(answer)  # type: ignore[index, arg-type]
            open_ones.discard(answer)
        so_far = sum(done)
        note(so_far - told)
        told = so_far
    return [answers[reader.answer] for reader in readers]


def _received(answer: Connection) -> Tally:
    try:
        found = answer.recv()
    except EOFError:
        raise UnreadableLog("", "a reader ended before its time") from None
    if isinstance(found, Tally):
        return found
    kind, *words = found
    raise UnreadableLog(*words) if kind == "unreadable" else UnknownForm(*words)


def _read_apart(
    answer: Connection, lot: list[Piece], prefix: str | None, bounds: Bounds, done: Any, number: int
) -> None:
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_DFL)

    def note(count: int) -> None:
        done[number] += count

    try:
        found: Any = _lot(lot, prefix, bounds, note)
    except UnreadableLog as error:
        found = ("unreadable", error.name, error.reason)
    except UnknownForm as error:
        found = ("unknown", error.name)
    with contextlib.suppress(BrokenPipeError):
        answer.send(found)
