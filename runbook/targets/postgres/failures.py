"""Driver errors become the runbook's, once, here: by SQLSTATE, exception class or errno, never by message text."""

from __future__ import annotations

import re
import select
import socket
import struct
import time
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from runbook.errors import ProbeError, ProbeFailure
from runbook.targets.network import failure_of
from runbook.targets.postgres.access import CONNECT_SECONDS, Access, Identity
from runbook.text import Text, text

if TYPE_CHECKING:
    import psycopg

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)  # asks whether the server speaks TLS; it answers S or N
_SQLSTATE_ONLY = 3  # PQERRORS_SQLSTATE
_STARTING = "57P03"
_WRONG_PASSWORD = "28P01"  # noqa: S105 - an SQLSTATE
_NO_TLS = ("disable", "allow", "prefer")  # these fall back to a plain connection

_LOGIN_STATES = {
    "28000": ProbeFailure.DENIED,
    _WRONG_PASSWORD: ProbeFailure.DENIED,
    "42501": ProbeFailure.DENIED,
    "3D000": ProbeFailure.ABSENT,
    _STARTING: ProbeFailure.REFUSED,
    "53": ProbeFailure.LIMIT,
}
_QUERY_STATES = {
    "57014": ProbeFailure.SLOW,
    "55P03": ProbeFailure.SLOW,
    "42501": ProbeFailure.BLIND,
    "55000": ProbeFailure.BLIND,
    "42P01": ProbeFailure.ABSENT,
    "42703": ProbeFailure.ABSENT,
    "3F000": ProbeFailure.ABSENT,
    "53": ProbeFailure.LIMIT,
    "57P": ProbeFailure.REFUSED,
    "08": ProbeFailure.REFUSED,
}


def login_failed(access: Access, identity: Identity, error: psycopg.Error) -> ProbeError:
    """Why nobody got in. Asks the server up to two more times, because the driver does not keep the reason."""
    from psycopg import errors

    if isinstance(error, errors.ConnectionTimeout):
        return _login_error(access, identity, ProbeFailure.SILENT)
    kind = _network_failure(access)
    if kind is not None:
        return _login_error(access, identity, kind)
    code = _sqlstate_of_login(access, identity)
    return _login_error(access, identity, _kind(_LOGIN_STATES, code) or _without_code(access, code), code)


def query_failed(access: Access, error: psycopg.Error) -> ProbeError:
    """Why a statement gave no rows. The server's own words are kept only where they name an object."""
    code = error.sqlstate
    kind = ProbeFailure.REFUSED if broke_off(error) else _kind(_QUERY_STATES, code) or ProbeFailure.BROKEN
    return ProbeError(access.target, kind, _query_words(access, kind, error), code=code)


def broke_off(error: psycopg.Error) -> bool:
    """Whether the connection ended without a word of the server; the driver does not always say which one it was."""
    from psycopg import OperationalError

    known = error.pgconn is not None and error.pgconn.status != 0
    return error.sqlstate is None and (known or isinstance(error, OperationalError))


def silent(access: Access, waited: float) -> ProbeError:
    """The server took the connection and then said nothing."""
    words = text("The database at {where} gave no answer within {limit}", where=access.where, limit=_seconds(waited))
    return ProbeError(access.target, ProbeFailure.SILENT, words)


def out_of_time(access: Access) -> ProbeError:
    """The server answers, but not all of it in the time that a probe has."""
    words = text("The database at {where} is too slow: the reading did not end in time", where=access.where)
    return ProbeError(access.target, ProbeFailure.SLOW, words)


def blind(access: Access, words: Text) -> ProbeError:
    """Something is hidden from us: not an empty answer but none."""
    return ProbeError(access.target, ProbeFailure.BLIND, words)


def _kind(states: dict[str, ProbeFailure], code: str | None) -> ProbeFailure | None:
    """By the whole SQLSTATE, else by its beginning, the longest first."""
    return next((states[code[:size]] for size in (5, 3, 2) if code and code[:size] in states), None)


def _without_code(access: Access, code: str | None) -> ProbeFailure:
    """The server was reached and gave no SQLSTATE that we know: where TLS was asked for, that is what failed."""
    insists = access.settings.sslmode not in _NO_TLS
    return ProbeFailure.TLS if code is None and insists else ProbeFailure.BROKEN


def _network_failure(access: Access) -> ProbeFailure | None:
    """What a plain socket says: None when the server is there and offers what the settings ask for."""
    try:
        with closing(_connected(access)) as line:
            if access.settings.sslmode in _NO_TLS or line.family == socket.AF_UNIX:
                return None
            line.sendall(_SSL_REQUEST)
            return None if line.recv(1) == b"S" else ProbeFailure.TLS
    except OSError as error:
        return failure_of(error)


def _connected(access: Access) -> socket.socket:
    settings = access.settings
    if not settings.host.startswith("/"):
        return socket.create_connection((settings.host, settings.port), timeout=1)
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(1)
    try:
        line.connect(f"{settings.host}/.s.PGSQL.{settings.port}")
    except OSError:
        line.close()
        raise
    return line


