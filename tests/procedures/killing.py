"""A process that works and dies: it has loaded everything and opened nothing, and forks a child for each work.

It reads one order a line (JSON) and writes one line when the child is there and one when it has ended. It has a single
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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn, TypeVar

import msgspec

from runbook.errors import RunbookError
from runbook.site import Site
from runbook.targets.s3 import promises
from runbook.targets.s3.clients import ACTING, connected
from runbook.targets.s3.promises import Promises
from tests.procedures.purge.ground import decoded_settings, encoded_settings, site_of

#: Any milestone will do.
ANY = "*"


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One work: at which site, and at which passing of which milestone the child is killed."""

    settings: msgspec.Raw
    home: str
    at: str | None = None
    nth: int = 1
    #: What the storage was found to do, pickled; None where this work finds it out itself.
    tried: bytes | None = None

    def site(self) -> Site:
        """Where."""
        return site_of(decoded_settings(bytes(self.settings)), Path(self.home))

    def arm(self, milestones: ModuleType) -> None:
        """In the child: it is killed where it should be, and believes what the storage was found to do."""
        milestones.reached = _killing(self.at, self.nth)  # type: ignore[attr-defined]
        if self.tried is not None:
            found = pickle.loads(self.tried)
            promises.tried_promises = lambda *given, **named: found


F = TypeVar("F", bound="Forking")


class Forking:
    """The process, as the tests see it: one child at a time."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process, self._there = process, threading.Event()
        self._pid = 0
        self.tried: Promises | None = None

    def common(self, site: Site, home: Path) -> dict[str, Any]:
        """What every order says."""
        tried = None if self.tried is None else pickle.dumps(self.tried)
        return {"settings": msgspec.Raw(encoded_settings(site.settings)), "home": str(home), "tried": tried}

    def send(self, order: Order) -> None:
        """Have a child work; it has begun when this returns."""
        self._there.clear()
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(order) + b"\n")
        self._process.stdin.flush()
        self._pid = self._told()["pid"]
        self._there.set()

    def gone(self) -> tuple[bool, str]:
        """Wait until the child is gone: whether it was killed, and what it said."""
        told = self._told()
        self._there.clear()
        return told["signal"] == signal.SIGKILL, told["said"]

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
def forking(kind: Callable[[subprocess.Popen[bytes]], F], module: str, **variables: str) -> Iterator[F]:
    """The process of a module that serves, ready; it ends with the block."""
    command, here = [sys.executable, "-m", module], Path(__file__).parents[2]
    pipe, env = subprocess.PIPE, {**os.environ, **variables}
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=here, env=env) as run:
        try:
            yield kind(run)
        finally:
            assert run.stdin is not None
            run.stdin.close()
            run.wait(30)


def serve(work: Callable[[bytes], str]) -> None:
    """Fork a child for every order; what ``work`` gives is what it says. It raises nothing: see ``error_of``."""
    for order in sys.stdin.buffer:
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            _die_of(work, order, writing)
        os.close(writing)
        print(json.dumps({"pid": pid}), flush=True)
        with os.fdopen(reading) as said:
            words = said.read()
        _, status = os.waitpid(pid, 0)
        print(json.dumps({"signal": status & 0x7F, "said": words}), flush=True)


def error_of(act: Callable[[], object]) -> str | None:
    """What it raised, whatever that is: the child must not come back."""
    try:
        act()
    except RunbookError as error:
        return f"{type(error).__name__}: {error}"
    except BaseException as error:  # noqa: BLE001
        return f"unexpected {error!r}"
    return None


def load() -> None:
    """Import what is imported late, and read what is read once."""
    import psycopg  # noqa: F401
    import zstandard  # noqa: F401

    from runbook.settings import Keys, StorageSettings

    connected("storage", StorageSettings(backup_bucket="none"), Keys(), ACTING).close()


def _die_of(work: Callable[[bytes], str], order: bytes, writing: int) -> NoReturn:
    try:
        os.write(writing, work(order).encode())
    finally:
        os._exit(0)


def _killing(at: str | None, nth: int) -> Callable[[str], None]:
    passed, counting = Counter[str](), threading.Lock()

    def reached(name: str) -> None:
        with counting:
            passed.update((name, ANY))
            if at is not None and at in (name, ANY) and passed[at] == nth:
                os.kill(os.getpid(), signal.SIGKILL)

    return reached
