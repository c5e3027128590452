"""``muses-runbook check --fix`` as a person types it, in a process of its own that can be told to stop."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

_COMMAND = (sys.executable, "-m", "runbook", "check", "--json", "--format", "json")
_POLL = 0.2  # seconds between two looks at whether to stop
#: Longer than any run may take: the settling times of all rows, one after the other.
_PATIENCE = 300.0


class Stopped(Exception):
    """Somebody asked the drills to stop."""


class Mute(Exception):
    """``check`` gave no run: what it said instead. That is the runbook's failure, not the lab's."""


def check(site: Path, *arguments: str, stop: threading.Event) -> dict[str, Any]:
    """One run, as its JSON. Raises Stopped once asked to (the run has ended then), Mute where it gives none."""
    with tempfile.TemporaryDirectory() as reports, tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as wrong:
        command = (*_COMMAND, "--settings", str(site), "--output", reports, *arguments)
        with subprocess.Popen(command, stdout=said, stderr=wrong, stdin=subprocess.DEVNULL, process_group=0) as run:
            _await(run, stop)  # in a group of its own: Ctrl-C is for us, who end it in order
        said.seek(0)
        wrong.seek(0)
        try:
            found: dict[str, Any] = json.loads(said.read())
        except ValueError:
            raise Mute(wrong.read().decode(errors="replace").strip()) from None
        return found


def _await(run: subprocess.Popen[bytes], stop: threading.Event) -> None:
    """Until it ends. An interrupted run ends its running step first, and only then itself."""
    for _ in range(int(_PATIENCE / _POLL)):
        try:
            run.wait(_POLL)
        except subprocess.TimeoutExpired:
            if stop.is_set():
                break
        else:
            return
    run.terminate()  # the command takes it as Ctrl-C, also where a shell has made it deaf to that
    try:
        run.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        run.kill()
    if stop.is_set():
        raise Stopped
    raise Mute(f"«check» no terminó en {_PATIENCE:g} s")
