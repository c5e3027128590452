"""Between a dump and the bytes of its object: compressed with zstd, perhaps encrypted with age, piece by piece.

Anyone can go back without us: ``age -d`` (where encrypted) and ``zstd -d`` give what ``pg_restore`` takes, ``-j`` too.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from typing import Any

from procedures.backup.age_keys import recipients_of
from runbook.settings import BackupSettings

#: Rows as text come out as small with level 1 as with 3, zstd's own default, in half its processor time.
LEVEL, THREADS = 1, 2
#: What a thread of zstd takes at once: its own choice is 8 MiB, which is 60 MB more, and no smaller result.
_JOB = 1 << 20
Sink = Callable[[bytes], Any]


class Sealer:
    """Compresses and encrypts what it is fed, hands it on to ``sink``, and digests what it was fed."""

    def __init__(self, settings: BackupSettings, sink: Sink) -> None:
        import zstandard

        self._hash, self.bytes = hashlib.sha256(), 0
        how = zstandard.ZstdCompressionParameters.from_level(LEVEL, threads=THREADS, job_size=_JOB, write_checksum=True)
        self._compressor = zstandard.ZstdCompressor(compression_params=how).compressobj()
        recipients = recipients_of(settings)
        self._lock = _Encrypting(recipients, sink) if recipients else None
        self._next: Sink = self._lock.write if self._lock else sink

    def feed(self, plain: bytes) -> None:
        """Take some more. Raises what the sink raises."""
        self._hash.update(plain)
        self.bytes += len(plain)
        if compressed := self._compressor.compress(plain):
            self._next(compressed)

    def finish(self) -> None:
        """Hand on what is left; nothing can be fed after it."""
        self._next(self._compressor.flush())
        if self._lock:
            self._lock.finish()

    def abandon(self) -> None:
        """Let go of the thread that encrypts; what was handed on so far is worth nothing."""
        if self._lock:
            self._lock.abandon()

    @property
    def sha256(self) -> str:
        """Of all that was fed."""
        return self._hash.hexdigest()


class _Encrypting:
    """age's own streaming form, which pulls: it reads our pipe on a thread and writes to the sink."""

    def __init__(self, recipients: list[Any], sink: Sink) -> None:
        reading, writing = os.pipe()
        self._reading, self._writing = os.fdopen(reading, "rb"), os.fdopen(writing, "wb")
        self._sink = sink
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._encrypt, args=(recipients,), name="age", daemon=True)
        self._thread.start()

    def write(self, compressed: bytes) -> None:
        """Encrypt some more. Raises what the sink raised."""
        try:
            self._writing.write(compressed)
        except BrokenPipeError:
            self._raise()
            raise

    def finish(self) -> None:
        """Wait until all is handed on."""
        try:
            self._writing.close()
        except BrokenPipeError:
            self._raise()
            raise
        self._thread.join()
        self._raise()

    def abandon(self) -> None:
        """End the thread; the sink may be called no more."""
        self._sink = _nowhere
        for end in (self._writing, self._reading):
            try:
                end.close()
            except (BrokenPipeError, ValueError):
                continue

    def _encrypt(self, recipients: list[Any]) -> None:
        import pyrage

        try:
            pyrage.encrypt_io(self._reading, _Writer(self._hand_on), recipients)
        except BaseException as error:  # noqa: BLE001 - handed over to who feeds
            self._error = self._error or error
        finally:
            self._reading.close()

    def _hand_on(self, data: bytes) -> None:
        """To the sink; its error is kept, of which age would pass on the words alone."""
        try:
            self._sink(data)
        except BaseException as error:
            self._error = error
            raise

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error


class _Writer:
    """A sink as the file that age writes to."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def write(self, data: bytes) -> int:
        """Hand it on."""
        self._sink(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is kept back."""


def _nowhere(data: bytes) -> None:
    """Where abandoned bytes go."""
