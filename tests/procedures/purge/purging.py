"""A process that purges and dies: it has loaded everything and opened nothing, and forks a child for each purge.

    python -m tests.procedures.purge.purging

reads one order a line (JSON) and writes one line when the child is there and one when it has ended. It has a single
thread, so that a fork of it is sound; a child starts in milliseconds where a new interpreter takes a second.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from procedures.purge import archiving, milestones, running
from runbook.errors import RunbookError
from runbook.site import Site
from runbook.targets.s3 import promises
from runbook.targets.s3.clients import ACTING, connected
from runbook.targets.s3.promises import Promises
from tests.procedures.purge.ground import decoded_settings, encoded_settings, site_of

#: Any milestone will do.
ANY = "*"
#: The piece in which rows are handed to the encoder, so small that even a small batch has several.
PIECE = 512


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One purge: of which site, and at which passing of which milestone it is killed."""

    settings: msgspec.Raw
    home: str
    at: str | None = None
    nth: int = 1
    #: What the storage was found to do, pickled; None where this purge finds it out itself.
    tried: bytes | None = None


class Ended(NamedTuple):
    """How a child ended: by the signal, with what it says, or well."""

    killed: bool
    error: str | None


class Purger:
    """The process, as the tests see it: one purge at a time."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process, self._there = process, threading.Event()
        self._pid = 0
        self.tried: Promises | None = None

    def start(self, site: Site, home: Path, *, at: str | None = None, nth: int = 1) -> None:
        """Have a child purge; it has begun when this returns."""
        self._there.clear()
        settings, tried = msgspec.Raw(encoded_settings(site.settings)), pickle.dumps(self.tried) if self.tried else None
        order = Order(settings=settings, home=str(home), at=at, nth=nth, tried=tried)
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(order) + b"\n")
        self._process.stdin.flush()
        self._pid = self._told()["pid"]
        self._there.set()

    def ended(self) -> Ended:
        """Wait until the child is gone."""
        told = self._told()
        self._there.clear()
        return Ended(killed=told["signal"] == signal.SIGKILL, error=told["error"])

    def purge(self, site: Site, home: Path, *, at: str | None = None, nth: int = 1) -> Ended:
        """Both."""
        self.start(site, home, at=at, nth=nth)
        return self.ended()

    def kill(self) -> None:
        """SIGKILL the child, from any thread."""
        assert self._there.wait(10)
        os.kill(self._pid, signal.SIGKILL)

    def _told(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the process that forks is gone"
        told: dict[str, Any] = json.loads(line)
        return told


@contextmanager
def purger() -> Iterator[Purger]:
    """The process, ready; it ends with the block."""
    command = [sys.executable, "-m", __name__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]) as run:
        try:
            yield Purger(run)
        finally:
            assert run.stdin is not None
            run.stdin.close()
            run.wait(30)


@contextmanager
def tried_once(process: Purger, site: Site) -> Iterator[None]:
    """What the storage really does is found out once, not by each of a hundred purges, here and in the children."""
    before = promises.tried_promises

    def kept(*given: Any, **named: Any) -> Promises:
        process.tried = process.tried or before(*given, **named)
        return process.tried

    promises.tried_promises = kept
    try:
        running.purge(site)
        yield
    finally:
        promises.tried_promises, process.tried = before, None


@contextmanager
def small_pieces() -> Iterator[None]:
    """Small batches have a middle too, in this process."""
    before, archiving._PIECE = archiving._PIECE, PIECE
    try:
        yield
    finally:
        archiving._PIECE = before


def _serve() -> None:
    for line in sys.stdin.buffer:
        order = msgspec.json.decode(line, type=Order)
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            _die_of(order, writing)
        os.close(writing)
        print(json.dumps({"pid": pid}), flush=True)
        with os.fdopen(reading) as said:
            error = said.read()
        _, status = os.waitpid(pid, 0)
        ended = {"signal": status & 0x7F, "error": error or None}
        print(json.dumps(ended), flush=True)


def _die_of(order: Order, writing: int) -> None:
    """Purge, in the child; never returns."""
    try:
        milestones.reached = _killing(order.at, order.nth)
        if order.tried is not None:
            promises.tried_promises = partial(_found, pickle.loads(order.tried))
        running.purge(site_of(decoded_settings(bytes(order.settings)), Path(order.home)), confirmed=True)
    except RunbookError as error:
        os.write(writing, f"{type(error).__name__}: {error}".encode())
    except BaseException as error:  # noqa: BLE001 - whatever it is, the child must not come back
        os.write(writing, f"unexpected {error!r}".encode())
    finally:
        os._exit(0)


def _found(tried: Promises, *given: object, **named: object) -> Promises:
    return tried


def _killing(at: str | None, nth: int) -> Any:
    passed, counting = Counter[str](), threading.Lock()

    def reached(name: str) -> None:
        with counting:
            passed.update((name, ANY))
            if at is not None and at in (name, ANY) and passed[at] == nth:
                os.kill(os.getpid(), signal.SIGKILL)

    return reached


def _load() -> None:
    """Import what is imported late, and read what is read once."""
    import psycopg  # noqa: F401
    import zstandard  # noqa: F401

    from runbook.settings import Keys, StorageSettings

    connected("storage", StorageSettings(backup_bucket="none"), Keys(), ACTING).close()


if __name__ == "__main__":
    with small_pieces():
        _load()
        _serve()
