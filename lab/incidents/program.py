"""Programs that break something: on their own, marked as the lab's, with a pid file in ``home/broken``."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from lab import orphans, supervision
from lab.commands import CHECKOUT
from lab.incidents.breakage import await_effect
from lab.place import Place

#: The shell starts the program in the background, says its pid and ends: it is nobody's child, and no zombie.
_DETACH = 'log=$1; shift; "$@" </dev/null >>"$log" 2>&1 & echo $!'


def start(place: Place, name: str, module: str, count: int = 1) -> None:
    """Start the program unless it runs. Its output goes to ``logs/<name>.log``."""
    if runs(place, name):
        return
    program = (sys.executable, "-m", module, "--home", str(place.home), "--count", str(count))
    done = subprocess.run(
        ("/bin/sh", "-c", _DETACH, "sh", str(place.logs / f"{name}.log"), *program),
        env=supervision.environment(place),
        cwd=CHECKOUT,
        start_new_session=True,
        capture_output=True,
        text=True,
        check=True,
    )
    pid_file = _pid_file(place, name)
    pid_file.parent.mkdir(parents=True, exist_ok=True)
    pid_file.write_text(done.stdout.strip())


def runs(place: Place, name: str) -> bool:
    """Whether the program lives. A pid that another process has got by now does not count."""
    return _pid(place, name) in orphans.of(place)


def end(place: Place, name: str) -> None:
    """End the program if it lives; returns when it is gone."""
    pid = _pid(place, name)
    if runs(place, name):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        await_effect(f"termine {name}", lambda: not runs(place, name))
    _pid_file(place, name).unlink(missing_ok=True)


def _pid(place: Place, name: str) -> int:
    try:
        return int(_pid_file(place, name).read_text())
    except (FileNotFoundError, ValueError):
        return 0


def _pid_file(place: Place, name: str) -> Path:
    return place.home / "broken" / f"{name}.pid"
