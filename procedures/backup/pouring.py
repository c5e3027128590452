"""``pg_restore``, fed by hand with the pieces of a dump as they arrive: no file, and nothing it says is lost."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO

from procedures.backup.programs import Failed, Programs, environment, failed
from procedures.backup.watching import Tell
from runbook.redact import masked_text
from runbook.targets.postgres.access import Access

#: What goes into its pipe at once: it is to be noticed soon that it takes no more.
_SLICE = 1 << 20
_KEPT = 64 * 1024
#: In what the server says of a row that it refuses stands the datum itself.
_DATUM = re.compile(r'(?<=: )".*|(?<=value )".*(?= is out of range)')


class Restore:
    """A running ``pg_restore`` that reads the dump from us; made by ``restoring``."""

    def __init__(self, process: subprocess.Popen[bytes], said: IO[bytes], written: IO[bytes]) -> None:
        self._process, self._said, self._written = process, said, written

    def write(self, piece: bytes) -> bool:
        """Give it some more; False once it has what it needs. Raises Failed where it gave up."""
        view, stream = memoryview(piece), self._process.stdin
        try:
            for first in range(0, len(view), _SLICE):
                if stream is not None:
                    stream.write(view[first : first + _SLICE])
        except BrokenPipeError:
            self.ended()
            return False
        return True

    def ended(self) -> str:
        """Wait for its end; gives what it wrote. Raises Failed unless it exited with 0."""
        self._close_input()
        code = self._process.wait()
        if code != 0:
            raise gave_up("pg_restore", code, _beginning(self._said))
        self._written.seek(0)
        return self._written.read().decode(errors="replace")

    def kill(self) -> None:
        """End it, if it has not ended."""
        self._close_input()
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    def _close_input(self) -> None:
        if self._process.stdin is not None:
            try:
                self._process.stdin.close()
            except BrokenPipeError:
                return


@contextmanager
def restoring(programs: Programs, arguments: Iterable[str], variables: Mapping[str, str]) -> Iterator[Restore]:
    """``pg_restore`` for as long as the block lasts: it never outlives the work. A Ctrl-C is for us, not for it."""
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as written:
        process = subprocess.Popen(
            (programs.path("pg_restore"), *arguments),
            stdin=subprocess.PIPE,
            stdout=written,
            stderr=said,
            env={**variables, "LC_ALL": "C"},
            start_new_session=True,
        )
        restore = Restore(process, said, written)
        try:
            yield restore
        finally:
            restore.kill()


def pour(pieces: Iterable[bytes], restore: Restore, tell: Tell) -> str:
    """Give all pieces; those that it has no use for are still read, because their end is what proves them whole."""
    takes = True
    for piece in pieces:
        takes = takes and restore.write(piece)
        tell(len(piece))
    return restore.ended()


def first_words(pieces: Iterable[bytes], programs: Programs, *arguments: str) -> str:
    """What ``pg_restore`` writes by the beginning of a dump alone; no more is read than it takes."""
    with restoring(programs, arguments, environment({})) as restore:
        for piece in pieces:
            if not restore.write(piece):
                break
        return restore.ended()


def variables_of(access: Access, **more: str) -> dict[str, str]:
    """How ``pg_restore`` gets in: as the operator; where the settings hold no password of it, libpq looks for one."""
    given = environment(access.parameters("operator"))
    own = () if access.login("operator").password else ("PGPASSWORD", "PGPASSFILE")
    return {**given, **{name: os.environ[name] for name in own if name in os.environ}, **more}


def gave_up(program: str, code: int, said: bytes) -> Failed:
    """What to raise: the first error it named, without any datum, not the statement that stands in its last line."""
    lines = said.decode(errors="replace").splitlines()
    first = next((line for line in lines if "error:" in line), lines[-1] if lines else "")
    plain = first.removeprefix(f"{program}: error: ")
    return failed(program, code, masked_text(_DATUM.sub("…", plain) if "COPY" in plain else plain).encode())


def _beginning(stream: IO[bytes]) -> bytes:
    """What was said first, should it be long: the error that ended it is the first."""
    stream.seek(0)
    return stream.read(_KEPT)
