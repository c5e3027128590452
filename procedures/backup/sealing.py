"""Between a dump and the bytes of its object: compressed with zstd, perhaps encrypted with age, piece by piece.

Anyone can go back without us: ``age -d`` (where encrypted) and ``zstd -d`` give what ``pg_restore`` takes, ``-j`` too.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from procedures.backup.gathering import gathered
from runbook.errors import ActionError, SettingsError
from runbook.settings import BackupSettings, Secret
from runbook.text import text

#: Rows as text come out as small with level 1 as with 3, zstd's own default, in half its processor time.
LEVEL, THREADS = 1, 2
#: What a thread of zstd takes at once: its own choice is 8 MiB, which is 60 MB more, and no smaller result.
_JOB = 1 << 20
_PIECE = 1 << 20
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


def unsealed(pieces: Iterable[bytes], settings: BackupSettings, *, encrypted: bool, key: str) -> Iterator[bytes]:
    """The plain dump in an object's pieces.

    Raises ActionError where it cannot be decrypted or decompressed, or ends before its end.
    """
    import zstandard

    decompressor = zstandard.ZstdDecompressor().decompressobj()
    compressed = _decrypted(pieces, settings, key) if encrypted else pieces
    try:
        for piece in compressed:
            yield from gathered(decompressor.decompress, piece)
    except zstandard.ZstdError as error:
        raise damaged(key, str(error)) from error
    if not decompressor.eof or decompressor.unused_data:
        raise damaged(key, "it does not end where it should")


def damaged(key: str, reason: str) -> ActionError:
    """The object is not what was written."""
    return ActionError("storage", "read", text("{key} is damaged: {reason}", key=key, reason=reason))


def recipients_of(settings: BackupSettings) -> list[Any]:
    """Those for whom backups are encrypted here.

    Raises SettingsError for one that is none, and where we are not among them: nobody could read back what is written.
    """
    if not settings.age_recipients:
        return []
    age = _age()
    try:
        recipients = [age.x25519.Recipient.from_str(recipient) for recipient in settings.age_recipients]
    except age.RecipientError as error:
        raise SettingsError(f"{error}", key="backup.age_recipients") from error
    ours = _identity(age, settings.age_identity, "").to_public()
    if str(ours) not in map(str, recipients):
        said = text("it belongs to none of age_recipients: what is written could not be read back")
        raise SettingsError(said, key="backup.age_identity")
    return recipients


def _decrypted(pieces: Iterable[bytes], settings: BackupSettings, key: str) -> Iterator[bytes]:
    """age's streaming form pulls and pushes: its two ends are pipes, its middle a thread, the feeding another."""
    age = _age()
    identity = _identity(age, settings.age_identity, key)
    (feed_from, feed_to), (take_from, take_to) = os.pipe(), os.pipe()
    unfed: list[BaseException] = []
    unread: list[BaseException] = []

    def feed() -> None:
        try:
            with os.fdopen(feed_to, "wb") as end:
                for piece in pieces:
                    end.write(piece)
        except BrokenPipeError:
            return  # the reader gave up and says why
        except BaseException as error:  # noqa: BLE001 - handed over to who reads
            unfed.append(error)

    def decrypt() -> None:
        try:
            with os.fdopen(feed_from, "rb") as source, os.fdopen(take_to, "wb") as target:
                age.decrypt_io(source, target, [identity])
        except BaseException as error:  # noqa: BLE001 - handed over to who reads
            unread.append(error)

    threads = [threading.Thread(target=work, daemon=True) for work in (feed, decrypt)]
    for thread in threads:
        thread.start()
    with os.fdopen(take_from, "rb") as plain:
        while piece := plain.read(_PIECE):
            yield piece
    for thread in threads:
        thread.join()
    for error in unfed:  # first: what does not arrive cannot be decrypted either
        raise error
    for error in unread:
        raise _unreadable(age, error, key) from error


def _unreadable(age: Any, error: BaseException, key: str) -> BaseException:
    """age says OSError of bytes that are not what it wrote, DecryptError of what it cannot begin with."""
    if isinstance(error, age.DecryptError) and "matching keys" in str(error):
        said = text("{key} is encrypted for other keys than backup.age_identity, or damaged", key=key)
        return ActionError("storage", "read", said)
    return damaged(key, str(error)) if isinstance(error, (age.DecryptError, OSError)) else error


def _identity(age: Any, secret: Secret | None, key: str) -> Any:
    if secret is None:
        raise SettingsError(text("{key} is encrypted with age: set age_identity", key=key), key="backup.age_identity")
    try:
        return age.x25519.Identity.from_str(secret.reveal())
    except age.IdentityError as error:
        raise SettingsError("it holds no age identity", key="backup.age_identity") from error


def _age() -> Any:
    try:
        import pyrage
    except ImportError:
        said = text("age_recipients need the extra: install {extra}", extra="muses-runbook[age]")
        raise SettingsError(said, key="backup.age_recipients") from None
    return pyrage


def _nowhere(data: bytes) -> None:
    """Where abandoned bytes go."""
