"""A process that backs up and dies: it has loaded everything and opened nothing, and forks a child for each backup.

    python -m tests.procedures.backup.dying

reads one order a line (JSON) and writes one line when the child is there and one when it has ended. It has a single
thread, so that a fork of it is sound; a child starts in milliseconds where a new interpreter takes a second.
"""

from __future__ import annotations

import json
import os
import pickle
import resource
import secrets
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from procedures.backup import dumping, milestones, running, sealing
from runbook.errors import RunbookError
from runbook.site import Site
from runbook.targets.s3 import downloads, promises, uploads
from runbook.targets.s3.clients import ACTING, connected
from runbook.targets.s3.promises import Promises
from tests.procedures.purge.ground import decoded_settings, encoded_settings, site_of

#: Which of the test runs on this machine this one is: no test looks for, or kills, what another run started.
_RUN = "MUSES_TEST_RUN"
_THIS = os.environ.get(_RUN) or secrets.token_hex(8)
#: In the environment of a child and of all programs that it starts: so those are found that outlive it.
MARK = f"MUSES_TEST_BACKUP={_THIS}"
PIECE, PART = 8 * 1024, 32 * 1024


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One backup: of which site, and at which passing of which milestone it is killed."""

    settings: msgspec.Raw
    home: str
    at: str | None = None
    nth: int = 1
    #: Small pieces and parts, else those of the product.
    small: bool = True
    #: What the storage was found to do, pickled; None where this backup finds it out itself.
    tried: bytes | None = None


class Ended(NamedTuple):
    """How a child ended: by the signal, with what it says, or well; what it opened to write; its largest memory."""

    killed: bool
    error: str | None = None
    folder: str | None = None
    written: tuple[str, ...] = ()
    kilobytes: int = 0


class Dying:
    """The process, as the tests see it: one backup at a time."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process, self._there = process, threading.Event()
        self._pid = 0
        self.tried: Promises | None = None

    def start(self, site: Site, home: Path, *, at: str | None = None, nth: int = 1, small: bool = True) -> None:
        """Have a child back up; it has begun when this returns."""
        self._there.clear()
        settings = msgspec.Raw(encoded_settings(site.settings))
        tried = None if self.tried is None else pickle.dumps(self.tried)
        order = Order(settings=settings, home=str(home), at=at, nth=nth, small=small, tried=tried)
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(order) + b"\n")
        self._process.stdin.flush()
        self._pid = self._told()["pid"]
        self._there.set()

    def ended(self) -> Ended:
        """Wait until the child is gone."""
        told = self._told()
        self._there.clear()
        return Ended(told["signal"] == signal.SIGKILL, **json.loads(told["said"] or "{}"))

    def backup(self, site: Site, home: Path, *, at: str | None = None, nth: int = 1, small: bool = True) -> Ended:
        """Both."""
        self.start(site, home, at=at, nth=nth, small=small)
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
def dying_process() -> Iterator[Dying]:
    """The process, ready; it ends with the block."""
    command = [sys.executable, "-m", __name__]
    pipe, here = subprocess.PIPE, Path(__file__).parents[3]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=here, env={**os.environ, _RUN: _THIS}) as run:
        try:
            yield Dying(run)
        finally:
            assert run.stdin is not None
            run.stdin.close()
            run.wait(30)


def small_pieces(put: Callable[[Any, str, Any], None]) -> None:
    """Even a dump of some hundred kilobytes has pieces, a middle, and parts."""
    put(dumping, "_PIECE", PIECE)
    put(running, "_HALFWAY", 20 * PIECE)
    put(sealing, "THREADS", 0)  # else nothing comes out before some megabytes went in
    put(uploads, "_FIRST", PART)
    put(downloads, "_PIECE", PIECE)


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
            words = said.read()
        _, status = os.waitpid(pid, 0)
        print(json.dumps({"signal": status & 0x7F, "said": words}), flush=True)


def _die_of(order: Order, writing: int) -> None:
    """Back up, in the child; never returns."""
    name, _, value = MARK.partition("=")
    os.environ[name], os.environ["TMPDIR"] = value, f"{order.home}/tmp"
    told: dict[str, Any] = {"written": []}
    try:
        if order.small:
            small_pieces(setattr)
        milestones.reached = _killing(order.at, order.nth)
        if order.tried is not None:
            found = pickle.loads(order.tried)
            promises.tried_promises = lambda *given, **named: found
        sys.addaudithook(_noting(told["written"]))
        told["folder"] = running.backup(site_of(decoded_settings(bytes(order.settings)), Path(order.home))).folder
    except RunbookError as error:
        told["error"] = f"{type(error).__name__}: {error}"
    except BaseException as error:  # noqa: BLE001 - whatever it is, the child must not come back
        told["error"] = f"unexpected {error!r}"
    finally:
        told["kilobytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        os.write(writing, json.dumps(told).encode())
        os._exit(0)


def _noting(written: list[str]) -> Callable[[str, tuple[Any, ...]], None]:
    """Notes each file that is opened for writing, made or renamed; pipes have numbers for names."""

    def hook(event: str, given: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(given[0], str | bytes | os.PathLike) and _writes(given[1], given[2]):
            written.append(os.fsdecode(given[0]))
        if event in ("os.rename", "os.mkdir", "os.link", "tempfile.mkstemp", "tempfile.mkdtemp"):
            written.append(f"{event} {given[0]!r}")

    return hook


def _writes(mode: str | None, flags: int) -> bool:
    return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)) or any(letter in (mode or "") for letter in "wax+")


def _killing(at: str | None, nth: int) -> Any:
    passed, counting = Counter[str](), threading.Lock()

    def reached(name: str) -> None:
        with counting:
            passed[name] += 1
            if at == name and passed[name] == nth:
                os.kill(os.getpid(), signal.SIGKILL)

    return reached


def _load() -> None:
    """Import what is imported late, and read what is read once."""
    import psycopg  # noqa: F401
    import pyrage  # noqa: F401
    import zstandard  # noqa: F401

    from runbook.settings import Keys, StorageSettings

    connected("storage", StorageSettings(backup_bucket="none"), Keys(), ACTING).close()


if __name__ == "__main__":
    _load()
    _serve()
