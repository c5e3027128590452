"""What every service of the lab has: its place and name, JSON log lines, an end without delay, its connections."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.place import Place
from lab.records import ZONE

if TYPE_CHECKING:
    import pika
    import psycopg

#: How long a service waits after an error before it tries again, s.
BACKOFF = 1.0
#: How often a service that works sums up what it did, s.
SUMMARY_EVERY = 5.0


@dataclass(frozen=True)
class Service:
    """One replica of one service: ``name`` is what its connections and sessions are called.

    ``count`` is for programs that hold a number of things.
    """

    place: Place
    service: str
    name: str
    count: int = 1

    @classmethod
    def from_arguments(cls, service: str) -> Service:
        """The replica that the command line names; from here on SIGTERM ends the process at once."""
        parser = argparse.ArgumentParser(prog=service)
        parser.add_argument("--home", type=Path, required=True)
        parser.add_argument("--replica", type=int, default=1)
        parser.add_argument("--count", type=int, default=1)
        given = parser.parse_args()
        signal.signal(signal.SIGTERM, _leave)
        name = f"{service}:replica-{given.replica:02d}"
        return cls(Place.load(given.home), service, name, given.count)

    def log(self, level: str, message: str, **fields: str | None) -> None:
        """Write one line in the services' form: ``transaction_id``, ``curp``, ``error_details`` where there are any.

        The CURP is in clear, as careless services write it: the lab's are invented, and masking them is the runbook's.
        """
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {"timestamp": at, "level": level, "service": self.service, "message": message}
        line |= {name: value for name, value in fields.items() if value is not None}
        print(json.dumps(line, ensure_ascii=False), flush=True)

    def failed(self, message: str, error: BaseException, **fields: str | None) -> None:
        """Log an error with the driver's own words, and wait before the service tries again."""
        self.log("ERROR", message, error_details=details(error), **fields)
        time.sleep(BACKOFF)

    def database(self, application: str | None = None) -> psycopg.Connection[tuple[Any, ...]]:
        """A session of ``muses_app`` that commits each statement, in the site's time. Raises psycopg.Error."""
        import psycopg

        connection = psycopg.connect(
            self.place.conninfo("muses_app"), autocommit=True, application_name=application or self.name
        )
        connection.execute(
            "SELECT set_config('search_path', %s, false), set_config('TimeZone', %s, false)",
            [self.place.schema, str(ZONE)],
        )
        return connection

    def broker(self) -> pika.BlockingConnection:
        """A connection of ``muses_app`` that carries the replica's name. Raises pika.exceptions.AMQPError."""
        import pika

        parameters = pika.URLParameters(self.place.amqp_url("muses_app"))
        parameters.client_properties = {"connection_name": self.name}
        return pika.BlockingConnection(parameters)


def details(error: BaseException) -> str:
    """The driver's text: class, message, SQLSTATE (a refused connection has none: libpq does not pass it on)."""
    kind, state = type(error), getattr(error, "sqlstate", None)
    words = " ".join(str(error).split()) or repr(error)
    return f"{kind.__module__}.{kind.__name__}: {words}" + (f" (SQLSTATE {state})" if state else "")


def _leave(_signal: int, _frame: object) -> None:
    """End at once: what is not acknowledged is delivered again, what is not committed is rolled back."""
    sys.stdout.flush()
    os._exit(0)
