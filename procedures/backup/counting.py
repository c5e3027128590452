"""The rows of a snapshot, counted while its dump streams."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from procedures.backup import dumping
from procedures.backup.dumping import Snapshot

if TYPE_CHECKING:
    from runbook.targets.postgres.working import Connection


class Counting:
    """Counts the snapshot's rows on a thread, over the connection that holds it."""

    def __init__(self, connection: Connection, id: str) -> None:
        self._box: list[Snapshot | BaseException] = []
        self._thread = threading.Thread(target=self._count, args=(connection, id), name="counting", daemon=True)
        self._thread.start()

    def result(self) -> Snapshot:
        """The counts; raises what counting raised."""
        self._thread.join()
        found = self._box[0]
        if isinstance(found, Snapshot):
            return found
        raise found

    def check(self) -> None:
        """Raise what counting raised by now: it ended the snapshot, and what ``pg_dump`` says of that explains less."""
        for found in self._box:
            if isinstance(found, BaseException):
                raise found

    def _count(self, connection: Connection, id: str) -> None:
        try:
            self._box.append(dumping.counted(connection, id))
        except BaseException as error:  # noqa: BLE001 - handed over to the thread that waits
            self._box.append(error)
