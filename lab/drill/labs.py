"""The labs that drills use: brought up where they are not, taken down again by who brought them up, one drill each."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from lab import lifecycle, supervision
from lab.errors import LabError
from lab.lifecycle import Say
from lab.place import Place


@contextlib.contextmanager
def running(home: Path, count: int, say: Say) -> Iterator[list[Place]]:
    """Labs in ``home``, ``home-2`` … Raises LabError where a drill is on in one of them already."""
    homes = [home if number == 1 else home.with_name(f"{home.name}-{number}") for number in range(1, count + 1)]
    with contextlib.ExitStack() as held:
        yield [held.enter_context(_one(each, say)) for each in homes]


@contextlib.contextmanager
def _one(home: Path, say: Say) -> Iterator[Place]:
    ours = not _is_up(home)
    try:
        place = lifecycle.up(home, say=say)
        with _alone(place):
            yield place
    finally:
        if ours:
            lifecycle.down(home)


def _is_up(home: Path) -> bool:
    try:
        return supervision.responds(Place.load(home))
    except LabError:
        return False


@contextlib.contextmanager
def _alone(place: Place) -> Iterator[None]:
    """The lock ends with the process that holds it."""
    with (place.home / "drill.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise LabError(f"en {place.home} ya hay un simulacro en curso") from None
        yield
