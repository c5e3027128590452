"""Between rows and the bytes of an archive object: COPY text, compressed with zstd, perhaps encrypted with age.

Anyone can go back without us: ``age -d`` (where encrypted), ``zstd -d``, ``cut -f3-`` give what ``COPY … FROM`` takes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

from runbook.errors import ActionError, SettingsError
from runbook.settings import ArchiveSettings
from runbook.targets.s3.archives import Content
from runbook.text import text

#: zstd's own default: half the size of level 1 for a third more time, and faster than the disk of the database.
LEVEL = 3
#: Compressed bytes that are taken at once: some eight times as many are then in memory as text.
PIECE = 1 << 17


class Encoder:
    """Turns rows, piece by piece, into the bytes of one object; knows what was in it once it is finished."""

    def __init__(self, settings: ArchiveSettings) -> None:
        import zstandard

        self._recipients = recipients(settings)
        self._compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compressobj()
        self._compressed = bytearray()
        self._count = Counting()

    def feed(self, plain: bytes) -> None:
        """Take some more COPY text; pieces need not end with a line."""
        self._count.feed(plain)
        self._compressed += self._compressor.compress(plain)

    def finish(self) -> bytes:
        """The whole object. Nothing can be fed after it."""
        self._compressed += self._compressor.flush()
        compressed = bytes(self._compressed)
        self._compressed.clear()
        if not self._recipients:
            return compressed
        import pyrage

        return bytes(pyrage.encrypt(compressed, self._recipients))

    @property
    def content(self) -> Content:
        """What was fed so far."""
        return self._count.content


class Counting:
    """Counts lines and bytes of COPY text and digests all of it."""

    def __init__(self) -> None:
        self._rows, self._bytes, self._hash = 0, 0, hashlib.sha256()

    def feed(self, plain: bytes) -> None:
        """Take some more."""
        self._rows += plain.count(b"\n")
        self._bytes += len(plain)
        self._hash.update(plain)

    @property
    def content(self) -> Content:
        """What came so far."""
        return Content(rows=self._rows, bytes=self._bytes, sha256=self._hash.hexdigest())


def plain_pieces(body: bytes, settings: ArchiveSettings, *, encrypted: bool, key: str) -> Iterator[bytes]:
    """The COPY text of an object, piece by piece. ``key`` names the object in errors.

    Raises ActionError where it cannot be decrypted or decompressed, or ends before its end.
    """
    import zstandard

    compressed = _decrypted(body, settings, key) if encrypted else body
    decompressor = zstandard.ZstdDecompressor().decompressobj()
    try:
        for at in range(0, len(compressed), PIECE):
            yield decompressor.decompress(compressed[at : at + PIECE])
    except zstandard.ZstdError as error:
        raise _damaged(key, str(error)) from error
    if not decompressor.eof or decompressor.unused_data:
        raise _damaged(key, "it does not end where it should")


def lines(pieces: Iterable[bytes], most: int) -> Iterator[list[bytes]]:
    """The lines of COPY text without their line ends, at most ``most`` at a time.

    Text of COPY never holds a raw line end inside a line. Raises ValueError for a last line that is cut off.
    """
    rest = b""
    ready: list[bytes] = []
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        ready += whole
        while len(ready) >= most:
            yield ready[:most]
            del ready[:most]
    if rest:
        raise ValueError("the last line is cut off")
    if ready:
        yield ready


class Lines:
    """COPY text handed out some whole lines at a time, as it lies: no line becomes an object of its own."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._text, self._at = b"", 0
        self._length = 100.0  # of a line, as far as is known

    def take(self, most: int) -> tuple[bytes, int]:
        """The next lines with their line ends, and how many: ``most``, or what is left. Nothing at the end.

        Raises ValueError for a last line that is cut off.
        """
        end, wanted = self._at, most
        while wanted:
            cut = self._line_end(end, wanted)
            if not cut:
                if not self._more():
                    break
                end -= self._at
                self._at = 0
                continue
            count = self._text.count(b"\n", end, cut)
            if count > wanted:
                self._length *= wanted / count
                continue
            end, wanted = cut, wanted - count
        taken = self._text[self._at : end]
        if wanted and len(self._text) > end:
            raise ValueError("the last line is cut off")
        self._at = end
        return taken, most - wanted

    def _line_end(self, start: int, wanted: int) -> int:
        """Behind about as many lines as are wanted, at least one; 0 where the text at hand has no line end more."""
        guess = start + int(wanted * self._length)
        return self._text.rfind(b"\n", start, guess) + 1 or self._text.find(b"\n", start) + 1

    def _more(self) -> bool:
        piece = next(self._pieces, None)
        if piece is None:
            return False
        self._text = self._text[self._at :] + piece
        return True


def recipients(settings: ArchiveSettings) -> list[Any]:
    """Those for whom objects are encrypted; none where the client does not encrypt.

    Raises SettingsError for a recipient that is none, or where the extra ``age`` is not installed.
    """
    if settings.encryption != "age":
        return []
    age = _age()
    try:
        return [age.x25519.Recipient.from_str(recipient) for recipient in settings.age_recipients]
    except age.RecipientError as error:
        raise SettingsError(f"{error}", key="archive.age_recipients") from error


def _decrypted(body: bytes, settings: ArchiveSettings, key: str) -> bytes:
    age = _age()
    if settings.age_identity is None:
        raise SettingsError(text("{key} is encrypted with age: set age_identity", key=key), key="archive.age_identity")
    try:
        identity = age.x25519.Identity.from_str(settings.age_identity.reveal())
        return bytes(age.decrypt(body, [identity]))
    except age.IdentityError as error:
        raise SettingsError("it holds no age identity", key="archive.age_identity") from error
    except age.DecryptError as error:
        raise _damaged(key, str(error)) from error


def _age() -> Any:
    try:
        import pyrage
    except ImportError:
        raise SettingsError(
            text("encryption 'age' needs the extra: install {extra}", extra="muses-runbook[age]"),
            key="archive.encryption",
        ) from None
    return pyrage


def _damaged(key: str, reason: str) -> ActionError:
    return ActionError("storage", "read", text("{key} is damaged: {reason}", key=key, reason=reason))
