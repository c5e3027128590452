"""When certificates end: those in files on a host, and those a server shows to whoever connects.

Only the two dates of a certificate are read, out of its DER form: no package and no openssl on the host is needed.
"""

from __future__ import annotations

import base64
import binascii
import re
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime

from runbook.targets.hosts.structs import Certificate
from runbook.targets.network import unreachable
from runbook.text import text

#: Seconds for one server to show its certificate.
PATIENCE = 3.0
_BLOCK = re.compile(r"-----BEGIN [A-Z ]*CERTIFICATE-----(.*?)-----END", re.DOTALL)
_UTC_TIME, _GENERALIZED_TIME, _VERSION = 0x17, 0x18, 0xA0


def in_files(host: str, printed: str) -> Iterator[Certificate]:
    """The earliest end in each file of a script's section of certificates."""
    for part in re.split(r"^file ", printed, flags=re.MULTILINE)[1:]:
        where, _, content = part.partition("\n")
        yield _of_file(host, where, content)


def shown_by(target: str, endpoint: str) -> Certificate:
    """The end of the certificate that ``host:port`` shows over TLS. Whether it is trusted is not asked. Reads only."""
    host, _, port = endpoint.rpartition(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # an expired one must be seen too
    try:
        with (
            socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE) as plain,
            context.wrap_socket(plain, server_hostname=host.strip("[]")) as encrypted,
        ):
            der = encrypted.getpeercert(binary_form=True)
        return Certificate(where=endpoint, ends=end_of(der or b""))
    except OSError as error:
        return Certificate(where=endpoint, problem=unreachable(target, endpoint, error).said)
    except ValueError:
        return Certificate(where=endpoint, problem=text("{where} shows no X.509 certificate", where=endpoint))


def end_of(der: bytes) -> datetime:
    """``notAfter`` of an X.509 certificate. Raises ValueError where it is none."""
    try:
        body = _inside(_inside(der))
        fields = [field for field in _fields(body) if field[0] != _VERSION]
        _, (tag, shown) = _fields(fields[3][1])  # serial number, algorithm, issuer, validity
        return _time(tag, shown.decode("ascii"))
    except (IndexError, ValueError) as error:
        raise ValueError("this is no X.509 certificate") from error


def _of_file(host: str, where: str, content: str) -> Certificate:
    if content.strip() == "unreadable":
        hidden = text("{where} is not there, or may not be read", where=f"{host}:{where}")
        return Certificate(where=where, problem=hidden)
    try:
        ends = [end_of(base64.b64decode(block)) for block in _BLOCK.findall(content)]
    except (ValueError, binascii.Error):
        ends = []
    if not ends:
        none = text("{where} holds no certificate in PEM form", where=f"{host}:{where}")
        return Certificate(where=where, problem=none)
    return Certificate(where=where, ends=min(ends))


def _inside(der: bytes) -> bytes:
    """The content of the first value. Raises ValueError where there is none."""
    for _, content in _fields(der):
        return content
    raise ValueError("empty")


def _fields(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each value of a sequence. Raises IndexError or ValueError where it is cut."""
    at = 0
    while at < len(der):
        tag, length, at = der[at], der[at + 1], at + 2
        if length & 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(der[at : at + size], "big"), at + size
        if at + length > len(der):
            raise ValueError("cut")
        yield tag, der[at : at + length]
        at += length


def _time(tag: int, shown: str) -> datetime:
    """UTCTime has two digits for a year from 1950 to 2049, GeneralizedTime four."""
    if tag == _UTC_TIME:
        shown = ("19" if shown >= "50" else "20") + shown
    elif tag != _GENERALIZED_TIME:
        raise ValueError("no time")
    return datetime.strptime(shown, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
