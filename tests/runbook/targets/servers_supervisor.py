"""A real supervisord of the tests' own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: The line of [supervisord] that root needs.
USER = "user=root" if os.geteuid() == 0 else ""


@contextmanager
def supervisord(home: Path, configuration: str) -> Iterator[None]:
    """It runs by this configuration, whose socket is ``s.sock`` in ``home``, and answers there."""
    file = home / "supervisord.conf"
    file.write_text(configuration)
    argv = (sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(file))
    with (home / "out").open("wb") as out:
        process = subprocess.Popen(argv, stdout=out, stderr=out, start_new_session=True)
    try:
        ends = time.monotonic() + 15
        while not (home / "s.sock").exists():
            assert time.monotonic() < ends, (home / "out").read_text()
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(20)
