"""A folder of the tests' own for ssh's open connections."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A private folder for ssh's open connections; they are closed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="m-", dir="/tmp"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    yield folder
    for control in folder.rglob("*"):
        if control.is_socket():
            subprocess.run(["ssh", "-O", "exit", "-S", str(control), "x"], capture_output=True, check=False)
    shutil.rmtree(folder)
