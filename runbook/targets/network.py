"""Why a connection failed, told by exception class and errno, never by message text.

Drivers wrap the socket's own error in several layers of theirs; what matters lies inside. All targets tell a refusal
from silence in the same words, so that a person (and a diagnosis) reads one language.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections import deque
from collections.abc import Iterator

from runbook.errors import ProbeError, ProbeFailure
from runbook.text import Text, text

_BY_ERRNO = {
    errno.ECONNREFUSED: ProbeFailure.REFUSED,
    errno.ECONNRESET: ProbeFailure.REFUSED,
    errno.ECONNABORTED: ProbeFailure.REFUSED,
    errno.EPIPE: ProbeFailure.REFUSED,
    errno.EHOSTUNREACH: ProbeFailure.REFUSED,
    errno.ENETUNREACH: ProbeFailure.REFUSED,
    errno.ENOENT: ProbeFailure.REFUSED,  # a Unix socket that is not there
    errno.ETIMEDOUT: ProbeFailure.SILENT,
    errno.EAGAIN: ProbeFailure.SILENT,
    errno.EACCES: ProbeFailure.DENIED,
    errno.EPERM: ProbeFailure.DENIED,
}

_BY_STATUS = {401: ProbeFailure.DENIED, 403: ProbeFailure.DENIED, 404: ProbeFailure.ABSENT}


def failure_of(error: BaseException) -> ProbeFailure:
    """What kind of failure an exception is, looking inside it; BROKEN when it is none of the network's."""
    return next(filter(None, map(_kind, _layers(error))), ProbeFailure.BROKEN)


def unreachable(target: str, where: str, error: BaseException) -> ProbeError:
    """The ProbeError that a failed exchange with ``where`` (an address a person knows) amounts to."""
    kind = failure_of(error)
    return ProbeError(target, kind, _said(kind, where, _detail(error)))


def status_failure(status: int) -> ProbeFailure:
    """What an HTTP status from 400 up means for whoever asked."""
    return _BY_STATUS.get(status, ProbeFailure.BROKEN)


def unix_connection(path: str, patience: float) -> socket.socket:
    """A connection to a Unix socket, each of whose reads may take so many seconds. Raises OSError."""
    made = socket.socket(socket.AF_UNIX)
    try:
        made.settimeout(patience)
        made.connect(path)
    except OSError:
        made.close()
        raise
    return made


def tls_context(cafile: os.PathLike[str] | None) -> ssl.SSLContext:
    """A context that verifies the server against ``cafile``, or the machine's own authorities.

    Raises ssl.SSLError when the file cannot be used.
    """
    try:
        return ssl.create_default_context(cafile=None if cafile is None else os.fspath(cafile))
    except OSError as error:
        raise ssl.SSLError(error.errno, f"{cafile}: {error.strerror}") from error


def _said(kind: ProbeFailure, where: str, detail: str) -> Text:
    match kind:
        case ProbeFailure.REFUSED:
            return text("no connection to {where} ({detail})", where=where, detail=detail)
        case ProbeFailure.SILENT:
            return text("{where} gave no answer in time", where=where)
        case ProbeFailure.DENIED:
            return text("access to {where} is denied ({detail})", where=where, detail=detail)
        case ProbeFailure.TLS:
            return text("no TLS with {where} ({detail})", where=where, detail=detail)
        case ProbeFailure.DNS:
            return text("the host name of {where} is not known ({detail})", where=where, detail=detail)
    return text("{where} did not answer as expected ({detail})", where=where, detail=detail)


def _kind(error: BaseException) -> ProbeFailure | None:
    match error:
        case socket.gaierror():
            return ProbeFailure.DNS
        case ssl.SSLError():
            return ProbeFailure.TLS
        case TimeoutError():
            return ProbeFailure.SILENT
        case ConnectionError():  # http.client and asyncio raise some without an errno
            return ProbeFailure.REFUSED
        case OSError():
            return _BY_ERRNO.get(error.errno or 0)
    return None


def _layers(error: BaseException) -> Iterator[BaseException]:
    """The exception and all that it wraps, outermost first."""
    waiting, seen = deque([error]), set[int]()
    while waiting:
        layer = waiting.popleft()
        if id(layer) in seen:
            continue
        seen.add(id(layer))
        yield layer
        waiting.extend(inner for inner in _inside(layer) if isinstance(inner, BaseException))


def _inside(layer: BaseException) -> list[object]:
    """Where drivers keep what they caught: arguments, reason (urllib3), exception (pika), kwargs (botocore)."""
    named = [getattr(layer, name, None) for name in ("__cause__", "reason", "exception", "__context__")]
    words = getattr(layer, "kwargs", None)
    return [*layer.args, *named, *(words.values() if isinstance(words, dict) else ())]


def _detail(error: BaseException) -> str:
    """The innermost reason in the system's words, or the name of the exception's class."""
    for layer in _layers(error):
        if isinstance(layer, ssl.SSLError):
            return getattr(layer, "reason", None) or layer.strerror or type(layer).__name__
        if isinstance(layer, OSError) and layer.strerror:
            return layer.strerror
    return type(error).__name__
