"""A running lab for tests: one for the whole session, taken down and away at its end."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import lifecycle
from lab.place import Place


@contextlib.contextmanager
def running_lab(home: Path) -> Iterator[Place]:
    """A lab from nothing, in ``home``; nothing of it is left."""
    try:
        yield lifecycle.up(home)
    finally:
        lifecycle.down(home)
        shutil.rmtree(home)


@pytest.fixture(scope="session")
def lab_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The session's lab, all servers and services running; who breaks it heals it."""
    with running_lab(tmp_path_factory.mktemp("lab")) as place:
        yield place
