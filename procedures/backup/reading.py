"""Read a backup back whole: hash, decrypt, decompress, and let ``pg_restore`` go through all of it, to nowhere.

No return code of a write counts, and no list of a dump: ``pg_restore --list`` exits with 0 on a dump that is cut.
"""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

from procedures.backup.programs import Programs, failed
from procedures.backup.unsealing import damaged, unsealed
from procedures.backup.watching import Tell, ignored
from runbook.errors import ProbeError, ProbeFailure
from runbook.settings import BackupSettings
from runbook.targets.s3.backups import Manifest, Piece
from runbook.targets.s3.downloads import pieces
from runbook.targets.s3.objects import ObjectStore
from runbook.text import text

#: Bytes that a pipe to a program holds: as much as Linux allows everyone.
_PIPE = 1 << 20


def prove_whole(
    store: ObjectStore, manifest: Manifest, settings: BackupSettings, programs: Programs, tell: Tell = ignored
) -> None:
    """Raise unless the backup's objects are, byte for byte, what was written, and a dump to its very end.

    Constant memory, no file. Raises ActionError that names the object, Failed for what ``pg_restore`` says.
    """
    with _Nowhere(programs) as restored:
        for piece in plain(store, manifest.data, manifest, settings):
            restored.write(piece)
            tell(len(piece))
    if manifest.globals is not None:
        for _ in plain(store, manifest.globals, manifest, settings):
            pass


def plain(store: ObjectStore, piece: Piece, manifest: Manifest, settings: BackupSettings) -> Iterator[bytes]:
    """The plain bytes of one object; raises at their end where it was not what was written."""
    _check_there(store, piece)
    sealed, opened = hashlib.sha256(), _Digest()

    def hashed() -> Iterator[bytes]:
        for part in pieces(store, piece.object, piece.version, piece.bytes):
            sealed.update(part)
            yield part

    with opened:
        for part in unsealed(hashed(), settings, encrypted=manifest.encryption.client == "age", key=piece.object):
            opened.update(part)
            yield part
    if sealed.hexdigest() != piece.sha256:
        raise damaged(text("{key} is damaged: its bytes are not those that were written", key=piece.object))
    if (opened.bytes, opened.hexdigest()) != (piece.plain_bytes, piece.plain_sha256):
        raise damaged(text("{key} is damaged: it does not hold what was dumped", key=piece.object))


def _check_there(store: ObjectStore, piece: Piece) -> None:
    """Raise where the object is gone or of another size, which no second try of a download would mend."""
    try:
        size = store.facts(piece.object, piece.version).size
    except ProbeError as error:
        if error.kind is ProbeFailure.ABSENT:
            raise damaged(text("{key} is damaged: it is gone", key=piece.object)) from error
        raise
    if size != piece.bytes:
        said = text(
            "{key} is damaged: it has {found} bytes where {written} were written",
            key=piece.object,
            found=size,
            written=piece.bytes,
        )
        raise damaged(said)


class _Digest:
    """The SHA-256 of what it is given, reckoned on a thread: half as long as to decompress it, and at the same time.

    ``hexdigest`` after the block.
    """

    def __init__(self) -> None:
        self._hash, self.bytes = hashlib.sha256(), 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="digest")
        self._last: Future[None] | None = None

    def __enter__(self) -> _Digest:
        return self

    def update(self, part: bytes) -> None:
        """Take some more, once what came before is done: one part at most waits."""
        if self._last:
            self._last.result()
        self._last = self._thread.submit(self._hash.update, part)
        self.bytes += len(part)

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()
        if self._last:
            self._last.result()

    def hexdigest(self) -> str:
        """Of all that was given."""
        return self._hash.hexdigest()


class _Nowhere:
    """``pg_restore`` of what is written to it, into nowhere: it reads every block of the dump."""

    def __init__(self, programs: Programs) -> None:
        self._process = subprocess.Popen(
            (programs.path("pg_restore"), "--file=/dev/null", "--exit-on-error"),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        with suppress(OSError):  # a wider pipe is filled and emptied in fewer turns; some systems allow none
            fcntl.fcntl(self._process.stdin or -1, fcntl.F_SETPIPE_SZ, _PIPE)

    def __enter__(self) -> _Nowhere:
        return self

    def write(self, piece: bytes) -> None:
        """Restore some more. Raises Failed where the program has given up."""
        if self._process.stdin is None:
            return
        try:
            self._process.stdin.write(piece)
        except BrokenPipeError:
            self._end()
            raise failed("pg_restore", 0, b"it ended before the dump did") from None

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._end()
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stderr):
            with suppress(BrokenPipeError):  # what was not written yet goes nowhere
                if stream:
                    stream.close()

    def _end(self) -> None:
        _, said = self._process.communicate()
        if self._process.returncode != 0:
            raise failed("pg_restore", self._process.returncode, said)
