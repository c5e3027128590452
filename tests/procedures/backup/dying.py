"""A process whose children back up and are killed: ``python -m tests.procedures.backup.dying``."""

from __future__ import annotations

import json
import os
import resource
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from procedures.backup import dumping, milestones, running, sealing
from runbook.site import Site
from runbook.targets.s3 import downloads, uploads
from tests.procedures import killing
from tests.procedures.killing import Forking, error_of, forking, serve

#: Which of the test runs on this machine this one is: no test looks for, or kills, what another run started.
_RUN = "MUSES_TEST_RUN"
_THIS = os.environ.get(_RUN) or secrets.token_hex(8)
#: In the environment of a child and of all programs that it starts: so those are found that outlive it.
MARK = f"MUSES_TEST_BACKUP={_THIS}"
PIECE, PART = 8 * 1024, 32 * 1024


class Order(killing.Order, frozen=True, kw_only=True):
    """One backup."""

    #: Small pieces and parts, else those of the product.
    small: bool = True


class Ended(NamedTuple):
    """How a child ended: by the signal, with what it says, or well; what it opened to write; its largest memory."""

    killed: bool
    error: str | None = None
    folder: str | None = None
    written: tuple[str, ...] = ()
    kilobytes: int = 0


class Dying(Forking):
    """The process, as the tests see it: one backup at a time."""

    def start(self, site: Site, home: Path, *, at: str | None = None, nth: int = 1, small: bool = True) -> None:
        """Have a child back up; it has begun when this returns."""
        self.send(Order(**self.common(site, home), at=at, nth=nth, small=small))

    def ended(self) -> Ended:
        """Wait until the child is gone."""
        killed, said = self.gone()
        return Ended(killed, **json.loads(said or "{}"))

    def backup(self, site: Site, home: Path, *, at: str | None = None, nth: int = 1, small: bool = True) -> Ended:
        """Both."""
        self.start(site, home, at=at, nth=nth, small=small)
        return self.ended()


@contextmanager
def dying_process() -> Iterator[Dying]:
    """The process, ready; it ends with the block."""
    with forking(Dying, __name__, **{_RUN: _THIS}) as dying:
        yield dying


def small_pieces(put: Callable[[Any, str, Any], None]) -> None:
    """Even a dump of some hundred kilobytes has pieces, a middle, and parts."""
    put(dumping, "_PIECE", PIECE)
    put(running, "_HALFWAY", 20 * PIECE)
    put(sealing, "THREADS", 0)  # else nothing comes out before some megabytes went in
    put(uploads, "_FIRST", PART)
    put(downloads, "_PIECE", PIECE)


def _backed_up(words: bytes) -> str:
    """Back up, in the child; what it says of it."""
    order, told = msgspec.json.decode(words, type=Order), dict[str, Any](written=[])
    name, _, value = MARK.partition("=")
    os.environ[name], os.environ["TMPDIR"] = value, f"{order.home}/tmp"

    def back_up() -> None:
        if order.small:
            small_pieces(setattr)
        order.arm(milestones)
        sys.addaudithook(_noting(told["written"]))
        told["folder"] = running.backup(order.site()).folder

    told["error"] = error_of(back_up)
    told["kilobytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return json.dumps(told)


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


if __name__ == "__main__":
    import pyrage  # noqa: F401  # what is imported late

    killing.load()
    serve(_backed_up)
