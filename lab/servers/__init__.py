"""The servers of a lab, one module each, all of one shape."""

from __future__ import annotations

from typing import Protocol

from lab.commands import Command
from lab.place import Place
from lab.servers import postgres, rabbitmq, storage


class Server(Protocol):
    """What a module of this package offers."""

    NAME: str
    TITLE: str

    def prepare(self, place: Place) -> None:
        """Write what the server needs to start; only while it does not run."""

    def program(self, place: Place) -> Command:
        """The server as the supervisor runs it, in the foreground."""

    def await_ready(self, place: Place, deadline: float) -> None:
        """Wait until it serves, at the latest until ``deadline`` (monotonic seconds). Raises LabError."""

    def furnish(self, place: Place) -> None:
        """Put into the serving server what SEP-MUSES needs in it; what stands already stays."""


#: The slowest to start comes first.
SERVERS: tuple[Server, ...] = (rabbitmq, postgres, storage)
