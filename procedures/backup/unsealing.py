"""The plain dump in the bytes of an object, piece by piece: decrypted with age where it is encrypted, decompressed."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from procedures.backup.age_keys import age_library, identity_of
from procedures.backup.gathering import gathered
from runbook.errors import ActionError
from runbook.settings import BackupSettings
from runbook.text import Text, text

_PIECE = 1 << 20


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
        raise _damaged_by(error, key) from error
    if not decompressor.eof or decompressor.unused_data:
        raise damaged(text("{key} is damaged: it does not end where it should", key=key))


def damaged(said: Text) -> ActionError:
    """The object is not what was written."""
    return ActionError("storage", "read", said)


def _damaged_by(error: BaseException, key: str) -> ActionError:
    """By the words of zstd or of age."""
    return damaged(text("{key} is damaged: {reason}", key=key, reason=error))


def _decrypted(pieces: Iterable[bytes], settings: BackupSettings, key: str) -> Iterator[bytes]:
    """age's streaming form pulls and pushes: its two ends are pipes, its middle a thread, the feeding another."""
    age = age_library()
    identity = identity_of(age, settings.age_identity, key)
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
    return _damaged_by(error, key) if isinstance(error, (age.DecryptError, OSError)) else error