def _sqlstate_of_login(access: Access, identity: Identity) -> str | None:
    """Log in once more with libpq told to give the SQLSTATE in place of the server's (translated) words.

    libpq keeps no SQLSTATE of a refused login, and its default message has none. None when it cannot be heard.
    """
    from psycopg import conninfo, pq

    given = {k: v for k, v in access.parameters(identity).items() if v is not None}
    line = pq.PGconn.connect_start(conninfo.make_conninfo("", **given).encode())
    try:
        _ask_for_sqlstate(line)
        _poll(line, time.monotonic() + 1)
        if line.needs_password:
            return _WRONG_PASSWORD  # libpq itself gave up: it was asked for one and has none
        said = re.search(r"\b([0-9A-Z]{5})\s*$", line.error_message.decode("ascii", "replace"))
    finally:
        line.finish()
    return said[1] if said else None


def _ask_for_sqlstate(line: Any) -> None:
    """psycopg does not offer ``PQsetErrorVerbosity``: it is taken from the libpq that its own module is linked to."""
    import ctypes
    import sys

    module = sys.modules[type(line).__module__].__file__ or ""
    if not module.endswith(".so"):
        return  # psycopg's implementation in pure Python
    set_verbosity = ctypes.CDLL(module).PQsetErrorVerbosity
    set_verbosity.argtypes = [ctypes.c_void_p, ctypes.c_int]
    set_verbosity(line.pgconn_ptr, _SQLSTATE_ONLY)


def _poll(line: Any, ends_at: float) -> None:
    from psycopg.pq import PollingStatus

    while (status := line.connect_poll()) in (PollingStatus.READING, PollingStatus.WRITING):
        left = ends_at - time.monotonic()
        if left <= 0:
            return
        waits = ([line.socket], []) if status == PollingStatus.READING else ([], [line.socket])
        select.select(*waits, [], left)


def _login_error(access: Access, identity: Identity, kind: ProbeFailure, code: str | None = None) -> ProbeError:
    words = _login_words(access, identity, kind, code)
    return ProbeError(access.target, kind, words, code=code)


def _login_words(access: Access, identity: Identity, kind: ProbeFailure, code: str | None) -> Text:
    where, setting, role = access.where, access.setting, access.login(identity).user
    if code == _STARTING:
        return text("The database at {where} takes no connections yet: it is starting or stopping", where=where)
    match kind:
        case ProbeFailure.REFUSED:
            return text(
                "The database at {where} refuses connections: start it, or correct {setting}.host and {setting}.port",
                where=where,
                setting=setting,
            )
        case ProbeFailure.SILENT:
            limit = _seconds(CONNECT_SECONDS)
            return text("The database at {where} gave no answer within {limit}", where=where, limit=limit)
        case ProbeFailure.DNS:
            return text("The name of the database's host is not known: correct {setting}.host", setting=setting)
        case ProbeFailure.TLS:
            return text("No TLS with the database at {where}: see {setting}.sslmode", where=where, setting=setting)
        case ProbeFailure.DENIED:
            return text(
                "The database at {where} does not let {role} in ({code}): correct {setting}.{identity}",
                where=where,
                role=role,
                code=code,
                setting=setting,
                identity=identity,
            )
        case ProbeFailure.LIMIT:
            return text(
                "The database at {where} takes no more connections of {role} ({code})",
                where=where,
                role=role,
                code=code,
            )
        case ProbeFailure.ABSENT:
            return text("There is no such database at {where}: correct {setting}.name", where=where, setting=setting)
        case _:
            return text(
                "The database at {where} does not take our session ({code}): it needs PostgreSQL 14 and no pooler",
                where=where,
                code=code,
            )


def _query_words(access: Access, kind: ProbeFailure, error: psycopg.Error) -> Text:
    where, setting, detail = access.where, access.setting, error.diag.message_primary or type(error).__name__
    if error.sqlstate == "55000":
        return text("The server is not set up for this ({detail})", detail=detail)
    if error.sqlstate == "55P03":
        return text("A table is locked by another session: see who holds on to it")
    match kind:
        case ProbeFailure.SLOW:
            return text("The database at {where} is too slow: the reading did not end in time", where=where)
        case ProbeFailure.BLIND:
            return text("A right is missing ({detail}): run the SQL of 'muses-runbook grants'", detail=detail)
        case ProbeFailure.ABSENT:
            return text(
                "{detail}: see schema, exchange_tables and time_column in {setting}", detail=detail, setting=setting
            )
        case ProbeFailure.LIMIT:
            return text("The database at {where} has run out of room ({detail})", where=where, detail=detail)
        case ProbeFailure.REFUSED:
            return text("The database at {where} ended the connection", where=where)
        case _:
            return text("The database did not understand the question ({detail})", detail=detail)


def _seconds(count: float) -> timedelta:
    return timedelta(seconds=round(count, 1))
