"""A folder of the tests' own for ssh's open connections."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runbook.targets.servers_rabbitmq import until


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A private folder for ssh's open connections; they are closed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="m-", dir="/tmp"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    yield folder
    for control in folder.rglob("*"):
        if control.is_socket():
            asked = subprocess.run(["ssh", "-O", "exit", "-S", str(control), "x"], capture_output=True, check=False)
            if asked.returncode:  # nobody is behind it any more
                control.unlink(missing_ok=True)
    # who was asked takes his socket away himself, a moment after the answer
    until(lambda: not any(control.is_socket() for control in folder.rglob("*")), patience=10)
    shutil.rmtree(folder)
