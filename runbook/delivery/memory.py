"""What was already said, and to whom: one small file in the state folder, with one writer at a time.

Who tells of changes has to know what was told. The file is replaced as a whole, so that a crash leaves the old one.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from runbook import placing
from runbook.errors import DeliveryError
from runbook.text import text

FILE, _LOCK = "delivered.json", ".delivered.lock"
#: Seconds that a second writer waits for the first, whose channels may answer slowly.
PATIENCE = 60.0
#: What belongs to incidents older than this is let go of: the history forgets them too.
_KEPT = timedelta(days=400)


class Told(msgspec.Struct):
    """What one channel knows of the incident it was told of last: each row's state by its id."""

    incident: str = ""
    rows: dict[str, str] = {}


class Acknowledged(msgspec.Struct, frozen=True):
    """Who takes care of an incident, and since when."""

    by: str
    at: datetime


class OwnTicket(msgspec.Struct):
    """A ticket of an incident; ``opened`` by us or named by a person, ``ended`` once its end was written into it."""

    at: datetime
    opened: bool = False
    ended: bool = False


class Memory(msgspec.Struct):
    """What channels and silences are known by their place in the site file, the rest by incident.

    An incident has as many tickets as people named, by their names.
    """

    channels: dict[str, Told] = {}
    acknowledged: dict[str, Acknowledged] = {}
    tickets: dict[str, dict[str, OwnTicket]] = {}
    silent: dict[str, str] = {}


@contextmanager
def remembering(folder: Path) -> Iterator[Memory]:
    """The memory, ours alone until the block ends; then what it holds is kept, also where the block failed.

    Raises DeliveryError where another writer does not end, and where the file cannot be read or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / _LOCK).open("wb")
    except OSError as error:
        raise _unusable(folder / FILE, error.strerror or str(error)) from error
    with lock:
        _take(lock.fileno(), folder / FILE)
        memory = _read(folder / FILE)
        try:
            yield memory
        finally:
            _write(folder / FILE, memory)


def recalled(folder: Path) -> Memory:
    """The memory as it is, only to look at. Raises DeliveryError."""
    return _read(folder / FILE)


def _take(descriptor: int, file: Path) -> None:
    ends_at = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= ends_at:
                raise DeliveryError(text("Another run is still telling people: {file} is in use", file=file)) from None
            time.sleep(0.05)
        else:
            return


def _read(file: Path) -> Memory:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Memory)
    except FileNotFoundError:
        return Memory()
    except OSError as error:
        raise _unusable(file, error.strerror or str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DeliveryError(
            text("{file} is damaged: move it away, and what was told before is told once more", file=file)
        ) from error


def _write(file: Path, memory: Memory) -> None:
    oldest = datetime.now(UTC) - _KEPT
    memory.acknowledged = {id: one for id, one in memory.acknowledged.items() if one.at > oldest}
    memory.tickets = {id: all for id, all in memory.tickets.items() if any(one.at > oldest for one in all.values())}
    try:
        placing.put(file, msgspec.json.format(msgspec.json.encode(memory), indent=1))
    except OSError as error:
        raise _unusable(file, error.strerror or str(error)) from error


def _unusable(file: Path, why: str) -> DeliveryError:
    return DeliveryError(
        text("{file} cannot be used: {why}; {setting} names its folder", file=file, why=why, setting="site.state")
    )
