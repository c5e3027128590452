"""Read a backup back whole: hash, decrypt, decompress, and let ``pg_restore`` go through all of it, to nowhere.

No return code of a write counts, and no list of a dump: ``pg_restore --list`` exits with 0 on a dump that is cut.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable, Iterator

from procedures.backup.programs import Programs, failed
from procedures.backup.sealing import damaged, unsealed
from runbook.settings import BackupSettings
from runbook.targets.s3.backups import Manifest, Piece
from runbook.targets.s3.downloads import pieces
from runbook.targets.s3.objects import ObjectStore

Tell = Callable[[int], None]


def prove_whole(
    store: ObjectStore, manifest: Manifest, settings: BackupSettings, programs: Programs, tell: Tell = lambda _: None
) -> None:
    """Raise unless the backup's objects are, byte for byte, what was written, and a dump to its very end.

    Constant memory, no file. Raises ActionError that names the object, Failed for what ``pg_restore`` says.
    """
    data = Piece(
        object=manifest.object,
        version=manifest.version,
        bytes=manifest.bytes,
        sha256=manifest.sha256,
        plain_bytes=manifest.dump_bytes,
        plain_sha256=manifest.dump_sha256,
    )
    with _Nowhere(programs) as restored:
        for piece in plain(store, data, manifest, settings):
            restored.write(piece)
            tell(len(piece))
    if manifest.globals is not None:
        for _ in plain(store, manifest.globals, manifest, settings):
            pass


def plain(store: ObjectStore, piece: Piece, manifest: Manifest, settings: BackupSettings) -> Iterator[bytes]:
    """The plain bytes of one object; raises at their end where it was not what was written."""
    sealed, opened, length = hashlib.sha256(), hashlib.sha256(), 0

    def hashed() -> Iterator[bytes]:
        for part in pieces(store, piece.object, piece.version, piece.bytes):
            sealed.update(part)
            yield part

    for part in unsealed(hashed(), settings, encrypted=manifest.encryption.client == "age", key=piece.object):
        opened.update(part)
        length += len(part)
        yield part
    if sealed.hexdigest() != piece.sha256:
        raise damaged(piece.object, "its bytes are not those that were written")
    if (length, opened.hexdigest()) != (piece.plain_bytes, piece.plain_sha256):
        raise damaged(piece.object, "it does not hold what was dumped")


class _Nowhere:
    """``pg_restore`` of what is written to it, into nowhere: it reads every block of the dump."""

    def __init__(self, programs: Programs) -> None:
        self._process = subprocess.Popen(
            (programs.path("pg_restore"), "--file=/dev/null", "--exit-on-error"),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

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

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._process.kill()
            self._process.wait()
            return
        self._end()

    def _end(self) -> None:
        _, said = self._process.communicate()
        if self._process.returncode != 0:
            raise failed("pg_restore", self._process.returncode, said)
