"""The session of a procedure: it lasts as long as the work does, each statement within its own limits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from runbook.errors import ActionError, ProbeError
from runbook.targets.postgres.access import Access, Identity
from runbook.targets.postgres.connection import opened
from runbook.targets.postgres.failures import broke_off, query_failed

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[dict[str, Any]]

#: What a session that moves data pins beside what every session of ours does: the text of a value must not depend on
#: where and when it is written. A frozen server is noticed by the kernel's keepalives, not by a deadline of ours.
_PINNED = {
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "xmlbinary": "base64",
    "lock_timeout": "2s",
    "statement_timeout": "0",
    "idle_session_timeout": "0",
    "idle_in_transaction_session_timeout": "5min",
    "default_transaction_isolation": "read committed",
}
#: The names that a manifest records: by these the text of the rows was made.
TEXT_SETTINGS = ("TimeZone", "DateStyle", "IntervalStyle", "bytea_output", "extra_float_digits", "client_encoding")

_BUSY = ("55P03", "40P01", "40001")  # lock not available, deadlock, serialization
_REFERENCED = "23503"
_LOST = ("57P01", "57P02", "57P03", "08")


class Busy(ActionError):
    """Somebody else has the rows or the table just now: nothing was changed, and it may work in a moment."""


class Referenced(Busy):
    """A foreign key objected: another row points at one of these."""


class Lost(ActionError):
    """The connection is gone: whether the last transaction was committed is not known."""


@contextmanager
def working(access: Access, operation: str, identity: Identity = "operator") -> Iterator[Connection]:
    """Log in, in autocommit, for as long as the block lasts.

    Raises ActionError for all that fails: Busy and Lost where trying again can help.
    """
    with closing(_logged_in(access, operation, identity)) as connection, as_action_errors(access, operation):
        for name, value in _PINNED.items():
            connection.execute("SELECT set_config(%s, %s, false)", [name, value])
        yield connection


@contextmanager
def as_action_errors(access: Access, operation: str) -> Iterator[None]:
    """Raise what the driver raises as ActionError."""
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        said = query_failed(access, error).said
        raise _kind(error)(access.target, operation, said) from error


def _logged_in(access: Access, operation: str, identity: Identity) -> Connection:
    try:
        return opened(access, identity)
    except ProbeError as error:
        raise ActionError(access.target, operation, error.said) from error


def _kind(error: psycopg.Error) -> type[ActionError]:
    code = error.sqlstate
    if code == _REFERENCED:
        return Referenced
    if code in _BUSY:
        return Busy
    return Lost if broke_off(error) or (code or "").startswith(_LOST) else ActionError
