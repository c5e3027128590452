"""One environment judged in a process of its own: what it does wrong, or never ends, is nobody else's trouble.

The process is ``muses-runbook check`` itself. Its output goes to files, for what it leaves behind (the master of an SSH
connection) may hold a pipe open long after it ended.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import IO

from runbook.errors import ReportError
from runbook.model import Run
from runbook.redact import masked
from runbook.text import Text, text, verbatim

#: Beyond its deadline a run has to start, to write its reports and to end; with remedies it has to prove them too.
STARTING, FIXING = timedelta(seconds=30), timedelta(hours=1)
#: How long a process that was asked to end may take for it: it leaves a report.
GRACE = timedelta(seconds=10)
#: Characters looked at of what it said, from the end.
LONGEST = 20_000
_OURS = "muses-runbook: "


class Apart:
    """Runs one command and waits for its run; :meth:`stop`, from another thread, asks it to end."""

    def __init__(self, arguments: Sequence[str], patience: timedelta) -> None:
        """``patience`` is how long it may take; then it is asked to end, and ended."""
        self._command = [sys.executable, "-P", "-m", "runbook", *arguments]
        self._patience = patience
        self._guard = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = self._late = False

    def run(self) -> tuple[Run | None, Text | None]:
        """The run, and what was complained of; no run where it did not come to one. Raises nothing of the run's."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as complaints:
            try:
                code = self._ended(out, complaints)
            except OSError as error:
                return None, text("The run could not be begun: {error}", error=error.strerror or error)
            if code is None:
                return None, text("The run was stopped before")
            return self._outcome(code, _all_of(out), _words_of(complaints))

    def stop(self) -> None:
        """Ask it to end and to leave a report, and end it if it does not; or do not let it begin."""
        with self._guard:
            self._stopped = True
            if self._process is not None and self._process.poll() is None:
                self._process.terminate()
                killing = threading.Timer(GRACE.total_seconds(), _kill, [self._process])
                killing.daemon = True
                killing.start()

    def _ended(self, out: IO[bytes], complaints: IO[bytes]) -> int | None:
        with self._guard:
            if self._stopped:
                return None
            self._process = process = _started(self._command, out, complaints)
        try:
            return process.wait(self._patience.total_seconds())
        except subprocess.TimeoutExpired:
            self._late = True
            self.stop()
            return process.wait()

    def _outcome(self, code: int, out: bytes, said: str) -> tuple[Run | None, Text | None]:
        ours = [line.removeprefix(_OURS) for line in said.splitlines() if line.startswith(_OURS)]
        why = verbatim(ours[-1]) if ours else None
        if self._late:
            why = text("It did not end within {patience} and was ended", patience=self._patience)
        try:
            run: Run = importlib.import_module("reports.canonical").load(out)
        except ReportError:
            return None, why or _crash(code, said)
        return run, why


def _started(command: Sequence[str], out: IO[bytes], complaints: IO[bytes]) -> subprocess.Popen[bytes]:
    """In a session of its own: a Ctrl-C at the terminal is for us to pass on, and its children end with it."""
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=out, stderr=complaints, start_new_session=True, close_fds=True
    )


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _all_of(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


def _words_of(file: IO[bytes]) -> str:
    return str(masked(_all_of(file)[-LONGEST:].decode("utf-8", "replace")))


def _crash(code: int, said: str) -> Text:
    if code < 0:
        return text("The run was ended by {signal}", signal=signal.Signals(-code).name)
    last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "")
    return text("The run ended without a report (exit code {code}): {last}", code=code, last=last or "–")
