"""What became of each message that is put back, on disk before the next thing happens to it.

A message is *sending* before it is published, *confirmed* once its new queue has it, *closed* once the dead-letter
queue let go of it. What a killed run left confirmed is there twice: the next run only takes it away.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Literal
from urllib.parse import quote

import msgspec

from runbook.errors import ActionError
from runbook.text import text

What = Literal["sending", "confirmed", "closed"]

#: A finished ledger that is larger than this, bytes, is put aside for a new one.
_LARGE = 8 << 20


class Entry(msgspec.Struct, frozen=True):
    """One line: what happened to the message of that digest."""

    at: datetime
    what: What
    message: str


class Ledger:
    """The ledger of one dead-letter queue; one process at a time holds it.

    Raises ActionError (refused) where another holds it, or a line in its middle cannot be read: then it is not known
    what was put back already.
    """

    def __init__(self, target: str, folder: Path, vhost: str, queue: str) -> None:
        self._target, self._file = target, folder / file_name(vhost, queue)
        self._confirmed, self._sending = Counter[str](), Counter[str]()
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._stream = self._held()
        except OSError as error:
            raise self._unusable(str(error.strerror), refused=True) from error
        try:
            self._read()
            self._put_aside()
        except BaseException:
            self._stream.close()
            raise

    def close(self) -> None:
        """Let another process have it."""
        self._stream.close()

    @property
    def doubtful(self) -> int:
        """How many a killed run may have put back without learning whether it did: they are put back once more."""
        return self._sending.total()

    def is_confirmed(self, message: str) -> bool:
        """Whether a killed run put it back, and it is still here only because that run could not take it away."""
        return self._confirmed[message] > 0

    def write(self, what: What, message: str) -> None:
        """Note it, and wait until it is on disk unless it is only the end. Raises ActionError: then do not go on."""
        try:
            self._stream.write(msgspec.json.encode(Entry(datetime.now(UTC), what, message)) + b"\n")
            self._stream.flush()
            if what != "closed":
                os.fsync(self._stream.fileno())
        except OSError as error:
            raise self._unusable(str(error.strerror)) from error
        self._count(what, message)

    def _count(self, what: What, message: str) -> None:
        if what == "sending":
            self._sending[message] += 1
            return
        self._sending.pop(message, None)
        self._confirmed[message] += 1 if what == "confirmed" else -1

    def _held(self) -> IO[bytes]:
        stream = self._file.open("ab+")
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            stream.close()
            raise self._unusable("another process puts messages back", refused=True) from error
        return stream

    def _read(self) -> None:
        """Take in every line; one that a crash cut short is the last, and is cut off."""
        self._stream.seek(0)
        content = self._stream.read()
        whole = content.rfind(b"\n") + 1
        for number, line in enumerate(content[:whole].splitlines(), 1):
            try:
                entry = msgspec.json.decode(line, type=Entry)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise self._unusable(f"line {number} cannot be read", refused=True) from error
            self._count(entry.what, entry.message)
        self._stream.truncate(whole)

    def _put_aside(self) -> None:
        """Begin a new file where the old one is large and leaves nothing open."""
        if self._file.stat().st_size > _LARGE and not self._sending and not +self._confirmed:
            self._file.with_suffix(".old").write_bytes(self._file.read_bytes())
            self._stream.truncate(0)

    def _unusable(self, reason: str, refused: bool = False) -> ActionError:
        said = text("the ledger {file} cannot be used: {reason}", file=str(self._file), reason=reason)
        return ActionError(self._target, "replay", said, refused=refused)


def file_name(vhost: str, queue: str) -> str:
    """One name for each queue, readable as far as a file's name may be long."""
    known = hashlib.sha256(f"{vhost}\0{queue}".encode()).hexdigest()[:12]
    return f"{quote(queue, safe='')[:80]}-{known}.jsonl"
